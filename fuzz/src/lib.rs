//! avouch-fuzz
