//! The gate: its cell, its log, its commands, and the real program from end to end.

mod commands;
mod end_to_end;
mod faults;
mod interleavings;
mod receiver;
mod webhook;
mod world;
