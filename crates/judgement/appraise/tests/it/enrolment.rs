//! Q8, C11 and the template checks.

use avouch_appraise::{NodeKeys, Rejection, check_ek};
use avouch_protocol::Purpose;
use avouch_tpm_wire::{
    Attest, AttestBody, Attributes, HashAlg, Key, PublicArea, Scheme, Symmetric, qualified_name, templates,
};

use crate::machine::{Machine, ak_area, code};

const CREDENTIAL: &[u8] = b"the credential challenge";

/// TPM2_Certify of the parent, altered by `alter`.
fn certify(machine: &Machine, challenge: &[u8], alter: impl Fn(&mut Certify)) -> Result<(), Rejection> {
    let parent = PublicArea::parse(&machine.parent_public).unwrap();
    let mut certify = Certify {
        qualified_signer: machine.keys.qualified_signer().to_vec(),
        extra_data: machine.qualifying(Purpose::Certify, CREDENTIAL),
        name: machine.keys.parent_name().to_vec(),
        qualified_name: parent.endorsement_primary_qualified_name(&avouch_crypto::Hash),
        signature_flip: 0,
    };
    alter(&mut certify);
    let attest = Attest {
        qualified_signer: &certify.qualified_signer,
        extra_data: &certify.extra_data,
        clock: machine.clock,
        firmware_version: 9,
        body: AttestBody::Certify { name: &certify.name, qualified_name: &certify.qualified_name },
    };
    let bytes = attest.encode().unwrap();
    let mut signature = machine.sign(&bytes);
    *signature.last_mut().unwrap() ^= certify.signature_flip;
    let keys = NodeKeys::check(&machine.ak_public, &machine.parent_public).unwrap();
    keys.certified(&bytes, &signature, challenge, &machine.client_spki).map(|enrolled| {
        assert_eq!(enrolled.keys().qualified_signer(), machine.keys.qualified_signer());
    })
}

struct Certify {
    qualified_signer: Vec<u8>,
    extra_data: Vec<u8>,
    name: Vec<u8>,
    qualified_name: Vec<u8>,
    signature_flip: u8,
}

#[test]
fn a_certified_parent_is_accepted_and_an_altered_certification_is_not() {
    let machine = Machine::new();
    let with = |alter: fn(&mut Certify)| code(certify(&machine, CREDENTIAL, alter));
    assert_eq!(with(|_| {}), None);
    assert_eq!(with(|certify| certify.signature_flip = 1), Some("SIGNATURE"));
    assert_eq!(with(|certify| certify.extra_data[0] ^= 1), Some("QUALIFYING_DATA"));
    assert_eq!(with(|certify| certify.name[3] ^= 1), Some("CERTIFIED_NAME"));
    assert_eq!(with(|certify| certify.qualified_name[3] ^= 1), Some("CERTIFIED_NAME"));
    assert_eq!(code(certify(&machine, b"another enrolment", |_| {})), Some("QUALIFYING_DATA"));
}

#[test]
fn c11_a_primary_attestation_key_is_refused() {
    let machine = Machine::new();
    // As a TPM shows a primary of the endorsement hierarchy with the same public area.
    let handle = 0x4000_000B_u32.to_be_bytes();
    let primary = qualified_name(HashAlg::Sha256, &handle, machine.keys.ak_name(), &avouch_crypto::Hash);
    let refused = certify(&machine, CREDENTIAL, |certify| certify.qualified_signer.clone_from(&primary));
    assert_eq!(code(refused), Some("AK_IS_PRIMARY"));
}

#[test]
fn a_quote_is_no_certification() {
    let machine = Machine::new();
    let challenge = machine.challenge(avouch_protocol::Hash::ZERO, Default::default());
    let evidence = machine.answer(&challenge, 3);
    let keys = NodeKeys::check(&machine.ak_public, &machine.parent_public).unwrap();
    let refused = keys.certified(&evidence.quote, &evidence.quote_signature, CREDENTIAL, &machine.client_spki);
    assert_eq!(code(refused), Some("QUOTE_TYPE"));
}

fn checked(ak: PublicArea<'_>, parent: &[u8]) -> Option<&'static str> {
    code(NodeKeys::check(&ak.encode(), parent))
}

#[test]
fn q8_an_attestation_key_with_other_attributes_is_refused() {
    let machine = Machine::new();
    let good = PublicArea::parse(&machine.ak_public).unwrap();
    assert_eq!(checked(good, &machine.parent_public), None);
    let attributes = good.attributes().0;
    let missing = [
        Attributes::FIXED_TPM,
        Attributes::FIXED_PARENT,
        Attributes::SENSITIVE_DATA_ORIGIN,
        Attributes::RESTRICTED,
        Attributes::SIGN,
    ];
    let wrong = missing.map(|bit| attributes & !bit.0).into_iter().chain([attributes | Attributes::DECRYPT.0]);
    for bits in wrong {
        let area = PublicArea::new(HashAlg::Sha256, Attributes(bits), &[], *good.key()).unwrap();
        assert_eq!(checked(area, &machine.parent_public), Some("AK_ATTRIBUTES"), "{bits:#x}");
    }
}

#[test]
fn an_attestation_key_of_a_weak_scheme_is_refused() {
    let machine = Machine::new();
    let good = PublicArea::parse(&machine.ak_public).unwrap();
    let Key::Ecc { symmetric, curve, kdf, x, y, .. } = *good.key() else { unreachable!("the key is on P-256") };
    for scheme in [Scheme::Ecdsa(HashAlg::Sha1), Scheme::EcSchnorr(HashAlg::Sha256), Scheme::Null] {
        let key = Key::Ecc { symmetric, scheme, curve, kdf, x, y };
        let area = PublicArea::new(HashAlg::Sha256, good.attributes(), &[], key).unwrap();
        assert_eq!(checked(area, &machine.parent_public), Some("SIGNATURE_SCHEME"), "{scheme:?}");
    }
    // A point that is not on the curve.
    assert_eq!(checked(ak_area(&[1; 32], &[2; 32]), &machine.parent_public), Some("KEY_MALFORMED"));
    assert_eq!(code(NodeKeys::check(&machine.ak_public[1..], &machine.parent_public)), Some("KEY_MALFORMED"));
}

#[test]
fn a_parent_of_another_template_is_refused() {
    let machine = Machine::new();
    let ak = PublicArea::parse(&machine.ak_public).unwrap();
    let parent = PublicArea::parse(&machine.parent_public).unwrap();
    let Key::Ecc { scheme, curve, kdf, x, y, .. } = *parent.key() else { unreachable!("the parent is on P-256") };
    let other = Key::Ecc { symmetric: Symmetric::Cipher { alg: 6, bits: 256, mode: 0x43 }, scheme, curve, kdf, x, y };
    let weaker = Attributes(parent.attributes().0 & !Attributes::FIXED_TPM.0);
    let altered = [
        PublicArea::new(HashAlg::Sha384, parent.attributes(), &[], *parent.key()).unwrap(),
        PublicArea::new(HashAlg::Sha256, weaker, &[], *parent.key()).unwrap(),
        PublicArea::new(HashAlg::Sha256, parent.attributes(), &[7; 32], *parent.key()).unwrap(),
        PublicArea::new(HashAlg::Sha256, parent.attributes(), &[], other).unwrap(),
        ak,
    ];
    for area in altered {
        assert_eq!(checked(ak, &area.encode()), Some("AK_PARENT"));
    }
}

#[test]
fn an_endorsement_key_of_another_template_is_refused() {
    let modulus = [0xC5; 256];
    let Key::Rsa { symmetric, scheme, bits, exponent, .. } = *templates::EK_RSA2048_L1.key() else {
        unreachable!("template L-1 is RSA")
    };
    let key = Key::Rsa { symmetric, scheme, bits, exponent, modulus: &modulus };
    let area = |attributes, policy| PublicArea::new(HashAlg::Sha256, attributes, policy, key).unwrap().encode();
    let attributes = templates::EK_RSA2048_L1.attributes();
    let good = area(attributes, &templates::EK_POLICY_SHA256);
    let name = check_ek(&good).unwrap().name;
    assert_eq!(name, [&[0, 0x0B], avouch_crypto::sha256(&[&good]).as_slice()].concat());
    assert_eq!(code(check_ek(&area(attributes, &[]))), Some("EK_TEMPLATE"));
    let with_auth = attributes.with(Attributes::USER_WITH_AUTH);
    assert_eq!(code(check_ek(&area(with_auth, &templates::EK_POLICY_SHA256))), Some("EK_TEMPLATE"));
    assert_eq!(code(check_ek(&Machine::new().parent_public)), Some("EK_TEMPLATE"));
    assert_eq!(code(check_ek(&good[..good.len() - 1])), Some("KEY_MALFORMED"));
}
