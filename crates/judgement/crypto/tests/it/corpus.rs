//! Every certificate and PKCS#7 file of the corpus against its recorded truth.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use avouch_crypto::certificate::{CertificateFacts, Container, Item, KeyFacts, Quirk, read_file};
use avouch_crypto::ek::{EkError, EkRoots, LinkFault, RootSource};
use avouch_crypto::{AkCertificate, FileKey, KeyRefusal, cms};
use avouch_tpm_wire::{Attributes, HashAlg, Key, PublicArea, Scheme, Symmetric};
use serde_json::Value;

use crate::NOW;

const KINDS: [&str; 6] = [
    "cert: EK",
    "cert: TPM vendor CA",
    "cert: secure boot",
    "cert: other",
    "cert: platform/attribute",
    "authenticode/pkcs7",
];

fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("AVOUCH_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: AVOUCH_CORPUS is not set");
    }
    folder
}

/// Path and kind of every file of the wanted kinds.
fn index(corpus: &std::path::Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let rows = text.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|row| KINDS.contains(&row[6])).map(|row| (row[0].to_owned(), row[6].to_owned())).collect()
}

#[test]
fn every_certificate_says_what_openssl_read() {
    let Some(corpus) = corpus() else { return };
    let truth: BTreeMap<String, Vec<Value>> =
        serde_json::from_slice(&fs::read(corpus.join("truth/certs.json")).unwrap()).unwrap();
    let (mut agree, mut refused, mut only_here, mut nothing) = (0, 0, 0, 0);
    for (path, kind) in index(&corpus) {
        let bytes = fs::read(corpus.join("files").join(&path)).unwrap();
        let file = read_file(&bytes);
        let Some(expected) = truth.get(&path) else {
            let outcome = file.map(|file| file.items.len());
            println!("nothing to compare ({kind}): {path}: {outcome:?}");
            nothing += 1;
            continue;
        };
        let items = file.as_ref().map(|file| file.items.as_slice()).unwrap_or_default();
        for (at, wanted) in expected.iter().enumerate() {
            match (wanted["openssl_parses"].as_bool(), items.get(at)) {
                (Some(true), Some(Item { facts: Ok(facts), .. })) => {
                    compare(facts, wanted, &path);
                    agree += 1;
                }
                (Some(true), found) => panic!("{path}: openssl reads this, here {found:?} of {file:?}"),
                // openssl does not take it as it stands; here a wrapping may be known (NV, PKCS#7), else it is refused.
                (Some(false), Some(Item { facts: Ok(_), .. })) => {
                    let container = file.as_ref().unwrap().container;
                    assert!(matches!(container, Container::Nv | Container::Pkcs7), "{path}: {container:?}");
                    only_here += 1;
                }
                // Public keys in PEM are no certificates.
                (Some(false) | None, _) => refused += 1,
            }
        }
    }
    println!(
        "certificates: {agree} agree, {refused} refused as expected, {only_here} unwrapped, {nothing} without truth"
    );
    assert!(agree >= 200 && refused >= 20, "the corpus has shrunk");
}

fn compare(facts: &CertificateFacts, wanted: &Value, path: &str) {
    assert_eq!(hex(&facts.sha256), wanted["sha256"].as_str().unwrap(), "{path}");
    assert_eq!(facts.bytes as u64, wanted["len"].as_u64().unwrap(), "{path}");
    if wanted["cryptography_parses"] == Value::Bool(false) {
        assert!(facts.quirks.contains(&Quirk::SetOrder), "{path}: {:?}", facts.quirks);
        return;
    }
    assert_eq!(facts.subject, wanted["subject"].as_str().unwrap(), "{path}");
    assert_eq!(facts.issuer, wanted["issuer"].as_str().unwrap(), "{path}");
    assert_eq!(format!("0x{}", facts.serial), wanted["serial"].as_str().unwrap(), "{path}");
    assert_eq!(facts.signature, wanted["sig_oid"].as_str().unwrap(), "{path}");
    assert_eq!(date(facts.not_before), wanted["not_before"].as_str().unwrap(), "{path}");
    assert_eq!(date(facts.not_after), wanted["not_after"].as_str().unwrap(), "{path}");
    assert_eq!(facts.ca, wanted["ca"].as_bool(), "{path}");
    assert_eq!(Some(facts.is_ek), wanted["is_ek"].as_bool(), "{path}");
    let strings = |name: &str| -> Vec<&str> {
        wanted[name].as_array().map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    };
    assert_eq!(facts.critical_extensions, strings("critical_ext"), "{path}");
    assert_eq!(facts.purposes, strings("eku"), "{path}");
    let names = strings("san");
    for (here, name) in facts.alternative_names.iter().zip(&names) {
        match name.strip_prefix("OtherName:b'") {
            // Of an otherName, truth has the first bytes of the value and no identifier.
            Some(value) => {
                let value = hex(&unescape(value.trim_end_matches('\'')));
                assert!(here.split_once('=').unwrap().1.starts_with(&value), "{path}: {here}");
            }
            None => {
                let name = name.replacen("DirectoryName:", "DirName:", 1).replacen("DNSName:", "DNS:", 1);
                assert_eq!(*here, name, "{path}");
            }
        }
    }
    assert!(names.is_empty() || names.len() == facts.alternative_names.len(), "{path}");
    match wanted["key"].as_str() {
        Some(key) => assert_eq!(name_of(&facts.key), key, "{path}"),
        None => assert!(facts.quirks.contains(&Quirk::OaepKey), "{path}: {:?}", facts.key),
    }
}

/// Bytes as Python prints them.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        (bytes, rest) = match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = data_encoding::HEXLOWER.decode(&[*high, *low]).unwrap();
                ([bytes, digits].concat(), after)
            }
            (b'\\', _) => panic!("an escape that is not hexadecimal: {text}"),
            (plain, after) => ([bytes, vec![plain]].concat(), after),
        };
    }
    bytes
}

fn name_of(key: &KeyFacts) -> String {
    match key {
        KeyFacts::Rsa { bits } => format!("RSA{bits}"),
        KeyFacts::Ec { curve } => format!("EC-{curve}"),
        other => other.to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// The day of a Unix time, found by counting.
fn date(seconds: i64) -> String {
    let mut days = seconds.div_euclid(86_400) + 719_162;
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1;
    while days >= 365 + i64::from(leap(year)) {
        days -= 365 + i64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    format!("{year:04}-{:02}-{:02}", month + 1, days + 1)
}

#[test]
fn every_pkcs7_file_gives_its_certificates_or_a_typed_refusal() {
    let Some(corpus) = corpus() else { return };
    let (mut read, mut refused) = (0, 0);
    for (path, _) in index(&corpus).into_iter().filter(|(_, kind)| kind == "authenticode/pkcs7") {
        let bytes = fs::read(corpus.join("files").join(&path)).unwrap();
        let file = read_file(&bytes);
        // Images are not signatures.
        if bytes.starts_with(b"MZ") {
            assert!(file.is_err(), "{path}");
            refused += 1;
            continue;
        }
        let file = file.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(file.container, Container::Pkcs7, "{path}");
        assert!(file.items.iter().all(|item| item.facts.is_ok()) && !file.items.is_empty(), "{path}");
        read += 1;
    }
    println!("PKCS#7: {read} read, {refused} images refused");
    assert!(read >= 8);
}

/// The keys and the list are of one recording; one of the two keys lies on a curve that is not on the allow-list.
#[test]
fn recorded_file_signatures_verify() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("files/keylime+keylime/_derived/ima_verification");
    let ring: Value = serde_json::from_slice(&fs::read(folder.join("ima_keyring_string.json")).unwrap()).unwrap();
    let ids: Vec<u32> =
        ring["keyids"].as_array().unwrap().iter().map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect();
    let mut keys = Vec::new();
    let mut off_list = 0;
    for (key, id) in ring["pubkeys"].as_array().unwrap().iter().zip(ids) {
        let spki = data_encoding::BASE64.decode(key.as_str().unwrap().as_bytes()).unwrap();
        match FileKey::from_spki(&spki) {
            Ok(key) => {
                assert_eq!(key.key_id(), id.to_be_bytes());
                keys.push(key);
            }
            Err(avouch_crypto::file_key::FileKeyError::Key(KeyRefusal::Algorithm(key))) => {
                assert_eq!(key.to_string(), "1.3.132.0.10", "secp256k1, which no kernel verifies with");
                off_list += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    let list = fs::read_to_string(folder.join("signatures.ascii")).unwrap();
    let (mut verified, mut unknown) = (0, 0);
    for line in list.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let digest = data_encoding::HEXLOWER.decode(words[3].strip_prefix("sha256:").unwrap().as_bytes()).unwrap();
        let xattr = data_encoding::HEXLOWER.decode(words[5].as_bytes()).unwrap();
        let id: [u8; 4] = xattr[3..7].try_into().unwrap();
        match keys.iter().find(|key| key.answers_to(id)) {
            Some(key) => {
                assert_eq!(key.verify_digest(HashAlg::Sha256, &digest, &xattr[9..]), Ok(()));
                verified += 1;
            }
            None => unknown += 1,
        }
    }
    println!("file signatures: {verified} verify, {unknown} by a key off the allow-list");
    assert_eq!((verified, unknown, off_list), (1, 1, 1));
}

/// The public area of an RSA key, as the TPM that holds it would show it.
fn with_area<T>(der: &[u8], scheme: Scheme, attributes: Attributes, then: impl FnOnce(&PublicArea<'_>) -> T) -> T {
    let der = rustls_pki_types::CertificateDer::from(der);
    let spki = webpki::EndEntityCert::try_from(&der).unwrap().subject_public_key_info().as_ref().to_vec();
    // The modulus of a 2048-bit key in a SubjectPublicKeyInfo ends five bytes before its end.
    let end = spki.len() - 5;
    let modulus = &spki[end - 256..end];
    let symmetric = if scheme == Scheme::Null { Symmetric::AES_128_CFB } else { Symmetric::Null };
    let key = Key::Rsa { symmetric, scheme, bits: 2048, exponent: 0, modulus };
    then(&PublicArea::new(HashAlg::Sha256, attributes, &[], key).unwrap())
}

const EK: Attributes = Attributes::RESTRICTED.with(Attributes::DECRYPT);
const AK: Attributes = Attributes::RESTRICTED.with(Attributes::SIGN);

fn only_certificate(corpus: &std::path::Path, path: &str) -> Vec<u8> {
    let bytes = fs::read(corpus.join("files").join(path)).unwrap();
    read_file(&bytes).unwrap().items.remove(0).der
}

#[test]
fn certificates_of_a_cloud_chain_to_the_bundle_each_for_its_own_purpose() {
    let Some(corpus) = corpus() else { return };
    let folder = "google+go-tpm-tools/internal/test/certificates";
    let ek = only_certificate(&corpus, &format!("{folder}/uca_tpm_rsa_enc_cert.pem"));
    let ak = only_certificate(&corpus, &format!("{folder}/uca_tpm_rsa_sign_cert.pem"));
    let roots = EkRoots::bundled();
    let signs = Scheme::RsaSsa(HashAlg::Sha256);
    let identity = with_area(&ek, Scheme::Null, EK, |area| roots.verify(&ek, area, NOW)).unwrap();
    assert_eq!(identity.root.source, RootSource::Bundled { vendor: "Google" });
    assert!(identity.root.subject.starts_with("CN=tpm_ek_v1_cloud_host_root-signer-0"));
    assert_eq!(identity.model.as_deref(), Some("vTPM"));
    let as_ek = with_area(&ak, signs, AK, |area| roots.verify(&ak, area, NOW));
    assert_eq!(as_ek, Err(EkError::SigningKey), "an AK certificate with the purpose of an EK");
    let as_ak = with_area(&ak, signs, AK, |area| AkCertificate::verify(&ak, &[], &roots, area, NOW)).unwrap();
    assert_eq!(as_ak.root, identity.root);
    assert!(with_area(&ek, signs, AK, |area| AkCertificate::verify(&ek, &[], &roots, area, NOW)).is_err());
    assert!(with_area(&ek, signs, AK, |area| AkCertificate::verify(&ak, &[], &roots, area, NOW)).is_err());
}

#[test]
fn old_endorsement_certificates_are_read_and_their_sha1_is_refused() {
    let Some(corpus) = corpus() else { return };
    let folder = "nsacyber+HIRS/HIRS_AttestationCA/src/test/resources/certificates";
    // 2020, when they were valid.
    let then = 1_600_000_000;
    for name in ["ab21ccf2-tpmcert.pem", "nuc-1/ek_cert_7_byte_header_removed.cer"] {
        let der = only_certificate(&corpus, &format!("{folder}/{name}"));
        let refused = with_area(&der, Scheme::Null, EK, |area| EkRoots::bundled().verify(&der, area, then));
        assert_eq!(refused, Err(EkError::Link { subject: String::new(), fault: LinkFault::Sha1 }), "{name}");
        let late = with_area(&der, Scheme::Null, EK, |area| EkRoots::bundled().verify(&der, area, NOW));
        assert!(matches!(late, Err(EkError::Time { .. })), "{name}");
    }
    let stored = fs::read(corpus.join("files").join(folder).join("ek_cert_with_security_assertions.cer")).unwrap();
    let file = read_file(&stored).unwrap();
    assert_eq!(file.container, Container::Nv);
    let facts = file.items[0].facts.as_ref().unwrap();
    assert_eq!(facts.tpm.as_ref().unwrap().manufacturer.as_deref(), Some("id:49465800"));
    for quirk in [Quirk::OaepKey, Quirk::Sha1Signature, Quirk::DirectoryNameOnly, Quirk::CriticalPolicies] {
        assert!(facts.quirks.contains(&quirk), "{quirk}");
    }
    assert!(cms::certificates(&stored).is_err());
}
