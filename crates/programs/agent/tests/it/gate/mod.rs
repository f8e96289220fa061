//! The gate: its cell, its log, its commands, and the real program from end to end.

mod commands;
mod end_to_end;
mod events;
mod faults;
mod interleavings;
mod receiver;
mod reload;
mod server_word;
mod verify_bundle;
mod webhook;
mod world;
