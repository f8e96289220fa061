//! IMA lists and policies: recorded ones, built ones, broken ones, and the corpus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "tests read their recordings from files")]

mod build;
mod corpus;
mod critical;
mod entries;
mod feed;
mod golden;
mod lint;
mod malformed;
mod policy;
mod signature;
mod templates;
mod verity;
