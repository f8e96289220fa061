//! What comes out.

use std::collections::BTreeMap;

use avouch_appraise::{PolicyDraft, PolicyError};

/// SHA-256 of each regular file, by its absolute path on the node.
///
/// Bytes of a path that are not UTF-8 are written as `\xNN`; files are judged by digest, the path is for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileDigests(pub BTreeMap<String, [u8; 32]>);

/// How far a long piece of work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Files hashed so far.
    pub done: u64,
    /// Files there are; `None` while an archive is read, which does not tell.
    pub total: Option<u64>,
}

impl FileDigests {
    /// How many paths there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is no file.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The digest of the file at `path`.
    pub fn get(&self, path: &str) -> Option<&[u8; 32]> {
        self.0.get(path)
    }

    /// Adds every file to the policy that is being made.
    ///
    /// # Errors
    /// [`PolicyError::Path`] for a path that a policy cannot hold; what came before it has been added.
    pub fn add_to(&self, draft: &mut PolicyDraft) -> Result<(), PolicyError> {
        self.0.iter().try_for_each(|(path, sha256)| draft.add_file(sha256, path))
    }
}
