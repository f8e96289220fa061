//! avouch-collect
