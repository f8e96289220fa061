//! Keys that must not become a node's attestation key, and what enrolment must not give away.

use anyhow::{Context, Result, ensure};
use avouch_agent::Enroller;
use avouch_agent::enrol::Requested;
use avouch_crypto::hmac_sha256;
use avouch_protocol::{ActivateRequest, EnrolRequest, Hash, Message, enrolment_proof_input};
use avouch_testkit::{Machine, Node, OddKeys, Scene, Site};
use avouch_tpm::AkBlob;
use avouch_tpm_wire::{Attributes, Curve, EkTemplate, HashAlg, Kdf, Key, PublicArea, Scheme, Symmetric, templates};

use super::harness::{refusal, sha256};

const ENROLL: &str = "/v1/enroll";
const ACTIVATE: &str = "/v1/enroll/activate";

/// An enrolment with this attestation key instead of the one that the agent made.
fn request_with(enroller: &Enroller, machine: &Machine, blob: &AkBlob) -> Result<EnrolRequest> {
    let honest = enroller.request(&mut machine.tpm()?)?;
    Ok(EnrolRequest {
        ak_public: blob.public.clone().into(),
        ak_private: blob.private.clone().into(),
        parent_public: blob.parent_public.clone().into(),
        ..honest
    })
}

/// The first step is refused, with this code, and no node comes of it.
fn refused(site: &Site, enroller: &Enroller, request: &EnrolRequest, code: &str) -> Result<()> {
    let before = site.nodes()?.len();
    let answer = enroller.client().post(ENROLL, &request.to_cbor())?;
    assert_eq!((answer.status, refusal(&answer)?.code.as_str()), (403, code));
    assert_eq!(site.nodes()?.len(), before);
    Ok(())
}

fn enroller(site: &Site) -> Result<Enroller> {
    Ok(Enroller::new(site.token(1)?, Some("attacker".into()))?)
}

/// The honest twin: the same machine and token join.
fn joins(site: &Site, machine: &Machine, enroller: Enroller) -> Result<()> {
    let node = Node::of(enroller.run(&mut machine.tpm()?)?.enrolment, site)?;
    assert_eq!(node.round(machine)?.status.word(), "pass");
    let view = site.node(&node.tag())?;
    assert_eq!((view.verdict.as_str(), view.generation), ("pass", 1));
    Ok(())
}

#[test]
fn q8_attestation_key_of_another_tpm_is_refused() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let victim = Machine::new(&scene.factory, 1)?;
    let other = Machine::new(&scene.factory, 2)?;
    let enroller = enroller(&scene.site)?;
    // The other TPM's key is a perfect attestation key, and the first step cannot tell where it lives.
    let foreign = other.tpm()?.create_attestation_key()?;
    let requested = enroller.send(request_with(&enroller, &victim, &foreign)?)?;
    // The TPM with the endorsement key does not hold it; the TPM that holds it has another endorsement key.
    let credential = &requested.credential;
    for machine in [&victim, &other] {
        let mut tpm = machine.tpm()?;
        let blobs = [foreign.clone(), tpm.create_attestation_key()?];
        for blob in blobs {
            let (object, secret) = (&credential.credential_blob, &credential.encrypted_secret);
            let opened = tpm.activate_credential(&blob, EkTemplate::L1, object, secret);
            ensure!(opened.is_err(), "a TPM opened a credential for a key that it does not hold beside the EK");
        }
    }
    // Without the secret there is nothing but guessing, once.
    let own = enroller.send(enroller.request(&mut victim.tpm()?)?)?;
    let guess = ActivateRequest { attempt: credential.attempt, ..enroller.activation(&mut victim.tpm()?, &own)? };
    let answer = enroller.client().post(ACTIVATE, &guess.to_cbor())?;
    assert_eq!((answer.status, refusal(&answer)?.code.as_str()), (403, "ACTIVATION_PROOF"));
    assert_eq!(scene.site.nodes()?.len(), 1, "nobody but the recorded machine is a node");
    joins(&scene.site, &victim, enroller)
}

#[test]
fn q8_attestation_key_without_its_attributes_is_refused() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let machine = Machine::new(&scene.factory, 1)?;
    let enroller = enroller(&scene.site)?;
    // Real keys, made in the TPM, that could sign anything or could leave it.
    let base = templates::AK.attributes().0;
    let made = [
        base & !Attributes::RESTRICTED.0,
        base & !(Attributes::FIXED_TPM.0 | Attributes::FIXED_PARENT.0),
        base & !Attributes::RESTRICTED.0 & !(Attributes::FIXED_TPM.0 | Attributes::FIXED_PARENT.0),
    ];
    for attributes in made {
        let area = PublicArea::new(templates::AK.name_alg(), Attributes(attributes), &[], *templates::AK.key())?;
        let mut tpm = machine.tpm()?;
        let key = tpm.create_loose(area).with_context(|| format!("{attributes:#x}"))?;
        tpm.flush(key.handle)?;
        drop(tpm);
        refused(&scene.site, &enroller, &request_with(&enroller, &machine, &key.blob)?, "AK_ATTRIBUTES")?;
    }
    // Claims that no TPM would have made a key for.
    let honest = enroller.request(&mut machine.tpm()?)?;
    for missing in
        [Attributes::FIXED_TPM, Attributes::FIXED_PARENT, Attributes::SENSITIVE_DATA_ORIGIN, Attributes::SIGN]
    {
        let area = PublicArea::parse(&honest.ak_public)?;
        let attributes = Attributes(area.attributes().0 & !missing.0);
        let altered = PublicArea::new(area.name_alg(), attributes, area.auth_policy(), *area.key())?.encode();
        let request = EnrolRequest { ak_public: altered.into(), ..honest.clone() };
        refused(&scene.site, &enroller, &request, "AK_ATTRIBUTES")?;
    }
    joins(&scene.site, &machine, enroller)
}

#[test]
fn q10_credential_secret_is_never_echoed_and_one_attempt_is_taken() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let machine = Machine::new(&scene.factory, 1)?;
    let enroller = enroller(&scene.site)?;
    // One endorsement key, so that one secret is all there is to echo.
    let request =
        || Ok::<_, anyhow::Error>(EnrolRequest { further_eks: Vec::new(), ..enroller.request(&mut machine.tpm()?)? });
    let first = enroller.send(request()?)?;
    let activation = enroller.activation(&mut machine.tpm()?, &first)?;
    let secret = open(&machine, &first)?;
    let digest = Hash(avouch_crypto::sha256(&[&first.request.to_cbor()]));
    let credential = first.credential.to_cbor();
    let proof = Hash(hmac_sha256(&secret, &[&enrolment_proof_input(&digest, &sha256(&[&credential]))]));
    assert_eq!(proof, activation.proof, "the test knows what the server expects");

    let mut wrong = activation.clone();
    wrong.proof.0[0] ^= 1;
    let denied = enroller.client().post(ACTIVATE, &wrong.to_cbor())?;
    assert_eq!((denied.status, refusal(&denied)?.code.as_str()), (403, "ACTIVATION_PROOF"));
    // The right proof comes too late: this attempt is gone, whatever its answer was.
    let late = enroller.client().post(ACTIVATE, &activation.to_cbor())?;
    assert_eq!((late.status, refusal(&late)?.code.as_str()), (403, "ATTEMPT_UNKNOWN"));
    for answer in [&credential, &denied.body, &late.body] {
        for told in [secret.as_slice(), &proof.0] {
            ensure!(!contains(answer, told), "an answer holds the secret or the proof");
            let hex: String = told.iter().map(|byte| format!("{byte:02x}")).collect();
            ensure!(!contains(answer, hex.as_bytes()), "an answer spells the secret or the proof");
        }
    }
    assert_eq!(scene.site.nodes()?.len(), 1);

    let second = enroller.send(request()?)?;
    assert_ne!(second.credential.attempt, first.credential.attempt);
    assert_ne!(open(&machine, &second)?, secret);
    let answer = enroller.client().post(ACTIVATE, &enroller.activation(&mut machine.tpm()?, &second)?.to_cbor())?;
    assert_eq!(answer.status, 200);
    assert_eq!(scene.site.nodes()?.len(), 2);
    // A used attempt is used for a success, too.
    let again = enroller.activation(&mut machine.tpm()?, &second)?;
    let again = enroller.client().post(ACTIVATE, &again.to_cbor())?;
    assert_eq!((again.status, refusal(&again)?.code.as_str()), (403, "ATTEMPT_UNKNOWN"));
    Ok(())
}

#[test]
fn q13_weak_attestation_keys_are_refused() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let machine = Machine::new(&scene.factory, 1)?;
    let enroller = enroller(&scene.site)?;
    let ecc = |curve, scheme| Key::Ecc { symmetric: Symmetric::Null, scheme, curve, kdf: Kdf::Null, x: &[], y: &[] };
    let rsa = |bits, scheme| Key::Rsa { symmetric: Symmetric::Null, scheme, bits, exponent: 0, modulus: &[] };
    let keys = [
        ("P-256, SHA-1", ecc(Curve::P256, Scheme::Ecdsa(HashAlg::Sha1))),
        ("P-256, Schnorr", ecc(Curve::P256, Scheme::EcSchnorr(HashAlg::Sha256))),
        ("P-384, SHA-1", ecc(Curve::P384, Scheme::Ecdsa(HashAlg::Sha1))),
        ("P-224", ecc(Curve(0x0002), Scheme::Ecdsa(HashAlg::Sha256))),
        ("BN-256, ECDAA", ecc(Curve(0x0010), Scheme::Ecdaa(HashAlg::Sha256, 0))),
        ("RSA-2048, PKCS#1 with SHA-1", rsa(2048, Scheme::RsaSsa(HashAlg::Sha1))),
        ("RSA-2048, PSS with SHA-1", rsa(2048, Scheme::RsaPss(HashAlg::Sha1))),
        ("RSA-1024", rsa(1024, Scheme::RsaSsa(HashAlg::Sha256))),
    ];
    let mut made = 0;
    for (name, key) in keys {
        let area = PublicArea::new(HashAlg::Sha256, templates::AK.attributes(), &[], key)?;
        let mut tpm = machine.tpm()?;
        // A TPM need not implement all of them; what it does not make, nobody can enrol from it.
        let Ok(key) = tpm.create_loose(area) else { continue };
        tpm.flush(key.handle)?;
        drop(tpm);
        made += 1;
        let request = request_with(&enroller, &machine, &key.blob)?;
        refused(&scene.site, &enroller, &request, "SIGNATURE_SCHEME").context(name)?;
    }
    ensure!(made >= 5, "the TPM made only {made} weak keys");
    joins(&scene.site, &machine, enroller)
}

fn open(machine: &Machine, requested: &Requested) -> Result<Vec<u8>> {
    let EnrolRequest { ak_public, ak_private, parent_public, .. } = &requested.request;
    let blob =
        AkBlob { public: ak_public.to_vec(), private: ak_private.to_vec(), parent_public: parent_public.to_vec() };
    let (object, secret) = (&requested.credential.credential_blob, &requested.credential.encrypted_secret);
    Ok(machine.tpm()?.activate_credential(&blob, EkTemplate::L1, object, secret)?)
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
