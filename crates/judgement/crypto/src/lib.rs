//! avouch-crypto
