//! One fact, two witnesses: the raw strings of systemd and of the kernel, and what they come to beside the intent.
//!
//! ```text
//! Observation { Subject { Attribute -> Fact { orchestrator, kernel, second } } }   raw strings, as they were read
//!        │  + Intent
//!        ▼
//! Judged { Pair { verdict, cause } } ─▶ a vector of levels
//! ```
//!
//! Nothing here reads a machine: collectors fill an [`Observation`], and whoever holds one (the node itself, a
//! verifier, an auditor years later) comes to the same pairs. The raw strings travel, never a normal form or a verdict.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod attribute;
mod compare;
mod intent;
mod judge;
mod level;
mod observation;
mod text;
mod verdict;

pub use attribute::Attribute;
pub use intent::{Intent, learn};
pub use judge::judge;
pub use level::Level;
pub use observation::{Fact, Observation, Reading, Subject, UnitAsk, UnitIdentity, subject};
pub use verdict::{CauseHint, Judged, LevelResult, LevelVerdict, Pair, PairFinding, PairVerdict, Severity, code};
