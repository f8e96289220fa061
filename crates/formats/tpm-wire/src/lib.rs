//! avouch-tpm-wire
