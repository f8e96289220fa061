//! The intent as a file, and its signature.

use avouch_crypto::signing::{SigningKey, verify_ed25519};
use avouch_pairs::{Level, attribute};
use avouch_protocol::intent::{IntentError, IntentFile, SignedIntent};
use proptest::prelude::*;

const FILE: &str = r#"{
  "v": 1,
  "name": "db",
  "created": "2026-11-22",
  "units": ["postgresql.service", "getty@tty1.service"],
  "listeners": ["listener:tcp:0.0.0.0:5432"],
  "not_applicable": ["V1", "V2"],
  "tolerate_inconclusive": true,
  "subjects": {
    "host": {"selinux.enforce": "enforcing"},
    "unit:postgresql.service": {"memory.max": "4294967296", "no_new_privs": "yes"}
  }
}"#;

fn changed(from: &str, to: &str) -> Result<(), IntentError> {
    let text = FILE.replace(from, to);
    assert_ne!(text, FILE, "{from}");
    IntentFile::from_json(text.as_bytes())?.intent().map(|_| ())
}

#[test]
fn a_file_says_what_it_says() {
    let file = IntentFile::from_json(FILE.as_bytes()).unwrap();
    let intent = file.intent().unwrap();
    let unit = &intent.subjects["unit:postgresql.service"];
    assert_eq!(unit[&attribute::MEMORY_MAX], "4294967296");
    assert_eq!(unit[&attribute::NO_NEW_PRIVS], "yes");
    assert!(intent.units.contains("getty@tty1.service") && intent.listeners.contains("listener:tcp:0.0.0.0:5432"));
    assert_eq!(intent.not_applicable.iter().copied().collect::<Vec<_>>(), [Level::V1, Level::V2]);
    assert!(intent.tolerate_inconclusive);
    let again = IntentFile::of("db", "2026-11-22", &intent);
    assert_eq!(IntentFile::from_json(again.to_json().as_bytes()).unwrap().intent().unwrap(), intent);
}

#[test]
fn a_refusal_says_which_key_and_what_to_write() {
    for (from, to, key, write) in [
        ("\"v\": 1", "\"v\": 2", "\"v\"", "\"v\": 1"),
        ("\"db\"", "\"\"", "\"name\"", "1 to 64"),
        ("postgresql.service\", \"getty", "unit:postgresql.service\", \"getty", "\"units\"", "postgresql.service"),
        ("getty@tty1.service", "getty", "\"units\"", "full name"),
        ("getty@tty1.service", ".service", "\"units\"", "full name"),
        ("listener:tcp:0.0.0.0:5432", "tcp:5432", "\"listeners\"", "listener:tcp"),
        ("\"V2\"", "\"V15\"", "\"not_applicable\"", "V14"),
        ("\"V2\"", "\"v2\"", "\"not_applicable\"", "V14"),
        ("unit:postgresql.service\": {", "postgresql.service\": {", "\"subjects\"", "unit:"),
        ("memory.max", "memory.maximum", "memory.maximum", "\"memory.max\""),
        ("memory.max", "zzz", "zzz", "\"memory.max\""),
        ("\"tolerate_inconclusive\"", "\"tolerate\"", "unknown field", "tolerate_inconclusive"),
        ("\"no_new_privs\"", "\"memory.max\"", "stands twice", "leave one out"),
        ("\"host\"", "\"unit:postgresql.service\"", "stands twice", "leave one out"),
        ("\"4294967296\"", "4294967296", "invalid type", "string"),
    ] {
        let said = changed(from, to).unwrap_err().to_string();
        assert!(said.contains(key) && said.contains(write), "{from} -> {to}: {said}");
    }
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    for end in 0..FILE.len() {
        assert!(IntentFile::from_json(&FILE.as_bytes()[..end]).is_err(), "cut at {end}");
    }
    let deep = "{\"subjects\":".repeat(100_000);
    assert!(matches!(IntentFile::from_json(deep.as_bytes()), Err(IntentError::Json { .. })));
    assert!(matches!(IntentFile::from_json(&vec![b' '; 9 << 20]), Err(IntentError::TooLong { .. })));
}

fn key() -> SigningKey {
    SigningKey::generate().unwrap()
}

fn holds(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    verify_ed25519(key, message, signature).is_ok()
}

#[test]
fn a_signed_intent_opens_for_its_key_and_its_bytes_only() {
    let (owner, other) = (key(), key());
    let file = FILE;
    let sign = |bytes: &[u8]| SignedIntent::of(bytes, &owner.public(), &owner.sign(&SignedIntent::signed_bytes(bytes)));
    let signed = SignedIntent::from_json(sign(file.as_bytes()).to_json().as_bytes()).unwrap();
    assert_eq!(signed.open(&[other.public(), owner.public()], holds).unwrap().to_json(), {
        IntentFile::from_json(file.as_bytes()).unwrap().to_json()
    });
    assert!(matches!(signed.open(&[other.public()], holds), Err(IntentError::Key { .. })));
    assert!(matches!(signed.open(&[], holds), Err(IntentError::Key { .. })));
    // Another file, or another key in the envelope, under the same signature.
    let signature = owner.sign(&SignedIntent::signed_bytes(file.as_bytes()));
    let swapped = SignedIntent::of(file.replace("4294967296", "max").as_bytes(), &owner.public(), &signature);
    assert_eq!(swapped.open(&[owner.public()], holds), Err(IntentError::Signature));
    let claimed = SignedIntent::of(file.as_bytes(), &other.public(), &signature);
    assert_eq!(claimed.open(&[owner.public(), other.public()], holds), Err(IntentError::Signature));
    let bare = SignedIntent::of(file.as_bytes(), &owner.public(), &owner.sign(file.as_bytes()));
    assert_eq!(bare.open(&[owner.public()], holds), Err(IntentError::Signature), "without its context");
    let wrong = sign(file.replace("\"v\": 1", "\"v\": 3").as_bytes());
    assert_eq!(wrong.open(&[owner.public()], holds), Err(IntentError::Version { got: 3 }));
    let json = signed.to_json();
    let damaged =
        SignedIntent::from_json(json.replacen("\"signature\": \"", "\"signature\": \"!", 1).as_bytes()).unwrap();
    assert_eq!(damaged.open(&[owner.public()], holds), Err(IntentError::Envelope { field: "signature" }));
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = IntentFile::from_json(&bytes).map(|file| file.intent());
        let _ = SignedIntent::from_json(&bytes);
    }
}
