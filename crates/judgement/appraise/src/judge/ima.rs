//! The IMA list, entry by entry, from the first one that was not judged before.

use avouch_crypto::Hash as Sha;
use avouch_ima::{Body, DigestAlg, Entry, parse_binary};
use avouch_protocol::Hash;
use avouch_tpm_wire::{Digest, HashAlg, Hasher};

use super::Judgement;
use crate::cause::{Cause, CauseKind};
use crate::code::FindingCode;
use crate::finding::{Finding, Findings, Place};
use crate::fix::Fix;
use crate::policy::Policy;
use crate::replay::{ReplayedLogs, boot_value};
use crate::session::{BootProof, ImaJudged, Phase};
use crate::text::{hex, printable};

/// The kernel's name of the first entry.
const BOOT_AGGREGATE: &[u8] = b"boot_aggregate";

/// Judges the proven entries that are new; earlier ones keep what was found.
pub(super) fn judge(logs: &ReplayedLogs<'_>, policy: &Policy, judged: &mut ImaJudged, judgement: &mut Judgement) {
    let bank = logs.quote.selection.bank;
    let mut judge = Judge { policy, bank, boot: &logs.boot.proof, judged, findings: &mut judgement.lasting };
    let entries = parse_binary(&logs.ima.bytes, logs.ima.first).filter_map(Result::ok);
    for entry in entries.filter(|entry| entry.index >= logs.ima.judge_from) {
        judge.entry(&entry);
    }
    if judged.phase == Phase::Early {
        judgement.momentary.push(FindingCode::ImaPolicyMissing, || {
            let evidence = format!("none of the {} proven entries is an approved IMA policy", logs.ima.proof.count);
            Finding::new(FindingCode::ImaPolicyMissing, evidence)
        });
    }
    if policy.knows_no_file() {
        judgement.momentary.push(FindingCode::NoImaReference, || {
            Finding::new(FindingCode::NoImaReference, "the policy lists no file")
        });
    }
}

struct Judge<'j> {
    policy: &'j Policy,
    bank: HashAlg,
    boot: &'j BootProof,
    judged: &'j mut ImaJudged,
    findings: &'j mut Findings,
}

/// What an entry says, as far as it can be compared.
struct Measured<'e> {
    entry: &'e Entry<'e>,
    alg: DigestAlg,
    digest: &'e [u8],
    name: &'e [u8],
    /// The digest of the content when it is SHA-256, the only kind that reference values have.
    sha256: Option<&'e [u8]>,
}

impl Judge<'_> {
    fn entry(&mut self, entry: &Entry<'_>) {
        match entry.body {
            Body::File { digest_alg, digest, verity, path, .. } => {
                let sha256 = Some(digest).filter(|_| digest_alg == DigestAlg::Sha256 && !verity);
                self.file(&Measured { entry, alg: digest_alg, digest, name: path, sha256 });
            }
            Body::Buffer { digest_alg, digest, name, .. } => {
                let sha256 = Some(digest).filter(|_| digest_alg == DigestAlg::Sha256);
                self.buffer(&Measured { entry, alg: digest_alg, digest, name, sha256 });
            }
            _ => self.unreadable(entry),
        }
    }

    fn file(&mut self, file: &Measured<'_>) {
        if file.entry.index == 0 || file.name == BOOT_AGGREGATE {
            return self.boot_aggregate(file);
        }
        if file.entry.is_violation() {
            return self.violation(file);
        }
        self.judged.files = self.judged.files.saturating_add(1);
        if let Some(approved) = file.sha256.and_then(|digest| self.policy.approved(file.name, digest)) {
            return self.loaded(approved.digest);
        }
        if self.policy.is_policy_path(file.name) {
            self.not_early(file);
            return self.push(
                FindingCode::ImaPolicyUnapproved,
                file,
                "is an IMA policy that the policy does not approve",
            );
        }
        let early = file.sha256.is_some_and(|digest| self.policy.is_early(file.name, digest));
        if self.judged.phase == Phase::Early {
            if early {
                return;
            }
            self.not_early(file);
        }
        self.content(file);
    }

    fn content(&mut self, file: &Measured<'_>) {
        if !matches!(file.alg, DigestAlg::Sha256 | DigestAlg::Sha384 | DigestAlg::Sha512) {
            return self.push(
                FindingCode::ImaDigestAlgorithm,
                file,
                "is measured with a digest that identifies nothing",
            );
        }
        let known = file.sha256.is_some_and(|digest| self.policy.knows_file(digest));
        if !known && !self.policy.knows_no_file() {
            self.push(FindingCode::ImaUnknownDigest, file, "is not in the policy");
        }
    }

    fn buffer(&mut self, buffer: &Measured<'_>) {
        if buffer.entry.index == 0 {
            return self.boot_aggregate(buffer);
        }
        if buffer.entry.is_violation() {
            return self.violation(buffer);
        }
        self.judged.buffers = self.judged.buffers.saturating_add(1);
        if buffer.sha256.is_some_and(|digest| self.policy.knows_buffer(buffer.name, digest)) {
            return;
        }
        self.not_early(buffer);
        self.push(FindingCode::ImaUnknownBuffer, buffer, "is a buffer that is not in the policy");
    }

    /// A violation carries no digest, and the PCR does not cover its name: whoever could alter the list could name
    /// another file. Toleration by name is therefore always a hole in the coverage.
    fn violation(&mut self, file: &Measured<'_>) {
        self.not_early(file);
        if self.policy.tolerates(file.name) {
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

    fn boot_aggregate(&mut self, file: &Measured<'_>) {
        let what = match self.aggregate() {
            _ if file.entry.index != 0 => "is a second boot_aggregate: another kernel took over without a TPM reset",
            _ if file.name != BOOT_AGGREGATE || file.entry.is_violation() => {
                "is the first entry and not boot_aggregate"
            }
            Some(wanted) if file.alg.name() == self.bank.name() && file.digest == wanted.as_bytes() => return,
            _ => "is not the digest of PCRs 0-9 in the quoted bank",
        };
        self.push(FindingCode::BootAggregate, file, what);
    }

    /// `ima_calc_boot_aggregate_tfm`: the bank's hash over PCRs 0 to 9.
    fn aggregate(&self) -> Option<Digest> {
        let values = (0..10).map(|pcr| boot_value(self.boot, pcr)).collect::<Option<Vec<_>>>()?;
        let parts: Vec<&[u8]> = values.iter().map(Digest::as_bytes).collect();
        Some(Sha.hash(self.bank, &parts))
    }

    fn unreadable(&mut self, entry: &Entry<'_>) {
        let place = || Place { index: Some(entry.index), pcr: Some(entry.pcr), ..Place::default() };
        if self.judged.phase == Phase::Early {
            self.judged.phase = Phase::Broken;
            let code = FindingCode::ImaPolicyNotFirst;
            self.findings.push(code, || {
                let evidence =
                    format!("IMA entry {} came before any approved IMA policy and cannot be read", entry.index);
                Finding::new(code, evidence).at(place())
            });
        }
        self.findings.push(FindingCode::ImaTemplate, || {
            let template = printable(entry.template.as_bytes());
            let evidence = format!("IMA entry {} has template or digest algorithm of {template:?}", entry.index);
            Finding::new(FindingCode::ImaTemplate, evidence).at(place())
        });
    }

    fn push(&mut self, code: FindingCode, measured: &Measured<'_>, what: &str) {
        self.findings.push(code, || {
            let Measured { entry, alg, digest, name, sha256 } = measured;
            let shown = printable(name);
            let evidence = if entry.is_violation() {
                format!("IMA entry {}: {shown} {what}", entry.index)
            } else {
                format!("IMA entry {}: {shown} with {alg}:{} {what}", entry.index, hex(digest))
            };
            let fix = sha256.filter(|_| shown.as_bytes() == *name && name.len() <= Fix::MAX_NAME).and_then(|sha256| {
                let (name, sha256) = (shown.clone(), hex(sha256));
                match code {
                    FindingCode::ImaUnknownDigest => Some(Fix::File { digest: sha256, path: name }),
                    FindingCode::ImaUnknownBuffer => Some(Fix::Buffer { name, sha256 }),
                    _ => None,
                }
            });
            let cause = Cause::new(CauseKind::Unknown, "nothing in the policy explains it");
            Finding::new(code, evidence)
                .at(Place::entry(entry.index, entry.pcr, name, digest))
                .because(vec![cause])
                .fixed_by(fix)
        });
    }
}
