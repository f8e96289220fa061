//! From the first key to the last quote, on a software TPM.

use avouch_crypto::{AttestationKey, Hash, make_credential};
use avouch_tpm::{AkBlob, Attested, Error, KeyLost, Tpm};
use avouch_tpm_wire::command::Clear;
use avouch_tpm_wire::rc::ResponseCode;
use avouch_tpm_wire::{
    Attest, AttestBody, Authorization, EkTemplate, Handle, HashAlg, PcrSelection, PublicArea, Signature, templates,
};

use crate::swtpm::Swtpm;
use crate::wire::Wire;

const PCRS: [u32; 4] = [0, 4, 7, 10];

fn selection() -> PcrSelection {
    PcrSelection::of(HashAlg::Sha256, &PCRS)
}

fn verify<'a>(key: &AkBlob, attested: &'a Attested) -> Attest<'a> {
    let verifier = AttestationKey::from_public(&key.public).unwrap();
    let signature = Signature::parse(&attested.signature).unwrap();
    verifier.verify(&attested.attest, &signature).unwrap();
    Attest::parse(&attested.attest).unwrap()
}

#[test]
fn quote_verifies_and_says_where_the_key_stands() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let blob = tpm.create_attestation_key().unwrap();
    let quoted = tpm.load_attestation_key(&blob).unwrap().quote(selection(), &[7; 32]).unwrap();
    let quote = verify(&blob, &quoted);
    assert_eq!(quote.extra_data, [7; 32]);
    let AttestBody::Quote { selection: covered, pcr_digest } = &quote.body else { panic!("a quote is a quote") };
    assert!(covered.is(selection()));
    assert_eq!(*pcr_digest, avouch_crypto::sha256(&[&[0; 32 * PCRS.len()]]));
    let parent = PublicArea::parse(&blob.parent_public).unwrap();
    assert!(parent.is_made_from(&templates::AK_PARENT));
    let ak = PublicArea::parse(&blob.public).unwrap();
    let qualified = ak.qualified_name(&parent.endorsement_primary_qualified_name(&Hash), &Hash);
    assert_eq!(quote.qualified_signer, qualified);
}

#[test]
fn time_and_certification_verify() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let blob = tpm.create_attestation_key().unwrap();
    let mut session = tpm.load_attestation_key(&blob).unwrap();
    let timed = session.get_time(&[2; 32]).unwrap();
    let certified = session.certify_parent(&[3; 32]).unwrap();
    drop(session);

    let time = verify(&blob, &timed);
    assert_eq!(time.extra_data, [2; 32]);
    let AttestBody::Time { clock, firmware_version, .. } = time.body else { panic!("a time is a time") };
    // An endorsement-hierarchy key sees counters and firmware as they are.
    assert_eq!((clock, firmware_version), (time.clock, time.firmware_version));
    assert_eq!(firmware_version, tpm.properties().unwrap().firmware_version);

    let certification = verify(&blob, &certified);
    assert_eq!(certification.extra_data, [3; 32]);
    let parent = PublicArea::parse(&blob.parent_public).unwrap();
    let AttestBody::Certify { name, qualified_name } = certification.body else { panic!("a certification") };
    assert_eq!(name, parent.name(&Hash));
    assert_eq!(qualified_name, parent.endorsement_primary_qualified_name(&Hash));
}

#[test]
fn steady_round_is_one_command() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, wire) = swtpm.tpm();
    let blob = tpm.create_attestation_key().unwrap();
    wire.commands();
    let mut session = tpm.load_attestation_key(&blob).unwrap();
    assert_eq!(wire.commands(), ["TPM2_CreatePrimary", "TPM2_Load", "TPM2_FlushContext"]);
    for _ in 0..3 {
        session.quote(selection(), &[1; 32]).unwrap();
        assert_eq!(wire.commands(), ["TPM2_Quote"]);
    }
    session.get_time(&[1; 32]).unwrap();
    assert_eq!(wire.commands(), ["TPM2_GetTime"]);
    session.certify_parent(&[1; 32]).unwrap();
    assert_eq!(wire.commands(), ["TPM2_CreatePrimary", "TPM2_Certify", "TPM2_FlushContext"]);
    drop(session);
    assert_eq!(wire.commands(), ["TPM2_FlushContext"]);
}

#[test]
fn credential_opens_beside_the_key_it_was_made_for() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let endorsement = tpm.endorsement_key().unwrap();
    let blob = tpm.create_attestation_key().unwrap();
    let ek = PublicArea::parse(&endorsement.public).unwrap();
    let name = PublicArea::parse(&blob.public).unwrap().name(&Hash);
    let credential = make_credential(&ek, &name, &[0x5A; 32]).unwrap();
    let opened =
        tpm.activate_credential(&blob, EkTemplate::L1, &credential.id_object, &credential.encrypted_secret).unwrap();
    assert_eq!(opened, [0x5A; 32]);
    no_handles(&mut tpm);

    let other = tpm.create_attestation_key().unwrap();
    let error = tpm
        .activate_credential(&other, EkTemplate::L1, &credential.id_object, &credential.encrypted_secret)
        .unwrap_err();
    assert!(matches!(error, Error::ForeignCredential { .. }), "{error:?}");
    no_handles(&mut tpm);

    let mut damaged = credential.id_object.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let error = tpm.activate_credential(&blob, EkTemplate::L1, &damaged, &credential.encrypted_secret).unwrap_err();
    assert!(matches!(error, Error::ForeignCredential { .. }), "{error:?}");
    let error =
        tpm.activate_credential(&blob, EkTemplate::L1, &damaged[1..], &credential.encrypted_secret).unwrap_err();
    assert!(matches!(error, Error::Input { .. }), "{error:?}");
    no_handles(&mut tpm);
}

#[test]
fn credential_for_another_tpm_does_not_open() {
    let (Some(first), Some(second)) = (Swtpm::start(), Swtpm::start()) else { return };
    let (mut here, _) = first.tpm();
    let (mut there, _) = second.tpm();
    let ek = there.endorsement_key().unwrap().public;
    let blob = here.create_attestation_key().unwrap();
    let name = PublicArea::parse(&blob.public).unwrap().name(&Hash);
    let credential = make_credential(&PublicArea::parse(&ek).unwrap(), &name, &[1; 32]).unwrap();
    let error = here
        .activate_credential(&blob, EkTemplate::L1, &credential.id_object, &credential.encrypted_secret)
        .unwrap_err();
    assert!(matches!(error, Error::ForeignCredential { .. }), "{error:?}");
    no_handles(&mut here);
}

#[test]
fn key_is_lost_when_the_tpm_is_cleared() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let blob = tpm.create_attestation_key().unwrap();
    tpm.load_attestation_key(&blob).unwrap();
    tpm.execute(&Clear { auth_handle: Handle::LOCKOUT }, &[Authorization::EMPTY]).unwrap();
    let error = tpm.load_attestation_key(&blob).map(|_| ()).unwrap_err();
    let Error::KeyLost(KeyLost::DoesNotLoad { rc }) = error else { panic!("{error:?}") };
    assert_eq!(rc.base(), ResponseCode::INTEGRITY);
    no_handles(&mut tpm);
    // The same TPM takes a new key at once.
    let again = tpm.create_attestation_key().unwrap();
    assert_ne!(again.public, blob.public);
    tpm.load_attestation_key(&again).unwrap();
}

#[test]
fn key_of_another_tpm_is_lost_and_not_merely_refused() {
    let (Some(first), Some(second)) = (Swtpm::start(), Swtpm::start()) else { return };
    let blob = first.tpm().0.create_attestation_key().unwrap();
    let (mut there, _) = second.tpm();
    let error = there.load_attestation_key(&blob).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::KeyLost(KeyLost::OtherParent)), "{error:?}");
    no_handles(&mut there);
}

#[test]
fn key_survives_a_restart_of_the_machine() {
    let Some(mut swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let blob = tpm.create_attestation_key().unwrap();
    let before = tpm.load_attestation_key(&blob).unwrap().quote(selection(), &[]).unwrap();
    drop(tpm);
    swtpm.restart();
    let (mut tpm, _) = swtpm.tpm();
    let after = tpm.load_attestation_key(&blob).unwrap().quote(selection(), &[]).unwrap();
    let (before, after) = (verify(&blob, &before), verify(&blob, &after));
    assert_eq!(after.clock.reset_count, before.clock.reset_count + 1);
    assert_eq!(after.qualified_signer, before.qualified_signer);
}

#[test]
fn busy_or_unreachable_tpm_is_not_taken_for_a_lost_key() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, wire) = swtpm.tpm();
    let blob = tpm.create_attestation_key().unwrap();
    for code in [0x921, 0x902, 0x9A2, 0x18B, 0x100] {
        wire.interfere(move |_, command| {
            (command.to_string() == "TPM2_Load").then_some(crate::wire::Fault::Refuse(ResponseCode(code)))
        });
        let error = tpm.load_attestation_key(&blob).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    }
    wire.leave_alone();
    tpm.load_attestation_key(&blob).unwrap();
}

#[test]
fn damaged_blob_is_told_from_a_lost_key() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let blob = tpm.create_attestation_key().unwrap();
    let cut = AkBlob { private: blob.private[..40].to_vec(), ..blob.clone() };
    assert!(matches!(tpm.load_attestation_key(&cut), Err(Error::Input { .. })));
    let other = AkBlob { public: blob.parent_public.clone(), ..blob.clone() };
    assert!(matches!(tpm.load_attestation_key(&other), Err(Error::OtherTemplate { .. })));
    let long = vec![0; 70];
    let mut session = tpm.load_attestation_key(&blob).unwrap();
    assert!(matches!(session.quote(selection(), &long), Err(Error::Refused { .. })));
}

#[test]
fn removed_key_is_a_lost_session_and_loads_again() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, wire) = swtpm.tpm();
    let blob = tpm.create_attestation_key().unwrap();
    let mut session = tpm.load_attestation_key(&blob).unwrap();
    let mut other = Tpm::new(wire);
    let flush_handle = other.handles(Handle::FIRST_TRANSIENT).unwrap()[0];
    other.execute(&avouch_tpm_wire::command::FlushContext { flush_handle }, &[]).unwrap();
    let error = session.quote(selection(), &[]).unwrap_err();
    assert!(matches!(error, Error::SessionLost { .. }), "{error:?}");
    drop(session);
    tpm.load_attestation_key(&blob).unwrap().quote(selection(), &[]).unwrap();
}

pub(crate) fn no_handles(tpm: &mut Tpm<Wire>) {
    assert_eq!(tpm.handles(Handle::FIRST_TRANSIENT).unwrap(), []);
    assert_eq!(tpm.handles(Handle::FIRST_LOADED_SESSION).unwrap(), []);
}
