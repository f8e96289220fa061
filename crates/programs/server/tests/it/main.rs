//! The server as its clients meet it: over HTTPS, on a real socket, with a data directory of its own.

mod bad_requests;
mod lifecycle;
mod policies;
mod server_time;
mod world;
