//! File signatures that were good before.

/// A memory of checks of file signatures that succeeded, by SHA-256 over key, digest and signature.
///
/// A fleet runs the same files, so each signature needs one check, not one for each node. A check comes to the same
/// whenever it is made, so what is remembered changes no verdict, and forgetting any of it is always right.
pub trait SeenSignatures {
    /// True when [`SeenSignatures::remember`] was called with this check.
    fn is_known(&self, check: &[u8; 32]) -> bool;

    /// The check succeeded.
    fn remember(&self, check: &[u8; 32]);
}

/// No memory: every signature is checked.
pub(crate) struct Forgetful;

impl SeenSignatures for Forgetful {
    fn is_known(&self, _check: &[u8; 32]) -> bool {
        false
    }

    fn remember(&self, _check: &[u8; 32]) {}
}
