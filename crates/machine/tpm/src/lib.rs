//! avouch-tpm
