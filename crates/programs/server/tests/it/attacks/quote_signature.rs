//! Attestations that the TPM did not make, or did not sign with the enrolled key.

use anyhow::{Context, Result, ensure};
use avouch_protocol::{Evidence, Purpose};
use avouch_testkit::{Node, OddKeys, Scene};
use avouch_tpm::Attested;
use avouch_tpm_wire::{Attributes, PublicArea, Signature, templates};

use super::harness::{passes, qualifying, rejected};

fn with_quote(evidence: &Evidence, quote: Attested) -> Vec<u8> {
    Node::encode(&Evidence { quote: quote.attest.into(), quote_signature: quote.signature.into(), ..evidence.clone() })
}

fn with_signature(evidence: &Evidence, signature: Vec<u8>) -> Vec<u8> {
    Node::encode(&Evidence { quote_signature: signature.into(), ..evidence.clone() })
}

/// r and s of an ECDSA signature.
fn parts(signature: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    match Signature::parse(signature)? {
        Signature::Ecdsa { r, s, .. } => Ok((r.to_vec(), s.to_vec())),
        other => anyhow::bail!("{other:?}"),
    }
}

#[test]
fn q5_forged_attestation_is_rejected() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let honest = scene.node.evidence(&scene.machine)?;
    let mut tpm = scene.machine.tpm()?;
    let key = tpm.load_loose(&scene.node.enrolment.ak_blob())?;

    // The TPM signs foreign bytes with the very attestation key, as long as they do not begin as its own do.
    let mut look_alike = honest.quote.to_vec();
    look_alike[3] ^= 1;
    let forged = tpm.sign_restricted(&key, &look_alike)?;
    ensure!(tpm.sign_restricted(&key, &honest.quote).is_err(), "the TPM signs what looks like its own attestation");
    // A real attestation, bound to the right challenge, of something else.
    let time = tpm.time_loose(&key, &qualifying(&scene.node, &honest, Purpose::Quote)?.0)?;
    tpm.flush(key.handle)?;

    // A key without `restricted` beside the enrolled one signs anything, also a perfect quote.
    let free = Attributes(templates::AK.attributes().0 & !Attributes::RESTRICTED.0);
    let template = PublicArea::new(templates::AK.name_alg(), free, &[], *templates::AK.key())?;
    let unrestricted = tpm.create_loose(template)?;
    let perfect = tpm.sign_loose(&unrestricted, &honest.quote)?;
    tpm.flush(unrestricted.handle)?;
    drop(tpm);

    rejected(&scene, &with_quote(&honest, forged), "QUOTE_MAGIC")?;
    rejected(&scene, &with_quote(&honest, time), "QUOTE_TYPE")?;
    rejected(&scene, &with_quote(&honest, perfect), "SIGNATURE")?;
    passes(&scene, &Node::encode(&honest))
}

#[test]
fn q7_bad_signature_is_terminal() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let honest = scene.node.evidence(&scene.machine)?;
    let last = honest.quote_signature.len() - 1;
    for byte in [8, last] {
        let mut signature = honest.quote_signature.to_vec();
        signature[byte] ^= 1;
        rejected(&scene, &with_signature(&honest, signature), "SIGNATURE")?;
    }
    // Every part of what was signed: the qualifying data, the counters, the PCR digest.
    let length = honest.quote.len();
    for byte in [50, length - 80, length - 1] {
        let mut quote = honest.quote.to_vec();
        quote[byte] ^= 1;
        let altered = Evidence { quote: quote.into(), ..honest.clone() };
        let copy = scene.site.copy()?;
        let posted = scene.node.at(&copy)?.post(&Node::encode(&altered))?;
        let (status, word, code) = posted.told();
        assert_eq!((status, word), (200, "rejected"), "byte {byte}");
        assert!(["SIGNATURE", "QUOTE_MALFORMED"].contains(&code), "byte {byte}: {code}");
    }
    // The same key over another message, and another TPM's key over this one.
    let old = scene.node.answer(&scene.machine, &scene.node.challenge()?)?;
    ensure!(old.quote != honest.quote, "the clock of the TPM goes on");
    rejected(&scene, &with_signature(&honest, old.quote_signature.to_vec()), "SIGNATURE")?;
    let (machine, _) = scene.neighbour(1)?;
    let blob = machine.tpm()?.create_attestation_key()?;
    let spki = scene.node.enrolment.client_spki()?;
    let challenge = scene.node.challenge()?;
    let mut tpm = machine.tpm()?;
    let foreign =
        avouch_agent::build_evidence(&mut tpm.load_attestation_key(&blob)?, &challenge, &spki, &machine.securityfs())?;
    drop(tpm);
    let copy = rejected(&scene, &Node::encode(&foreign), "SIGNATURE")?;
    // It costs the attacker a challenge and the node nothing.
    copy.next_round();
    let node = scene.node.at(&copy)?;
    assert_eq!(node.post(&Node::encode(&node.evidence(&scene.machine)?))?.told(), (200, "pass", ""));
    passes(&scene, &Node::encode(&honest))
}

#[test]
fn q13_weak_signature_schemes_are_rejected() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let honest = scene.node.evidence(&scene.machine)?;
    let tail = honest.quote_signature.get(4..).context("scheme and hash come first")?;
    let renamed = |scheme: u16, hash: u16| [&scheme.to_be_bytes(), &hash.to_be_bytes(), tail].concat();
    const ECDSA: u16 = 0x0018;
    const SHA256: u16 = 0x000B;
    let schemes = [
        ("ECDSA with SHA-1", renamed(ECDSA, 0x0004)),
        ("ECDSA with SHA-512", renamed(ECDSA, 0x000D)),
        ("ECDSA with an unknown hash", renamed(ECDSA, 0x0012)),
        ("ECDAA", renamed(0x001A, SHA256)),
        ("SM2", renamed(0x001B, SHA256)),
        ("EC Schnorr", renamed(0x001C, SHA256)),
        ("HMAC", renamed(0x0005, SHA256)),
    ];
    for (name, signature) in schemes {
        rejected(&scene, &with_signature(&honest, signature), "SIGNATURE_SCHEME").context(name)?;
    }
    let rsa = [0x0014u16.to_be_bytes(), SHA256.to_be_bytes(), 256u16.to_be_bytes()].concat();
    rejected(&scene, &with_signature(&honest, [rsa, vec![1; 256]].concat()), "SIGNATURE_SCHEME")?;
    passes(&scene, &Node::encode(&honest))
}

#[test]
fn q14_malformed_signature_is_rejected() -> Result<()> {
    let Some(scene) = Scene::passed()? else { return Ok(()) };
    let honest = scene.node.evidence(&scene.machine)?;
    let good = honest.quote_signature.to_vec();
    let (r, s) = parts(&good)?;
    let ecdsa = |r: &[u8], s: &[u8]| {
        let sized = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
        [vec![0, 0x18, 0, 0x0B], sized(r), sized(s)].concat()
    };
    assert_eq!(ecdsa(&r, &s), good);
    let cases = [
        (Vec::new(), "SIGNATURE_MALFORMED"),
        (good[..3].to_vec(), "SIGNATURE_MALFORMED"),
        (good[..good.len() - 1].to_vec(), "SIGNATURE_MALFORMED"),
        ([good.as_slice(), &[0]].concat(), "SIGNATURE_MALFORMED"),
        (vec![0xFF; 2_000], "SIGNATURE_MALFORMED"),
        ([vec![0, 0x18, 0, 0x0B, 0xFF, 0xFF], r.clone()].concat(), "SIGNATURE_MALFORMED"),
        (ecdsa(&[1; 33], &s), "SIGNATURE_MALFORMED"),
        (ecdsa(&[], &[]), "SIGNATURE_MALFORMED"),
        (ecdsa(&[0; 32], &[0; 32]), "SIGNATURE"),
        (ecdsa(&s, &r), "SIGNATURE"),
    ];
    for (number, (signature, code)) in cases.into_iter().enumerate() {
        rejected(&scene, &with_signature(&honest, signature), code).with_context(|| format!("case {number}"))?;
    }
    let cut = Evidence { quote: honest.quote[..honest.quote.len() - 1].to_vec().into(), ..honest.clone() };
    rejected(&scene, &Node::encode(&cut), "QUOTE_MALFORMED")?;
    let half = Evidence { time: Some(honest.quote.clone()), time_signature: None, ..honest.clone() };
    rejected(&scene, &Node::encode(&half), "SIGNATURE_MALFORMED")?;
    passes(&scene, &Node::encode(&honest))
}
