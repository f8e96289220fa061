//! The messages as bytes: one spelling each, and everything else refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions, missing_docs)]

mod binding;
mod golden;
mod hostile;
mod intent;
mod observed;
mod report;
mod sample;
mod token;
