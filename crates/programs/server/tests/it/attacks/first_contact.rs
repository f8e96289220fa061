//! Who may join: keys that prove nothing, certificates that vouch for nothing, keys that change hands.

use anyhow::{Context, Result};
use avouch_agent::Enroller;
use avouch_protocol::{ActivateRequest, EnrolRequest, Message, NodeProfile};
use avouch_server::{Config, DeniedFirmware};
use avouch_testkit::{Authority, Factory, Machine, Node, Scene, Shape, Site, skip_without_swtpm};
use avouch_tpm_wire::{EkTemplate, Key, PublicArea};

use super::harness::{refusal, stored};

const ENROLL: &str = "/v1/enroll";
const ACTIVATE: &str = "/v1/enroll/activate";

/// A site with this configuration, under a policy that approves what the recorded machine shows.
pub(crate) fn site(factory: &Factory, change: impl FnOnce(&mut Config)) -> Result<Site> {
    let site = Site::with(factory, change, std::sync::Arc::new(avouch_server::Pipeline))?;
    let (boot_log, list) = (avouch_testkit::node_boot_log(), avouch_testkit::node_ima_list());
    let policy = avouch_testkit::policy_for(boot_log, list, avouch_testkit::node_ima_policy(), site.pcrs())?;
    site.apply(&policy.to_bytes())?;
    Ok(site)
}

/// The code with which the server refuses this machine, at either step; the agent must not end it before.
pub(crate) fn refused(site: &Site, machine: &Machine, profile: NodeProfile) -> Result<String> {
    let enroller = Enroller::new(site.token_for(profile, 1)?, None)?;
    let request = enroller.request(&mut machine.tpm()?)?;
    refused_request(site, machine, &enroller, request)
}

fn refused_request(site: &Site, machine: &Machine, enroller: &Enroller, request: EnrolRequest) -> Result<String> {
    let before = site.nodes()?;
    let answer = enroller.client().post(ENROLL, &request.to_cbor())?;
    let answer = match answer.status {
        200 => {
            let requested = enroller.send(request)?;
            let activation = enroller.activation(&mut machine.tpm()?, &requested)?;
            enroller.client().post(ACTIVATE, &activation.to_cbor())?
        }
        _ => answer,
    };
    anyhow::ensure!(answer.status == 403, "answered with {}", answer.status);
    assert_eq!(site.nodes()?, before, "nothing came of it");
    Ok(refusal(&answer)?.code)
}

/// The honest twin: enrols, and passes a round. What the verdict says of the TPM's identity.
pub(crate) fn joins(site: &Site, machine: &Machine, profile: NodeProfile) -> Result<(Node, String)> {
    let node = Node::enrol_by(site, machine, "honest", profile)?;
    assert_eq!(node.round(machine)?.status.word(), "pass");
    stored(site, &node, "pass", "")?;
    let detail = site.node(&node.tag())?.detail.context("a verdict")?;
    let text = detail["identity"]["text"].as_str().context("a verdict says who vouches")?.to_owned();
    Ok((node, text))
}

#[test]
fn q9_attestation_key_swapped_between_the_steps_is_refused() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    let (real, soft) = (Machine::new(&scene.factory, 1)?, Machine::new(&scene.factory, 2)?);
    let enroller = Enroller::new(scene.site.token(2)?, None)?;
    let honest = enroller.send(enroller.request(&mut real.tpm()?)?)?;
    // The endorsement key of the real TPM, the attestation key of the other: the first step cannot tell.
    let foreign = soft.tpm()?.create_attestation_key()?;
    let swapped = enroller.send(EnrolRequest {
        ak_public: foreign.public.into(),
        ak_private: foreign.private.into(),
        parent_public: foreign.parent_public.into(),
        ..honest.request.clone()
    })?;
    // Each step's proof is over the bytes of its own first step: neither half fits the other.
    let own = enroller.activation(&mut real.tpm()?, &honest)?;
    let mixed = ActivateRequest { attempt: swapped.credential.attempt, ..own.clone() };
    let answer = enroller.client().post(ACTIVATE, &mixed.to_cbor())?;
    assert_eq!((answer.status, refusal(&answer)?.code.as_str()), (403, "ACTIVATION_PROOF"));
    assert_eq!(scene.site.nodes()?.len(), 1);
    // The unaltered twin.
    assert_eq!(enroller.client().post(ACTIVATE, &own.to_cbor())?.status, 200);
    assert_eq!(scene.site.nodes()?.len(), 2);
    Ok(())
}

#[test]
fn q9_another_endorsement_key_of_the_same_tpm_makes_no_second_node() -> Result<()> {
    let Some(factory) = skip_without_swtpm()? else { return Ok(()) };
    let site = site(&factory, |_| ())?;
    let machine = Machine::new(&factory, 0)?;
    let (node, _) = joins(&site, &machine, NodeProfile::EkCert)?;
    assert_eq!(site.node(&node.tag())?.ek_template, "L-1");
    // The TPM's other certified key was opened in the same attempt, so it is this node's for ever.
    let enroller = Enroller::new(site.token(1)?, None)?.with_ek(Some(EkTemplate::H3));
    let request = EnrolRequest { further_eks: Vec::new(), ..enroller.request(&mut machine.tpm()?)? };
    assert_eq!(refused_request(&site, &machine, &enroller, request)?, "SAME_TPM");
    // The node itself may come again, with a new attestation key: one generation more, the old ones stay.
    let again = Node::enrol(&site, &machine, "again")?;
    assert_eq!((again.tag(), site.node(&again.tag())?.generation), (node.tag(), 2));
    assert_eq!(site.nodes()?.len(), 1);
    site.next_round();
    // Evidence by the old keys is no longer taken.
    assert!(node.challenge().is_err());
    assert_eq!(again.round(&machine)?.status.word(), "pass");
    Ok(())
}

#[test]
fn q12b_relay_through_a_clean_tpm_is_a_hole_that_every_pass_names() -> Result<()> {
    let Some(scene) = Scene::open()? else { return Ok(()) };
    assert_eq!(scene.node.round(&scene.machine)?.status.word(), "pass");
    let detail = scene.site.node(&scene.node.tag())?.detail.context("a verdict")?;
    let holes = detail["coverage"]["holes"].as_array().context("coverage names its holes")?;
    assert!(holes.iter().any(|hole| hole["code"] == "RELAY"), "{holes:?}");
    Ok(())
}

#[test]
fn q16_weak_endorsement_key_is_refused_by_every_profile() -> Result<()> {
    let Some(factory) = skip_without_swtpm()? else { return Ok(()) };
    let profiles = [NodeProfile::EkCert, NodeProfile::Tofu];
    let site = site(&factory, |config| config.profiles = profiles.to_vec())?;
    let machine = Machine::new(&factory, 0)?;
    let modulus = roca();
    for profile in profiles {
        let enroller = Enroller::new(site.token_for(profile, 1)?, None)?;
        let request = enroller.request(&mut machine.tpm()?)?;
        let Key::Rsa { symmetric, scheme, bits, exponent, .. } = *EkTemplate::L1.area().key() else { continue };
        let key = Key::Rsa { symmetric, scheme, bits, exponent, modulus: &modulus };
        let template = EkTemplate::L1.area();
        let area = PublicArea::new(template.name_alg(), template.attributes(), template.auth_policy(), key)?;
        let request = EnrolRequest { ek_public: area.encode().into(), ..request };
        assert_eq!(refused_request(&site, &machine, &enroller, request)?, "EK_WEAK", "{profile}");
    }
    joins(&site, &machine, NodeProfile::EkCert).map(|_| ())
}

/// A modulus of 2048 bits that is 1, the zeroth power of 65537, modulo each prime of the fingerprint (CVE-2017-15361).
fn roca() -> Vec<u8> {
    let primes = (3_u32..168).filter(|n| (2..*n).all(|d| n % d != 0));
    let primes: Vec<u32> = primes.collect();
    let candidate = |length: usize, top: u8| {
        let mut number = vec![0xA5_u8; length];
        number[0] = top;
        for prime in &primes {
            let mut carry = 0;
            for digit in number.iter_mut().rev() {
                let product = u32::from(*digit) * prime + carry;
                (*digit, carry) = (product.to_le_bytes()[0], product >> 8);
            }
            if carry > 0 {
                number.insert(0, carry.to_le_bytes()[0]);
            }
        }
        number
    };
    let fits = |number: &Vec<u8>| number.len() == 256 && number[0] & 0x80 != 0;
    let lengths = 200..256;
    let mut number = lengths.flat_map(|length| (1..=255).map(move |top| (length, top)));
    let mut number = number.find_map(|(length, top)| Some(candidate(length, top)).filter(fits)).unwrap();
    // The last digit is 5 times odd primes times an odd number: adding one does not carry far.
    for digit in number.iter_mut().rev() {
        let (sum, carries) = digit.overflowing_add(1);
        *digit = sum;
        if !carries {
            break;
        }
    }
    number
}

#[test]
fn q16_denied_tpm_firmware_is_refused() -> Result<()> {
    let Some(factory) = skip_without_swtpm()? else { return Ok(()) };
    let denied = |manufacturer: Option<&str>| DeniedFirmware {
        manufacturer: manufacturer.map(Into::into),
        from: 0,
        to: u64::MAX,
        why: "a test says so".into(),
    };
    let machine = Machine::new(&factory, 0)?;
    // The version that is judged is the one that the TPM signed.
    for manufacturer in [None, Some("id:00001014")] {
        let site = site(&factory, |config| config.denied_firmware = vec![denied(manufacturer)])?;
        assert_eq!(refused(&site, &machine, NodeProfile::EkCert)?, "TPM_FIRMWARE");
    }
    let site = site(&factory, |config| config.denied_firmware = vec![denied(Some("id:49465800"))])?;
    joins(&site, &machine, NodeProfile::EkCert).map(|_| ())
}

#[test]
fn q17_certificates_that_vouch_for_nothing_are_refused_and_padding_is_not() -> Result<()> {
    let Some(factory) = skip_without_swtpm()? else { return Ok(()) };
    let (maker, stranger) = (Authority::new("maker of this test")?, Authority::new("maker of this test")?);
    let folder = tempfile::tempdir()?;
    let bundle = folder.path().join("maker.pem");
    std::fs::write(&bundle, maker.pem())?;
    let site = site(&factory, |config| config.ek_roots = vec![bundle])?;
    let machine = Machine::new(&factory, 0)?;
    // Certified by somebody else: the factory, and one who gave himself the maker's name.
    assert_eq!(refused(&site, &machine, NodeProfile::EkCert)?, "EK_CERTIFICATE");
    for (authority, shape) in
        [(&stranger, Shape::Ek), (&maker, Shape::ExpiredEk), (&maker, Shape::OtherPurpose), (&maker, Shape::Ak)]
    {
        machine.endorse(EkTemplate::L1, authority, shape, &[])?;
        assert_eq!(refused(&site, &machine, NodeProfile::EkCert)?, "EK_CERTIFICATE", "{shape:?}");
    }
    // Filling behind the certificate is the index's; other bytes are not.
    machine.endorse(EkTemplate::L1, &maker, Shape::Ek, &[0xFF, 0x00, 0x30])?;
    assert_eq!(refused(&site, &machine, NodeProfile::EkCert)?, "EK_CERTIFICATE");
    machine.endorse(EkTemplate::L1, &maker, Shape::Ek, &[0; 100])?;
    let (_, identity) = joins(&site, &machine, NodeProfile::EkCert)?;
    assert_eq!(identity, "identity=ek-cert: vouched for by CN=maker of this test");
    Ok(())
}

#[test]
fn q18_a_node_never_goes_down_to_a_weaker_profile() -> Result<()> {
    let Some(factory) = skip_without_swtpm()? else { return Ok(()) };
    let profiles = vec![NodeProfile::EkCert, NodeProfile::Tofu];
    let site = site(&factory, |config| config.profiles = profiles)?;
    let machine = Machine::new(&factory, 0)?;
    let (node, identity) = joins(&site, &machine, NodeProfile::EkCert)?;
    assert!(identity.starts_with("identity=ek-cert: vouched for by "), "{identity}");
    assert_eq!(refused(&site, &machine, NodeProfile::Tofu)?, "PROFILE_WEAKER");
    // Nor under another name: by the TPM's other endorsement key.
    let enroller = Enroller::new(site.token_for(NodeProfile::Tofu, 1)?, None)?.with_ek(Some(EkTemplate::H3));
    let request = EnrolRequest { further_eks: Vec::new(), ..enroller.request(&mut machine.tpm()?)? };
    assert_eq!(refused_request(&site, &machine, &enroller, request)?, "SAME_TPM");
    let view = site.node(&node.tag())?;
    assert_eq!((view.identity.profile.as_str(), view.generation), ("ek-cert", 1));
    // The twin: the same profile again.
    site.next_round();
    joins(&site, &machine, NodeProfile::EkCert).map(|_| ())
}

#[test]
fn q18_a_profile_that_the_server_does_not_ask_for_is_refused() -> Result<()> {
    let Some(factory) = skip_without_swtpm()? else { return Ok(()) };
    let site = site(&factory, |_| ())?;
    let machine = Machine::new(&factory, 0)?;
    for profile in [NodeProfile::Tofu, NodeProfile::EkAllowlist] {
        assert_eq!(refused(&site, &machine, profile)?, "PROFILE");
    }
    joins(&site, &machine, NodeProfile::EkCert).map(|_| ())
}
