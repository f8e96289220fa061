//! Both witnesses against a systemd in memory.

mod cost;
mod faults;
mod races;
mod reading;
mod scene;
