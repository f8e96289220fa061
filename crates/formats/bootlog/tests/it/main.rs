//! Boot logs: recorded ones, built ones, broken ones, and the corpus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "tests read their recordings from files")]

mod attacks;
mod build;
mod cel;
mod check;
mod content;
mod corpus;
mod describe;
mod final_events;
mod golden;
mod malformed;
mod replay;
mod state;
mod work;
