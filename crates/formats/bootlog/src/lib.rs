//! avouch-bootlog
