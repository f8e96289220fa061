//! Endorsement keys of every template: found, chosen, and used under their policies.

use avouch_tpm::{Cloud, Error, Tpm};
use avouch_tpm_wire::command::{CreatePrimary, FlushContext, MakeCredential};
use avouch_tpm_wire::{
    Authorization, EkTemplate, Handle, PublicArea, SelectionList, SensitiveCreate, SizedPublic, response, sized,
};

use crate::lifecycle::no_handles;
use crate::swtpm::{Swtpm, tools_installed};
use crate::wire::Wire;

/// TPM2_MakeCredential of the TPM itself, so that nothing here rests on another implementation.
fn credential(tpm: &mut Tpm<Wire>, template: EkTemplate, name: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let create = CreatePrimary {
        primary_handle: Handle::ENDORSEMENT,
        in_sensitive: SensitiveCreate::default(),
        in_public: SizedPublic(template.area()),
        outside_info: &[],
        creation_pcr: SelectionList::default(),
    };
    let answer = tpm.execute(&create, &[Authorization::EMPTY]).unwrap();
    let handle = answer.read::<response::CreatePrimary<'_>>().unwrap().object_handle;
    let make = MakeCredential { handle, credential: &[0x5A; 32], object_name: name };
    let answer = tpm.execute(&make, &[]).unwrap();
    let made: response::MakeCredential<'_> = answer.read().unwrap();
    let parts = (sized(made.credential_blob).unwrap(), sized(made.secret).unwrap());
    tpm.execute(&FlushContext { flush_handle: handle }, &[]).unwrap();
    parts
}

#[test]
fn a_credential_opens_under_the_policy_of_every_template() {
    let Some(swtpm) = Swtpm::start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let blob = tpm.create_attestation_key().unwrap();
    let name = PublicArea::parse(&blob.public).unwrap().name(&avouch_crypto::Hash);
    let mut opened = Vec::new();
    for template in EkTemplate::ALL {
        let keys = match tpm.endorsement_keys(Some(template)) {
            Ok(keys) => keys,
            // A TPM need not have all of them: libtpms 0.9 makes no RSA-4096.
            Err(Error::NoEndorsementKey { template: Some(missing) }) if missing == template => continue,
            Err(error) => panic!("{template}: {error}"),
        };
        assert_eq!((keys.len(), keys[0].template, &keys[0].certificate), (1, template, &None));
        assert_eq!(EkTemplate::of(&PublicArea::parse(&keys[0].public).unwrap()), Some(template));
        let (id_object, secret) = credential(&mut tpm, template, &name);
        let plain = tpm.activate_credential(&blob, template, &id_object, &secret).unwrap();
        assert_eq!(plain, [0x5A; 32], "{template}");
        no_handles(&mut tpm);
        opened.push(template);
    }
    use EkTemplate::{H1, H2, H3, H4, H6, L1, L2};
    for template in [L1, L2, H1, H2, H3, H4, H6] {
        assert!(opened.contains(&template), "{template} was not tried: {opened:?}");
    }
}

#[test]
fn the_first_template_with_a_certificate_names_the_node_and_a_choice_stays() {
    let Some(swtpm) = Swtpm::start().filter(|_| tools_installed()) else { return };
    let keys = |chosen| {
        let keys = swtpm.tpm().0.endorsement_keys(chosen);
        keys.map(|keys| keys.iter().map(|key| (key.template, key.certificate.is_some())).collect::<Vec<_>>())
    };
    // Nothing is there: the first that can be made.
    assert_eq!(keys(None).unwrap(), [(EkTemplate::L1, false)]);
    certify(&swtpm, EkTemplate::H3);
    assert_eq!(keys(None).unwrap(), [(EkTemplate::H3, true)]);
    // A persistent key without a certificate is present, but does not name the node.
    swtpm.tool("tpm2_createek -c 0x81010001 -G rsa -u ek.pub");
    assert_eq!(keys(None).unwrap(), [(EkTemplate::H3, true), (EkTemplate::L1, false)]);
    certify(&swtpm, EkTemplate::L2);
    let all = [(EkTemplate::L2, true), (EkTemplate::L1, false), (EkTemplate::H3, true)];
    assert_eq!(keys(None).unwrap(), all);
    let stays = [(EkTemplate::H3, true), (EkTemplate::L1, false), (EkTemplate::L2, true)];
    assert_eq!(keys(Some(EkTemplate::H3)).unwrap(), stays);
}

#[test]
fn a_cloud_key_is_found_where_its_cloud_keeps_it_and_certifies() {
    let Some(swtpm) = Swtpm::start().filter(|_| tools_installed()) else { return };
    for cloud in [Cloud::Azure, Cloud::Gcp] {
        assert_eq!(swtpm.tpm().0.cloud_key(cloud).unwrap(), None);
    }
    let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign";
    swtpm.tool(&format!("tpm2_createprimary -C e -g sha256 -G rsa2048:rsassa-sha256:null -a {attributes} -c ak.ctx"));
    swtpm.tool("tpm2_evictcontrol -C o -c ak.ctx 0x81000003");
    swtpm.tool("tpm2_flushcontext -t");
    // The key alone is not enough.
    assert_eq!(swtpm.tpm().0.cloud_key(Cloud::Azure).unwrap(), None);
    write(&swtpm, Handle::AZURE_AK_CERTIFICATE, b"certificate");
    let (mut tpm, _) = swtpm.tpm();
    let key = tpm.cloud_key(Cloud::Azure).unwrap().unwrap();
    assert_eq!(key.certificate, b"certificate");
    let blob = tpm.create_attestation_key().unwrap();
    assert!(matches!(tpm.certify_by_cloud_key(Cloud::Gcp, &blob, &[1; 32]), Err(Error::NoCloudKey)));
    let certified = tpm.certify_by_cloud_key(Cloud::Azure, &blob, &[1; 32]).unwrap();
    no_handles(&mut tpm);
    let public = PublicArea::parse(&key.public).unwrap();
    let signature = avouch_tpm_wire::Signature::parse(&certified.signature).unwrap();
    avouch_crypto::AttestationKey::new(&public).unwrap().verify(&certified.attest, &signature).unwrap();
}

fn certify(swtpm: &Swtpm, template: EkTemplate) {
    write(swtpm, template.certificate(), b"certificate");
}

fn write(swtpm: &Swtpm, index: Handle, bytes: &[u8]) {
    std::fs::write(swtpm.folder().join("contents"), bytes).unwrap();
    let attributes = "ppread|ppwrite|ownerread|authread|no_da|platformcreate";
    swtpm.tool(&format!("tpm2_nvdefine {index} -C p -s {} -a {attributes}", bytes.len()));
    swtpm.tool(&format!("tpm2_nvwrite {index} -C p -i contents"));
}
