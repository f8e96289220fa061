//! Real Secure Boot variables that nobody on this project wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use avouch_pe::efivar::{Variable, VariableName};
use avouch_pe::siglist::{self, SignatureList};
use avouch_pe::update::Update;
use avouch_pe::{PeError, sbat};
use serde_json::{Value, json};

/// The collection, or `None` with a line that says how to run this test.
fn corpus() -> Option<PathBuf> {
    match std::env::var_os("AVOUCH_CORPUS") {
        Some(path) => {
            let path = PathBuf::from(path);
            assert!(path.join("INDEX.tsv").is_file(), "AVOUCH_CORPUS={} has no INDEX.tsv", path.display());
            Some(path)
        }
        None => {
            println!("skipped: set AVOUCH_CORPUS to the folder of the collected variables (the one with INDEX.tsv)");
            None
        }
    }
}

/// Paths of every Secure Boot variable, with what the index expects of it.
fn variables(corpus: &Path) -> Vec<(String, String)> {
    let index = std::fs::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let columns = index.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    columns.filter(|c| c[6] == "secure boot variable").map(|c| (c[0].to_owned(), c[8].to_owned())).collect()
}

/// What the independent reading tells of one file, in its own words.
fn read(bytes: &[u8], form: &str) -> Result<Value, PeError> {
    Ok(match form {
        "ESL" => json!({ "lists": described(siglist::parse(bytes)?) }),
        "EFI_VARIABLE_AUTHENTICATION_2 + ESL" => {
            let update = Update::parse(bytes)?;
            let (time, pkcs7) = (update.time.to_string(), update.pkcs7.len());
            json!({ "timestamp": time, "pkcs7_bytes": pkcs7, "lists": described(update.signature_lists()?) })
        }
        "efivarfs (4-byte attributes) + ESL" => {
            json!({ "lists": described(Variable::parse(bytes)?.signature_lists()?) })
        }
        "efivarfs variable: 4-byte attributes + raw data" => {
            json!({ "attributes": format!("{:08x}", Variable::parse(bytes)?.attributes.0) })
        }
        other => panic!("the truth has a form that this test does not know: {other}"),
    })
}

/// The truth names two kinds only, and others by their GUID.
fn described(lists: Vec<SignatureList<'_>>) -> Value {
    let kind = |list: &SignatureList<'_>| match list.kind {
        siglist::SignatureKind::X509 | siglist::SignatureKind::Sha256 => list.kind.to_string(),
        other => other.guid().to_string(),
    };
    let one = |list: &SignatureList<'_>| {
        assert_eq!(list.signatures().count(), list.len());
        json!({ "type": kind(list), "header": list.header.len(), "sig_size": list.signature_size, "count": list.len() })
    };
    lists.iter().map(one).collect()
}

#[test]
fn corpus_variables_have_the_independent_values_or_are_refused() {
    let Some(corpus) = corpus() else { return };
    let truth: BTreeMap<String, Value> =
        serde_json::from_slice(&std::fs::read(corpus.join("truth/secureboot_vars.json")).unwrap()).unwrap();
    let (mut agreed, mut refused, mut values) = (0, 0, 0);
    let mut nothing: BTreeMap<String, usize> = BTreeMap::new();
    for (path, expected) in variables(&corpus) {
        let bytes = std::fs::read(corpus.join("files").join(&path)).unwrap();
        no_panic(&bytes);
        let Some(wanted) = truth.get(&path) else {
            let kind = path.rsplit_once('.').map_or("file", |(_, kind)| kind).to_owned();
            assert!(siglist::parse(&bytes).is_err() || bytes.is_empty(), "{path}: a certificate is no signature list");
            *nothing.entry(format!("{kind}, {}", if expected.is_empty() { "good" } else { "bad" })).or_default() += 1;
            continue;
        };
        assert_eq!(wanted["bytes"], bytes.len(), "{path}");
        match read(&bytes, wanted["form"].as_str().unwrap()) {
            Ok(got) => {
                assert!(wanted["error"].is_null(), "{path}: taken, the truth refuses: {}", wanted["error"]);
                for (key, value) in wanted.as_object().unwrap() {
                    if matches!(key.as_str(), "bytes" | "form" | "error") {
                        continue;
                    }
                    assert_eq!(&got[key], value, "{path}: {key}");
                    values += 1;
                }
                agreed += 1;
            }
            Err(error) => {
                println!("refused {path}: {error} (independent: {})", wanted["error"]);
                assert!(!wanted["error"].is_null(), "{path}: {error}");
                // What an update says before its lists must still be right.
                if let (Some(time), Ok(update)) = (wanted["timestamp"].as_str(), Update::parse(&bytes)) {
                    assert_eq!(
                        (update.time.to_string().as_str(), &json!(update.pkcs7.len())),
                        (time, &wanted["pkcs7_bytes"])
                    );
                    values += 2;
                }
                refused += 1;
            }
        }
    }
    assert_eq!(agreed + refused, truth.len(), "every file with an independent reading is compared");
    println!("secure boot variables: {agreed} agree, {refused} refused as expected, {values} values equal");
    println!("secure boot variables: nothing to compare: {nothing:?} (certificates and bare PKCS#7)");
    assert!(agreed >= 148 && refused >= 15, "{agreed} agree, {refused} refused");
}

/// Every reader takes every file without a panic.
fn no_panic(bytes: &[u8]) {
    let _ = siglist::parse(bytes);
    let _ = Update::parse(bytes).map(|update| update.signature_lists().is_ok());
    let _ = Variable::parse(bytes).map(|variable| (variable.signature_lists().is_ok(), variable.switch().is_ok()));
    let _ = (sbat::Table::parse(bytes), sbat::Level::parse(bytes));
    assert!(avouch_pe::Image::parse(bytes).is_err(), "a variable is no image");
}

#[test]
fn corpus_files_of_efivarfs_are_read_by_their_names() {
    let Some(corpus) = corpus() else { return };
    let (mut lists, mut levels, mut switches, mut plain) = (0, 0, 0, 0);
    for (path, _) in variables(&corpus) {
        let Some(name) = path.rsplit('/').next().and_then(VariableName::parse) else { continue };
        let bytes = std::fs::read(corpus.join("files").join(&path)).unwrap();
        let variable = Variable::parse(&bytes).unwrap_or_else(|error| panic!("{path}: {error}"));
        match name.name {
            _ if name.holds_signature_lists() => {
                variable.signature_lists().unwrap_or_else(|error| panic!("{path}: {error}"));
                lists += 1;
            }
            "SbatLevel" | "SbatLevelRT" => {
                let level = sbat::Level::parse(variable.value).unwrap_or_else(|error| panic!("{path}: {error}"));
                assert_eq!(level.date(), Some("2021030218"));
                levels += 1;
            }
            "SecureBoot" | "SetupMode" => {
                variable.switch().unwrap_or_else(|error| panic!("{path}: {error}"));
                switches += 1;
            }
            _ => plain += 1,
        }
    }
    println!("efivarfs: {lists} with signature lists, {levels} SBAT levels, {switches} switches, {plain} others");
    assert!(lists >= 10 && levels >= 2 && switches >= 2 && plain >= 80, "{lists} {levels} {switches} {plain}");
}
