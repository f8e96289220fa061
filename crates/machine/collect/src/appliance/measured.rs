//! Which digests the IMA list has for some files.

use std::collections::{BTreeMap, BTreeSet};

use avouch_ima::{Body, DigestAlg, Feed, detect_template_hash};
use avouch_protocol::Hash;

use super::{Appliance, Found, MAX_ITEMS, too_many};

/// Longest IMA list that is searched. It is never held as a whole.
pub const MAX_IMA_BYTES: u64 = 256 << 20;
/// Most digests that are told of one path; the newest are kept.
pub const MAX_DIGESTS: usize = 64;

/// What the list has of one path.
#[derive(Default)]
struct Entries {
    digests: Vec<Hash>,
    /// Entries whose digest is no SHA-256 of the content.
    other: u64,
}

// === impl Appliance ===

impl Appliance {
    /// For each path the SHA-256 digests that the IMA list has for it, in the order in which they were first measured.
    ///
    /// A file that was measured once with a digest is not listed again when it comes back to it, so the last entry of a
    /// path does not tell what the path holds now. [`Found::Absent`] where the list has no entry of the path, or there
    /// is no list. Violations are left out: they carry no digest.
    pub(super) fn measured(&self, paths: &[String]) -> BTreeMap<String, Found<Vec<Hash>>> {
        let wanted: BTreeSet<&str> = paths.iter().take(MAX_ITEMS).map(String::as_str).collect();
        if wanted.is_empty() {
            return BTreeMap::new();
        }
        let searched = self.search(&wanted);
        let each = paths.iter().enumerate().map(|(at, path)| {
            let found = match &searched {
                _ if at >= MAX_ITEMS => too_many("files to look up in the IMA list", MAX_ITEMS),
                Ok(found) => found.get(path.as_str()).map_or(Found::Absent, Entries::found),
                Err(found) => found.clone(),
            };
            (path.clone(), found)
        });
        each.collect()
    }

    fn search<'a>(&self, wanted: &BTreeSet<&'a str>) -> Result<BTreeMap<&'a str, Entries>, Found<Vec<Hash>>> {
        let mut found: BTreeMap<&str, Entries> = BTreeMap::new();
        let mut feed = None;
        let mut fault = None;
        let read = self.securityfs().ima_pieces(MAX_IMA_BYTES, |piece| {
            // The list says nowhere how its template hashes were made; its beginning shows it.
            let feed = feed.get_or_insert_with(|| {
                detect_template_hash(piece).map_or_else(|_| Feed::new(0), |alg| Feed::new(0).template_hash(alg))
            });
            let pushed = feed.push(piece, |entry| {
                if let Body::File { digest_alg, digest, verity, path, .. } = entry.body
                    && !entry.is_violation()
                    && let Some(path) = std::str::from_utf8(path).ok().and_then(|path| wanted.get(path))
                {
                    found.entry(path).or_default().take(digest_alg, digest, verity);
                }
            });
            fault = pushed.err().map(|error| error.to_string());
            fault.is_none()
        });
        read.map_err(Found::from)?;
        let end = feed.map_or(Ok(0), Feed::finish).map_err(|error| error.to_string());
        match fault.map_or(end.map(|_| ()), Err) {
            Ok(()) => Ok(found),
            Err(why) => Err(Found::Failed(format!("the IMA list: {why}"))),
        }
    }
}

// === impl Entries ===

impl Entries {
    fn take(&mut self, alg: DigestAlg, digest: &[u8], verity: bool) {
        let digest = <[u8; 32]>::try_from(digest).ok().filter(|_| alg == DigestAlg::Sha256 && !verity).map(Hash);
        let Some(digest) = digest else {
            self.other += 1;
            return;
        };
        if self.digests.contains(&digest) {
            return;
        }
        if self.digests.len() >= MAX_DIGESTS {
            self.digests.remove(0);
        }
        self.digests.push(digest);
    }

    fn found(&self) -> Found<Vec<Hash>> {
        match (self.digests.is_empty(), self.other) {
            (true, 0) => Found::Absent,
            (true, _) => Found::Failed(
                "the IMA list has other digests than SHA-256 of the content; boot with ima_hash=sha256".to_owned(),
            ),
            (false, _) => Found::Value(self.digests.clone()),
        }
    }
}
