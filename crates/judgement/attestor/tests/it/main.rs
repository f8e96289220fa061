//! The local attestor: what it checks, what that comes to, and what it answers.

mod appraisal;
mod audit;
mod baseline;
mod clients;
mod golden;
mod machine;
mod mutations;
mod named;
mod quote;
mod scene;
mod settings;
mod verification;
