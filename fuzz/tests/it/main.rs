//! Every parser takes 100,000 mutations of good inputs without a panic.

use std::collections::BTreeSet;
use std::path::Path;

use avouch_fuzz::mutate::run;
use avouch_fuzz::{TARGETS, seeds};

const MUTATIONS: usize = 100_000;

macro_rules! targets {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];

        mod mutations {
            $(#[test] fn $name() { super::check(stringify!($name)); })*
        }
    };
}

targets! {
    appraisal attest attestor_audit attestor_baseline attestor_bundle attestor_request attestor_toml attestor_yaml
    bootlog cel cel_cbor cel_json certificate challenge cms configured_files dbus efivar enrol evidence final_events
    ima_ascii ima_binary ima_critical ima_feed ima_policy ima_signature intent kernel_binary kernel_text pairs
    pe_image public_area reference_policy rego report sbat session siglist signature token tpm_command tpm_response
}

fn check(name: &str) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a registered target");
    let seeds = seeds::of(name);
    let good = seeds.iter().filter(|seed| target(seed)).count();
    assert!(good > 0, "no seed of {name} parses, so mutations stay at the surface");
    let report = run(name, *target, &seeds, MUTATIONS);
    let share = 100.0 * report.reached as f64 / report.inputs as f64;
    println!(
        "{name}: {} mutations of {} seeds ({good} good), {share:.1} % reached the end of the parser",
        report.inputs,
        seeds.len()
    );
    assert!(report.reached > 0, "no mutation of {name} reached the end of the parser");
}

#[test]
fn every_target_is_tested_and_has_its_fuzz_file() {
    let registered: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(registered, TESTED.iter().copied().collect());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cargo-fuzz/fuzz_targets");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the folder of fuzz targets")
        .map(|entry| entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    assert_eq!(files, registered.iter().map(|name| (*name).to_owned()).collect());
}
