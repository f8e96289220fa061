//! avouch-ima
