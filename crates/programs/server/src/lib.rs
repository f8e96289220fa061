//! The Avouch server as a library: HTTPS, enrolment, rounds, verdicts and what operators see of them.
//!
//! [`Server::start`] needs a [`Config`] and nothing else: one data directory holds store and keys. [`Admin`] is
//! what the command line does at that directory without a server; [`api`] is the JSON that operators get.
//!
//! Every request passes one table of routes (`http::routes`): the role that a route needs is a part of its row, the
//! caller is whom TLS verified, and a path outside the table is not served. Evidence goes through one pipeline
//! ([`Pipeline`]) and into the store, and only then a receipt goes out.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod admin;
pub mod api;
mod app;
mod appraisal;
mod cache;
mod caller;
mod clock;
mod config;
mod data_dir;
mod enrol;
mod http;
mod keys;
mod metrics;
mod operator;
mod probes;
mod round;
mod server;
mod standing;
mod tls;
mod upkeep;

pub use admin::{Admin, AdminError, Grant};
pub use appraisal::{Appraise, Case, Opinion, Pipeline};
pub use avouch_protocol::NodeProfile;
pub use clock::{BACKWARD_STEP_SECONDS, Clock, FORWARD_STEP_SECONDS, SystemClock};
pub use config::{BUNDLED, Config, ConfigError, DeniedFirmware, Pcrs, seconds_of};
pub use data_dir::{DataDir, DataDirError};
pub use enrol::TrustError;
pub use keys::OperatorPaths;
pub use server::{Running, Server, StartError};
pub use tls::LeafError;
