//! Nothing stays loaded, whichever command of an operation fails and however.

use avouch_crypto::{Hash, make_credential};
use avouch_tpm::{AkBlob, Error, Patience, Tpm};
use avouch_tpm_wire::rc::ResponseCode;
use avouch_tpm_wire::{EkTemplate, Handle, HashAlg, PcrSelection, PublicArea};
use std::time::Duration;

use crate::lifecycle::no_handles;
use crate::swtpm::Swtpm;
use crate::wire::{Fault, Wire};

/// What an operation may need.
struct Known {
    blob: AkBlob,
    id_object: Vec<u8>,
    encrypted_secret: Vec<u8>,
}

type Operation = fn(&mut Tpm<Wire>, &Known) -> Result<(), Error>;

const OPERATIONS: [(&str, Operation); 6] = [
    ("endorsement key", |tpm, _| tpm.endorsement_key().map(|_| ())),
    ("new attestation key", |tpm, _| tpm.create_attestation_key().map(|_| ())),
    ("quote", |tpm, known| {
        let mut session = tpm.load_attestation_key(&known.blob)?;
        session.quote(PcrSelection::of(HashAlg::Sha256, &[0]), &[1; 32])?;
        session.get_time(&[2; 32]).map(|_| ())
    }),
    ("certification", |tpm, known| tpm.load_attestation_key(&known.blob)?.certify_parent(&[3; 32]).map(|_| ())),
    ("report key", |tpm, known| {
        let mut session = tpm.load_attestation_key(&known.blob)?;
        let key = session.create_report_key()?;
        let key = session.load_report_key(&key)?;
        session.certify_report_key(&key, &[3; 32])?;
        session.sign_report(&key, &[4; 32]).map(|_| ())
    }),
    ("activation", |tpm, known| {
        tpm.activate_credential(&known.blob, EkTemplate::L1, &known.id_object, &known.encrypted_secret).map(|_| ())
    }),
];

fn known(tpm: &mut Tpm<Wire>) -> Known {
    let blob = tpm.create_attestation_key().unwrap();
    let ek = tpm.endorsement_key().unwrap().public;
    let name = PublicArea::parse(&blob.public).unwrap().name(&Hash);
    let credential = make_credential(&PublicArea::parse(&ek).unwrap(), &name, &[9; 32]).unwrap();
    Known { blob, id_object: credential.id_object, encrypted_secret: credential.encrypted_secret }
}

#[test]
fn nothing_stays_loaded_whichever_command_fails() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, wire) = swtpm.tpm();
    let known = known(&mut tpm);
    let mut failures = 0;
    for (what, operation) in OPERATIONS {
        wire.commands();
        operation(&mut tpm, &known).unwrap();
        let commands = wire.commands();
        no_handles(&mut tpm);
        // A flush that fails is the next test's matter.
        for (at, command) in commands.iter().enumerate().filter(|(_, command)| *command != "TPM2_FlushContext") {
            for fault in [Fault::Refuse(ResponseCode(0x101)), Fault::Cut, Fault::Lost] {
                wire.interfere(move |number, _| (number == at).then_some(fault));
                let outcome = operation(&mut tpm, &known);
                wire.leave_alone();
                // Cutting a short answer may leave it whole; an absent persistent key is no error.
                if let Err(error) = outcome {
                    failures += 1;
                    assert!(!error.to_string().is_empty());
                }
                let left =
                    [Handle::FIRST_TRANSIENT, Handle::FIRST_LOADED_SESSION].map(|kind| tpm.handles(kind).unwrap());
                assert_eq!(left, [[], []], "{what}: {command} (number {at}) {fault:?}");
            }
        }
    }
    assert!(failures > 30, "only {failures} failures were played");
}

#[test]
fn flush_that_fails_is_done_before_the_next_operation() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (_, wire) = swtpm.tpm();
    let patience = Patience { first: Duration::ZERO, longest: Duration::ZERO, attempts: 3, ..Patience::default() };
    let mut tpm = Tpm::with_patience(wire.clone(), patience);
    for fault in [Fault::Refuse(ResponseCode::RETRY), Fault::Lost] {
        wire.interfere(move |_, command| (command.to_string() == "TPM2_FlushContext").then_some(fault));
        tpm.create_attestation_key().unwrap();
        wire.leave_alone();
        assert_eq!(tpm.handles(Handle::FIRST_TRANSIENT).unwrap().len(), 1);
        wire.commands();
        tpm.create_attestation_key().unwrap();
        assert_eq!(wire.commands()[..2], ["TPM2_FlushContext", "TPM2_CreatePrimary"]);
        no_handles(&mut tpm);
    }
}

#[test]
fn many_operations_need_no_more_room_than_one() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let known = known(&mut tpm);
    for _ in 0..4 {
        for (what, operation) in OPERATIONS {
            operation(&mut tpm, &known).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    }
    no_handles(&mut tpm);
}

#[test]
fn panic_in_the_caller_flushes_the_key() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let blob = tpm.create_attestation_key().unwrap();
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _session = tpm.load_attestation_key(&blob).unwrap();
        panic!("the caller fails");
    }));
    assert!(ended.is_err());
    no_handles(&mut tpm);
}
