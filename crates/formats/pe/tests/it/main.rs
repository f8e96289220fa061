//! PE images, UKIs, SBAT and Secure Boot variables: built ones, broken ones, real ones, and the corpus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "tests read their inputs from files")]

mod build;
mod corpus;
mod image;
mod installed;
mod malformed;
mod sbat;
mod uki;
mod variables;
