//! The last rule: an operator's own Rego over a finished verdict, which may add findings and lower the verdict, and
//! never the other way round.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)
)]
