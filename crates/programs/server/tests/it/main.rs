//! The server as its clients meet it: over HTTPS, on a real socket, with a data directory of its own.

mod attacks;
mod bad_requests;
mod enrolment;
mod lifecycle;
mod node;
mod observation;
mod panics;
mod policies;
mod profiles;
mod rounds;
mod rules;
mod server_time;
mod world;
