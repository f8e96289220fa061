//! Quotes that real TPMs made over real boots, followed to the value.

use avouch_bootlog::cel::{CelContent, CelLog, CelWriter, Register, Systemd};
use avouch_crypto::{AttestationKey, Hash as Sha};
use avouch_protocol::{Challenge, Evidence, Hash, ImaFormat, ImaSegment, NodeTag, Offsets, VERSION};
use avouch_tpm_wire::{Attest, AttestBody, ClockInfo, Digest, HashAlg, Hasher, PcrSelection, PublicArea, Signature};

use super::*;
use crate::session::Session;
use crate::track::Track;

/// PCRs 0-7, 9, 10, 11, 12.
const SELECTION: PcrSelection = PcrSelection { bank: HashAlg::Sha256, mask: 0x1EFF };

macro_rules! data {
    ($path:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/", $path)).as_slice()
    };
}

macro_rules! formats {
    ($path:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../formats/", $path)).as_slice()
    };
}

struct Recorded {
    name: &'static str,
    boot: &'static [u8],
    ima: &'static [u8],
    quote: &'static [u8],
    signature: &'static [u8],
    ak: &'static [u8],
}

fn recordings() -> [Recorded; 4] {
    [
        Recorded {
            name: "Secure Boot, dm-verity root",
            boot: data!("verity/binary_bios_measurements"),
            ima: data!("verity/binary_runtime_measurements"),
            quote: data!("verity/quote.msg"),
            signature: data!("verity/quote.sig"),
            ak: data!("verity/ak.pub.tpm2b"),
        },
        Recorded {
            name: "Secure Boot, own IMA policy",
            boot: data!("custompolicy/binary_bios_measurements"),
            ima: data!("custompolicy/binary_runtime_measurements"),
            quote: data!("custompolicy/quote.msg"),
            signature: data!("custompolicy/quote.sig"),
            ak: data!("custompolicy/ak.pub.tpm2b"),
        },
        Recorded {
            name: "Secure Boot, after tampering with units",
            boot: data!("dual/binary_bios_measurements"),
            ima: data!("dual/binary_runtime_measurements"),
            quote: data!("dual/quote.msg"),
            signature: data!("dual/quote.sig"),
            ak: data!("dual/ak.pub.tpm2b"),
        },
        Recorded {
            name: "no Secure Boot, one bank",
            boot: formats!("bootlog/tests/data/uefi-nosb/binary_bios_measurements"),
            ima: formats!("ima/tests/data/uefi-nosb/binary_runtime_measurements"),
            quote: data!("nosb/quote.msg"),
            signature: data!("nosb/quote.sig"),
            ak: data!("nosb/ak.pub.tpm2b"),
        },
    ]
}

impl Recorded {
    /// The quoted digest, by the TPM's own signature.
    fn digest(&self) -> Digest {
        let area = PublicArea::parse_sized(self.ak).unwrap();
        let signature = Signature::parse(self.signature).unwrap();
        AttestationKey::new(&area).unwrap().verify(self.quote, &signature).unwrap();
        let AttestBody::Quote { selection, pcr_digest } = Attest::parse(self.quote).unwrap().body else { panic!() };
        assert!(selection.is(SELECTION));
        Digest::new(HashAlg::Sha256, pcr_digest).unwrap()
    }

    fn evidence(&self) -> Evidence {
        evidence(self.boot, self.ima)
    }
}

fn evidence(boot: &[u8], ima: &[u8]) -> Evidence {
    Evidence {
        v: VERSION,
        seq: 1,
        challenge: Hash::ZERO,
        quote: Vec::new().into(),
        quote_signature: Vec::new().into(),
        time: None,
        time_signature: None,
        boot_log: Some(boot.to_vec().into()),
        ima: Some(ImaSegment { format: ImaFormat::Binary, from_count: 0, bytes: ima.to_vec().into() }),
        agent_version: String::new(),
        report_digest: Hash::ZERO,
        userspace_log: None,
        reports: Vec::new(),
        report_signature: None,
        report_key: None,
    }
}

fn quote(selection: PcrSelection, pcr_digest: Digest, restart_count: u32) -> AuthenticQuote {
    let challenge = Challenge {
        v: VERSION,
        origin: String::new(),
        node_tag: NodeTag([1; 32]),
        round: 1,
        seq: 1,
        prev: Hash::ZERO,
        base: Hash::ZERO,
        server_nonce: Hash::ZERO,
        pcr_bank: selection.bank.id(),
        pcr_mask: selection.mask,
        policy_ref: Hash::ZERO,
        offsets: Offsets::default(),
        deadline: 0,
        chain_pcr: None,
        cap_pcr: None,
    };
    let clock = ClockInfo { clock: 1_000, reset_count: 1, restart_count, safe: true };
    AuthenticQuote {
        challenge,
        selection,
        pcr_digest,
        clock,
        firmware: 1,
        time: TimeProof::Given,
        fork: None,
        report: Hash::ZERO,
        report_key: None,
    }
}

fn replayed(evidence: &Evidence, digest: Digest) -> Result<(u8, u64, u64), FindingCode> {
    let logs = ReplayedLogs::replay(quote(SELECTION, digest, 0), evidence, None).map_err(|unproven| unproven.code)?;
    let userspace = logs.boot.proof.userspace.as_ref().map_or(0, |userspace| userspace.records);
    Ok((logs.boot.proof.phases, logs.ima.unproven, userspace))
}

/// The recordings have systemd 252, which logs no phase, in an initial RAM disk without systemd.
#[test]
fn every_recorded_quote_is_reproduced_with_the_words_sysinit_and_ready() {
    for recorded in recordings() {
        let (phases, ..) = replayed(&recorded.evidence(), recorded.digest()).unwrap();
        assert_eq!(words(phases), ["sysinit", "ready"], "{}", recorded.name);
    }
}

#[test]
fn a_boot_log_of_another_recording_does_not_reproduce_the_quote() {
    let [verity, custom, ..] = recordings();
    let swapped = evidence(custom.boot, verity.ima);
    assert_eq!(replayed(&swapped, verity.digest()), Err(FindingCode::LogMismatch));
}

#[test]
fn a_userspace_log_is_followed_exactly_and_its_tail_proves_nothing() {
    let [_, custom, ..] = recordings();
    let with = |words: &[&str]| {
        let lines: String = words.iter().map(|word| phase(11, word)).collect();
        replayed(&Evidence { userspace_log: Some(lines.into_bytes().into()), ..custom.evidence() }, custom.digest())
    };
    assert_eq!(with(&["sysinit", "ready"]).map(|(_, _, records)| records), Ok(2));
    assert_eq!(with(&["sysinit", "ready", "shutdown"]).map(|(_, _, records)| records), Ok(2));
    assert_eq!(with(&["sysinit"]), Err(FindingCode::LogMismatch));
    assert_eq!(with(&["ready", "sysinit"]), Err(FindingCode::LogMismatch));
    assert_eq!(with(&["sysinit", "ready"].map(|_| "x")), Err(FindingCode::LogMismatch));
    let closed = format!("{}{}", phase(11, "sysinit"), phase(7, "ready"));
    let closed = Evidence { userspace_log: Some(closed.into_bytes().into()), ..custom.evidence() };
    assert_eq!(replayed(&closed, custom.digest()), Err(FindingCode::BootGrammar));
    let cut = Evidence { userspace_log: Some(b"\x1e{\"pcr\":11".to_vec().into()), ..custom.evidence() };
    assert_eq!(replayed(&cut, custom.digest()), Err(FindingCode::UserspaceLogMalformed));
}

/// A record as systemd writes it.
fn phase(pcr: u32, word: &str) -> String {
    let digest = crate::text::hex(Sha.hash(HashAlg::Sha256, &[word.as_bytes()]).as_bytes());
    format!(
        "\u{1e}{{\"pcr\":{pcr},\"digests\":[{{\"hashAlg\":\"sha256\",\"digest\":\"{digest}\"}}],\"content_type\":\"systemd\",\"content\":{{\"eventType\":\"phase\",\"bootId\":\"0123456789abcdef0123456789abcdef\",\"timestamp\":5,\"string\":\"{word}\"}}}}\n"
    )
}

#[test]
fn a_json_record_is_the_tlv_record_that_the_writer_makes() {
    let word = b"sysinit".as_slice();
    let digest = Sha.hash(HashAlg::Sha256, &[word]);
    let id = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef].repeat(2);
    let mut writer = CelWriter::new();
    let content = Systemd {
        string: word,
        event_type: Some("phase"),
        timestamp: Some(5),
        boot_id: Some(id.as_slice().try_into().unwrap()),
        nv_name: None,
    };
    let digests = [(HashAlg::Sha256.id(), digest.as_bytes())];
    writer.record(Register::Pcr(11), digests, &CelContent::Systemd(content));
    let wanted = writer.finish();
    let turned = crate::to_tlv(crate::CelEncoding::Json, phase(11, "sysinit").as_bytes()).unwrap();
    assert_eq!(turned, wanted);
    assert_eq!(CelLog::parse(&turned).unwrap().records().len(), 1);
}

/// The list after the violation was read together with all PCRs, and not quoted.
#[test]
fn the_list_after_the_violation_reproduces_the_pcrs_that_were_read() {
    let [_, custom, ..] = recordings();
    let text = str::from_utf8(data!("custompolicy/violation-pcrs.txt")).unwrap();
    let value = |line: &str| {
        let (pcr, value) = line.split_once(':')?;
        Some((pcr.trim().parse::<u32>().ok()?, crate::text::unhex(value.trim().strip_prefix("0x")?)?))
    };
    let values: Vec<_> = text.lines().filter_map(value).collect();
    let quoted: Vec<_> = values.iter().filter(|(pcr, _)| SELECTION.pcrs().any(|quoted| quoted == *pcr)).collect();
    assert_eq!(quoted.len(), 12);
    let parts: Vec<&[u8]> = quoted.iter().map(|(_, value)| value.as_slice()).collect();
    let digest = Sha.hash(HashAlg::Sha256, &parts);
    let after = evidence(custom.boot, data!("custompolicy/violation.bin"));
    assert_eq!(replayed(&after, digest).map(|(phases, ..)| words(phases)), Ok(["sysinit", "ready"].as_slice()));
}

/// Recorded with a SeaBIOS machine; its PCRs were read, not quoted.
#[test]
fn every_template_of_ima_reproduces_the_pcr_that_was_read() {
    let boot = formats!("bootlog/tests/data/seabios/binary_bios_measurements");
    let values = *BootLog::parse(boot).unwrap().replay(HashAlg::Sha256, &Sha).unwrap().values();
    let lists = [
        (
            formats!("ima/tests/data/ima_template_ima/binary_runtime_measurements"),
            formats!("ima/tests/data/ima_template_ima/pcr10.txt"),
        ),
        (
            formats!("ima/tests/data/ima_template_ima_ng/binary_runtime_measurements"),
            formats!("ima/tests/data/ima_template_ima_ng/pcr10.txt"),
        ),
        (
            formats!("ima/tests/data/ima_template_ima_sigv2/binary_runtime_measurements"),
            formats!("ima/tests/data/ima_template_ima_sigv2/pcr10.txt"),
        ),
        (
            formats!("ima/tests/data/ima_template_fmt_d_ng_n_ng_iuid_imode/binary_runtime_measurements"),
            formats!("ima/tests/data/ima_template_fmt_d_ng_n_ng_iuid_imode/pcr10.txt"),
        ),
        (
            formats!("ima/tests/data/ima_hash_sha1/binary_runtime_measurements"),
            formats!("ima/tests/data/ima_hash_sha1/pcr10.txt"),
        ),
    ];
    for (list, read) in lists {
        let read = str::from_utf8(read).unwrap().lines().find_map(|line| line.strip_prefix("sha256 ")).unwrap();
        let read = crate::text::unhex(read.trim()).unwrap();
        let value = |pcr: u32| match pcr {
            10 => read.clone(),
            pcr => values[pcr as usize].unwrap().as_bytes().to_vec(),
        };
        let quoted: Vec<Vec<u8>> = SELECTION.pcrs().map(value).collect();
        let parts: Vec<&[u8]> = quoted.iter().map(Vec::as_slice).collect();
        let digest = Sha.hash(HashAlg::Sha256, &parts);
        assert_eq!(replayed(&evidence(boot, list), digest).map(|(_, unproven, _)| unproven), Ok(0));
    }
}

#[test]
fn c8_pcrs_at_their_start_after_a_resume_fail() {
    let [_, custom, ..] = recordings();
    let last = ClockInfo { clock: 900, reset_count: 1, restart_count: 0, safe: true };
    let session =
        Session { clock: last, firmware: 1, proven: None, track: Track::default(), owes_all: false, chain: None };
    let judge = |digest: Digest, restart_count| {
        let quote = quote(SELECTION, digest, restart_count);
        ReplayedLogs::replay(quote, &custom.evidence(), Some(&session)).map(drop).map_err(|unproven| unproven.code)
    };
    assert_eq!(judge(custom.digest(), 1), Ok(()), "an honest resume keeps the PCRs");
    let zero = Digest::zero(HashAlg::Sha256);
    let parts: Vec<&[u8]> = SELECTION.pcrs().map(|_| zero.as_bytes()).collect();
    let lost = Sha.hash(HashAlg::Sha256, &parts);
    assert_eq!(judge(lost, 1), Err(FindingCode::PcrsReset));
    assert_eq!(judge(lost, 0), Err(FindingCode::LogMismatch), "without a resume it is any mismatch");
    // Only the firmware's PCRs are lost, and closed again with nothing measured.
    let boot = BootLog::parse(custom.boot).unwrap().replay(HashAlg::Sha256, &Sha).unwrap();
    let separator = Sha.hash(HashAlg::Sha256, &[&[0; 4]]);
    let closed = avouch_tpm_wire::extend(&Sha, &zero, &separator);
    let values: Vec<Digest> = SELECTION
        .pcrs()
        .map(|pcr| match pcr {
            0..=7 => closed,
            10 => zero,
            pcr => boot.value(pcr).unwrap(),
        })
        .collect();
    let parts: Vec<&[u8]> = values.iter().map(Digest::as_bytes).collect();
    assert_eq!(judge(Sha.hash(HashAlg::Sha256, &parts), 1), Err(FindingCode::PcrsReset));
}
