//! Attacks by their ids, each beside its unaltered twin. Those on hardware are simulated: what a verifier would see.

mod boot_log;
mod booted;
mod log;
mod sessions;
mod sources;
