//! Files that nobody will ask for again: what killed processes began to write, and what belonged to an enrolment that
//! another one has replaced. Evidence is large, and a client key that never came to use should not lie about.

use std::fs;

use super::{Enrolment, Part, StateDir, StateError, StateLock};
use crate::durable;

impl StateDir {
    /// Removes them; without a `present` enrolment only what was begun. Only files that the agent named itself: others
    /// are not its own.
    ///
    /// # Errors
    /// [`StateError::Read`], [`StateError::Write`].
    pub fn tidy(&self, _lock: &StateLock, present: Option<&Enrolment>) -> Result<(), StateError> {
        let failed = |error| StateError::Read { path: self.path().to_owned(), error };
        for entry in fs::read_dir(self.path()).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str() else { continue };
            if durable::is_begun(name) || present.is_some_and(|present| is_of_another(name, &present.id())) {
                self.remove(name)?;
            }
        }
        Ok(())
    }
}

fn is_of_another(name: &str, id: &str) -> bool {
    let owner = |part: Part| name.strip_prefix(part.name())?.strip_prefix('-');
    Part::ALL.into_iter().filter_map(owner).any(|owner| owner != id)
}
