//! tpm2-tools as a second opinion: what they made is read here, what is made here they read.

use avouch_crypto::Hash;
use avouch_tpm_wire::{EkTemplate, HashAlg, PcrSelection, PublicArea};

use crate::swtpm::{Swtpm, tool, tools_installed};

fn start() -> Option<Swtpm> {
    if tools_installed() { Swtpm::start() } else { None }
}

#[test]
fn tools_accept_the_quote_and_read_the_same_in_it() {
    let Some(swtpm) = start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let blob = tpm.create_attestation_key().unwrap();
    let selection = PcrSelection::of(HashAlg::Sha256, &[0, 7, 16]);
    let quote = tpm.load_attestation_key(&blob).unwrap().quote(selection, &[0xAB; 20]).unwrap();
    drop(tpm);
    let file = |name: &str| swtpm.folder().join(name);
    let public = PublicArea::parse(&blob.public).unwrap();
    std::fs::write(file("ak.pub"), public.encode_sized()).unwrap();
    std::fs::write(file("quote.msg"), &quote.attest).unwrap();
    std::fs::write(file("quote.sig"), &quote.signature).unwrap();
    let nonce = "ab".repeat(20);
    tool(swtpm.folder(), None, &format!("tpm2_checkquote -u ak.pub -m quote.msg -s quote.sig -q {nonce} -g sha256"));
    let printed = tool(swtpm.folder(), None, "tpm2_print -t TPMS_ATTEST quote.msg");
    assert!(printed.contains(&format!("extraData: {nonce}")), "{printed}");
    assert!(printed.contains("pcrSelect: 810001"), "{printed}");
    let printed = tool(swtpm.folder(), None, "tpm2_print -t TPM2B_PUBLIC ak.pub");
    let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign";
    assert!(printed.contains(attributes), "{printed}");
}

#[test]
fn endorsement_key_is_the_one_that_the_tools_make() {
    let Some(swtpm) = start() else { return };
    let ours = swtpm.tpm().0.endorsement_key().unwrap();
    assert_eq!(ours.certificate, None);
    swtpm.tool("tpm2_createek -c ek.ctx -G rsa -u ek.pub");
    swtpm.tool("tpm2_flushcontext -t");
    let theirs = std::fs::read(swtpm.folder().join("ek.pub")).unwrap();
    assert_eq!(PublicArea::parse(&ours.public).unwrap().encode_sized(), theirs);
}

#[test]
fn persistent_endorsement_key_is_used_and_another_key_there_is_not() {
    let Some(swtpm) = start() else { return };
    let fresh = swtpm.tpm().0.endorsement_key().unwrap();
    swtpm.tool("tpm2_createek -c 0x81010001 -G rsa -u ek.pub");
    let (mut tpm, wire) = swtpm.tpm();
    assert_eq!(tpm.endorsement_key().unwrap(), fresh);
    assert_eq!(wire.commands(), ["TPM2_GetCapability", "TPM2_GetCapability", "TPM2_ReadPublic"]);
    drop((tpm, wire));
    swtpm.tool("tpm2_evictcontrol -C o -c 0x81010001");
    swtpm.tool("tpm2_createprimary -C o -c other.ctx");
    swtpm.tool("tpm2_evictcontrol -C o -c other.ctx 0x81010001");
    swtpm.tool("tpm2_flushcontext -t");
    let (mut tpm, wire) = swtpm.tpm();
    assert_eq!(tpm.endorsement_key().unwrap(), fresh);
    assert!(wire.commands().contains(&"TPM2_CreatePrimary".to_owned()));
}

#[test]
fn certificate_is_read_from_nv_whole() {
    let Some(swtpm) = start() else { return };
    // Over two whole reads and a rest, and exactly two.
    for size in [1300_usize, 1024] {
        let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        std::fs::write(swtpm.folder().join("certificate"), &bytes).unwrap();
        let attributes = "ppread|ppwrite|ownerread|authread|no_da|platformcreate";
        swtpm.tool(&format!("tpm2_nvdefine 0x1c00002 -C p -s {size} -a {attributes}"));
        // Defined, not written: there is no certificate.
        assert_eq!(swtpm.tpm().0.endorsement_key().unwrap().certificate, None);
        swtpm.tool("tpm2_nvwrite 0x1c00002 -C p -i certificate");
        assert_eq!(swtpm.tpm().0.endorsement_key().unwrap().certificate, Some(bytes));
        swtpm.tool("tpm2_nvundefine 0x1c00002 -C p");
    }
}

#[test]
fn credential_made_by_the_tools_opens() {
    let Some(swtpm) = start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let ek = tpm.endorsement_key().unwrap();
    let blob = tpm.create_attestation_key().unwrap();
    let file = |name: &str| swtpm.folder().join(name);
    std::fs::write(file("ek.pub"), PublicArea::parse(&ek.public).unwrap().encode_sized()).unwrap();
    std::fs::write(file("secret"), b"what only this TPM can open").unwrap();
    let name = PublicArea::parse(&blob.public).unwrap().name(&Hash);
    let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    tool(swtpm.folder(), None, &format!("tpm2_makecredential -T none -u ek.pub -s secret -n {name} -o credential"));
    let made = std::fs::read(file("credential")).unwrap();
    // The tools' own header: magic and version, four bytes each; then the two TPM2Bs.
    let rest = &made[8..];
    let split = 2 + usize::from(u16::from_be_bytes([rest[0], rest[1]]));
    let opened = tpm.activate_credential(&blob, EkTemplate::L1, &rest[..split], &rest[split..]).unwrap();
    assert_eq!(opened, b"what only this TPM can open");
}

#[test]
fn tools_load_the_key_below_the_same_parent() {
    let Some(swtpm) = start() else { return };
    let (mut tpm, _) = swtpm.tpm();
    let blob = tpm.create_attestation_key().unwrap();
    drop(tpm);
    let file = |name: &str| swtpm.folder().join(name);
    std::fs::write(file("ak.pub"), PublicArea::parse(&blob.public).unwrap().encode_sized()).unwrap();
    std::fs::write(file("ak.priv"), &blob.private).unwrap();
    std::fs::write(file("unique"), unique()).unwrap();
    let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt";
    swtpm.tool(&format!(
        "tpm2_createprimary -C e -g sha256 -G ecc256:aes128cfb -a {attributes} -u unique -c parent.ctx"
    ));
    // Without a resource manager, each tool leaves loaded what it loads.
    swtpm.tool("tpm2_flushcontext -t");
    swtpm.tool("tpm2_readpublic -c parent.ctx -o parent.pub");
    swtpm.tool("tpm2_flushcontext -t");
    let parent = std::fs::read(file("parent.pub")).unwrap();
    assert_eq!(PublicArea::parse(&blob.parent_public).unwrap().encode_sized(), parent);
    swtpm.tool("tpm2_load -C parent.ctx -u ak.pub -r ak.priv -c ak.ctx");
}

/// 32 + 32 zero bytes as `tpm2_createprimary -u` reads them: the C structure as it stands in memory, two times a
/// little-endian length and a buffer of 128 bytes.
fn unique() -> Vec<u8> {
    [&32_u16.to_le_bytes()[..], &[0; 128], &32_u16.to_le_bytes()[..], &[0; 128]].concat()
}
