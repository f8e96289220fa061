//! What changed both witnesses: found by what somebody signed, and by nobody else's word.

use std::fs;

use anyhow::{Result, ensure};
use avouch_agent::config::{Config, Observe, PinnedIntent};
use avouch_agent::intent::{IntentTrouble, declared};
use avouch_crypto::signing::{SigningKey, verify_ed25519};
use avouch_pairs::{attribute as a, learn};
use avouch_protocol::intent::{IntentError, IntentFile, SignedIntent};
use avouch_testkit::{Said, Watched, demanding};
use serde_json::{Value, json};

use crate::rounds::passing;

const WEB: &str = "unit:web.service";

/// What the green machine is today, signed by this key.
fn signed(key: &SigningKey) -> Vec<u8> {
    let file = IntentFile::of("web", "2026-11-22", &learn(&Said::green().lock())).to_json();
    let signature = key.sign(&SignedIntent::signed_bytes(file.as_bytes()));
    SignedIntent::of(file.as_bytes(), &key.public(), &signature).to_json().into_bytes()
}

fn opened(signed: &[u8], key: [u8; 32]) -> Result<IntentFile, IntentError> {
    SignedIntent::from_json(signed)?.open(&[key], |key, bytes, signature| verify_ed25519(key, bytes, signature).is_ok())
}

#[test]
fn set_property_is_found_by_the_signed_intent() -> Result<()> {
    let key = SigningKey::generate()?;
    let intent: Value = serde_json::from_str(&opened(&signed(&key), key.public())?.to_json())?;
    let Some(mut watched) = passing(&demanding(&json!({ "intent": intent })))? else { return Ok(()) };
    // systemd states the new limit, and the kernel enforces it.
    let raised = Some("1073741824");
    watched.said.set(WEB, a::MEMORY_MAX, raised, raised);
    assert_eq!(watched.told()?, ("fail", "V4.memory.max.intent_drift".into()));
    let findings = watched.findings()?;
    assert_eq!(findings.len(), 1, "{findings:?}");
    let pair = &findings[0]["pair"];
    assert_eq!((&pair["subject"], &pair["attribute"]), (&json!(WEB), &json!("memory.max")));
    assert_eq!((&pair["intent"], &pair["orchestrator"]), (&json!("67108864"), &json!("1073741824")));
    assert_eq!(pair["kernel"], "1073741824");

    // A unit that the intent names and that does not run.
    let limit = Some("67108864");
    watched.said.set(WEB, a::MEMORY_MAX, limit, limit);
    let gone = watched.said.lock().subjects.remove(WEB);
    let (status, code) = watched.told()?;
    assert_eq!((status, code.as_str()), ("fail", "UNIT_ABSENT"));
    watched.said.lock().subjects.extend(gone.map(|unit| (WEB.to_owned(), unit)));
    assert_eq!(watched.told()?, ("pass", String::new()));

    // Nobody's word: both witnesses agree, and that is all there is to know.
    watched.demand(Some(&demanding(&json!({}))))?;
    watched.said.set(WEB, a::MEMORY_MAX, raised, raised);
    assert_eq!(watched.told()?, ("pass", String::new()));
    Ok(())
}

#[test]
fn an_intent_of_another_key_and_an_altered_one_are_not_opened() -> Result<()> {
    let (key, other) = (SigningKey::generate()?, SigningKey::generate()?);
    let signed = signed(&key);
    ensure!(matches!(opened(&signed, other.public()), Err(IntentError::Key { .. })));
    let mut altered: Value = serde_json::from_slice(&signed)?;
    let file = IntentFile::of("web", "2026-11-22", &avouch_pairs::Intent::default()).to_json();
    let bytes = SignedIntent::of(file.as_bytes(), &key.public(), &[0; 64]).to_json();
    altered["intent"] = serde_json::from_str::<Value>(&bytes)?["intent"].clone();
    ensure!(matches!(opened(&serde_json::to_vec(&altered)?, key.public()), Err(IntentError::Signature)));
    Ok(())
}

#[test]
fn an_agent_believes_its_pinned_key_alone() -> Result<()> {
    let (key, other) = (SigningKey::generate()?, SigningKey::generate()?);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("intent.json");
    let believed = |bytes: &[u8]| -> Result<_> {
        fs::write(&path, bytes)?;
        let intent = Some(PinnedIntent { path: path.clone(), key: key.public() });
        Ok(declared(&Config { observe: Observe { intent }, ..Config::default() }, None))
    };
    ensure!(matches!(believed(&signed(&key))?, Ok(Some(_))));
    let refused = believed(&signed(&other))?;
    ensure!(matches!(refused, Err(IntentTrouble::Text { error: IntentError::Key { .. }, .. })), "{refused:?}");
    let plain = IntentFile::of("web", "2026-11-22", &learn(&Said::green().lock())).to_json();
    let refused = believed(plain.as_bytes())?;
    ensure!(matches!(refused, Err(IntentTrouble::Unsigned { .. })), "{refused:?}");
    fs::remove_file(&path)?;
    let intent = Some(PinnedIntent { path, key: key.public() });
    let absent = declared(&Config { observe: Observe { intent }, ..Config::default() }, None);
    ensure!(matches!(absent, Err(IntentTrouble::Read { .. })), "an intent that is named and not there is no empty one");
    Ok(())
}

#[test]
fn an_intent_that_says_nothing_known_is_refused_with_its_policy() -> Result<()> {
    let Some(watched) = Watched::open(None)? else { return Ok(()) };
    let intent = json!({ "v": 1, "name": "web", "created": "2026-11-22", "units": [], "listeners": [],
        "not_applicable": [], "tolerate_inconclusive": false, "subjects": { WEB: { "memory.maximum": "1" } } });
    let error = watched.demand(Some(&demanding(&json!({ "intent": intent })))).expect_err("no such attribute");
    ensure!(error.to_string().contains("422") && error.to_string().contains("memory.maximum"), "{error}");
    Ok(())
}
