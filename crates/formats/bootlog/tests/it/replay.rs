//! Which events extend what.

use avouch_bootlog::{BootLog, Format, NO_PCR, Padding, PcrBank, ReplayError};
use avouch_crypto::Hash;
use avouch_tpm_wire::{Digest, HashAlg, extend};

use crate::build::*;

const D: [u8; 32] = [7; 32];

fn sha256_log() -> Vec<u8> {
    agile_log(&[(SHA256, 32)])
}

fn replay(log: &[u8]) -> PcrBank {
    BootLog::parse(log).unwrap().replay(HashAlg::Sha256, &Hash).unwrap()
}

fn extended(start: &[u8]) -> Digest {
    let start = Digest::new(HashAlg::Sha256, start).unwrap();
    extend(&Hash, &start, &Digest::new(HashAlg::Sha256, &D).unwrap())
}

#[test]
fn no_action_never_extends() {
    let mut log = sha256_log();
    agile_event(&mut log, 0, NO_ACTION, &[(SHA256, &D)], b"SP800-155 Event3");
    let bank = replay(&log);
    assert_eq!(bank.value(0), Some(Digest::zero(HashAlg::Sha256)));
    assert!(!bank.is_extended(0));
}

#[test]
fn event_without_a_pcr_never_extends() {
    let mut log = sha256_log();
    agile_event(&mut log, NO_PCR, EFI_ACTION, &[(SHA256, &D)], b"x");
    let untouched = replay(&sha256_log());
    assert_eq!(replay(&log), untouched);
}

#[test]
fn startup_locality_is_the_last_byte_of_pcr_0() {
    for locality in [0, 3, 4] {
        let mut log = sha256_log();
        agile_event(&mut log, 0, NO_ACTION, &[(SHA256, &[0; 32])], &startup_locality(locality));
        agile_event(&mut log, 0, SEPARATOR, &[(SHA256, &D)], &[0; 4]);
        let mut start = [0; 32];
        start[31] = locality;
        assert_eq!(replay(&log).value(0), Some(extended(&start)));
        assert_eq!(BootLog::parse(&log).unwrap().startup_locality(), Some(locality));
    }
}

#[test]
fn impossible_startup_locality_leaves_pcr_0_unknown() {
    for locality in [1, 2, 5, 255] {
        let mut log = sha256_log();
        agile_event(&mut log, 0, NO_ACTION, &[(SHA256, &[0; 32])], &startup_locality(locality));
        assert_eq!(replay(&log).value(0), None);
    }
}

#[test]
fn startup_locality_behind_an_extend_leaves_pcr_0_unknown() {
    let mut log = sha256_log();
    agile_event(&mut log, 0, SEPARATOR, &[(SHA256, &D)], &[0; 4]);
    agile_event(&mut log, 0, NO_ACTION, &[(SHA256, &[0; 32])], &startup_locality(3));
    let bank = replay(&log);
    assert_eq!(bank.value(0), None);
    assert!(bank.is_extended(0));
}

#[test]
fn second_startup_locality_leaves_pcr_0_unknown() {
    let mut log = sha256_log();
    for _ in 0..2 {
        agile_event(&mut log, 0, NO_ACTION, &[(SHA256, &[0; 32])], &startup_locality(3));
    }
    agile_event(&mut log, 0, SEPARATOR, &[(SHA256, &D)], &[0; 4]);
    assert_eq!(replay(&log).value(0), None);
}

#[test]
fn startup_locality_of_another_pcr_changes_nothing() {
    let mut log = sha256_log();
    agile_event(&mut log, 1, NO_ACTION, &[(SHA256, &[0; 32])], &startup_locality(3));
    assert_eq!(replay(&log), replay(&sha256_log()));
}

#[test]
fn missing_digest_makes_that_pcr_unknown_in_that_bank_only() {
    let mut log = agile_log(&[(SHA1, 20), (SHA256, 32)]);
    agile_event(&mut log, 4, EFI_ACTION, &[(SHA1, &[1; 20]), (SHA256, &D)], b"a");
    agile_event(&mut log, 4, EFI_ACTION, &[(SHA1, &[1; 20])], b"b");
    agile_event(&mut log, 4, EFI_ACTION, &[(SHA1, &[1; 20]), (SHA256, &D)], b"c");
    agile_event(&mut log, 5, EFI_ACTION, &[(SHA1, &[1; 20]), (SHA256, &D)], b"d");
    let parsed = BootLog::parse(&log).unwrap();
    let sha256 = parsed.replay(HashAlg::Sha256, &Hash).unwrap();
    assert_eq!((sha256.value(4), sha256.is_extended(4)), (None, true));
    assert_eq!(sha256.value(5), Some(extended(&[0; 32])));
    assert!(parsed.replay(HashAlg::Sha1, &Hash).unwrap().value(4).is_some());
}

#[test]
fn bank_that_is_not_logged_cannot_be_replayed() {
    let log = sha256_log();
    let error = BootLog::parse(&log).unwrap().replay(HashAlg::Sha384, &Hash).unwrap_err();
    assert_eq!(error, ReplayError::NoBank { wanted: HashAlg::Sha384 });
}

#[test]
fn bank_of_an_algorithm_that_is_not_computed_is_skipped_over() {
    let mut log = agile_log(&[(SM3, 32), (SHA256, 32)]);
    agile_event(&mut log, 4, EFI_ACTION, &[(SM3, &[9; 32]), (SHA256, &D)], b"a");
    let parsed = BootLog::parse(&log).unwrap();
    assert_eq!(parsed.banks(), [HashAlg::Sha256]);
    assert_eq!(parsed.replay(HashAlg::Sha256, &Hash).unwrap().value(4), Some(extended(&[0; 32])));
    assert_eq!(parsed.events()[1].digests.iter().count(), 2);
}

#[test]
fn sha1_log_has_only_a_sha1_bank() {
    let mut log = Vec::new();
    sha1_event(&mut log, 0, NO_ACTION, [0; 20], &startup_locality(3));
    sha1_event(&mut log, 0, SEPARATOR, [2; 20], &[0; 4]);
    let parsed = BootLog::parse(&log).unwrap();
    assert_eq!((parsed.format(), parsed.banks()), (Format::Sha1, [HashAlg::Sha1].as_slice()));
    let mut start = [0; 20];
    start[19] = 3;
    let start = Digest::new(HashAlg::Sha1, &start).unwrap();
    let wanted = extend(&Hash, &start, &Digest::new(HashAlg::Sha1, &[2; 20]).unwrap());
    assert_eq!(parsed.replay(HashAlg::Sha1, &Hash).unwrap().value(0), Some(wanted));
    assert!(parsed.replay(HashAlg::Sha256, &Hash).is_err());
}

#[test]
fn uniform_tail_is_padding() {
    let mut log = sha256_log();
    agile_event(&mut log, 4, SEPARATOR, &[(SHA256, &D)], &[0; 4]);
    let bare = replay(&log);
    for byte in [0x00, 0xFF] {
        for len in [1, 3, 40, 65_536] {
            let mut padded = log.clone();
            padded.resize(log.len() + len, byte);
            let parsed = BootLog::parse(&padded).unwrap();
            assert_eq!(parsed.padding(), Some(Padding { byte, len }));
            assert_eq!(parsed.replay(HashAlg::Sha256, &Hash).unwrap(), bare);
        }
    }
}
