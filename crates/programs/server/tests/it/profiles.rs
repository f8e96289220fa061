//! Every profile of first contact, and endorsement keys of every template, with a real software TPM.

use anyhow::{Context, Result};
use avouch_agent::Enroller;
use avouch_crypto::Hash;
use avouch_protocol::{EnrolRequest, Message, NodeProfile};
use avouch_testkit::{Authority, Machine, Shape, skip_without_swtpm};
use avouch_tpm::Cloud;
use avouch_tpm_wire::{EkTemplate, PublicArea};

use crate::attacks::first_contact::{joins, refused, site};

#[test]
fn tofu_takes_any_tpm_and_every_verdict_says_that_nobody_vouches() -> Result<()> {
    let Some(factory) = skip_without_swtpm()? else { return Ok(()) };
    let site = site(&factory, |config| config.profiles = vec![NodeProfile::Tofu])?;
    let machine = Machine::new(&factory, 0)?;
    machine.without_endorsement()?;
    let (node, identity) = joins(&site, &machine, NodeProfile::Tofu)?;
    assert_eq!(identity, "identity=tofu: nobody vouches for this TPM");
    let view = site.node(&node.tag())?;
    assert_eq!((view.identity.text.as_str(), view.identity.vouched_by.as_deref()), (identity.as_str(), None));
    let detail = view.detail.context("a verdict")?;
    let holes = detail["coverage"]["holes"].as_array().context("holes")?;
    assert!(holes.iter().any(|hole| hole["code"] == "IDENTITY_TOFU"), "{holes:?}");
    Ok(())
}

#[test]
fn a_tpm_without_a_certificate_does_not_enrol_by_ek_cert() -> Result<()> {
    let Some(factory) = skip_without_swtpm()? else { return Ok(()) };
    let site = site(&factory, |_| ())?;
    let machine = Machine::new(&factory, 0)?;
    machine.without_endorsement()?;
    let error = Enroller::new(site.token(1)?, None)?.run(&mut machine.tpm()?).unwrap_err();
    assert!(error.to_string().contains("0x01c00002"), "{error}");
    Ok(())
}

#[test]
fn the_operators_list_names_keys_and_no_other_key_joins() -> Result<()> {
    let Some(factory) = skip_without_swtpm()? else { return Ok(()) };
    let (listed, other) = (Machine::new(&factory, 0)?, Machine::new(&factory, 1)?);
    listed.without_endorsement()?;
    let public = listed.tpm()?.endorsement_key()?.public;
    let name = PublicArea::parse(&public)?.name(&Hash);
    let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("eks");
    std::fs::write(&path, format!("# ours\n{name} rack 7, slot 3\n"))?;
    let site = site(&factory, |config| {
        config.profiles = vec![NodeProfile::EkAllowlist];
        config.ek_allowlist = Some(path);
    })?;
    assert_eq!(refused(&site, &other, NodeProfile::EkAllowlist)?, "EK_NOT_LISTED");
    let (_, identity) = joins(&site, &listed, NodeProfile::EkAllowlist)?;
    assert_eq!(identity, "identity=ek-allowlist: vouched for by the operator's list: rack 7, slot 3");
    Ok(())
}

#[test]
fn a_tpm_with_certificates_of_other_templates_enrols_by_the_first_of_them() -> Result<()> {
    let Some(factory) = skip_without_swtpm()? else { return Ok(()) };
    let maker = Authority::new("maker of other keys")?;
    let folder = tempfile::tempdir()?;
    let bundle = folder.path().join("maker.pem");
    std::fs::write(&bundle, maker.pem())?;
    let site = site(&factory, |config| config.ek_roots = vec![bundle])?;
    use EkTemplate::{H1, H2, H3, H4, H6, L2};
    for (which, (first, others)) in [(L2, vec![]), (H1, vec![H3]), (H4, vec![H6]), (H2, vec![])].into_iter().enumerate()
    {
        let machine = Machine::new(&factory, which)?;
        machine.without_endorsement()?;
        for template in others.iter().chain([&first]) {
            machine.endorse(*template, &maker, Shape::Ek, &[])?;
        }
        let (node, identity) = joins(&site, &machine, NodeProfile::EkCert).with_context(|| first.name())?;
        assert_eq!(identity, "identity=ek-cert: vouched for by CN=maker of other keys");
        assert_eq!(site.node(&node.tag())?.ek_template, first.name());
        site.next_round();
    }
    Ok(())
}

#[test]
fn a_clouds_key_certifies_the_nodes_key_once() -> Result<()> {
    let Some(factory) = skip_without_swtpm()? else { return Ok(()) };
    for (cloud, profile, other) in [
        (Cloud::Azure, NodeProfile::AzureAkCert, NodeProfile::Gcp),
        (Cloud::Gcp, NodeProfile::Gcp, NodeProfile::AzureAkCert),
    ] {
        let (ca, stranger) = (Authority::new("cloud of this test")?, Authority::new("cloud of this test")?);
        let folder = tempfile::tempdir()?;
        let bundle = folder.path().join("cloud.pem");
        std::fs::write(&bundle, ca.pem())?;
        let site = site(&factory, |config| {
            config.profiles = vec![NodeProfile::AzureAkCert, NodeProfile::Gcp];
            (config.azure_ak_roots, config.gcp_ak_roots) = (vec![bundle.clone()], vec![bundle]);
        })?;
        let machine = Machine::new(&factory, 0)?;
        // No such key in this TPM: it is no machine of that cloud, and the agent says so.
        assert!(Enroller::new(site.token_for(profile, 1)?, None)?.request(&mut machine.tpm()?).is_err());
        let impostor = Machine::new(&factory, 1)?;
        impostor.enter_cloud(cloud, &stranger)?;
        assert_eq!(refused(&site, &impostor, profile)?, "CLOUD_KEY");
        machine.enter_cloud(cloud, &ca)?;
        // Another machine's cloud key and certificate are no secret; certifying with it is.
        let enroller = Enroller::new(site.token_for(profile, 1)?, None)?;
        let stolen = enroller.request(&mut machine.tpm()?)?.cloud_key;
        let request = EnrolRequest { cloud_key: stolen, ..enroller.request(&mut impostor.tpm()?)? };
        let requested = enroller.send(request)?;
        let activation = enroller.activation(&mut impostor.tpm()?, &requested)?;
        let answer = enroller.client().post("/v1/enroll/activate", &activation.to_cbor())?;
        assert_eq!(answer.status, 403);
        assert_eq!(site.nodes()?, []);
        let (node, identity) = joins(&site, &machine, profile)?;
        assert_eq!(identity, format!("identity={profile}: vouched for by CN=cloud of this test"));
        let detail = site.node(&node.tag())?.detail.context("a verdict")?;
        assert_eq!(detail["tpm"], "virtual TPM: its cloud can change what it measures");
        assert!(Enroller::new(site.token_for(other, 1)?, None)?.request(&mut machine.tpm()?).is_err());
    }
    Ok(())
}
