//! A secret in use that may be exchanged for another.

use std::sync::{Arc, PoisonError, RwLock};

use super::Secret;

/// A secret, or none, that all its clones share. Whoever asks gets the one that holds now.
#[derive(Clone, Debug, Default)]
pub struct SharedSecret(Arc<RwLock<Option<Arc<Secret>>>>);

// === impl SharedSecret ===

impl SharedSecret {
    /// The one that holds now.
    pub fn current(&self) -> Option<Arc<Secret>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on `secret` holds, for every clone.
    pub fn renew(&self, secret: Secret) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(secret));
    }
}

impl From<Option<Secret>> for SharedSecret {
    fn from(secret: Option<Secret>) -> Self {
        Self(Arc::new(RwLock::new(secret.map(Arc::new))))
    }
}
