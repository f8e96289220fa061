//! A machine with a TPM that signs, a boot log, and an IMA list that grows.

use avouch_appraise::{
    Appraisal, AuthenticQuote, Context, Expected, Identity, NodeKeys, Policy, PolicyDraft, ReferenceBoot, Rejection,
    ReplayedLogs, Session,
};
use avouch_bootlog::BootLog;
use avouch_crypto::{Hash as Sha, sha256};
use avouch_ima::{Replay, parse_binary};
use avouch_protocol::{
    Challenge, Evidence, Hash, ImaFormat, ImaSegment, Message, NodeProfile, NodeTag, Offsets, Purpose, VERSION,
    qualifying_data,
};
use avouch_tpm_wire::{
    Attest, AttestBody, ClockInfo, Curve, Digest, HashAlg, Hasher, Kdf, Key, PcrSelection, PublicArea, Scheme,
    Signature, Symmetric, templates,
};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use crate::data;

pub(crate) const BANK: HashAlg = HashAlg::Sha256;
/// PCRs 0-7, 9, 10 and 12: the recorded PCR 11 was extended without a log.
pub(crate) const MASK: u32 = 0x16FF;
pub(crate) const IMA_POLICY: &str = "/etc/ima/ima-policy";

pub(crate) fn hash(parts: &[&[u8]]) -> Hash {
    Hash(sha256(parts))
}

/// What a TPM signs, before it is signed.
pub(crate) struct Attestation {
    pub(crate) qualified_signer: Vec<u8>,
    pub(crate) extra_data: Vec<u8>,
    pub(crate) clock: ClockInfo,
    pub(crate) selection: PcrSelection,
    pub(crate) pcr_digest: Vec<u8>,
}

pub(crate) struct Machine {
    pair: EcdsaKeyPair,
    pub(crate) ak_public: Vec<u8>,
    pub(crate) parent_public: Vec<u8>,
    pub(crate) keys: NodeKeys,
    pub(crate) boot_log: Vec<u8>,
    pub(crate) ima: Vec<Vec<u8>>,
    pub(crate) clock: ClockInfo,
    pub(crate) mask: u32,
    pub(crate) client_spki: Hash,
    pub(crate) seq: u64,
    pub(crate) ek: Hash,
    /// PCRs that were extended after the boot, and what they hold.
    pub(crate) extended: Vec<(u32, Digest)>,
    /// The report that quotes are bound to.
    pub(crate) report: Hash,
}

/// An answer with the challenge that it answers.
pub(crate) struct Round {
    pub(crate) challenge: Challenge,
    pub(crate) evidence: Evidence,
}

pub(crate) fn ak_area<'a>(x: &'a [u8], y: &'a [u8]) -> PublicArea<'a> {
    let key = Key::Ecc {
        symmetric: Symmetric::Null,
        scheme: Scheme::Ecdsa(HashAlg::Sha256),
        curve: Curve::P256,
        kdf: Kdf::Null,
        x,
        y,
    };
    PublicArea::new(HashAlg::Sha256, templates::AK.attributes(), &[], key).unwrap()
}

pub(crate) fn parent_area<'a>(x: &'a [u8], y: &'a [u8]) -> PublicArea<'a> {
    let key =
        Key::Ecc { symmetric: Symmetric::AES_128_CFB, scheme: Scheme::Null, curve: Curve::P256, kdf: Kdf::Null, x, y };
    PublicArea::new(HashAlg::Sha256, templates::AK_PARENT.attributes(), &[], key).unwrap()
}

impl Machine {
    /// A machine that has booted and loaded its IMA policy, and runs two programs.
    pub(crate) fn new() -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        let ak_public = ak_area(&point[1..33], &point[33..]).encode();
        let parent_public = parent_area(&[3; 32], &[4; 32]).encode();
        let keys = NodeKeys::check(&ak_public, &parent_public).unwrap();
        let boot_log = data!("binary_bios_measurements").to_vec();
        let mut machine = Self {
            pair,
            ak_public,
            parent_public,
            keys,
            boot_log,
            ima: Vec::new(),
            clock: ClockInfo { clock: 90_000, reset_count: 7, restart_count: 0, safe: true },
            mask: MASK,
            client_spki: Hash([5; 32]),
            seq: 1,
            ek: Hash([6; 32]),
            extended: Vec::new(),
            report: Hash::ZERO,
        };
        machine.ima = standard_list(&machine.aggregate());
        machine
    }

    /// A machine with these logs.
    pub(crate) fn with_list(ima: &[u8]) -> Self {
        let mut machine = Self::new();
        machine.ima.clear();
        for entry in parse_binary(ima, 0) {
            let entry = entry.unwrap();
            machine.ima.push(ima[entry.offset..entry.end_offset].to_vec());
        }
        machine
    }

    pub(crate) fn boot_values(&self) -> [Option<Digest>; 24] {
        *BootLog::parse(&self.boot_log).unwrap().replay(BANK, &Sha).unwrap().values()
    }

    /// H(PCR 0-9).
    pub(crate) fn aggregate(&self) -> [u8; 32] {
        let values: Vec<_> = self.boot_values()[..10].iter().map(|value| value.unwrap()).collect();
        let parts: Vec<&[u8]> = values.iter().map(Digest::as_bytes).collect();
        sha256(&parts)
    }

    /// The digest over the selected PCRs after `count` IMA entries.
    pub(crate) fn pcr_digest(&self, count: usize) -> Vec<u8> {
        let list = self.ima[..count].concat();
        let mut replay = Replay::new(BANK);
        parse_binary(&list, 0).for_each(|entry| {
            replay.push(&entry.unwrap(), &Sha);
        });
        let mut boot = self.boot_values();
        self.extended.iter().for_each(|(pcr, value)| boot[*pcr as usize] = Some(*value));
        let selection = PcrSelection { bank: BANK, mask: self.mask };
        let values: Vec<Digest> =
            selection.pcrs().map(|pcr| if pcr == 10 { replay.value() } else { boot[pcr as usize].unwrap() }).collect();
        let parts: Vec<&[u8]> = values.iter().map(Digest::as_bytes).collect();
        Sha.hash(BANK, &parts).as_bytes().to_vec()
    }

    /// The same digest if one PCR had another value.
    pub(crate) fn pcr_digest_with(&self, count: usize, pcr: u32, value: Digest) -> Vec<u8> {
        let mut replay = Replay::new(BANK);
        parse_binary(&self.ima[..count].concat(), 0).for_each(|entry| {
            replay.push(&entry.unwrap(), &Sha);
        });
        let boot = self.boot_values();
        let selection = PcrSelection { bank: BANK, mask: self.mask };
        let values: Vec<Digest> = selection
            .pcrs()
            .map(|quoted| match quoted {
                10 => replay.value(),
                quoted if quoted == pcr => value,
                quoted => boot[quoted as usize].unwrap(),
            })
            .collect();
        let parts: Vec<&[u8]> = values.iter().map(Digest::as_bytes).collect();
        Sha.hash(BANK, &parts).as_bytes().to_vec()
    }

    pub(crate) fn challenge(&self, policy_ref: Hash, offsets: Offsets) -> Challenge {
        Challenge {
            v: VERSION,
            origin: "https://verifier.test:8443".into(),
            node_tag: NodeTag([1; 32]),
            round: 1_000 + self.seq,
            seq: self.seq,
            prev: Hash::ZERO,
            base: Hash::ZERO,
            server_nonce: hash(&[&self.seq.to_be_bytes()]),
            pcr_bank: BANK.id(),
            pcr_mask: self.mask,
            policy_ref,
            offsets,
            deadline: 2_000_000_000,
            chain_pcr: None,
            cap_pcr: None,
        }
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let fixed = self.pair.sign(&SystemRandom::new(), bytes).unwrap();
        let (r, s) = fixed.as_ref().split_at(32);
        Signature::Ecdsa { hash: HashAlg::Sha256, r, s }.encode().unwrap()
    }

    pub(crate) fn qualifying(&self, purpose: Purpose, challenge: &[u8]) -> Vec<u8> {
        qualifying_data(hash, purpose, &hash(&[challenge]), &self.client_spki, &self.report).0.to_vec()
    }

    /// The quote that a correct TPM would sign now, after `count` entries.
    pub(crate) fn attestation(&self, challenge: &Challenge, count: usize) -> Attestation {
        Attestation {
            qualified_signer: self.keys.qualified_signer().to_vec(),
            extra_data: self.qualifying(Purpose::Quote, &challenge.to_cbor()),
            clock: self.clock,
            selection: PcrSelection { bank: BANK, mask: self.mask },
            pcr_digest: self.pcr_digest(count),
        }
    }

    /// Answers `challenge` with a quote over the first `count` entries and the list as it stands.
    pub(crate) fn answer(&self, challenge: &Challenge, count: usize) -> Evidence {
        let quote = self.attestation(challenge, count).encode();
        let first = challenge.offsets.reset_count != Some(self.clock.reset_count);
        let from = if first { 0 } else { challenge.offsets.ima_count as usize };
        let mut evidence = Evidence {
            v: VERSION,
            seq: challenge.seq,
            challenge: hash(&[&challenge.to_cbor()]),
            quote_signature: self.sign(&quote).into(),
            quote: quote.into(),
            time: None,
            time_signature: None,
            boot_log: (first || !challenge.offsets.boot_log_proven).then(|| self.boot_log.clone().into()),
            ima: Some(ImaSegment {
                format: ImaFormat::Binary,
                from_count: from as u64,
                bytes: self.ima[from..].concat().into(),
            }),
            agent_version: "0.1.0".into(),
            report_digest: self.report,
            userspace_log: None,
            reports: Vec::new(),
            report_signature: None,
            report_key: None,
        };
        if first {
            let clock = ClockInfo { clock: self.clock.clock + 3, ..self.clock };
            self.give_time(&mut evidence, challenge, clock);
        }
        evidence
    }

    pub(crate) fn give_time(&self, evidence: &mut Evidence, challenge: &Challenge, clock: ClockInfo) {
        let extra = self.qualifying(Purpose::GetTime, &challenge.to_cbor());
        let time = Attest {
            qualified_signer: self.keys.qualified_signer(),
            extra_data: &extra,
            clock,
            firmware_version: 9,
            body: AttestBody::Time { time: 77, clock, firmware_version: 9 },
        };
        let bytes = time.encode().unwrap();
        evidence.time_signature = Some(self.sign(&bytes).into());
        evidence.time = Some(bytes.into());
    }

    /// A whole round: a fresh challenge by `policy` and what `previous` proved, and the answer to it.
    pub(crate) fn round(&mut self, policy: Option<&Policy>, previous: Option<&Session>) -> Round {
        self.seq += 1;
        self.clock.clock += 1_000;
        let policy_ref = policy.map_or(Hash::ZERO, Policy::reference);
        let offsets = previous.map(|session| session.offsets(&policy_ref)).unwrap_or_default();
        let challenge = self.challenge(policy_ref, offsets);
        let evidence = self.answer(&challenge, self.ima.len());
        Round { challenge, evidence }
    }

    pub(crate) fn reboot(&mut self) {
        self.clock = ClockInfo {
            clock: self.clock.clock,
            reset_count: self.clock.reset_count + 1,
            restart_count: 0,
            safe: true,
        };
    }

    pub(crate) fn authenticate(&self, round: &Round, last: Option<&Session>) -> Result<AuthenticQuote, Rejection> {
        let bytes = round.challenge.to_cbor();
        let expected = Expected {
            ak: self.keys.ak(),
            qualified_signer: self.keys.qualified_signer(),
            challenge: &round.challenge,
            challenge_bytes: &bytes,
            client_spki: self.client_spki,
            last,
        };
        AuthenticQuote::authenticate(&round.evidence, &expected)
    }

    pub(crate) fn context(&self) -> Context<'static> {
        Context {
            now: 1_700_000_000 + self.clock.clock / 1_000,
            expires: 1_700_000_330,
            ek: self.ek,
            tpm: Some("software TPM: evaluation only"),
            identity: Identity {
                profile: NodeProfile::EkCert,
                vouched_by: "CN=test root",
                manufacturer: Some("id:00001014"),
            },
        }
    }

    pub(crate) fn appraise(&self, round: &Round, policy: Option<&Policy>, previous: Option<&Session>) -> Appraisal {
        let quote = self.authenticate(round, previous).unwrap();
        let logs = ReplayedLogs::replay(quote, &round.evidence, previous);
        Appraisal::judge(logs, policy, previous, &self.context())
    }

    pub(crate) fn appraise_remembering(
        &self,
        round: &Round,
        policy: &Policy,
        seen: &dyn avouch_appraise::SeenSignatures,
    ) -> Appraisal {
        let quote = self.authenticate(round, None).unwrap();
        let logs = ReplayedLogs::replay(quote, &round.evidence, None);
        Appraisal::judge_remembering(logs, Some(policy), None, &self.context(), seen)
    }

    /// A round judged at once.
    pub(crate) fn judged(&mut self, policy: &Policy, previous: Option<&Session>) -> Appraisal {
        let round = self.round(Some(policy), previous);
        self.appraise(&round, Some(policy), previous)
    }

    /// This boot, as recorded on another machine.
    pub(crate) fn reference(&self) -> ReferenceBoot {
        let list = self.ima.concat();
        ReferenceBoot::extract(&self.boot_log, &list, BANK, self.mask, Hash([0xEE; 32])).unwrap()
    }

    /// A draft that approves exactly what this machine runs now.
    pub(crate) fn draft(&self) -> PolicyDraft {
        let mut draft = PolicyDraft::new("test", "2026-11-21");
        draft.add_ima_policy(IMA_POLICY, str::from_utf8(data!("ima-policy")).unwrap()).unwrap();
        for entry in parse_binary(&self.ima.concat(), 0) {
            if let avouch_ima::Body::File { digest, path, .. } = entry.unwrap().body
                && path.starts_with(b"/")
                && path != IMA_POLICY.as_bytes()
            {
                draft.add_file(digest.try_into().unwrap(), str::from_utf8(path).unwrap()).unwrap();
            }
        }
        draft.confirm(&self.reference(), "reference", "2026-11-21").unwrap();
        draft
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy::parse(&self.draft().to_bytes()).unwrap()
    }
}

impl Attestation {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let body = AttestBody::Quote { selection: self.selection.into(), pcr_digest: &self.pcr_digest };
        let (qualified_signer, extra_data) = (self.qualified_signer.as_slice(), self.extra_data.as_slice());
        Attest { qualified_signer, extra_data, clock: self.clock, firmware_version: 9, body }.encode().unwrap()
    }
}

/// The content of a made-up file.
pub(crate) fn content(path: &str) -> [u8; 32] {
    sha256(&[b"content of ", path.as_bytes()])
}

fn standard_list(aggregate: &[u8; 32]) -> Vec<Vec<u8>> {
    vec![
        entry("boot_aggregate", aggregate),
        buffer("kernel_version", b"6.1.0"),
        file("/init"),
        file("/usr/lib/systemd/systemd"),
        entry(IMA_POLICY, &sha256(&[data!("ima-policy")])),
        file("/usr/bin/ls"),
        file("/usr/bin/cat"),
    ]
}

/// An `ima-sig` entry of a file with made-up content.
pub(crate) fn file(path: &str) -> Vec<u8> {
    entry(path, &content(path))
}

pub(crate) fn entry(path: &str, digest: &[u8]) -> Vec<u8> {
    raw("ima-sig", "sha256", digest, path.as_bytes(), Some(&[]), [1; 20])
}

pub(crate) fn violation(path: &str) -> Vec<u8> {
    raw("ima-sig", "sha256", &[0; 32], path.as_bytes(), Some(&[]), [0; 20])
}

pub(crate) fn buffer(name: &str, data: &[u8]) -> Vec<u8> {
    raw("ima-buf", "sha256", &sha256(&[data]), name.as_bytes(), Some(data), [1; 20])
}

/// An entry as the kernel writes it; the template hash in the list is never believed, so any non-zero one serves.
pub(crate) fn raw(
    template: &str,
    alg: &str,
    digest: &[u8],
    path: &[u8],
    last: Option<&[u8]>,
    template_hash: [u8; 20],
) -> Vec<u8> {
    let field = |bytes: &[u8]| [&(bytes.len() as u32).to_le_bytes(), bytes].concat();
    let mut data = field(&[alg.as_bytes(), b":\0", digest].concat());
    data.extend(field(&[path, b"\0"].concat()));
    data.extend(last.map(field).unwrap_or_default());
    let mut out = 10u32.to_le_bytes().to_vec();
    out.extend(template_hash);
    out.extend(field(template.as_bytes()));
    out.extend(field(&data));
    out
}

/// The code of a rejection.
pub(crate) fn code<T>(result: Result<T, Rejection>) -> Option<&'static str> {
    result.err().map(|rejection| rejection.code.as_str())
}

/// Every code of a verdict with an effect.
pub(crate) fn codes(appraisal: &Appraisal) -> Vec<&'static str> {
    let findings = appraisal.verdict.findings().filter(|finding| finding.effect != avouch_appraise::Effect::None);
    findings.map(|finding| finding.code.as_str()).collect()
}
