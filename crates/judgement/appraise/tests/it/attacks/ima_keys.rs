//! Keys and signatures: I20, I21.

use avouch_appraise::{Appraisal, CauseKind, SeenSignatures};
use avouch_crypto::sha256;
use avouch_protocol::Status;
use serde_json::json;
use std::cell::RefCell;
use std::collections::HashSet;

use super::scene::{Scene, names_hole};
use super::signing::Packager;
use crate::machine::{buffer, codes, file, raw};

const CONTENT: &[u8] = b"a tool that nobody listed";
const PATH: &str = "/opt/vendor/tool";

/// A policy by which the packager signs files under /opt/vendor, with the key in this keyring.
fn scene(packager: &Packager, keyring: &str) -> Scene {
    Scene::new(|policy| {
        policy["ima"]["signers"] =
            json!([{ "name": "vendor", "certificate": packager.pem(), "directories": ["/opt/vendor"] }]);
        policy["ima"]["keyrings"] = json!({ keyring: [packager.pin()] });
        if keyring != ".ima" {
            policy["ima"]["keyrings"][".ima"] = json!([]);
        }
    })
}

fn key(packager: &Packager) -> Vec<u8> {
    buffer(".ima", &packager.certificate)
}

fn signed(path: &str, signature: &[u8]) -> Vec<u8> {
    raw("ima-sig", "sha256", &sha256(&[CONTENT]), path.as_bytes(), Some(signature), [1; 20])
}

#[test]
fn a_signed_file_passes_and_the_coverage_says_whom_it_rests_on() {
    let packager = Packager::new();
    let good = signed(PATH, &packager.sign(CONTENT));
    let appraisal = scene(&packager, ".ima").comes_to(&[key(&packager), good], Status::Pass, &[]);
    assert!(names_hole(&appraisal, "SIGNER_TRUSTED", "vendor"));
    assert!(appraisal.verdict.coverage.covered.iter().any(|item| item.code == "SIGNED" && item.what.starts_with("1 ")));
}

#[test]
fn a_verity_digest_passes_by_its_version_3_signature_only() {
    let packager = Packager::new();
    let digest = [7; 32];
    let verity =
        |signature: &[u8]| raw("ima-sigv2", "verity:sha256", &digest, PATH.as_bytes(), Some(signature), [1; 20]);
    let good = packager.sign_verity(&digest);
    scene(&packager, ".ima").comes_to(&[key(&packager), verity(&good)], Status::Pass, &[]);
    for bad in [packager.sign_verity(&[8; 32]), packager.attribute(3, 2, packager.key_id(), &digest)] {
        scene(&packager, ".ima").comes_to(&[key(&packager), verity(&bad)], Status::Fail, &["IMA_SIGNATURE_INVALID"]);
    }
    scene(&packager, ".ima").comes_to(&[key(&packager), verity(&[])], Status::Fail, &["IMA_VERITY_UNSIGNED"]);
}

/// An `ima-modsig` entry: the whole file, and the file without its appended signature.
fn module(content: &[u8], pkcs7: &[u8]) -> Vec<u8> {
    let field = |bytes: &[u8]| [&(bytes.len() as u32).to_le_bytes(), bytes].concat();
    let digest = |content: &[u8]| field(&[b"sha256:\0".as_slice(), &sha256(&[content])].concat());
    let whole = [content, pkcs7].concat();
    let path = field(b"/opt/vendor/driver.ko\0");
    let data = [digest(&whole), path, field(&[]), digest(content), field(pkcs7)].concat();
    [&10_u32.to_le_bytes()[..], &[1; 20], &field(b"ima-modsig"), &field(&data)].concat()
}

#[test]
fn a_module_passes_by_its_appended_signature_only() {
    let (packager, attacker) = (Packager::new(), Packager::new());
    let good = module(CONTENT, &packager.sign_module(CONTENT));
    scene(&packager, ".ima").comes_to(&[key(&packager), good.clone()], Status::Pass, &[]);
    scene(&packager, ".ima").comes_to(&[good], Status::Fail, &["IMA_UNKNOWN_DIGEST"]);
    let of_other = module(b"another module", &packager.sign_module(CONTENT));
    scene(&packager, ".ima").comes_to(&[key(&packager), of_other], Status::Fail, &["IMA_SIGNATURE_INVALID"]);
    // The attacker's certificate has the same issuer and serial number.
    let forged = module(CONTENT, &attacker.sign_module(CONTENT));
    scene(&packager, ".ima").comes_to(&[key(&packager), forged], Status::Fail, &["IMA_SIGNATURE_INVALID"]);
    let damaged = module(CONTENT, b"no signature");
    scene(&packager, ".ima").comes_to(&[key(&packager), damaged], Status::Fail, &["IMA_UNKNOWN_DIGEST"]);
}

#[test]
fn i20_an_injected_key_fails_and_its_signatures_count_for_nothing() {
    let (packager, attacker) = (Packager::new(), Packager::new());
    scene(&packager, ".ima").red(key(&attacker), "IMA_KEY_UNPINNED", CauseKind::KeyAdded, true);
    let evil = signed(PATH, &attacker.sign(CONTENT));
    let appraisal = scene(&packager, ".ima").comes_to(
        &[key(&packager), key(&attacker), evil.clone()],
        Status::Fail,
        &["IMA_KEY_UNPINNED", "IMA_UNKNOWN_DIGEST"],
    );
    assert_eq!(top(&appraisal, "IMA_UNKNOWN_DIGEST"), CauseKind::UnknownSigner);
    // Before the policy is measured it also breaks the early boot.
    let mut early = scene(&packager, ".ima");
    early.machine.ima.insert(4, key(&attacker));
    early.comes_to(&[], Status::Fail, &["IMA_POLICY_NOT_FIRST", "IMA_KEY_UNPINNED"]);
}

#[test]
fn i20_a_key_counts_from_its_own_entry_on() {
    let packager = Packager::new();
    let good = signed(PATH, &packager.sign(CONTENT));
    let appraisal =
        scene(&packager, ".ima").comes_to(&[good.clone(), key(&packager)], Status::Fail, &["IMA_UNKNOWN_DIGEST"]);
    let finding = appraisal.verdict.findings().last().unwrap();
    assert!(finding.causes[0].what.contains("not measured into a keyring"), "{:?}", finding.causes);
    // A key that is compiled into the kernel has no entry, and the order is kept over rounds and the stored form.
    scene(&packager, ".builtin_trusted_keys").comes_to(std::slice::from_ref(&good), Status::Pass, &[]);
    let mut later = scene(&packager, ".ima");
    later.machine.ima.push(key(&packager));
    let session = later.judge(None).session.unwrap();
    let session = avouch_appraise::Session::from_cbor(&session.to_cbor()).unwrap();
    later.machine.ima.push(good);
    assert_eq!(later.judge(Some(&session)).verdict.status, Status::Pass);
}

#[test]
fn i20_a_signer_whose_key_no_keyring_pins_is_refused_at_load() {
    let packager = Packager::new();
    let mut scene = scene(&packager, ".ima");
    scene.policy = String::from_utf8(scene.policy).unwrap().replace(&packager.pin(), &"ab".repeat(32)).into_bytes();
    let error = avouch_appraise::Policy::parse(&scene.policy).unwrap_err();
    assert!(error.to_string().contains(&packager.pin()), "{error}");
}

#[test]
fn i21_a_signature_of_another_file_fails() {
    let packager = Packager::new();
    let entries = |signature: Vec<u8>| [key(&packager), signed(PATH, &signature)];
    let of_other = entries(packager.sign(b"another file"));
    let appraisal = scene(&packager, ".ima").comes_to(&of_other, Status::Fail, &["IMA_SIGNATURE_INVALID"]);
    assert_eq!(top(&appraisal, "IMA_SIGNATURE_INVALID"), CauseKind::SignatureOfOther);
    assert!(appraisal.verdict.findings().last().unwrap().fix.is_none());
    // A key identifier that collides, made on purpose.
    let attacker = Packager::new();
    let collides = entries(attacker.attribute(3, 2, packager.key_id(), CONTENT));
    scene(&packager, ".ima").comes_to(&collides, Status::Fail, &["IMA_SIGNATURE_INVALID"]);
    // A good signature over the digest of another algorithm, or of the fs-verity kind.
    let mut sha512 = packager.sign(CONTENT);
    sha512[2] = 6;
    for wrong in [sha512, packager.attribute(6, 3, packager.key_id(), CONTENT)] {
        scene(&packager, ".ima").comes_to(&entries(wrong), Status::Fail, &["IMA_SIGNATURE_INVALID"]);
    }
    // Format 1, cut ones, and an unknown key.
    let mut version1 = packager.sign(CONTENT);
    version1[1] = 1;
    let cut = packager.sign(CONTENT)[..20].to_vec();
    for not_taken in [version1, cut, attacker.sign(CONTENT), vec![3]] {
        let appraisal = scene(&packager, ".ima").comes_to(&entries(not_taken), Status::Fail, &["IMA_UNKNOWN_DIGEST"]);
        assert_eq!(top(&appraisal, "IMA_UNKNOWN_DIGEST"), CauseKind::UnknownSigner);
    }
}

#[test]
fn i21_a_signature_counts_in_its_directories_only() {
    let packager = Packager::new();
    for path in ["/opt/vendorx/tool", "/usr/bin/tool", "/opt/vendor/../../usr/bin/tool", "memfd:tool"] {
        let entries = [key(&packager), signed(path, &packager.sign(CONTENT))];
        scene(&packager, ".ima").comes_to(&entries, Status::Fail, &["IMA_UNKNOWN_DIGEST"]);
    }
    let unsigned = [key(&packager), file("/opt/vendor/unsigned")];
    let appraisal = scene(&packager, ".ima").comes_to(&unsigned, Status::Fail, &["IMA_UNKNOWN_DIGEST"]);
    assert_eq!(top(&appraisal, "IMA_UNKNOWN_DIGEST"), CauseKind::Unsigned);
}

#[test]
fn a_signature_that_was_good_before_is_not_checked_again_and_a_bad_one_always_is() {
    struct Memory(RefCell<(HashSet<[u8; 32]>, usize)>);
    impl SeenSignatures for Memory {
        fn is_known(&self, check: &[u8; 32]) -> bool {
            let mut memory = self.0.borrow_mut();
            let known = memory.0.contains(check);
            memory.1 += usize::from(known);
            known
        }
        fn remember(&self, check: &[u8; 32]) {
            self.0.borrow_mut().0.insert(*check);
        }
    }
    let packager = Packager::new();
    let memory = Memory(RefCell::default());
    let judge = |signature: &[u8]| {
        let mut scene = scene(&packager, ".ima");
        scene.machine.ima.extend([key(&packager), signed(PATH, signature)]);
        let policy = scene.policy();
        let round = scene.machine.round(Some(&policy), None);
        scene.machine.appraise_remembering(&round, &policy, &memory)
    };
    let signature = packager.sign(CONTENT);
    let first = judge(&signature);
    let second = judge(&signature);
    assert_eq!((codes(&first), codes(&second)), (vec![], vec![]));
    assert_eq!((memory.0.borrow().0.len(), memory.0.borrow().1), (1, 1));
    let bad = packager.sign(b"another file");
    for _ in 0..2 {
        assert_eq!(codes(&judge(&bad)), ["IMA_SIGNATURE_INVALID"]);
    }
    assert_eq!((memory.0.borrow().0.len(), memory.0.borrow().1), (1, 1), "nothing bad is remembered");
}

fn top(appraisal: &Appraisal, code: &str) -> CauseKind {
    appraisal.verdict.findings().find(|finding| finding.code.as_str() == code).unwrap().causes[0].kind
}
