//! Logs and a quote that a real machine made: UEFI Secure Boot, Debian 12, systemd 252, its own IMA policy.

use avouch_appraise::{AuthenticQuote, Expected};
use avouch_crypto::AttestationKey;
use avouch_protocol::{Hash, Message, Status};
use avouch_tpm_wire::{Attest, PublicArea};

use crate::data;
use crate::machine::{MASK, Machine, code, codes};

#[test]
fn the_recorded_boot_and_list_pass_under_their_own_reference() {
    let mut machine = Machine::with_list(data!("binary_runtime_measurements"));
    let policy = machine.policy();
    let appraisal = machine.judged(&policy, None);
    assert_eq!((appraisal.verdict.status, codes(&appraisal)), (Status::Pass, vec![]));
    assert_eq!(appraisal.verdict.session.unwrap().ima_entries, 367);
    assert_eq!(machine.reference().early.len(), 29);
}

#[test]
fn the_recorded_violation_is_found_when_it_appears() {
    let mut machine = Machine::with_list(data!("binary_runtime_measurements"));
    let policy = machine.policy();
    let session = machine.judged(&policy, None).session.unwrap();
    machine.ima = Machine::with_list(data!("violation.bin")).ima;
    assert_eq!(machine.ima.len(), 384);
    let appraisal = machine.judged(&policy, Some(&session));
    assert_eq!(appraisal.verdict.status, Status::Fail);
    let violation = appraisal.verdict.findings().find(|finding| finding.code.as_str() == "IMA_VIOLATION").unwrap();
    assert_eq!(violation.place.path.as_deref(), Some("/usr/local/sbin/v1"));
    assert_eq!(violation.place.index, Some(382));
}

/// The quote is by a real TPM, for a verifier that is not Avouch.
#[test]
fn a_recorded_quote_for_another_verifier_is_refused_at_its_qualifying_data() {
    let machine = Machine::new();
    let mut challenge = machine.challenge(Hash::ZERO, Default::default());
    challenge.pcr_mask = MASK | 1 << 11;
    let mut evidence = machine.answer(&machine.challenge(Hash::ZERO, Default::default()), 7);
    let bytes = challenge.to_cbor();
    evidence.challenge = crate::machine::hash(&[&bytes]);
    evidence.quote = data!("quote.msg").to_vec().into();
    evidence.quote_signature = data!("quote.sig").to_vec().into();
    let area = PublicArea::parse_sized(data!("ak.pub.tpm2b")).unwrap();
    let ak = AttestationKey::new(&area).unwrap();
    let signer = Attest::parse(data!("quote.msg")).unwrap().qualified_signer;
    let with = |signer: &[u8], evidence: &avouch_protocol::Evidence| {
        let expected = Expected {
            ak: &ak,
            qualified_signer: signer,
            challenge: &challenge,
            challenge_bytes: &bytes,
            client_spki: machine.client_spki,
            last: None,
        };
        code(AuthenticQuote::authenticate(evidence, &expected))
    };
    assert_eq!(with(signer, &evidence), Some("QUALIFYING_DATA"));
    assert_eq!(with(machine.keys.qualified_signer(), &evidence), Some("QUALIFIED_SIGNER"));
    let mut damaged = evidence.clone();
    damaged.quote[60] ^= 1;
    assert_eq!(with(signer, &damaged), Some("SIGNATURE"));
}
