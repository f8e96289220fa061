//! The command `avouch` as a person or a program meets it: its binary against a real server.

mod command_docs;
mod corpus;
mod failures;
mod faults;
mod generated;
mod inspections;
mod nodes;
mod policies;
mod reports;
mod serve;
mod tokens;
mod verdicts;
mod world;
