//! The CAs that come with Avouch against the table that says where they are from.

use std::collections::BTreeSet;

use avouch_crypto::certificate::read_file;
use avouch_crypto::ek::{EkRoots, bundle};
use data_encoding::HEXLOWER;

const TABLE: &str = include_str!("../../../../../dist/tpm-vendor-ca/SOURCES.md");

/// File, subject, fingerprint, is, until, source, commit, licence.
fn rows() -> Vec<Vec<&'static str>> {
    let rows = TABLE.lines().filter(|line| line.contains(".pem |"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

#[test]
fn every_bundled_ca_is_in_the_table_with_a_free_licence_and_the_reverse() {
    let rows = rows();
    assert!(rows.iter().all(|row| row.len() == 8), "eight columns");
    let listed: BTreeSet<&str> = rows.iter().map(|row| row[2].trim_matches('`')).collect();
    let held: Vec<String> = bundle::certificates().map(|ca| HEXLOWER.encode(&ca.facts.sha256)).collect();
    assert_eq!(listed, held.iter().map(String::as_str).collect());
    assert_eq!(held.len(), rows.len(), "none twice");
    for row in rows {
        assert!(["Apache-2.0", "BSD-3-Clause"].contains(&row[7]) || row[7].starts_with("Public domain"), "{row:?}");
    }
}

#[test]
fn table_says_what_the_certificates_say() {
    for ca in bundle::certificates() {
        let rows = rows();
        let fingerprint = HEXLOWER.encode(&ca.facts.sha256);
        let row = rows.iter().find(|row| row[2].trim_matches('`') == fingerprint).unwrap();
        assert_eq!(ca.facts.ca, Some(true), "{fingerprint}");
        let is = if ca.facts.self_issued {
            "root"
        } else if ca.pinned {
            "pinned"
        } else {
            "issued"
        };
        assert_eq!(row[3], is, "{fingerprint}");
        let commonest =
            |text: &str| text.split("CN=").nth(1).map(|name| name.split([',', '+']).next().unwrap().to_owned());
        assert_eq!(commonest(&ca.facts.subject), commonest(row[1].trim_matches('`')), "{fingerprint}");
        assert!(!(ca.facts.self_issued && ca.pinned), "{fingerprint}: a root needs no pin");
        let tests = ["swtpm", "test", "IBM", "localca"];
        assert!(!tests.iter().any(|word| ca.facts.subject.contains(word)), "{}", ca.facts.subject);
    }
}

#[test]
fn every_bundled_ca_is_read_and_the_roots_count() {
    let anchors = bundle::certificates().filter(|ca| ca.facts.self_issued || ca.pinned).count();
    let roots = EkRoots::bundled();
    assert_eq!(roots.len(), anchors);
    assert!(format!("{roots:?}").contains(&format!("others: {}", bundle::certificates().count() - anchors)));
    println!("{anchors} roots and pinned CAs, {} in all", bundle::certificates().count());
}

/// Runs where the operator gives the same certificates as files.
#[test]
fn bundled_cas_can_be_given_as_a_bundle() {
    let pem: String = bundle::certificates()
        .map(|ca| {
            let text = data_encoding::BASE64.encode(&ca.der);
            format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
        })
        .collect();
    let file = read_file(pem.as_bytes()).unwrap();
    assert!(file.items.iter().all(|item| item.facts.is_ok()) && !file.truncated);
    let roots = bundle::certificates().filter(|ca| ca.facts.self_issued).count();
    assert_eq!(EkRoots::from_pem(&pem).unwrap().len(), roots, "pins are this crate's, not a file's");
}
