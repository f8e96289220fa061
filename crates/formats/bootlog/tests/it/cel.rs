//! The canonical event log: golden bytes, round trips, broken logs.

use avouch_bootlog::cel::{CelContent, CelLog, CelWriter, Management, Record, Register, StateTransition, Systemd};
use avouch_bootlog::{BootLog, DataCheck, EventType, LogError, ReplayError};
use avouch_crypto::Hash;
use avouch_tpm_wire::{Digest, HashAlg, Hasher, extend};
use proptest::prelude::*;

use crate::build::*;
use crate::golden::{RECORDED, recorded};

fn digest(data: &[u8]) -> Digest {
    Hash.hash(HashAlg::Sha256, &[data])
}

fn systemd<'a>(string: &'a str, event_type: &'a str) -> Systemd<'a> {
    Systemd { string: string.as_bytes(), event_type: Some(event_type), ..Systemd::default() }
}

/// One record of every kind.
fn every_kind() -> Vec<u8> {
    let mut writer = CelWriter::new();
    let hashed = digest(b"content");
    let digests = || [(SHA256, hashed.as_bytes())];
    let contents = [
        CelContent::Management(Management::Version { major: 1, minor: 1 }),
        CelContent::PcClient { event_type: EventType::EFI_ACTION, data: b"content" },
        CelContent::Management(Management::FirmwareEnd),
        CelContent::ImaTemplate { name: b"ima-ng", data: b"content" },
        CelContent::ImaTlv(b"content"),
        CelContent::Systemd(Systemd { string: b"content", ..Systemd::default() }),
        CelContent::Other { kind: 80, data: b"content" },
        CelContent::Management(Management::Timestamp(1_700_000_000)),
        CelContent::Management(Management::StateTransition(StateTransition::Kexec)),
    ];
    for content in &contents {
        writer.record(Register::Pcr(11), digests(), content);
    }
    let full = Systemd {
        timestamp: Some(7),
        boot_id: Some(&[9; 16]),
        nv_name: Some("hardware"),
        ..systemd("product-id:1", "product-id")
    };
    writer.record(Register::NvIndex(0x01D1_0200), digests(), &CelContent::Systemd(full));
    writer.record(Register::Cc(3), digests(), &contents[1]);
    writer.finish()
}

#[test]
fn records_have_the_bytes_of_the_specification() {
    let mut writer = CelWriter::new();
    writer.record(Register::Pcr(0), [], &CelContent::Management(Management::Version { major: 1, minor: 0 }));
    writer.record(Register::Pcr(0), [(SHA1, [0xAA; 20].as_slice())], &CelContent::Management(Management::FirmwareEnd));
    let sha1 = [[4, 0, 0, 0, 20].as_slice(), &[0xAA; 20]].concat();
    let wanted = [
        // Record 0 of PCR 0, no digests, version 1.0.
        [0, 0, 0, 0, 1, 0].as_slice(),
        &[1, 0, 0, 0, 1, 0],
        &[3, 0, 0, 0, 0],
        &[4, 0, 0, 0, 17, 1, 0, 0, 0, 12, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0],
        // Record 1 of PCR 0, one SHA-1 digest, the firmware's end.
        &[0, 0, 0, 0, 1, 1],
        &[1, 0, 0, 0, 1, 0],
        &[3, 0, 0, 0, 25],
        &sha1,
        &[4, 0, 0, 0, 5, 2, 0, 0, 0, 0],
    ]
    .concat();
    assert_eq!(writer.finish(), wanted);
}

#[test]
fn every_kind_of_record_survives_being_written() {
    let bytes = every_kind();
    let log = CelLog::parse(&bytes).unwrap();
    let mut writer = CelWriter::new();
    for record in log.records() {
        let digests = record.digests.iter().map(|(id, digest)| (u16::from(id), digest));
        writer.record(record.register, digests, &record.content);
    }
    assert_eq!(writer.finish(), bytes);
    let checks: Vec<DataCheck> = log.records().iter().map(|r| r.check_data(HashAlg::Sha256, &Hash)).collect();
    let (yes, no) = (DataCheck::Covered, DataCheck::NotDefined);
    assert_eq!(checks, [no, yes, no, yes, yes, yes, yes, no, no, no, yes]);
}

#[test]
fn statements_about_the_log_extend_nothing() {
    let bytes = every_kind();
    let replay = CelLog::parse(&bytes).unwrap().replay(HashAlg::Sha256, &Hash).unwrap();
    let zero = Digest::zero(HashAlg::Sha256);
    let once = extend(&Hash, &zero, &digest(b"content"));
    // Seven of the nine records of PCR 11 extend it.
    let wanted = (0..7).fold(zero, |value, _| extend(&Hash, &value, &digest(b"content")));
    assert_eq!(replay.pcrs.value(11), Some(wanted));
    assert_eq!(replay.others.get(&Register::NvIndex(0x01D1_0200)), Some(&Some(once)));
    assert_eq!(replay.others.get(&Register::Cc(3)), Some(&Some(once)));
    let error = CelLog::parse(&bytes).unwrap().replay(HashAlg::Sha384, &Hash).unwrap_err();
    assert_eq!(error, ReplayError::NoBank { wanted: HashAlg::Sha384 });
}

#[test]
fn boot_phases_are_words_with_proof() {
    let mut writer = CelWriter::new();
    for (pcr, word, hashed) in [(11, "sysinit", "sysinit"), (11, "ready", "ready"), (12, "evil", "good")] {
        let digest = digest(hashed.as_bytes());
        let content = CelContent::Systemd(systemd(word, "phase"));
        writer.record(Register::Pcr(pcr), [(SHA256, digest.as_bytes())], &content);
    }
    let key = digest(b"keyed hash");
    let secret = CelContent::Systemd(systemd("cryptsetup:root", "volume-key"));
    writer.record(Register::Pcr(15), [(SHA256, key.as_bytes())], &secret);
    let bytes = writer.finish();
    let log = CelLog::parse(&bytes).unwrap();
    let words: Vec<_> = log.words(HashAlg::Sha256, &Hash).map(|w| (w.register, w.systemd.string, w.check)).collect();
    assert_eq!(
        words,
        [
            (Register::Pcr(11), b"sysinit".as_slice(), DataCheck::Covered),
            (Register::Pcr(11), b"ready", DataCheck::Covered),
            (Register::Pcr(12), b"evil", DataCheck::Differs),
            (Register::Pcr(15), b"cryptsetup:root", DataCheck::NotDefined),
        ]
    );
    assert!(log.records()[0].text().unwrap() == *"sysinit");
}

#[test]
fn recorded_boot_logs_replay_alike_in_both_forms() {
    for name in RECORDED {
        let bytes = recorded(name);
        let log = BootLog::parse(&bytes).unwrap();
        let mut writer = CelWriter::new();
        assert_eq!(writer.boot_log(&log), 0);
        let written = writer.finish();
        let cel = CelLog::parse(&written).unwrap();
        for &bank in log.banks() {
            assert_eq!(cel.replay(bank, &Hash).unwrap().pcrs, log.replay(bank, &Hash).unwrap(), "{name} {bank}");
            let checks = |record: &Record<'_>| record.check_data(bank, &Hash);
            let events = log.events().iter().skip(1).map(|event| event.check_data(bank, &Hash));
            assert!(cel.records().iter().skip(1).map(checks).eq(events), "{name} {bank}");
        }
    }
}

#[test]
fn a_log_cut_inside_a_record_is_refused() {
    let bytes = every_kind();
    let starts: Vec<usize> = CelLog::parse(&bytes).unwrap().records().iter().map(|record| record.offset).collect();
    for cut in 0..bytes.len() {
        match CelLog::parse(&bytes[..cut]) {
            Ok(_) => assert!(cut == 0 || starts.contains(&cut), "parsed {cut} bytes"),
            Err(error) => assert!(error.offset() <= cut, "{cut}: {error}"),
        }
    }
}

/// Where every length field of the log stands, nested ones too.
fn lengths(bytes: &[u8], base: usize, depth: usize, out: &mut Vec<usize>) {
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + 5) {
        let len = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        let Some(value) = bytes.get(at + 5..at + 5 + len) else { return };
        out.push(base + at + 1);
        if depth > 0 && matches!(head[0], 1 | 3 | 4 | 5 | 7 | 0xF0) {
            lengths(value, base + at + 5, depth - 1, out);
        }
        at += 5 + len;
    }
}

#[test]
fn changed_length_fields_never_panic_and_are_refused() {
    let good = every_kind();
    let mut fields = Vec::new();
    lengths(&good, 0, 2, &mut fields);
    assert!(fields.len() > 60, "{} length fields", fields.len());
    for field in fields {
        let length = u32::from_be_bytes(good[field..field + 4].try_into().unwrap());
        for value in [0, 1, length.wrapping_add(1), length.wrapping_sub(1), 0x7FFF_FFFF, u32::MAX] {
            let mut bytes = good.clone();
            bytes[field..field + 4].copy_from_slice(&value.to_be_bytes());
            if value != length {
                assert!(CelLog::parse(&bytes).is_err(), "length at {field}: {length} became {value}");
            }
        }
    }
}

#[test]
fn registers_that_do_not_exist_are_refused() {
    let record = |register| {
        let mut writer = CelWriter::new();
        writer.record(register, [], &CelContent::ImaTlv(b""));
        writer.finish()
    };
    for bad in [Register::Pcr(24), Register::NvIndex(0x8100_0000), Register::Cc(5)] {
        assert!(matches!(CelLog::parse(&record(bad)), Err(LogError::Value { offset: 11, .. })), "{bad:?}");
    }
}

#[test]
fn numbers_must_grow_in_their_register() {
    let mut writer = CelWriter::new();
    writer.record(Register::Pcr(1), [], &CelContent::ImaTlv(b""));
    let one = writer.finish();
    let twice = [one.as_slice(), &one].concat();
    assert!(matches!(CelLog::parse(&twice), Err(LogError::Value { offset, .. }) if offset == one.len()));
}

#[test]
fn digests_are_checked() {
    let with = |digests: &[u8]| {
        [&[0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 3], &(digests.len() as u32).to_be_bytes()[..], digests, &[8, 0, 0, 0, 0]]
            .concat()
    };
    let sha1 = [[4, 0, 0, 0, 20].as_slice(), &[1; 20]].concat();
    assert!(CelLog::parse(&with(&sha1)).is_ok());
    let twice = [sha1.as_slice(), &sha1].concat();
    assert!(matches!(CelLog::parse(&with(&twice)), Err(LogError::Duplicate { algorithm: SHA1, .. })));
    let short = [[4, 0, 0, 0, 19].as_slice(), &[1; 19]].concat();
    assert!(matches!(CelLog::parse(&with(&short)), Err(LogError::Value { .. })));
}

proptest! {
    #[test]
    fn one_changed_byte_never_panics(position in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = every_kind();
        let position = position.index(bytes.len());
        bytes[position] = byte;
        if let Ok(log) = CelLog::parse(&bytes) {
            for alg in HashAlg::ALL {
                let _ = log.replay(alg, &Hash);
                log.records().iter().for_each(|record| { record.check_data(alg, &Hash); });
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = CelLog::parse(&bytes);
    }
}
