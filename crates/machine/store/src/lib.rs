//! What Avouch remembers: nodes and their keys, open challenges, records, evidence, policies and round secrets.
//!
//! The interface is narrow on purpose. Reads are direct calls. Every write is one [`Change`], which the engine applies
//! whole or not at all, and only while the condition named in its documentation holds; the answer comes after the
//! change is durable. A caller that has an [`Outcome`] may therefore tell the world about it.
//!
//! [`SqliteStore`] is the engine for one server. [`contract`] holds the rules of the interface as executable checks
//! that any other engine must pass unchanged.
#![forbid(unsafe_code)]

mod change;
mod cluster;
pub mod contract;
mod error;
mod evidence;
pub mod load;
mod rows;
mod sqlite;
mod store;

pub use change::{Assignee, Change, CommitRecord, ObservedReport, Outcome, Refused};
pub use cluster::{Cluster, ClusterNameError};
pub use error::StoreError;
pub use evidence::{EvidenceParts, ObservationBytes};
pub use rows::{
    Attempt, Event, FurtherEk, Gap, Grant, Head, KeptObservation, LoggedEvent, Node, NodeKeys, NodeSummary,
    OpenChallenge, Policy, Record, Standing, StoredReceipt, Verdict,
};
pub use sqlite::{Options, SqliteStore};
pub use store::{Done, Store};
