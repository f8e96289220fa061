//! Quotes, public areas and signatures of other projects, named by the corpus index: parsed or refused, with counts.
#![allow(clippy::disallowed_methods)] // A test reads its own inputs.

use std::collections::BTreeMap;
use std::path::Path;

use avouch_tpm_wire::*;

/// Read from the index: path, kind, what it is.
fn index(corpus: &Path) -> Vec<[String; 3]> {
    let index = std::fs::read_to_string(corpus.join("INDEX.tsv"))
        .unwrap_or_else(|error| panic!("AVOUCH_CORPUS={} has no readable INDEX.tsv: {error}", corpus.display()));
    index
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut columns = line.split('\t');
            let path = columns.next()?;
            Some([path, columns.nth(5)?, columns.next()?].map(str::to_owned))
        })
        .collect()
}

/// Which structure the bytes are, or why they are none of those that Avouch reads.
fn what(bytes: &[u8]) -> String {
    if let Ok(attest) = Attest::parse(bytes) {
        assert_eq!(attest.encode().unwrap(), bytes);
        return "TPMS_ATTEST".to_owned();
    }
    if let Ok(signature) = Signature::parse(bytes) {
        assert_eq!(signature.encode().unwrap(), bytes);
        return "TPMT_SIGNATURE".to_owned();
    }
    if let Ok(public) = PublicArea::parse(bytes) {
        assert_eq!(public.encode(), bytes);
        return "TPMT_PUBLIC".to_owned();
    }
    if let Ok(public) = PublicArea::parse_sized(bytes) {
        assert_eq!(public.encode_sized(), bytes);
        return "TPM2B_PUBLIC".to_owned();
    }
    match Attest::parse(bytes) {
        Err(WireError { wanted: Wanted::AttestType, got, .. }) => format!("other attestation {got:#06x}"),
        _ => "refused".to_owned(),
    }
}

#[test]
fn corpus_structures_are_parsed_or_refused() {
    let Some(corpus) = std::env::var_os("AVOUCH_CORPUS") else {
        println!("skipped: AVOUCH_CORPUS does not name a corpus (a directory with INDEX.tsv and the files it lists)");
        return;
    };
    let corpus = Path::new(&corpus);
    let mut counts = BTreeMap::<String, u32>::new();
    let kinds = ["tpm-quote/attest", "tpm-structure"];
    for [path, kind, said] in index(corpus) {
        if kinds.contains(&kind.as_str()) {
            let bytes =
                std::fs::read(corpus.join("files").join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            let what = what(&bytes);
            println!("{what:28} {path}");
            if path.ends_with("ek-template-default.bin") {
                assert_eq!(bytes, templates::EK_RSA2048_L1.encode(), "{path}");
            }
            if said == "TPMS_ATTEST" {
                assert_eq!(what, said, "{path}");
            }
            *counts.entry(what).or_default() += 1;
        }
    }
    println!("{counts:?}");
    assert!(!counts.is_empty(), "the corpus lists no TPM structures");
}
