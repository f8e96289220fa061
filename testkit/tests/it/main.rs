//! Both witnesses against a systemd in memory, and as they were recorded on a machine that somebody tampered with; reports
//! of them against a server.

mod attacks;
mod benign;
mod cap;
mod collection;
mod contained;
mod cost;
mod drift;
mod faults;
mod lying;
mod objects;
mod privacy;
mod races;
mod reading;
mod rounds;
mod scene;
mod scope;
mod signals;
mod tampered;
mod unreadable;
