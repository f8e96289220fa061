//! Pairs from raw strings, as collectors spell them.

mod benign;
mod faults;
mod golden;
mod intent;
mod machine;
mod mounts;
mod network;
mod tampered;
