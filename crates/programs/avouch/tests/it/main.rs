//! The command `avouch` as a person or a program meets it: its binary against a real server.

mod command_docs;
mod generated;
