//! avouch-agent
fn main() {}
