//! PCRs are extended and read as the rule says.

use avouch_crypto::Hash;
use avouch_tpm_wire::{Digest, HashAlg, Hasher, PcrSelection, extend};

use crate::swtpm::Swtpm;

#[test]
fn extended_pcr_has_the_value_of_the_rule_in_each_bank() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let banks = tpm.pcr_banks().unwrap();
    assert!(banks.iter().any(|bank| bank.alg == HashAlg::Sha256.id()));
    let algs: Vec<_> = banks.iter().filter_map(|bank| HashAlg::from_id(bank.alg)).collect();
    let events: Vec<_> = algs.iter().map(|alg| Hash.hash(*alg, &[b"event"])).collect();
    tpm.pcr_extend(14, &events).unwrap();
    for event in events {
        let value = tpm.pcr_read(PcrSelection::of(event.alg(), &[14])).unwrap();
        assert_eq!(value, [(14, extend(&Hash, &Digest::zero(event.alg()), &event))]);
    }
}

#[test]
fn all_pcrs_are_read_in_order() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, wire) = swtpm.tpm();
    wire.commands();
    let all: Vec<_> = (0..24).collect();
    let values = tpm.pcr_read(PcrSelection::of(HashAlg::Sha256, &all)).unwrap();
    assert_eq!(values.iter().map(|(pcr, _)| *pcr).collect::<Vec<_>>(), all);
    assert!(values[..17].iter().all(|(_, value)| value.is_zero()));
    assert_eq!(values[17].1, Digest::ones(HashAlg::Sha256));
    assert_eq!(wire.commands().len(), 3);
}

#[test]
fn bank_that_is_not_active_is_told() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let banks = tpm.pcr_banks().unwrap();
    for alg in HashAlg::ALL.into_iter().filter(|alg| banks.iter().all(|bank| bank.alg != alg.id())) {
        assert!(tpm.pcr_read(PcrSelection::of(alg, &[0])).is_err(), "{alg}");
    }
}
