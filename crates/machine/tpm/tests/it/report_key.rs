//! The report key signs in the boot state that it was made in, and in no other.

use avouch_crypto::{AttestationKey, Hash, sha256};
use avouch_tpm::{Error, KeyLost, ReportKeyBlob, Tpm};
use avouch_tpm_wire::command::{Create, CreatePrimary, FlushContext, Load, Sign};
use avouch_tpm_wire::rc::ResponseCode;
use avouch_tpm_wire::templates::{AK_PARENT, REPORT_KEY_PCRS, report_key};
use avouch_tpm_wire::{
    Attest, AttestBody, Attributes, Authorization, Digest, Handle, HashAlg, PcrSelection, PublicArea, Scheme,
    SelectionList, SensitiveCreate, Signature, SizedPublic, Ticket, WireError, pcr_policy, response, unsized_of,
};

use crate::lifecycle::no_handles;
use crate::swtpm::Swtpm;
use crate::wire::Wire;

const REPORT: &[u8] = b"a report";

fn event(text: &[u8]) -> [Digest; 1] {
    [Digest::new(HashAlg::Sha256, &sha256(&[text])).unwrap()]
}

/// The policy of PCRs that were never extended but for these.
fn policy(extended: &[(u32, Digest)]) -> [u8; 32] {
    let zero = Digest::zero(HashAlg::Sha256);
    let value = |pcr| match extended.iter().find(|(at, _)| *at == pcr) {
        Some((_, event)) => avouch_tpm_wire::extend(&Hash, &zero, event),
        None => zero,
    };
    let values: Vec<Digest> = REPORT_KEY_PCRS.pcrs().map(value).collect();
    *pcr_policy(&Hash, HashAlg::Sha256, REPORT_KEY_PCRS, &values).as_bytes().first_chunk().unwrap()
}

/// ECDSA over P-256 and SHA-256, by a library that has seen neither template nor TPM.
fn holds(key: &ReportKeyBlob, signature: &[u8]) -> bool {
    avouch_crypto::ReportKey::from_public(&key.public).unwrap().verify(&sha256(&[REPORT]), signature).is_ok()
}

#[test]
fn key_signs_in_the_boot_state_that_it_was_made_in() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let command_line = event(b"quiet");
    tpm.pcr_extend(12, &command_line).unwrap();
    let blob = tpm.create_attestation_key().unwrap();
    let mut session = tpm.load_attestation_key(&blob).unwrap();
    let key = session.create_report_key().unwrap();
    let template = policy(&[(12, command_line[0])]);
    assert!(PublicArea::parse(&key.public).unwrap().is_made_from(&report_key(&template)));
    let loaded = session.load_report_key(&key).unwrap();
    let signature = session.sign_report(&loaded, &sha256(&[REPORT])).unwrap();
    assert!(holds(&key, &signature));
    let other = session.sign_report(&loaded, &sha256(&[b"another report"])).unwrap();
    assert!(!holds(&key, &other));
    // PCRs that move at run time do not matter.
    for pcr in [10, 11, 13, 14] {
        session.pcr_extend(pcr, &event(b"run time")).unwrap();
    }
    assert!(holds(&key, &session.sign_report(&loaded, &sha256(&[REPORT])).unwrap()));
    session.release_report_key(loaded);
    drop(session);
    no_handles(&mut tpm);
}

#[test]
fn key_refuses_once_any_pcr_of_its_boot_state_moved() {
    for pcr in [0, 2, 4, 7, 12] {
        let Some(swtpm) = Swtpm::start() else { return };
        let (mut tpm, _) = swtpm.tpm();
        let blob = tpm.create_attestation_key().unwrap();
        let mut session = tpm.load_attestation_key(&blob).unwrap();
        let key = session.create_report_key().unwrap();
        let loaded = session.load_report_key(&key).unwrap();
        session.sign_report(&loaded, &sha256(&[REPORT])).unwrap();
        session.pcr_extend(pcr, &event(b"something else")).unwrap();
        let error = session.sign_report(&loaded, &sha256(&[REPORT])).unwrap_err();
        let own = PublicArea::parse(&key.public).unwrap();
        assert_ne!(session.report_key_policy().unwrap(), own.auth_policy(), "what a caller can know before");
        let Error::OtherBootState { code } = error else { panic!("PCR {pcr}: {error:?}") };
        assert_eq!(code.base(), ResponseCode::POLICY_FAIL);
        // The attestation key certifies it all the same, and a new key signs.
        session.certify_report_key(&loaded, &[1; 32]).unwrap();
        session.release_report_key(loaded);
        let next = session.create_report_key().unwrap();
        let loaded = session.load_report_key(&next).unwrap();
        assert!(holds(&next, &session.sign_report(&loaded, &sha256(&[REPORT])).unwrap()));
        drop(session);
        no_handles(&mut tpm);
    }
}

#[test]
fn key_of_another_boot_state_signs_again_when_that_state_is_back() {
    let Some(mut swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let blob = tpm.create_attestation_key().unwrap();
    let key = tpm.load_attestation_key(&blob).unwrap().create_report_key().unwrap();
    tpm.pcr_extend(4, &event(b"another kernel")).unwrap();
    let mut session = tpm.load_attestation_key(&blob).unwrap();
    let loaded = session.load_report_key(&key).unwrap();
    assert!(matches!(session.sign_report(&loaded, &[7; 32]), Err(Error::OtherBootState { .. })));
    drop(session);
    drop(tpm);
    swtpm.restart();
    let (mut tpm, _) = swtpm.tpm();
    let mut session = tpm.load_attestation_key(&blob).unwrap();
    let loaded = session.load_report_key(&key).unwrap();
    assert!(holds(&key, &session.sign_report(&loaded, &sha256(&[REPORT])).unwrap()));
}

#[test]
fn certification_names_the_key_and_where_it_stands() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let blob = tpm.create_attestation_key().unwrap();
    let mut session = tpm.load_attestation_key(&blob).unwrap();
    let key = session.create_report_key().unwrap();
    let loaded = session.load_report_key(&key).unwrap();
    let certified = session.certify_report_key(&loaded, &[5; 32]).unwrap();
    let signature = Signature::parse(&certified.signature).unwrap();
    AttestationKey::from_public(&blob.public).unwrap().verify(&certified.attest, &signature).unwrap();
    let attest = Attest::parse(&certified.attest).unwrap();
    assert_eq!(attest.extra_data, [5; 32]);
    let AttestBody::Certify { name, qualified_name } = attest.body else { panic!("a certification") };
    let public = PublicArea::parse(&key.public).unwrap();
    let parent = PublicArea::parse(&blob.parent_public).unwrap().endorsement_primary_qualified_name(&Hash);
    assert_eq!((name, qualified_name), (&*public.name(&Hash), &*public.qualified_name(&parent, &Hash)));
}

#[test]
fn steady_round_with_a_report_signs_twice() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, wire) = swtpm.tpm();
    let blob = tpm.create_attestation_key().unwrap();
    let mut session = tpm.load_attestation_key(&blob).unwrap();
    let key = session.create_report_key().unwrap();
    let loaded = session.load_report_key(&key).unwrap();
    let selection = PcrSelection::of(HashAlg::Sha256, &[0, 13]);
    for _ in 0..3 {
        wire.commands();
        session.pcr_extend(13, &event(REPORT)).unwrap();
        session.quote(selection, &[1; 32]).unwrap();
        session.sign_report(&loaded, &sha256(&[REPORT])).unwrap();
        let commands = wire.commands();
        let wanted = [
            "TPM2_PCR_Extend",
            "TPM2_Quote",
            "TPM2_StartAuthSession",
            "TPM2_PolicyPCR",
            "TPM2_Sign",
            "TPM2_FlushContext",
        ];
        assert_eq!(commands, wanted);
        let signing = ["TPM2_Quote", "TPM2_GetTime", "TPM2_Certify", "TPM2_Sign"];
        assert!(commands.iter().filter(|name| signing.contains(&name.as_str())).count() <= 2);
    }
}

/// A child of the attestation key's parent with any template, and a signature of it under an empty password.
fn signed_by_password(tpm: &mut Tpm<Wire>, template: PublicArea<'_>) -> Result<Vec<u8>, Error> {
    let empty = [Authorization::EMPTY];
    let (outside_info, creation_pcr) = (&[][..], SelectionList::default());
    let in_sensitive = SensitiveCreate::default();
    let primary = CreatePrimary {
        primary_handle: Handle::ENDORSEMENT,
        in_sensitive,
        in_public: SizedPublic(AK_PARENT),
        outside_info,
        creation_pcr: creation_pcr.clone(),
    };
    let answer = tpm.execute(&primary, &empty)?;
    let parent_handle = answer.read::<response::CreatePrimary<'_>>()?.object_handle;
    let create = Create { parent_handle, in_sensitive, in_public: SizedPublic(template), outside_info, creation_pcr };
    let answer = tpm.execute(&create, &empty)?;
    let created: response::Create<'_> = answer.read()?;
    let load = Load { parent_handle, in_private: created.out_private, in_public: created.out_public };
    let answer = tpm.execute(&load, &empty)?;
    let key_handle = answer.read::<response::Load<'_>>()?.object_handle;
    let sign =
        Sign { key_handle, digest: &sha256(&[REPORT]), in_scheme: Scheme::Null, validation: Ticket::NO_HASHCHECK };
    let signed = tpm
        .execute(&sign, &empty)
        .and_then(|answer| Ok(answer.read::<response::Sign<'_>>()?.signature.encode().unwrap()));
    for flush_handle in [key_handle, parent_handle] {
        tpm.execute(&FlushContext { flush_handle }, &[])?;
    }
    signed
}

#[test]
fn variant_with_user_with_auth_signs_in_any_state_and_is_not_made_from_the_template() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    // A policy that no state satisfies.
    let never = [7; 32];
    let good = report_key(&never);
    let error = signed_by_password(&mut tpm, good).unwrap_err();
    let Error::Refused { code, .. } = error else { panic!("{error:?}") };
    assert_eq!(code.base(), ResponseCode(0x12F), "TPM_RC_AUTH_UNAVAILABLE");
    let attributes = good.attributes() | Attributes::USER_WITH_AUTH;
    let loose = PublicArea::new(HashAlg::Sha256, attributes, &never, *good.key()).unwrap();
    let signed = signed_by_password(&mut tpm, loose).unwrap();
    assert!(Signature::parse(&signed).is_ok(), "it signs with an empty password whatever the PCRs say");
    assert!(!loose.is_made_from(&report_key(&never)));
    no_handles(&mut tpm);
}

#[test]
fn damaged_foreign_or_outlived_key_is_told_from_the_attestation_key_s_loss() {
    let (Some(first), Some(second)) = (Swtpm::start(), Swtpm::start()) else { return };
    let (mut here, _) = first.tpm();
    let (mut there, _) = second.tpm();
    let (ours, theirs) = (here.create_attestation_key().unwrap(), there.create_attestation_key().unwrap());
    let foreign = there.load_attestation_key(&theirs).unwrap().create_report_key().unwrap();
    let mut session = here.load_attestation_key(&ours).unwrap();
    assert!(matches!(session.load_report_key(&foreign), Err(Error::ReportKeyLost { .. })));
    let key = session.create_report_key().unwrap();
    let cut = ReportKeyBlob { private: key.private[..40].to_vec(), ..key.clone() };
    assert!(matches!(session.load_report_key(&cut), Err(Error::Input { .. })));
    let wrong: Result<_, WireError> = unsized_of(&key.private);
    let mut private = wrong.unwrap().to_vec();
    *private.last_mut().unwrap() ^= 1;
    let damaged = ReportKeyBlob { private: avouch_tpm_wire::sized(&private).unwrap(), ..key.clone() };
    assert!(matches!(session.load_report_key(&damaged), Err(Error::ReportKeyLost { .. })));
    session.load_report_key(&key).unwrap();
    drop(session);
    no_handles(&mut here);
    let clear = avouch_tpm_wire::command::Clear { auth_handle: Handle::LOCKOUT };
    here.execute(&clear, &[Authorization::EMPTY]).unwrap();
    let error = here.load_attestation_key(&ours).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::KeyLost(KeyLost::DoesNotLoad { .. })));
    let again = here.create_attestation_key().unwrap();
    let error = here.load_attestation_key(&again).unwrap().load_report_key(&key).unwrap_err();
    assert!(matches!(error, Error::ReportKeyLost { .. }), "{error:?}");
}

#[test]
fn clock_names_the_boot_session() {
    let Some(mut swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let before = tpm.clock().unwrap();
    drop(tpm);
    swtpm.restart();
    let after = swtpm.tpm().0.clock().unwrap();
    assert_eq!(after.reset_count, before.reset_count + 1);
}
