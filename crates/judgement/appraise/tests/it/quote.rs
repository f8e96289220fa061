//! Q1-Q7, Q12a, Q13, Q14, Q19 and C1-C5 at the level of evidence.

use avouch_appraise::Session;
use avouch_protocol::{Evidence, Hash, Purpose};
use avouch_tpm_wire::{HashAlg, PcrSelection, Signature};

use crate::machine::{Attestation, Machine, Round, code};

/// The unaltered twin passes; the altered one is refused with `wanted`.
fn refused(wanted: &str, alter: impl Fn(&Machine, &mut Round)) {
    let mut machine = Machine::new();
    let mut round = machine.round(None, None);
    assert_eq!(code(machine.authenticate(&round, None)), None);
    alter(&machine, &mut round);
    assert_eq!(code(machine.authenticate(&round, None)), Some(wanted));
}

/// As [`refused`], with a quote that the TPM's own key signs.
fn refused_when_signed(wanted: &str, alter: impl Fn(&Machine, &mut Attestation)) {
    refused(wanted, |machine, round| {
        let mut attestation = machine.attestation(&round.challenge, machine.ima.len());
        alter(machine, &mut attestation);
        sign(machine, &mut round.evidence, attestation.encode());
    });
}

fn sign(machine: &Machine, evidence: &mut Evidence, quote: Vec<u8>) {
    evidence.quote_signature = machine.sign(&quote).into();
    evidence.quote = quote.into();
}

#[test]
fn q1_replayed_quote_is_refused() {
    let mut machine = Machine::new();
    let old = machine.round(None, None);
    let mut new = machine.round(None, None);
    assert_eq!(code(machine.authenticate(&new, None)), None);
    new.evidence.quote = old.evidence.quote;
    new.evidence.quote_signature = old.evidence.quote_signature;
    assert_eq!(code(machine.authenticate(&new, None)), Some("QUALIFYING_DATA"));
}

#[test]
fn evidence_for_another_challenge_is_refused() {
    refused("CHALLENGE_MISMATCH", |_, round| round.evidence.challenge = Hash([9; 32]));
    refused("CHALLENGE_MISMATCH", |_, round| round.evidence.seq += 1);
}

#[test]
fn q3_q19_any_other_signed_selection_is_refused() {
    let masks = [1 << 23, crate::machine::MASK | 1 << 11, crate::machine::MASK & !1, 1 << 10];
    for mask in masks {
        refused_when_signed("PCR_SELECTION", |_, quote| quote.selection.mask = mask);
    }
    refused_when_signed("PCR_SELECTION", |machine, quote| {
        quote.selection = PcrSelection { bank: HashAlg::Sha384, mask: machine.mask };
    });
}

#[test]
fn q5_quote_without_the_tpm_magic_is_refused() {
    refused("QUOTE_MAGIC", |machine, round| {
        let mut quote = round.evidence.quote.to_vec();
        quote[0] = 0;
        sign(machine, &mut round.evidence, quote);
    });
}

#[test]
fn an_attestation_of_another_type_is_refused() {
    refused("QUOTE_TYPE", |_, round| {
        round.evidence.quote = round.evidence.time.clone().unwrap();
        round.evidence.quote_signature = round.evidence.time_signature.clone().unwrap();
    });
    refused("QUOTE_TYPE", |machine, round| {
        let mut quote = round.evidence.quote.to_vec();
        quote[5] = 0x14;
        sign(machine, &mut round.evidence, quote);
    });
}

#[test]
fn q7_a_signature_that_does_not_hold_is_refused() {
    refused("SIGNATURE", |_, round| {
        let mut signature = round.evidence.quote_signature.to_vec();
        *signature.last_mut().unwrap() ^= 1;
        round.evidence.quote_signature = signature.into();
    });
    refused("SIGNATURE", |_, round| {
        let mut quote = round.evidence.quote.to_vec();
        *quote.last_mut().unwrap() ^= 1;
        round.evidence.quote = quote.into();
    });
    // Another machine's key over the same bytes.
    refused("SIGNATURE", |_, round| {
        round.evidence.quote_signature = Machine::new().sign(&round.evidence.quote).into();
    });
}

#[test]
fn q12a_evidence_made_for_another_client_key_is_refused() {
    let mut machine = Machine::new();
    let round = machine.round(None, None);
    assert_eq!(code(machine.authenticate(&round, None)), None);
    machine.client_spki = Hash([0x55; 32]);
    assert_eq!(code(machine.authenticate(&round, None)), Some("QUALIFYING_DATA"));
}

#[test]
fn a_quote_signed_for_another_purpose_or_report_is_refused() {
    refused("QUALIFYING_DATA", |_, round| round.evidence.report_digest = Hash([1; 32]));
    refused("QUALIFYING_DATA", |machine, round| {
        let mut attestation = machine.attestation(&round.challenge, machine.ima.len());
        attestation.extra_data =
            machine.qualifying(Purpose::GetTime, &avouch_protocol::Message::to_cbor(&round.challenge));
        sign(machine, &mut round.evidence, attestation.encode());
    });
}

#[test]
fn q13_weak_scheme_is_refused() {
    let parts = |evidence: &Evidence| match Signature::parse(&evidence.quote_signature).unwrap() {
        Signature::Ecdsa { r, s, .. } => (r.to_vec(), s.to_vec()),
        _ => unreachable!("the machine signs with ECDSA"),
    };
    refused("SIGNATURE_SCHEME", |_, round| {
        let (r, s) = parts(&round.evidence);
        let weak = Signature::Ecdsa { hash: HashAlg::Sha1, r: &r, s: &s };
        round.evidence.quote_signature = weak.encode().unwrap().into();
    });
    refused("SIGNATURE_SCHEME", |_, round| {
        let rsa = Signature::RsaSsa { hash: HashAlg::Sha256, signature: &[1; 256] };
        round.evidence.quote_signature = rsa.encode().unwrap().into();
    });
    // EC Schnorr and the null signature.
    for scheme in [[0, 0x1C], [0, 0x10]] {
        refused("SIGNATURE_SCHEME", |_, round| {
            let mut signature = round.evidence.quote_signature.to_vec();
            signature[..2].copy_from_slice(&scheme);
            round.evidence.quote_signature = signature.into();
        });
    }
}

#[test]
fn q14_cut_or_padded_structures_are_refused_at_every_byte() {
    let mut machine = Machine::new();
    let mut round = machine.round(None, None);
    let (quote, signature) = (round.evidence.quote.to_vec(), round.evidence.quote_signature.to_vec());
    for cut in 0..signature.len() {
        round.evidence.quote_signature = signature[..cut].to_vec().into();
        assert_eq!(code(machine.authenticate(&round, None)), Some("SIGNATURE_MALFORMED"), "cut at {cut}");
    }
    round.evidence.quote_signature = [signature.clone(), vec![0]].concat().into();
    assert_eq!(code(machine.authenticate(&round, None)), Some("SIGNATURE_MALFORMED"));
    round.evidence.quote_signature = vec![0; 5_000].into();
    assert_eq!(code(machine.authenticate(&round, None)), Some("SIGNATURE_MALFORMED"));
    for cut in 0..quote.len() {
        sign(&machine, &mut round.evidence, quote[..cut].to_vec());
        assert_eq!(code(machine.authenticate(&round, None)), Some("QUOTE_MALFORMED"), "cut at {cut}");
    }
    sign(&machine, &mut round.evidence, [quote.clone(), vec![0]].concat());
    assert_eq!(code(machine.authenticate(&round, None)), Some("QUOTE_MALFORMED"));
    sign(&machine, &mut round.evidence, vec![0; 5_000]);
    assert_eq!(code(machine.authenticate(&round, None)), Some("QUOTE_MALFORMED"));
    sign(&machine, &mut round.evidence, quote);
    assert_eq!(code(machine.authenticate(&round, None)), None);
}

#[test]
fn a_digest_of_another_length_than_the_scheme_is_refused() {
    refused_when_signed("QUOTE_MALFORMED", |_, quote| quote.pcr_digest.truncate(20));
}

#[test]
fn a_key_that_stands_elsewhere_in_the_hierarchy_is_refused() {
    refused_when_signed("QUALIFIED_SIGNER", |_, quote| quote.qualified_signer[5] ^= 1);
}

#[test]
fn forged_time_is_refused() {
    refused("SIGNATURE", |_, round| {
        let mut time = round.evidence.time.clone().unwrap().to_vec();
        *time.last_mut().unwrap() ^= 1;
        round.evidence.time = Some(time.into());
    });
    refused("QUOTE_TYPE", |_, round| {
        round.evidence.time = Some(round.evidence.quote.clone());
        round.evidence.time_signature = Some(round.evidence.quote_signature.clone());
    });
    refused("SIGNATURE_MALFORMED", |_, round| round.evidence.time_signature = None);
}

/// The session after a first round at (resetCount 7, restartCount 2, clock 50,000).
fn session(machine: &mut Machine) -> Session {
    (machine.clock.restart_count, machine.clock.clock) = (2, 49_000);
    let policy = machine.policy();
    machine.judged(&policy, None).session.unwrap()
}

fn next(change: impl Fn(&mut Machine)) -> Option<&'static str> {
    let mut machine = Machine::new();
    let last = session(&mut machine);
    change(&mut machine);
    let challenge = machine.challenge(Hash::ZERO, Default::default());
    let evidence = machine.answer(&challenge, machine.ima.len());
    code(machine.authenticate(&Round { challenge, evidence }, Some(&last)))
}

#[test]
fn c1_to_c5_the_counters_only_go_forward() {
    assert_eq!(next(|machine| machine.clock.clock += 1), None);
    assert_eq!(next(|_| {}), Some("CLOCK_NOT_ADVANCING"), "C3");
    assert_eq!(next(|machine| machine.clock.clock -= 1), Some("CLOCK_NOT_ADVANCING"), "C3");
    assert_eq!(next(|machine| machine.clock.restart_count -= 1), Some("RESTART_COUNT_BACK"));
    assert_eq!(next(|machine| machine.clock.reset_count -= 1), Some("RESET_COUNT_BACK"), "C2");
    assert_eq!(next(Machine::reboot), None, "C1, C4: restartCount starts again");
    let power_cut = |machine: &mut Machine| {
        machine.reboot();
        machine.clock.safe = false;
        machine.clock.clock -= 5_000;
    };
    assert_eq!(next(power_cut), None, "C5");
}
