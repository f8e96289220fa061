//! avouch-bench
fn main() {}
