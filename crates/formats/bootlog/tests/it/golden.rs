//! Recorded logs against the PCRs that were read from the same machine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use avouch_bootlog::{BootLog, Format};
use avouch_crypto::Hash;
use avouch_tpm_wire::HashAlg;

pub(crate) const RECORDED: [&str; 3] = ["uefi-nosb", "uefi-sb-custompolicy", "seabios"];

pub(crate) fn recorded(name: &str) -> Vec<u8> {
    std::fs::read(data(name).join("binary_bios_measurements")).unwrap()
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// `(bank, PCR) -> hex` of what tpm2_pcrread printed.
fn pcrs(name: &str) -> BTreeMap<(String, u32), String> {
    let mut bank = String::new();
    let mut values = BTreeMap::new();
    for line in std::fs::read_to_string(data(name).join("pcrs.txt")).unwrap().lines() {
        match line.trim().split_once(':').unwrap() {
            (name, "") => bank = name.trim().to_owned(),
            (pcr, value) => {
                let hex = value.trim().strip_prefix("0x").unwrap().to_lowercase();
                values.insert((bank.clone(), pcr.trim().parse().unwrap()), hex);
            }
        }
    }
    values
}

#[test]
fn recorded_logs_replay_to_the_pcrs_of_their_machine() {
    for name in RECORDED {
        let bytes = recorded(name);
        let log = BootLog::parse(&bytes).unwrap();
        assert_eq!(log.format(), Format::CryptoAgile);
        let expected = pcrs(name);
        let mut compared = 0;
        for &bank in log.banks() {
            let replayed = log.replay(bank, &Hash).unwrap();
            for pcr in 0..10 {
                let Some(wanted) = expected.get(&(bank.name().to_owned(), pcr)) else { continue };
                assert_eq!(&replayed.value(pcr).unwrap().to_string(), wanted, "{name} {bank} PCR {pcr}");
                compared += 1;
            }
        }
        assert!(compared >= 10, "{name}: only {compared} values compared");
    }
}

#[test]
fn dynamic_pcrs_start_as_ones() {
    let bytes = recorded("uefi-nosb");
    let replayed = BootLog::parse(&bytes).unwrap().replay(HashAlg::Sha256, &Hash).unwrap();
    for ((_, pcr), wanted) in pcrs("uefi-nosb").range(("sha256".to_owned(), 17)..=("sha256".to_owned(), 23)) {
        assert_eq!(&replayed.value(*pcr).unwrap().to_string(), wanted);
        assert!(!replayed.is_extended(*pcr));
    }
}

#[test]
fn offsets_cover_the_log_without_gaps() {
    for name in RECORDED {
        let bytes = recorded(name);
        let log = BootLog::parse(&bytes).unwrap();
        for pair in log.events().windows(2) {
            let digests: usize = pair[0].digests.iter().map(|(_, digest)| digest.len()).sum();
            let ids = pair[0].digests.iter().count();
            // The header event has the SHA-1 form: no digest count and no algorithm identifiers.
            let framing = if pair[0].index == 0 { 12 } else { 16 + 2 * ids };
            assert_eq!(pair[0].offset + framing + digests + pair[0].data.len(), pair[1].offset);
        }
    }
}
