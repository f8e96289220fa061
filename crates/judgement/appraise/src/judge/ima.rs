//! The IMA list, entry by entry, from the first one that was not judged before.

mod again;
mod aggregate;
mod buffers;
mod content;
mod coverage;
mod explain;

use avouch_ima::{Body, DigestAlg, Entry, parse_binary};
use avouch_protocol::Hash;
use avouch_tpm_wire::HashAlg;

pub(super) use again::judge_again;
pub(super) use coverage::run_time;

use super::Judgement;
use crate::code::FindingCode;
use crate::finding::{Finding, Findings, Place};
use crate::policy::ImaTables;
use crate::replay::{BootLogs, ReplayedLogs};
use crate::seen::SeenSignatures;
use crate::session::{ImaJudged, Phase};
use crate::text::{hex, printable};

/// The kernel's name of the first entry.
const BOOT_AGGREGATE: &[u8] = b"boot_aggregate";

/// What entries are judged by.
#[derive(Clone, Copy)]
pub(super) struct Rules<'r> {
    pub(super) tables: &'r ImaTables,
    /// Unix seconds of server time.
    pub(super) now: u64,
    pub(super) seen: &'r dyn SeenSignatures,
}

/// Judges the proven entries that are new; earlier ones keep what was found.
pub(super) fn judge(logs: &ReplayedLogs<'_>, rules: &Rules<'_>, judged: &mut ImaJudged, judgement: &mut Judgement) {
    let bank = logs.quote.selection.bank;
    let mut judge = Judge { rules, bank, boot: &logs.boot, judged, findings: &mut judgement.lasting };
    let entries = parse_binary(&logs.ima.bytes, logs.ima.first).filter_map(Result::ok);
    for entry in entries.filter(|entry| entry.index >= logs.ima.judge_from) {
        judge.entry(&entry);
    }
    let momentary = &mut judgement.momentary;
    if judged.phase == Phase::Early {
        momentary.push(FindingCode::ImaPolicyMissing, || {
            let evidence = format!("none of the {} proven entries is an approved IMA policy", logs.ima.proof.count);
            Finding::new(FindingCode::ImaPolicyMissing, evidence)
        });
    }
    if rules.tables.knows_no_file() {
        momentary.push(FindingCode::NoImaReference, || {
            Finding::new(FindingCode::NoImaReference, "the policy lists no file and no signer")
        });
    }
    coverage::minimum(rules.tables, judged, momentary);
}

struct Judge<'j> {
    rules: &'j Rules<'j>,
    bank: HashAlg,
    boot: &'j BootLogs<'j>,
    judged: &'j mut ImaJudged,
    findings: &'j mut Findings,
}

/// What an entry says, as far as it can be compared.
struct Measured<'e> {
    entry: &'e Entry<'e>,
    alg: DigestAlg,
    digest: &'e [u8],
    /// True for an fs-verity digest, which is never equal to a digest of content.
    verity: bool,
    name: &'e [u8],
}

impl<'e> Measured<'e> {
    /// `None` for an entry that cannot be read.
    fn of(entry: &'e Entry<'e>) -> Option<Self> {
        match entry.body {
            Body::File { digest_alg, digest, verity, path, .. } => {
                Some(Self { entry, alg: digest_alg, digest, verity, name: path })
            }
            Body::Buffer { digest_alg, digest, name, .. } => {
                Some(Self { entry, alg: digest_alg, digest, verity: false, name })
            }
            _ => None,
        }
    }

    /// The digest of the content when it is SHA-256.
    fn sha256(&self) -> Option<&'e [u8]> {
        Some(self.digest).filter(|_| self.alg == DigestAlg::Sha256 && !self.verity)
    }
}

impl Judge<'_> {
    fn entry(&mut self, entry: &Entry<'_>) {
        if self.is_plainly_good(entry) {
            self.judged.files = self.judged.files.saturating_add(1);
            return;
        }
        match (Measured::of(entry), entry.body) {
            (Some(file), Body::File { .. }) => self.file(&file),
            (Some(buffer), Body::Buffer { data, .. }) => self.buffer(&buffer, data),
            _ => self.unreadable(entry),
        }
    }

    /// What nearly every entry is, told without a look at its path beyond a few comparisons: a file of the policy that
    /// may be anywhere, after an approved IMA policy. Whatever this does not take goes the long way.
    fn is_plainly_good(&self, entry: &Entry<'_>) -> bool {
        let Body::File { digest_alg: DigestAlg::Sha256, digest, verity: false, path, .. } = entry.body else {
            return false;
        };
        let tables = self.rules.tables;
        self.judged.phase != Phase::Early
            && entry.index != 0
            && path.first() == Some(&b'/')
            && <&[u8; 32]>::try_from(digest).is_ok_and(|digest| tables.files.is_current(digest))
            && !entry.is_violation()
            && !tables.is_policy_path(path)
            && !tables.binds(path)
    }

    fn file(&mut self, file: &Measured<'_>) {
        if file.entry.index == 0 || file.name == BOOT_AGGREGATE {
            return self.boot_aggregate(file);
        }
        if file.entry.is_violation() {
            return self.violation(file);
        }
        self.judged.files = self.judged.files.saturating_add(1);
        let tables = self.rules.tables;
        if let Some(approved) = file.sha256().and_then(|digest| tables.approved(file.name, digest)) {
            return self.loaded(approved.digest);
        }
        if tables.is_policy_path(file.name) {
            self.not_early(file);
            return self.push(
                FindingCode::ImaPolicyUnapproved,
                file,
                "is an IMA policy that the policy does not approve",
            );
        }
        let early = file.sha256().is_some_and(|digest| tables.is_early(file.name, digest));
        if self.judged.phase == Phase::Early {
            if early {
                return;
            }
            self.not_early(file);
        }
        self.content(file);
    }

    /// A violation carries no digest, and the PCR does not cover its name: whoever could alter the list could name
    /// another file. Toleration by name is therefore always a hole in the coverage.
    fn violation(&mut self, file: &Measured<'_>) {
        self.not_early(file);
        if self.rules.tables.tolerates(file.name) {
            self.judged.tolerated = self.judged.tolerated.saturating_add(1);
        } else {
            self.push(FindingCode::ImaViolation, file, "was open for writing while it was measured");
        }
    }

    fn loaded(&mut self, digest: Hash) {
        if self.judged.phase == Phase::Early {
            self.judged.phase = Phase::Approved;
        }
        if !self.judged.loaded.contains(&digest) {
            self.judged.loaded.push(digest);
        }
    }

    /// Something outside the confirmed early boot: if no approved policy came before it, none can vouch for it.
    fn not_early(&mut self, measured: &Measured<'_>) {
        if self.judged.phase == Phase::Early {
            self.judged.phase = Phase::Broken;
            self.push(
                FindingCode::ImaPolicyNotFirst,
                measured,
                "came before any approved IMA policy and is not confirmed early boot",
            );
        }
    }

    fn unreadable(&mut self, entry: &Entry<'_>) {
        let place = || Place { index: Some(entry.index), pcr: Some(entry.pcr), ..Place::default() };
        if self.judged.phase == Phase::Early {
            self.judged.phase = Phase::Broken;
            let code = FindingCode::ImaPolicyNotFirst;
            self.findings.push(code, || {
                let evidence =
                    format!("IMA entry {} came before any approved IMA policy and cannot be read", entry.index);
                Finding::new(code, evidence).at(place()).because(explain::unreadable())
            });
        }
        self.findings.push(FindingCode::ImaTemplate, || {
            let template = printable(entry.template.as_bytes());
            let evidence = format!("IMA entry {} has template or digest algorithm of {template:?}", entry.index);
            Finding::new(FindingCode::ImaTemplate, evidence).at(place()).because(explain::unreadable())
        });
    }

    fn push(&mut self, code: FindingCode, measured: &Measured<'_>, what: &str) {
        let rules = self.rules;
        self.findings.push(code, || {
            let Measured { entry, alg, digest, verity, name } = measured;
            let shown = printable(name);
            let kind = if *verity { "fs-verity " } else { "" };
            let evidence = if entry.is_violation() {
                format!("IMA entry {}: {shown} {what}", entry.index)
            } else {
                format!("IMA entry {}: {shown} with {kind}{alg}:{} {what}", entry.index, hex(digest))
            };
            Finding::new(code, evidence)
                .at(Place::entry(entry.index, entry.pcr, name, digest))
                .because(explain::causes(code, measured, rules))
                .fixed_by(explain::fix(code, measured, rules))
        });
    }
}
