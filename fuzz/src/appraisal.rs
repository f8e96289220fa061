//! A whole appraisal: logs as somebody altered them, under a quote that really covers them.
//!
//! The input is a boot log behind its length in two bytes, little-endian, and a binary IMA list behind that. Altered
//! logs under a recorded quote would all end at the quote's digest; so the target has a signing key of its own, replays
//! what it was given as far as it can be replayed, and signs that. Everything after the signature is then open to the
//! mutations: replay, both judgements, coverage, causes and fixes, and the stored session.

use std::path::Path;
use std::sync::LazyLock;

use avouch_appraise::{
    Appraisal, AuthenticQuote, Context, Expected, Identity, NodeKeys, Policy, PolicyDraft, ReferenceBoot, ReplayedLogs,
    Session,
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

const BANK: HashAlg = HashAlg::Sha256;
/// PCRs 0-7, 9, 10 and 12.
const SELECTION: PcrSelection = PcrSelection { bank: BANK, mask: 0x16FF };
const SPKI: Hash = Hash([5; 32]);
const IMA_POLICY: &str = "/etc/ima/ima-policy";

/// What every run shares.
struct Bench {
    pair: EcdsaKeyPair,
    keys: NodeKeys,
    policy: Policy,
}

static BENCH: LazyLock<Bench> = LazyLock::new(Bench::new);

/// The recording that the policy was made from: boot log, IMA list.
pub(crate) fn recording() -> (Vec<u8>, Vec<u8>) {
    (read("binary_bios_measurements"), read("binary_runtime_measurements"))
}

/// What is stored after the recorded machine's first round: with findings, and with none.
pub(crate) fn stored() -> Vec<Vec<u8>> {
    let (boot_log, ima) = recording();
    let known = BENCH.round(&boot_log, &ima, None);
    let short = parse_binary(&ima, 0).map_while(Result::ok).nth(40).map_or(0, |entry| entry.offset);
    let unknown = BENCH.round(&[], &ima[..short], None);
    [known, unknown].into_iter().filter_map(|appraisal| Some(appraisal.session?.to_cbor())).collect()
}

/// The input of the target for these logs.
pub(crate) fn input(boot_log: &[u8], ima: &[u8]) -> Vec<u8> {
    let length = u16::try_from(boot_log.len()).expect("a short boot log");
    [&length.to_le_bytes(), boot_log, ima].concat()
}

/// True when the logs explained the quote, so that all of them was judged.
pub fn appraisal(data: &[u8]) -> bool {
    let Some((length, rest)) = data.split_first_chunk::<2>() else { return false };
    let Some((boot_log, ima)) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length))) else { return false };
    let first = BENCH.round(boot_log, ima, None);
    let session = first.session.expect("a session of an authentic quote");
    let stored = Session::from_cbor(&session.to_cbor()).expect("a session that was just stored");
    assert_eq!(stored, session, "a session has one stored form");
    assert!(!shown(&first.verdict).chars().any(char::is_control), "a verdict is safe to print");
    // The same again in the next round, from what is proven on: nothing new, so nothing new is found.
    let second = BENCH.round(boot_log, ima, Some(&stored));
    assert!(
        second.verdict.status == first.verdict.status
            || session.offsets(&BENCH.policy.reference()).reset_count.is_none()
    );
    first.verdict.session.is_some_and(|facts| facts.ima_entries > 0)
}

fn shown(verdict: &avouch_appraise::Verdict) -> String {
    verdict
        .findings()
        .flat_map(|finding| {
            let causes = finding.causes.iter().map(|cause| cause.what.clone());
            causes.chain([finding.evidence.clone()]).chain(finding.fix.iter().map(ToString::to_string))
        })
        .chain(verdict.coverage.holes.iter().map(|hole| hole.what.clone()))
        .collect()
}

impl Bench {
    fn new() -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let document = document.expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).expect("that key");
        let point = pair.public_key().as_ref().to_vec();
        let area = |symmetric, scheme, x, y, attributes| {
            let key = Key::Ecc { symmetric, scheme, curve: Curve::P256, kdf: Kdf::Null, x, y };
            PublicArea::new(HashAlg::Sha256, attributes, &[], key).expect("a public area").encode()
        };
        let ecdsa = Scheme::Ecdsa(HashAlg::Sha256);
        let ak = area(Symmetric::Null, ecdsa, &point[1..33], &point[33..], templates::AK.attributes());
        let (x, y) = ([3; 32], [4; 32]);
        let parent = area(Symmetric::AES_128_CFB, Scheme::Null, &x, &y, templates::AK_PARENT.attributes());
        let keys = NodeKeys::check(&ak, &parent).expect("keys of the templates");
        Self { pair, keys, policy: policy() }
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), bytes).expect("a signature");
        let (r, s) = signature.as_ref().split_at(32);
        Signature::Ecdsa { hash: HashAlg::Sha256, r, s }.encode().expect("a signature within its bounds")
    }

    fn round(&self, boot_log: &[u8], ima: &[u8], last: Option<&Session>) -> Appraisal {
        let policy_ref = self.policy.reference();
        let seq = if last.is_some() { 2 } else { 1 };
        let offsets = last.map(|session| session.offsets(&policy_ref)).unwrap_or_default();
        let challenge = challenge(seq, policy_ref, offsets);
        let bytes = challenge.to_cbor();
        let evidence = self.evidence(&challenge, &bytes, boot_log, ima);
        let expected = Expected {
            ak: self.keys.ak(),
            qualified_signer: self.keys.qualified_signer(),
            challenge: &challenge,
            challenge_bytes: &bytes,
            client_spki: SPKI,
            last,
        };
        let quote = AuthenticQuote::authenticate(&evidence, &expected).expect("a quote that was signed for this");
        let logs = ReplayedLogs::replay(quote, &evidence, last);
        Appraisal::judge(logs, Some(&self.policy), last, &context(seq))
    }

    fn evidence(&self, challenge: &Challenge, bytes: &[u8], boot_log: &[u8], ima: &[u8]) -> Evidence {
        let clock = ClockInfo { clock: 90_000 + challenge.seq * 1_000, reset_count: 7, restart_count: 0, safe: true };
        let digest = Hash(sha256(&[bytes]));
        let qualifying =
            |purpose| qualifying_data(|parts| Hash(sha256(parts)), purpose, &digest, &SPKI, &Hash::ZERO).0.to_vec();
        let attest = |purpose, body| {
            let extra = qualifying(purpose);
            let qualified_signer = self.keys.qualified_signer();
            let attest = Attest { qualified_signer, extra_data: &extra, clock, firmware_version: 9, body };
            attest.encode().expect("an attestation within its bounds")
        };
        let pcr_digest = pcr_digest(boot_log, ima);
        let quote = attest(Purpose::Quote, AttestBody::Quote { selection: SELECTION.into(), pcr_digest: &pcr_digest });
        let time = attest(Purpose::GetTime, AttestBody::Time { time: 77, clock, firmware_version: 9 });
        let offsets = &challenge.offsets;
        let from = usize::try_from(offsets.ima_bytes).unwrap_or(usize::MAX);
        Evidence {
            v: VERSION,
            seq: challenge.seq,
            challenge: digest,
            quote_signature: self.sign(&quote).into(),
            quote: quote.into(),
            time_signature: Some(self.sign(&time).into()),
            time: Some(time.into()),
            boot_log: (!offsets.boot_log_proven).then(|| boot_log.to_vec().into()),
            ima: Some(ImaSegment {
                format: ImaFormat::Binary,
                from_count: offsets.ima_count,
                bytes: ima.get(from..).unwrap_or_default().to_vec().into(),
            }),
            agent_version: "0.1.0".into(),
            report_digest: Hash::ZERO,
            userspace_log: None,
            reports: Vec::new(),
            report_signature: None,
            report_key: None,
        }
    }
}

/// What a TPM would hold after these logs, as far as they can be read.
fn pcr_digest(boot_log: &[u8], ima: &[u8]) -> Vec<u8> {
    let log = BootLog::parse(boot_log).ok();
    let bank = log.as_ref().and_then(|log| log.replay(BANK, &Sha).ok());
    let boot = |pcr| bank.as_ref().and_then(|bank| bank.value(pcr));
    let start = boot(10).unwrap_or(Digest::zero(BANK));
    let mut list = Replay::resume(BANK, 0, start).unwrap_or(Replay::new(BANK));
    for entry in parse_binary(ima, 0).map_while(Result::ok) {
        list.push(&entry, &Sha);
    }
    let values =
        SELECTION.pcrs().map(|pcr| if pcr == 10 { list.value() } else { boot(pcr).unwrap_or(Digest::zero(BANK)) });
    let values: Vec<Digest> = values.collect();
    let parts: Vec<&[u8]> = values.iter().map(Digest::as_bytes).collect();
    Sha.hash(BANK, &parts).as_bytes().to_vec()
}

fn challenge(seq: u64, policy_ref: Hash, offsets: Offsets) -> Challenge {
    Challenge {
        v: VERSION,
        origin: "https://verifier.example:8443".into(),
        node_tag: NodeTag([1; 32]),
        round: 1_000 + seq,
        seq,
        prev: Hash::ZERO,
        base: Hash::ZERO,
        server_nonce: Hash([8; 32]),
        pcr_bank: BANK.id(),
        pcr_mask: SELECTION.mask,
        policy_ref,
        offsets,
        deadline: 2_000_000_000,
        chain_pcr: None,
        cap_pcr: None,
    }
}

fn context(seq: u64) -> Context<'static> {
    let identity = Identity { profile: NodeProfile::EkCert, vouched_by: "CN=a vendor", manufacturer: None };
    Context { now: 1_700_000_000 + seq, expires: 1_700_000_330, ek: Hash([6; 32]), tpm: None, identity }
}

/// Reference values for the recording's head, with an exclusion, a bound directory and a superseded package.
fn policy() -> Policy {
    let (boot_log, ima) = recording();
    let mut draft = PolicyDraft::new("fuzz", "2026-01-01");
    let text = String::from_utf8(read("ima-policy")).expect("a policy in UTF-8");
    draft.add_ima_policy(IMA_POLICY, &text).expect("the recorded IMA policy");
    for entry in parse_binary(&ima, 0).map_while(Result::ok) {
        if let avouch_ima::Body::File { digest, path, .. } = entry.body
            && let (Ok(digest), Ok(path)) = (digest.try_into(), str::from_utf8(path))
            && path != IMA_POLICY
        {
            // The first entry has no path.
            let _ = draft.add_file(digest, path);
        }
    }
    let boot =
        ReferenceBoot::extract(&boot_log, &ima, BANK, SELECTION.mask, Hash([0xEE; 32])).expect("a reference boot");
    draft.confirm(&boot, "recorded", "2026-01-01").expect("a confirmed boot");
    let more = r#""bound": ["/usr/sbin"], "exclusions": [{"directory": "/home/*/build", "owner": "o", "until": 1800000000, "why": "w"}], "files""#;
    let bytes = String::from_utf8(draft.to_bytes()).expect("JSON").replacen("\"files\"", more, 1);
    Policy::parse(bytes.as_bytes()).expect("a policy")
}

fn read(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/judgement/appraise/tests/data/custompolicy");
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
