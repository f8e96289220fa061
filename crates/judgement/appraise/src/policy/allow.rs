//! Allowing what a finding found: the smallest additions to a draft.

use std::collections::BTreeMap;

use super::file::{ExpectedEvent, PolicyFile};
use super::{DraftError, NamedBuffer, Policy, PolicyDraft};
use crate::fix::Fix;

impl PolicyDraft {
    /// Adds what `fix` allows, and nothing else. False when the policy allowed it before.
    ///
    /// # Errors
    /// [`DraftError`] when it does not fit this policy; the draft is then unchanged.
    pub fn apply(&mut self, fix: &Fix) -> Result<bool, DraftError> {
        let mut next = self.clone();
        let changed = match fix {
            Fix::Window { until, package, version } => next.extend_window(*until, package, version)?,
            _ => next.add(fix),
        };
        if changed {
            Policy::parse(&next.to_bytes()).map_err(DraftError::Policy)?;
            *self = next;
        }
        Ok(changed)
    }

    fn add(&mut self, fix: &Fix) -> bool {
        let PolicyFile { boot, ima, .. } = &mut self.file;
        match fix {
            Fix::BootEvent { pcr, bank, digest, what } => {
                let digests = BTreeMap::from([(bank.clone(), digest.clone())]);
                let artefact = "allowed by hand".to_string();
                push_new(&mut boot.expected, ExpectedEvent { pcr: *pcr, digests, what: what.clone(), artefact })
            }
            Fix::Buffer { name, sha256 } => {
                push_new(&mut ima.buffers, NamedBuffer { name: name.clone(), sha256: sha256.clone() })
            }
            Fix::File { digest, path } => push_new(ima.files.entry(digest.clone()).or_default(), path.clone()),
            Fix::Key { keyring, sha256 } => push_new(ima.keyrings.entry(keyring.clone()).or_default(), sha256.clone()),
            Fix::Tolerate { directory } => push_new(&mut ima.tolerated_violations, directory.clone()),
            // Needs an entry to change.
            Fix::Window { .. } => false,
        }
    }

    fn extend_window(&mut self, until: u64, package: &str, version: &str) -> Result<bool, DraftError> {
        let mut changed = false;
        let mut known = false;
        for entry in &mut self.file.ima.packages {
            if let Some(end) = &mut entry.until
                && (entry.name.as_str(), entry.version.as_str()) == (package, version)
            {
                known = true;
                changed |= *end < until;
                *end = until.max(*end);
            }
        }
        if known { Ok(changed) } else { Err(DraftError::NoSuchPackage { package: format!("{package} {version}") }) }
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) -> bool {
    let new = !list.contains(&item);
    if new {
        list.push(item);
    }
    new
}
