//! avouch-testkit
