//! Real files that nobody on this project wrote: every file of the collection goes through `avouch inspect`, and every
//! value that the collection's independent truth holds for it is computed and compared.
//!
//! *agree*: every value that truth or index holds was computed and is equal. *refused as expected*: truth or index says
//! that the file must not read, and it does not. *nothing to compare*: neither says anything; the file was read or
//! refused without a panic all the same. *disagree* must not occur; what the collection holds against the format itself
//! is argued in docs/corpus.md and named there by the format's reason.

mod boot_logs;
mod certificates;
mod collection;
mod ima_lists;
mod notes;
mod policies;
mod quotes;
mod variables;

use std::collections::BTreeMap;

use avouch::inspect::{Kind, Options, inspect};
use serde_json::Value;

use collection::{Collection, Input, Outcome};

/// Agree counts of the collection whose index has this SHA-256: they may rise, and never fall. Another collection, such
/// as a part that is kept aside, is held to no counts, only to no disagreement.
const KNOWN: (&str, &[(&str, usize)]) = include!("known.in");

/// What a file of a kind is read as; nothing for kinds that are read by no part of `inspect`.
fn kind_of(kind: &str) -> Option<Kind> {
    Some(match kind {
        kind if kind.starts_with("eventlog") || kind.contains("CCEL table") => Kind::Eventlog,
        kind if kind.starts_with("ima-") => Kind::Ima,
        "tpm-quote/attest" | "tpm-structure" => Kind::Quote,
        kind if kind.starts_with("cert:") || kind == "authenticode/pkcs7" => Kind::Cert,
        "secure boot variable" => Kind::Efivar,
        "runtime policy / allowlist" => Kind::Policy,
        "signed note" | "tlog checkpoint" => Kind::Checkpoint,
        _ => return None,
    })
}

/// The report as programs get it. Every file is read under its own kind, and as one of no known kind.
fn report(input: &Input, bytes: &[u8], options: &Options) -> Value {
    let kind = kind_of(&input.kind);
    let guessed = inspect(None, &input.path, bytes, options);
    let report = kind.map_or(guessed, |kind| inspect(Some(kind), &input.path, bytes, options));
    serde_json::to_value(report).unwrap()
}

fn judge(collection: &Collection, input: &Input) -> Outcome {
    let bytes = collection.bytes(&input.path);
    let options = Options { entries: true, now: Some(1_795_305_600), ..Options::default() };
    let report = report(input, &bytes, &options);
    match kind_of(&input.kind) {
        Some(Kind::Eventlog) => boot_logs::judge(collection, input, &bytes, &report),
        Some(Kind::Ima) => ima_lists::judge(collection, input, &report),
        Some(Kind::Quote) => quotes::judge(collection, input),
        Some(Kind::Cert) => certificates::judge(collection, input, &report),
        Some(Kind::Efivar) => variables::judge(collection, input, &report),
        Some(Kind::Policy) => policies::judge(collection, input, &report),
        Some(Kind::Checkpoint) => notes::judge(collection, input, &report),
        None if input.kind.starts_with("parsed-output") => boot_logs::judge_parsed(collection, input),
        None | Some(Kind::Report) => Outcome::Nothing,
    }
}

#[test]
fn every_file_agrees_with_what_is_known_of_it() {
    let Some(collection) = Collection::open() else { return };
    let mut table: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    let mut disagreements = Vec::new();
    for input in collection.inputs() {
        let counts = table.entry(input.kind.clone()).or_default();
        match judge(&collection, input) {
            Outcome::Agree => counts[0] += 1,
            Outcome::Refused => counts[1] += 1,
            Outcome::Nothing => counts[2] += 1,
            Outcome::Disagree(what) => {
                counts[3] += 1;
                disagreements.push(format!("{}: {what}", input.path));
            }
        }
    }
    for (kind, [agree, refused, nothing, disagree]) in &table {
        println!(
            "counted: {kind}: {agree} agree, {refused} refused as expected, {nothing} nothing to compare, {disagree} disagree"
        );
    }
    let total = |column: usize| table.values().map(|counts| counts[column]).sum::<usize>();
    println!(
        "counted: all: {} agree, {} refused as expected, {} nothing to compare, {} disagree",
        total(0),
        total(1),
        total(2),
        total(3)
    );
    assert!(disagreements.is_empty(), "{} disagree:\n{}", disagreements.len(), disagreements.join("\n"));
    if collection.index_sha256() == KNOWN.0 {
        for (kind, least) in KNOWN.1 {
            let [agree, refused, ..] = table.get(*kind).copied().unwrap_or_default();
            assert!(agree + refused >= *least, "{kind}: {agree} agree and {refused} refused, {least} did before");
        }
    }
}
