//! The signed baseline: what the files of this machine should be.

mod error;
mod file;
mod release;
mod signed;

pub use error::BaselineError;
pub use file::{BaselineDeployment, BaselineFile, FileEntry};
pub use signed::{Baseline, SignedBaseline};

/// Longest baseline that is read: 200,000 files with long paths.
pub(crate) const MAX_BASELINE_BYTES: usize = 32 << 20;
