//! Attacks by their ids, each beside its unaltered twin. Those on hardware are simulated: what a verifier would see.

mod boot_log;
mod booted;
mod ima_files;
mod ima_keys;
mod ima_lists;
mod log;
mod scene;
mod sessions;
mod signing;
mod sources;
