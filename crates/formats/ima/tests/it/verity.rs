//! A recorded boot from a dm-verity root, with all PCRs of four banks.

use std::collections::BTreeMap;

use avouch_crypto::Hash;
use avouch_ima::{
    Body, BootAggregate, BootAggregateError, DigestAlg, Replay, boot_aggregate, detect_template_hash, parse_binary,
};
use avouch_tpm_wire::{Digest, HashAlg};

use crate::golden::{binary, data};

const FOLDER: &str = "uefi-sb-verity";

fn pcrs() -> BTreeMap<(HashAlg, u32), Digest> {
    let text = String::from_utf8(data(FOLDER, "pcrs.txt")).unwrap();
    let lines = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    lines
        .map(|columns| {
            let bank = HashAlg::from_name(columns[0]).unwrap();
            let hex = columns[2].as_bytes().chunks(2);
            let bytes: Vec<u8> =
                hex.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
            ((bank, columns[1].parse().unwrap()), Digest::new(bank, &bytes).unwrap())
        })
        .collect()
}

fn replayed(mut replay: Replay) -> Replay {
    parse_binary(&binary(FOLDER), 0).for_each(|entry| {
        replay.push(&entry.unwrap(), &Hash);
    });
    replay
}

#[test]
fn banks_that_the_kernel_computed_replay_and_padded_ones_replay_as_padded_only() {
    let pcrs = pcrs();
    for bank in HashAlg::ALL {
        let padded = matches!(bank, HashAlg::Sha384 | HashAlg::Sha512);
        let wanted = pcrs[&(bank, 10)];
        assert_eq!(replayed(Replay::new(bank)).value() == wanted, !padded, "{bank}");
        let replay = replayed(Replay::padded(bank));
        assert!(replay.is_padded() && !replayed(Replay::new(bank)).is_padded());
        // In the SHA-1 bank there is nothing to pad.
        assert_eq!(replay.value() == wanted, padded || bank == HashAlg::Sha1, "{bank}");
    }
}

#[test]
fn boot_aggregate_is_recomputed_from_the_pcrs_of_the_machine() {
    let (pcrs, list) = (pcrs(), binary(FOLDER));
    let first = parse_binary(&list, 0).next().unwrap().unwrap();
    assert!(first.is_boot_aggregate());
    let Body::File { digest_alg: DigestAlg::Sha256, digest, .. } = first.body else { panic!("{first:?}") };
    let aggregate =
        |variant| boot_aggregate(HashAlg::Sha256, |pcr| pcrs.get(&(HashAlg::Sha256, pcr)).copied(), variant, &Hash);
    assert_eq!(aggregate(BootAggregate::Pcr0To9).unwrap().as_bytes(), digest);
    assert_ne!(aggregate(BootAggregate::Pcr0To7).unwrap().as_bytes(), digest);
}

#[test]
fn boot_aggregate_of_too_few_or_foreign_pcrs_is_refused() {
    let pcrs = pcrs();
    let up_to = |last: u32| move |pcr: u32| (pcr <= last).then_some(Digest::zero(HashAlg::Sha256));
    let aggregate = |last, variant| boot_aggregate(HashAlg::Sha256, up_to(last), variant, &Hash);
    assert_eq!(aggregate(8, BootAggregate::Pcr0To9), Err(BootAggregateError::Missing { pcr: 9 }));
    assert_eq!(aggregate(6, BootAggregate::Pcr0To7), Err(BootAggregateError::Missing { pcr: 7 }));
    assert!(aggregate(7, BootAggregate::Pcr0To7).is_ok());
    let foreign = |pcr| pcrs.get(&(HashAlg::Sha1, pcr)).copied();
    let error = boot_aggregate(HashAlg::Sha256, foreign, BootAggregate::Pcr0To7, &Hash).unwrap_err();
    assert_eq!(error, BootAggregateError::Bank { pcr: 0, wanted: HashAlg::Sha256, got: HashAlg::Sha1 });
}

#[test]
fn width_is_found_in_every_recording() {
    for folder in crate::golden::RECORDED {
        let list = binary(folder);
        assert_eq!(detect_template_hash(&list), Ok(HashAlg::Sha1), "{folder}");
        let rest = parse_binary(&list, 0).nth(100).unwrap().unwrap().offset;
        assert_eq!(detect_template_hash(&list[rest..]), Ok(HashAlg::Sha1), "{folder} from entry 100 on");
    }
    assert!(detect_template_hash(&[]).unwrap_err().is_cut());
    assert!(detect_template_hash(&[0xFF; 400]).is_err());
}
