//! The targets.

use avouch_appraise::{CelEncoding, Policy as ReferencePolicy, Session, to_tlv};
use avouch_bootlog::cel::{CelLog, CelWriter};
use avouch_bootlog::{BootLog, CcLog, FinalEvents};
use avouch_crypto::FileKey;
use avouch_ima::critical::{self, CriticalData, Event};
use avouch_ima::policy::{Builtin, Minimum, Policy, lint, policy_of};
use avouch_ima::signature::FileSignature;
use avouch_ima::{
    Body, Entry, Feed, ImaError, OtherPcrs, Replay, detect_template_hash, parse_ascii, parse_ascii_of, parse_binary,
};
use avouch_pairs::Observation;
use avouch_pe::efivar::Variable;
use avouch_pe::sbat::{Level, Table};
use avouch_pe::siglist::SignatureList;
use avouch_pe::update::Update;
use avouch_pe::{Image, uki};
use avouch_protocol::intent::{IntentFile, SignedIntent};
use avouch_protocol::{
    ActivateRequest, ActivateResponse, Challenge, ChallengeRequest, CredentialChallenge, EnrolRequest, EnrolmentToken,
    Evidence, KeyLost, Message, Observed, Receipt, RecordHeader, Refusal, Report, SignedReceipt,
};
use avouch_rules::Rule;
use avouch_tpm_wire::{Attest, CommandCode, Digest, HashAlg, Hasher, PublicArea, Signature, command};

/// TPMS_ATTEST.
pub fn attest(data: &[u8]) -> bool {
    let Ok(attest) = Attest::parse(data) else { return false };
    assert_eq!(attest.encode().as_deref(), Ok(data), "an attestation has one spelling");
    true
}

/// A certificate in each wrapping that files and TPMs have, and as a key that signs files.
pub fn certificate(data: &[u8]) -> bool {
    let facts = avouch_crypto::certificate::describe(data);
    let key = FileKey::from_der(data);
    if let Ok(file) = avouch_crypto::certificate::read_file(data) {
        for facts in file.items.iter().filter_map(|item| item.facts.as_ref().ok()) {
            let texts = [&facts.subject, &facts.issuer, &facts.serial].into_iter().chain(&facts.alternative_names);
            assert!(texts.into_iter().all(|text| !text.chars().any(char::is_control)), "facts are safe to print");
        }
    }
    if let Ok(key) = &key {
        assert!(key.verify_digest(HashAlg::Sha256, &[7; 32], data).is_err(), "nobody signed that");
    }
    facts.is_ok() || key.is_ok()
}

/// A detached PKCS#7 signature, by a key that nobody holds.
pub fn cms(data: &[u8]) -> bool {
    let keys: Vec<FileKey> = FileKey::from_spki(STRANGER).into_iter().collect();
    let verified = avouch_crypto::cms::verify_detached(data, HashAlg::Sha256, &[7; 32], &keys);
    assert!(!keys.is_empty() && verified.is_err(), "nobody signed that");
    avouch_crypto::cms::certificates(data).is_ok()
}

/// SubjectPublicKeyInfo of a P-256 key whose private half was thrown away.
const STRANGER: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE,
    0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x09, 0xFE, 0xF2, 0x64, 0xA4, 0xB0, 0x3E, 0x4E, 0x51, 0x0B, 0x4D,
    0xDD, 0x53, 0xC0, 0x77, 0x6E, 0xB2, 0xB8, 0xDB, 0x44, 0x85, 0xAD, 0x7D, 0xC6, 0x08, 0xC1, 0x6F, 0xA9, 0xE2, 0x84,
    0x87, 0x9C, 0xA8, 0xE8, 0x2C, 0xC1, 0x35, 0x14, 0x53, 0xAF, 0x99, 0x91, 0x36, 0x29, 0xA9, 0x18, 0xF7, 0x78, 0x53,
    0x75, 0x27, 0x31, 0x6A, 0x8B, 0xC8, 0x44, 0x6A, 0x59, 0xBD, 0x98, 0x1A, 0x20, 0xB7, 0x00,
];

/// TPMT_SIGNATURE.
pub fn signature(data: &[u8]) -> bool {
    let Ok(signature) = Signature::parse(data) else { return false };
    assert_eq!(signature.encode().as_deref(), Ok(data), "a signature has one spelling");
    true
}

/// TPMT_PUBLIC.
pub fn public_area(data: &[u8]) -> bool {
    let Ok(area) = PublicArea::parse(data) else { return false };
    assert_eq!(area.encode(), data, "a public area has one spelling");
    area.name(&Fold);
    true
}

/// A command as the TPM sees it.
pub fn tpm_command(data: &[u8]) -> bool {
    command::check(data).is_ok()
}

/// A response: the first byte says to which command (0x01xx), the rest is the response.
pub fn tpm_response(data: &[u8]) -> bool {
    let Some((code, response)) = data.split_first() else { return false };
    command::check_reply(CommandCode(0x100 | u32::from(*code)), response).is_ok()
}

/// A boot log, with replay, grammar and boot state in every bank, and a description of every event.
pub fn bootlog(data: &[u8]) -> bool {
    let Ok(log) = BootLog::parse(data) else { return false };
    let events = log.events().len();
    for &bank in log.banks() {
        let plain = log.replay(bank, &Fold).expect("a bank that the log has");
        for assumption in log.assumptions() {
            assert!(log.replay_assuming(bank, &Fold, assumption).is_ok(), "a bank that the log has");
        }
        let checked = log.check(bank, &Fold);
        assert!(checked.grammar().iter().all(|fault| fault.event <= events), "a fault names its event");
        let state = checked.boot_state();
        assert!(state.images.iter().all(|fact| fact.event < events), "a fact names its event");
        if let Ok(cc) = CcLog::try_from(log.clone()) {
            let checked = cc.check(bank, &Fold);
            checked.boot_state();
            checked.grammar();
        }
        for event in log.events() {
            assert_eq!(checked.data_check(event), event.check_data(bank, &Fold));
        }
        assert_eq!(log.replay(bank, &Fold), Ok(plain), "a replay is a function of the log");
    }
    for event in log.events() {
        event.content();
        assert!(!event.describe().chars().any(char::is_control), "a description is safe to print");
    }
    true
}

/// A canonical event log; written again it says the same.
pub fn cel(data: &[u8]) -> bool {
    let Ok(log) = CelLog::parse(data) else { return false };
    for alg in HashAlg::ALL {
        if let Ok(replay) = log.replay(alg, &Fold) {
            assert_eq!(replay.pcrs.alg(), alg);
        }
        assert!(log.words(alg, &Fold).all(|word| word.record < log.records().len()));
        log.records().iter().for_each(|record| {
            record.check_data(alg, &Fold);
        });
    }
    let mut writer = CelWriter::new();
    for record in log.records() {
        let digests = record.digests.iter().map(|(id, digest)| (u16::from(id), digest));
        writer.record(record.register, digests, &record.content);
    }
    let written = writer.finish();
    let again = CelLog::parse(&written).expect("what was written reads");
    assert!(again.records().iter().map(|record| record.content).eq(log.records().iter().map(|record| record.content)));
    true
}

/// A final events table behind the log that it belongs to: two bytes of the log's length, the log, the table.
pub fn final_events(data: &[u8]) -> bool {
    let Some((len, rest)) = data.split_first_chunk() else { return false };
    let Some((log, table)) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len))) else { return false };
    let Ok(log) = BootLog::parse(log) else { return false };
    let Ok(table) = FinalEvents::parse(table, &log) else { return false };
    let merged = table.merge(&log);
    assert_eq!(merged.common + merged.added, table.events().len());
    assert_eq!(merged.log.events().len(), log.events().len() + merged.added);
    true
}

/// A canonical event log in JSON, turned into TLV; what comes out is no longer than what went in.
pub fn cel_json(data: &[u8]) -> bool {
    canonical(CelEncoding::Json, data, 1)
}

/// A canonical event log in CBOR, turned into TLV.
pub fn cel_cbor(data: &[u8]) -> bool {
    canonical(CelEncoding::Cbor, data, 8)
}

fn canonical(encoding: CelEncoding, data: &[u8], factor: usize) -> bool {
    let Ok(tlv) = to_tlv(encoding, data) else { return false };
    assert!(tlv.len() <= factor * data.len(), "{} bytes became {}", data.len(), tlv.len());
    CelLog::parse(&tlv).is_ok_and(|log| log.replay(HashAlg::Sha256, &Fold).is_ok())
}

/// A binary IMA list, replayed.
/// A binary IMA list, replayed, in the width that it has.
pub fn ima_binary(data: &[u8]) -> bool {
    let width = detect_template_hash(data).unwrap_or(HashAlg::Sha1);
    let kept = parse_binary(data, 0).template_hash(width).other_pcrs(OtherPcrs::Keep).map_while(Result::ok);
    let alone = parse_binary(data, 0).template_hash(width).map_while(Result::ok).count();
    assert!(alone <= kept.count(), "entries of other PCRs add to the others");
    replay(parse_binary(data, 0).template_hash(width))
}

/// An ASCII IMA list, replayed; what is rebuilt must read alike in the binary spelling.
pub fn ima_ascii(data: &[u8]) -> bool {
    let list = parse_ascii(data, 0);
    assert!(list.as_binary().len() <= 4 * data.len() + 1024, "memory is bounded");
    let rebuilt = parse_binary(list.as_binary(), 0).template_hash(list.template_hash());
    for (line, entry) in list.entries().map_while(Result::ok).zip(rebuilt) {
        assert_eq!(entry.map(|entry| entry.body), Ok(line.body));
    }
    let kept = parse_ascii_of(data, 0, avouch_ima::IMA_PCR, OtherPcrs::Keep);
    assert!(list.entries().count() <= kept.entries().count(), "entries of other PCRs add to the others");
    replay(list.entries())
}

/// A binary list in pieces: the first byte is the size of a piece. It must give what the whole list gives.
pub fn ima_feed(data: &[u8]) -> bool {
    let Some((size, list)) = data.split_first() else { return false };
    let (mut fed, mut feed) = (Vec::new(), Feed::new(0));
    let pieces = list.chunks(usize::from(*size).max(1));
    let pushed =
        pieces.map(|piece| feed.push(piece, |entry| fed.push((entry.offset, entry.end_offset)))).find(Result::is_err);
    assert!(feed.kept() <= list.len() && feed.kept() < avouch_ima::MAX_ENTRY, "one entry is kept at most");
    let error = pushed.and_then(Result::err).or_else(|| feed.finish().err());
    let whole = parse_binary(list, 0).filter_map(Result::ok).map(|entry| (entry.offset, entry.end_offset));
    assert_eq!(fed, whole.collect::<Vec<_>>());
    assert_eq!(error, parse_binary(list, 0).find_map(Result::err));
    error.is_none()
}

/// A value of `security.ima`.
pub fn ima_signature(data: &[u8]) -> bool {
    let Ok(signature) = FileSignature::parse(data) else { return false };
    let digest = vec![7; signature.hash.size()];
    for verity in [false, true] {
        if let Ok(signed) = signature.signed_digest(signature.hash, &digest, verity, &Fold) {
            assert_eq!(Some(signed.alg()), signature.hash.hash_alg());
        }
    }
    true
}

/// A measured buffer, behind its name and a NUL.
pub fn ima_critical(data: &[u8]) -> bool {
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (name, buffer) = data.split_at(end);
    match critical::parse(name, buffer.get(1..).unwrap_or_default()) {
        Ok(CriticalData::DeviceMapper(event)) => {
            if let Event::TableLoad { targets } = &event.event {
                assert!(targets.len() <= buffer.len(), "memory is bounded");
                for target in targets {
                    let _ = target.verity();
                    assert!(target.attributes().all(|(key, _)| !key.is_empty()));
                }
            }
            true
        }
        Ok(CriticalData::SelinuxState(state)) => {
            assert!(state.capabilities().all(|(name, _)| !name.is_empty()));
            true
        }
        Ok(other) => other != CriticalData::Unknown,
        Err(error) => {
            assert!(error.offset <= buffer.len(), "an error is within the buffer");
            false
        }
    }
}

fn replay<'a>(entries: impl Iterator<Item = Result<Entry<'a>, ImaError>>) -> bool {
    let mut replay = Replay::new(HashAlg::Sha256);
    let mut last = 0;
    let mut failed = false;
    for entry in entries {
        assert!(!failed, "nothing follows an error");
        match entry {
            Ok(entry) => {
                assert!(last <= entry.offset && entry.offset < entry.end_offset, "entries are in order");
                last = entry.end_offset;
                replay.push(&entry, &Fold);
                let fields: usize = entry.fields().map(|(_, bytes)| bytes.len()).sum();
                assert!(fields <= entry.end_offset, "fields lie within their entry");
                if let Some(Ok(evm)) = entry.evm() {
                    assert!(evm.xattrs().all(|(name, _)| !name.is_empty()));
                }
                let _ = (entry.modsig(), critical::of(&entry.body));
                if let Body::File { signature: Some(xattr), .. } = entry.body {
                    let _ = FileSignature::parse(xattr);
                }
            }
            Err(_) => failed = true,
        }
    }
    !failed
}

/// A PE image: its digest, its sections as a boot stub measures them, and its SBAT table.
pub fn pe_image(data: &[u8]) -> bool {
    // Sections may have zeros behind them in memory, up to a limit that is slow to hash a hundred thousand times.
    const MAX_HASHED: usize = 1 << 20;
    let Ok(image) = Image::parse(data) else { return false };
    image.authenticode(HashAlg::Sha256, &Fold);
    let _ = (image.sbat(), uki::stub(&image));
    for profile in 0..=uki::profiles(&image) {
        let Ok(sections) = uki::sections(&image, profile) else { continue };
        if sections.iter().map(|measured| measured.section.zeros()).sum::<usize>() < MAX_HASHED {
            assert_eq!(uki::events(HashAlg::Sha256, &sections, &Fold).len(), 2 * sections.len());
        }
    }
    true
}

/// Signature lists, bare or behind the signature of an update.
pub fn siglist(data: &[u8]) -> bool {
    let update = Update::parse(data).is_ok_and(|update| update.signature_lists().is_ok_and(|lists| walk(&lists, data)));
    update | avouch_pe::siglist::parse(data).is_ok_and(|lists| walk(&lists, data))
}

/// Lists lie one after the other in the input, and their signatures in them.
fn walk(lists: &[SignatureList<'_>], data: &[u8]) -> bool {
    let mut last = 0;
    for list in lists {
        assert!(list.offset >= last && list.signatures().count() == list.len(), "lists are in order");
        for signature in list.signatures() {
            assert_eq!(data.get(signature.offset..signature.offset + signature.bytes.len()), Some(signature.bytes));
            last = signature.offset;
        }
    }
    true
}

/// A file of efivarfs, as each thing that it can hold.
pub fn efivar(data: &[u8]) -> bool {
    let Ok(variable) = Variable::parse(data) else { return false };
    let _ =
        (variable.signature_lists().map(|lists| walk(&lists, data)), variable.switch(), Level::parse(variable.value));
    true
}

/// An SBAT table against itself as a level, and a level.
pub fn sbat(data: &[u8]) -> bool {
    let level = Level::parse(data);
    if let Ok(level) = &level {
        assert!(level.is_at_least(level), "a level is not below itself");
    }
    match Table::parse(data) {
        Ok(table) => assert_eq!(table.generation("sbat"), table.entries().first().map(|entry| entry.generation)),
        Err(_) => return level.is_ok(),
    }
    true
}

/// An IMA policy, with its coverage and what is wrong with it; and as the kernel command line that chooses one.
pub fn ima_policy(data: &[u8]) -> bool {
    if let Ok(text) = str::from_utf8(data) {
        let _ = policy_of(&Builtin::of_command_line(text)).coverage();
    }
    let Ok(policy) = Policy::parse(data) else { return false };
    assert!(policy.unknown().all(|(_, word)| !word.is_empty()));
    let coverage = policy.coverage();
    assert!(coverage.holes.iter().all(|hole| !hole.to_string().is_empty()));
    assert!(lint(&policy).iter().all(|lint| !lint.describe().is_empty()));
    let every = Minimum::all(["BPRM_CHECK", "MMAP_CHECK", "MODULE_CHECK"]).expect("hooks of the kernel");
    assert!(every.shortfalls(&coverage).iter().all(|shortfall| !shortfall.to_string().is_empty()));
    true
}

/// A file of reference values.
pub fn reference_policy(data: &[u8]) -> bool {
    ReferencePolicy::parse(data).is_ok()
}

/// The last rule of a policy, with its bounds over a small verdict.
pub fn rego(data: &[u8]) -> bool {
    let Ok(source) = str::from_utf8(data) else { return false };
    let Ok(rule) = Rule::compile(source) else { return false };
    let input =
        serde_json::json!({"claims": [{"name": "ima", "findings": [{"code": "A"}, {"code": "B"}]}], "round": 7});
    rule.cost(&input).is_ok()
}

/// What the server keeps of a boot session between rounds.
pub fn session(data: &[u8]) -> bool {
    Session::from_cbor(data).is_ok()
}

/// The messages of a round that the agent reads.
pub fn challenge(data: &[u8]) -> bool {
    message::<Challenge>(data)
        | message::<ChallengeRequest>(data)
        | message::<Receipt>(data)
        | message::<SignedReceipt>(data)
        | message::<RecordHeader>(data)
        | message::<Refusal>(data)
}

/// The messages of a round that the server reads.
pub fn evidence(data: &[u8]) -> bool {
    message::<Evidence>(data) | message::<KeyLost>(data)
}

/// A report of both witnesses: whole, as a difference, and as the observation alone.
pub fn report(data: &[u8]) -> bool {
    if let Some(observation) = Observed::from_cbor(data).ok().and_then(|read| read.observation().ok()) {
        let again = Observed::of(&observation).map(|written| written.observation());
        assert!(again.is_err() || again == Ok(Ok(observation)), "what is written reads back");
        return message::<Observed>(data);
    }
    let Ok(report) = Report::from_cbor(data) else { return false };
    let base = Observation::default();
    message::<Report>(data) && (report.observation(None).is_ok() || report.observation(Some(&base)).is_ok())
}

/// An intent, signed and alone.
pub fn intent(data: &[u8]) -> bool {
    let signed = SignedIntent::from_json(data).is_ok_and(|signed| signed.open(&[[0; 32]], |_, _, _| true).is_ok());
    let Ok(file) = IntentFile::from_json(data) else { return signed };
    let Ok(intent) = file.intent() else { return signed };
    let again = IntentFile::of(&file.name, &file.created, &intent);
    assert_eq!(again.intent().as_ref(), Ok(&intent), "what is written reads back");
    true
}

/// The messages of first contact.
pub fn enrol(data: &[u8]) -> bool {
    message::<EnrolRequest>(data)
        | message::<CredentialChallenge>(data)
        | message::<ActivateRequest>(data)
        | message::<ActivateResponse>(data)
}

/// An enrolment token, as text or as the message inside.
pub fn token(data: &[u8]) -> bool {
    let text = str::from_utf8(data).is_ok_and(|text| EnrolmentToken::from_text(text).is_ok());
    text | message::<EnrolmentToken>(data)
}

fn message<M: Message>(data: &[u8]) -> bool {
    let Ok(message) = M::from_cbor(data) else { return false };
    assert_eq!(message.to_cbor(), data, "a message has one spelling");
    true
}

/// A cheap stand-in for a hash function: parsers are under test here, not cryptography.
struct Fold;

impl Hasher for Fold {
    fn hash(&self, alg: HashAlg, parts: &[&[u8]]) -> Digest {
        let sum = parts.iter().flat_map(|part| part.iter().step_by(7)).fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        Digest::new(alg, &vec![sum; alg.size()]).expect("as many bytes as the algorithm has")
    }
}
