//! The client against a TLS server: whom it talks to, and what it takes for an answer.

mod answers;
mod peers;
mod server;
