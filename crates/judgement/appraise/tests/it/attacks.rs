//! Attacks on the run-time part by id, each beside an unaltered twin that passes.

mod ima_files;
mod ima_keys;
mod ima_lists;
mod scene;
mod signing;
