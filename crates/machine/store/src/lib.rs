//! avouch-store
