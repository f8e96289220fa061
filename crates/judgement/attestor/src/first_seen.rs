//! What services were at the first attestation: drift for machines without a baseline.

use std::collections::BTreeMap;
use std::path::PathBuf;

use avouch_protocol::Hash;

use crate::facts::Facts;

/// Digests of the services' binaries at the first attestation since the attestor started, or since the last
/// acknowledgement. It tells that something changed, never that it was right before: that says a signed baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirstSeen(BTreeMap<String, (PathBuf, Hash)>);

impl FirstSeen {
    pub(crate) fn of(facts: &Facts) -> Self {
        let seen = facts.services.iter().filter_map(|(name, service)| {
            Some((name.clone(), (service.path.clone(), service.on_disk.value()?.sha256)))
        });
        Self(seen.collect())
    }

    pub(crate) fn digest_of(&self, service: &str, path: &std::path::Path) -> Option<Hash> {
        self.0.get(service).filter(|(known, _)| known == path).map(|(_, digest)| *digest)
    }
}
