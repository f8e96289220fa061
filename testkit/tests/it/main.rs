//! Both witnesses against a systemd in memory.

mod faults;
mod reading;
mod scene;
