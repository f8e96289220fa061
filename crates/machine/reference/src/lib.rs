//! avouch-reference
