//! Findings that lasted, judged by another policy than the one that found them.

use avouch_protocol::Hash;

use crate::Context;
use crate::code::{ClaimName, FindingCode};
use crate::finding::{Finding, Findings};
use crate::policy::{ImaTables, Policy};
use crate::session::{ImaJudged, Proven};
use crate::text::{CUT, unhex, unhex32};

/// The findings that still stand under `policy`. Entries that were good stay good: they were judged by the policy in
/// force when they were first proven. The boot is judged anew as a whole, so its findings are not kept.
pub(in crate::judge) fn judge_again(
    before: &Proven,
    policy: &Policy,
    context: &Context<'_>,
    judged: &mut ImaJudged,
) -> Findings {
    let mut again = Again { tables: &policy.ima, now: context.now, judged };
    let mut standing = Findings::default();
    let lasting = before.findings.kept().iter().filter(|finding| finding.claim != ClaimName::Boot);
    for finding in lasting {
        if !again.allows(finding) {
            standing.push(finding.code, || finding.clone());
        }
    }
    standing
}

struct Again<'a> {
    tables: &'a ImaTables,
    now: u64,
    judged: &'a mut ImaJudged,
}

impl Again<'_> {
    /// True when the policy allows what the finding is about, by the digest and the path that it carries.
    fn allows(&mut self, finding: &Finding) -> bool {
        let place = &finding.place;
        let (Some(name), Some(digest)) = (place.path.as_deref().and_then(unescaped), place.digest.as_deref()) else {
            return false;
        };
        match finding.code {
            FindingCode::ImaUnknownDigest | FindingCode::ImaSuperseded | FindingCode::ImaWrongPath => {
                unhex(digest).is_some_and(|digest| self.allows_file(finding.code, name, &digest))
            }
            FindingCode::ImaUnknownBuffer => {
                unhex32(digest).is_some_and(|digest| self.tables.knows_buffer(name, &digest))
            }
            FindingCode::ImaKeyUnpinned => unhex32(digest).is_some_and(|digest| self.allows_key(name, digest)),
            FindingCode::ImaViolation if self.tables.tolerates(name) => {
                self.judged.tolerated = self.judged.tolerated.saturating_add(1);
                true
            }
            // What runs unapproved code, another kernel or another IMA policy is healed by a reboot.
            _ => false,
        }
    }

    fn allows_file(&mut self, code: FindingCode, path: &[u8], digest: &[u8]) -> bool {
        let Some(known) = self.tables.files.known(digest) else {
            let excluded = code == FindingCode::ImaUnknownDigest
                && self.tables.exclusion(path).is_some_and(|(_, exclusion)| exclusion.is_in_force(self.now));
            self.judged.excluded = self.judged.excluded.saturating_add(u64::from(excluded));
            return excluded;
        };
        let here = !self.tables.binds(path) || known.paths.iter().any(|listed| listed.as_bytes() == path);
        let allowed = here && self.now <= known.until;
        if allowed && known.until != u64::MAX {
            self.judged.in_window = self.judged.in_window.saturating_add(1);
        }
        allowed
    }

    fn allows_key(&mut self, keyring: &[u8], certificate: [u8; 32]) -> bool {
        let pinned = self.tables.pins(keyring, &certificate) == Some(true);
        if pinned && !self.judged.keys.contains(&Hash(certificate)) {
            self.judged.keys.push(Hash(certificate));
        }
        pinned
    }
}

/// The name as the node wrote it, when showing it changed nothing.
fn unescaped(shown: &str) -> Option<&[u8]> {
    (!shown.contains('\\') && !shown.ends_with(CUT)).then_some(shown.as_bytes())
}
