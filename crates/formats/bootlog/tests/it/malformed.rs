//! Broken logs are refused with the byte at which they break, and never panic.

use avouch_bootlog::{BootLog, LogError, MAX_EVENTS};
use avouch_crypto::Hash;
use proptest::prelude::*;

use crate::build::*;
use crate::golden::{RECORDED, recorded};

/// Everything a reader can do with bytes that may be a log.
fn exercise(bytes: &[u8]) -> bool {
    let Ok(log) = BootLog::parse(bytes) else { return false };
    for &bank in log.banks() {
        log.replay(bank, &Hash).unwrap();
    }
    for event in log.events() {
        let text = event.describe();
        assert!(text.chars().count() < 8_000, "description of {} characters", text.chars().count());
        assert!(!text.chars().any(char::is_control));
    }
    true
}

#[test]
fn log_cut_at_any_byte_is_refused_or_is_whole_events() {
    for name in RECORDED {
        let bytes = recorded(name);
        let ends: Vec<usize> = BootLog::parse(&bytes).unwrap().events().iter().map(|event| event.offset).collect();
        for cut in 0..bytes.len() {
            match BootLog::parse(&bytes[..cut]) {
                Ok(log) => {
                    // Up to the first bytes of a next event that happen to be zeros, which read as padding.
                    let whole = cut - log.padding().map_or(0, |padding| padding.len);
                    assert!(ends.contains(&whole), "{name}: parsed {cut} bytes");
                }
                Err(error) => assert!(error.offset() <= cut, "{name}: {error}"),
            }
        }
    }
}

#[test]
fn changed_length_fields_never_panic() {
    for name in RECORDED {
        let bytes = recorded(name);
        let events: Vec<(usize, usize)> =
            BootLog::parse(&bytes).unwrap().events().iter().map(|e| (e.offset, e.data.len())).collect();
        for (position, (offset, data_len)) in events.iter().enumerate() {
            let end = events.get(position + 1).map_or(bytes.len(), |(next, _)| *next);
            let fields = [offset + 8, end - data_len - 4];
            for field in fields {
                for value in [0, 1, 2, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF_u32] {
                    let mut changed = bytes.clone();
                    changed[field..field + 4].copy_from_slice(&value.to_le_bytes());
                    exercise(&changed);
                }
            }
        }
    }
}

#[test]
fn empty_log_is_refused() {
    assert_eq!(BootLog::parse(&[]).unwrap_err(), LogError::Empty);
    assert!(BootLog::parse(&[0; 64]).is_err());
    assert!(BootLog::parse(&[0xFF; 64]).is_err());
}

#[test]
fn undeclared_algorithm_is_refused() {
    let mut log = agile_log(&[(SHA256, 32)]);
    let offset = log.len() + 12;
    agile_event(&mut log, 4, SEPARATOR, &[(SHA1, &[0; 20])], &[]);
    assert_eq!(BootLog::parse(&log).unwrap_err(), LogError::Algorithm { offset, got: SHA1 });
}

#[test]
fn two_digests_of_one_algorithm_are_refused() {
    let mut log = agile_log(&[(SHA1, 20), (SHA256, 32)]);
    let offset = log.len() + 12 + 34;
    agile_event(&mut log, 4, SEPARATOR, &[(SHA256, &[0; 32]), (SHA256, &[1; 32])], &[]);
    assert_eq!(BootLog::parse(&log).unwrap_err(), LogError::Duplicate { offset, algorithm: SHA256 });
}

#[test]
fn algorithm_declared_twice_is_refused() {
    let log = agile_log(&[(SHA256, 32), (SHA256, 32)]);
    assert!(matches!(BootLog::parse(&log).unwrap_err(), LogError::Duplicate { algorithm: SHA256, .. }));
}

#[test]
fn wrong_digest_size_in_the_header_is_refused() {
    let log = agile_log(&[(SHA256, 20)]);
    let error = BootLog::parse(&log).unwrap_err();
    assert_eq!(error, LogError::AlgorithmSize { offset: 62, algorithm: SHA256, wanted: 32, got: 20 });
    assert_eq!(log[62..64], 20_u16.to_le_bytes());
}

#[test]
fn more_digests_than_banks_are_refused() {
    let mut log = agile_log(&[(SHA256, 32)]);
    let offset = log.len() + 8;
    agile_event(&mut log, 4, SEPARATOR, &[(SHA256, &[0; 32]), (SHA1, &[0; 20])], &[]);
    assert_eq!(BootLog::parse(&log).unwrap_err(), LogError::TooMany { offset, field: "digests", wanted: 1, got: 2 });
}

#[test]
fn pcr_that_no_tpm_has_is_refused() {
    let mut log = agile_log(&[(SHA256, 32)]);
    let offset = log.len();
    agile_event(&mut log, 24, SEPARATOR, &[(SHA256, &[0; 32])], &[]);
    assert_eq!(BootLog::parse(&log).unwrap_err(), LogError::Pcr { offset, got: 24 });
}

#[test]
fn bytes_behind_the_header_structure_are_refused() {
    let mut log = agile_log(&[(SHA256, 32)]);
    let data_len = log.len() - 32;
    log[28..32].copy_from_slice(&(data_len as u32 + 1).to_le_bytes());
    log.push(0);
    let offset = log.len() - 1;
    assert_eq!(BootLog::parse(&log).unwrap_err(), LogError::Trailing { offset, field: "the Spec ID event", got: 1 });
}

#[test]
fn too_many_events_are_refused() {
    let mut log = agile_log(&[(SHA256, 32)]);
    for _ in 0..MAX_EVENTS {
        agile_event(&mut log, 1, SEPARATOR, &[], &[]);
    }
    assert!(matches!(BootLog::parse(&log).unwrap_err(), LogError::TooMany { field: "events", .. }));
}

#[test]
fn non_uniform_tail_is_refused() {
    let mut log = agile_log(&[(SHA256, 32)]);
    agile_event(&mut log, 4, SEPARATOR, &[(SHA256, &[0; 32])], &[0; 4]);
    log.extend([0xFF; 20]);
    log.push(0);
    assert!(BootLog::parse(&log).is_err());
}

proptest! {
    #[test]
    fn one_changed_byte_never_panics(position in any::<prop::sample::Index>(), byte in any::<u8>(), which in 0..3_usize) {
        let mut bytes = recorded(RECORDED[which]);
        let position = position.index(bytes.len());
        bytes[position] = byte;
        exercise(&bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        exercise(&bytes);
    }

    #[test]
    fn arbitrary_event_data_is_described_without_control_characters(
        kind in prop::sample::select(vec![
            1_u32, 3, 4, 5, 6, 7, 8, 13, 0x8000_0001, 0x8000_0002, 0x8000_0003, 0x8000_0006, 0x8000_0007, 0x8000_0008,
            0x8000_000A, 0x8000_00E0,
        ]),
        data in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut log = agile_log(&[(SHA256, 32)]);
        agile_event(&mut log, 1, kind, &[(SHA256, &[0; 32])], &data);
        prop_assert!(exercise(&log));
    }
}
