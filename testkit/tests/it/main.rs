//! Both witnesses against a systemd in memory, and reports of them against a server.

mod attacks;
mod cap;
mod drift;
mod faults;
mod privacy;
mod reading;
mod rounds;
mod scene;
