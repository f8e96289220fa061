//! The SQLite engine against the contract of every engine, and against the world.

mod contract;
mod files;
mod full;
mod killed;
mod versions;
