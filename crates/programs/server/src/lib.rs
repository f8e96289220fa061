//! avouch-server
