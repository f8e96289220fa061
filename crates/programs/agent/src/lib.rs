//! avouch-agent
