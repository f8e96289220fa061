//! Appraisal from end to end: a machine that is modelled here signs with its own key over logs that a real one wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions, missing_docs)]

mod attacks;
mod boot;
mod cel;
mod chain;
mod demands;
mod enrolment;
mod ima;
mod logs;
mod machine;
mod policy;
mod quote;
mod recorded;
mod sessions;
mod speed;
mod verdicts;

macro_rules! data {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/custompolicy/", $name)).as_slice()
    };
}
pub(crate) use data;
