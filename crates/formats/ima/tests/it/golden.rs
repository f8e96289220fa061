//! Recorded lists against PCR 10 of the same machine.

use std::path::PathBuf;

use avouch_crypto::Hash;
use avouch_ima::{Body, DigestAlg, Entry, ImaError, Replay, parse_ascii, parse_binary};
use avouch_tpm_wire::HashAlg;

pub(crate) const RECORDED: [&str; 8] = [
    "uefi-nosb",
    "after-violation",
    "ima-policy-replaced",
    "ima_hash_sha1",
    "ima_template_fmt_d_ng_n_ng_iuid_imode",
    "ima_template_ima",
    "ima_template_ima_ng",
    "ima_template_ima_sigv2",
];
pub(crate) const BOTH_SPELLINGS: [&str; 2] = ["uefi-nosb", "after-violation"];

pub(crate) fn data(folder: &str, file: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder).join(file)).unwrap()
}

pub(crate) fn binary(folder: &str) -> Vec<u8> {
    data(folder, "binary_runtime_measurements")
}

/// The value of PCR 10 after the whole list, which must be good.
fn replayed<'a>(alg: HashAlg, entries: impl Iterator<Item = Result<Entry<'a>, ImaError>>) -> Replay {
    let mut replay = Replay::new(alg);
    for entry in entries {
        replay.push(&entry.unwrap(), &Hash);
    }
    replay
}

/// The banks of the recording that IMA filled with real digests, and their PCR 10.
fn pcr10(folder: &str) -> Vec<(HashAlg, String)> {
    let text = String::from_utf8(data(folder, "pcr10.txt")).unwrap();
    let pairs = text.lines().map(|line| line.split_once(' ').unwrap());
    pairs.map(|(bank, value)| (HashAlg::from_name(bank).unwrap(), value.to_owned())).collect()
}

#[test]
fn recorded_lists_replay_to_pcr_10_of_their_machine() {
    let mut compared = 0;
    for folder in RECORDED {
        let list = binary(folder);
        for (bank, wanted) in pcr10(folder) {
            let replay = replayed(bank, parse_binary(&list, 0));
            assert_eq!(replay.value().to_string(), wanted, "{folder} {bank}");
            assert!(replay.count() > 200, "{folder}: {} entries", replay.count());
            compared += 1;
        }
    }
    assert_eq!(compared, 15, "seven recordings with two banks and one with sha256 only");
}

#[test]
fn both_spellings_of_one_boot_read_and_replay_alike() {
    for folder in BOTH_SPELLINGS {
        let (list, text) = (binary(folder), data(folder, "ascii_runtime_measurements"));
        let rebuilt = parse_ascii(&text, 0);
        assert_eq!(rebuilt.as_binary(), list, "{folder}");
        for (bank, wanted) in pcr10(folder) {
            assert_eq!(replayed(bank, rebuilt.entries()).value().to_string(), wanted, "{folder} {bank}");
        }
        for (line, entry) in text.split_inclusive(|byte| *byte == b'\n').zip(rebuilt.entries()) {
            let entry = entry.unwrap();
            assert_eq!(&text[entry.offset..entry.end_offset], line);
        }
    }
}

#[test]
fn violation_extends_ones_and_is_told() {
    let list = binary("after-violation");
    let violations: Vec<Entry<'_>> = parse_binary(&list, 0).map(Result::unwrap).filter(Entry::is_violation).collect();
    assert_eq!(violations.len(), 1);
    let digest = violations[0].event_digest(HashAlg::Sha256, &Hash);
    assert_eq!(digest.as_bytes(), [0xFF; 32]);
}

#[test]
fn listed_template_hashes_are_the_recomputed_ones() {
    for folder in RECORDED {
        let list = binary(folder);
        for entry in parse_binary(&list, 0).map(Result::unwrap).filter(|entry| !entry.is_violation()) {
            let recomputed = entry.template_data.hash(HashAlg::Sha1, &Hash);
            assert_eq!(recomputed.as_bytes(), entry.template_hash, "{folder} entry {}", entry.index);
        }
    }
}

#[test]
fn replay_goes_on_from_a_proven_prefix() {
    let list = binary("uefi-nosb");
    let whole = replayed(HashAlg::Sha256, parse_binary(&list, 0));
    for split in [0, 1, 100, whole.count()] {
        let mut entries = parse_binary(&list, 0);
        let mut replay = Replay::new(HashAlg::Sha256);
        for entry in entries.by_ref().take(split as usize) {
            replay.push(&entry.unwrap(), &Hash);
        }
        let rest = &list[entries.offset()..];
        let mut resumed = Replay::resume(HashAlg::Sha256, replay.count(), replay.value()).unwrap();
        for (index, entry) in (split..).zip(parse_binary(rest, split).map(Result::unwrap)) {
            assert_eq!(entry.index, index);
            resumed.push(&entry, &Hash);
        }
        assert_eq!(resumed, whole);
    }
    assert_eq!(Replay::resume(HashAlg::Sha1, 0, whole.value()), None);
}

#[test]
fn bodies_of_recorded_entries_are_read() {
    let list = binary("uefi-nosb");
    let entries: Vec<Entry<'_>> = parse_binary(&list, 0).map(Result::unwrap).collect();
    assert!(matches!(entries[0].body, Body::File { path: b"boot_aggregate", digest_alg: DigestAlg::Sha256, .. }));
    let Body::Buffer { name, data, .. } = entries[1].body else { panic!("{:?}", entries[1]) };
    assert_eq!((name, data), (b"kernel_version".as_slice(), b"6.1.0-50-cloud-amd64".as_slice()));
    assert!(entries.iter().any(|e| matches!(e.body, Body::File { path: b"/etc/ima/ima-policy", .. })));
    let sigv2 = binary("ima_template_ima_sigv2");
    assert!(
        parse_binary(&sigv2, 0)
            .map(Result::unwrap)
            .all(|e| matches!(e.body, Body::File { verity: false, .. } | Body::Buffer { .. }))
    );
    let old = binary("ima_template_ima");
    assert!(parse_binary(&old, 0).map(Result::unwrap).any(|e| e.template == "ima"));
    let fmt = binary("ima_template_fmt_d_ng_n_ng_iuid_imode");
    let custom = parse_binary(&fmt, 0).map(Result::unwrap).filter(|e| e.template == "d-ng|n-ng|iuid|imode");
    assert!(custom.filter(|e| matches!(e.body, Body::File { digest_alg: DigestAlg::Sha256, .. })).count() > 200);
}

#[test]
fn one_changed_byte_of_template_data_changes_the_replay() {
    let list = binary("uefi-nosb");
    let whole = replayed(HashAlg::Sha256, parse_binary(&list, 0)).value();
    let path = list.windows(5).position(|window| window == b"/init").unwrap();
    let mut changed = list.clone();
    changed[path + 1] = b'I';
    assert_ne!(replayed(HashAlg::Sha256, parse_binary(&changed, 0)).value(), whole);
}

#[test]
fn listed_template_hash_is_not_trusted() {
    let list = binary("uefi-nosb");
    let whole = replayed(HashAlg::Sha256, parse_binary(&list, 0)).value();
    let mut changed = list.clone();
    changed[4] ^= 1;
    assert_eq!(replayed(HashAlg::Sha256, parse_binary(&changed, 0)).value(), whole);
    changed[4..24].fill(0);
    assert_ne!(replayed(HashAlg::Sha256, parse_binary(&changed, 0)).value(), whole);
}
