//! Avouch's policy files.

use std::collections::BTreeMap;

use avouch_appraise::Policy;
use serde_json::{Map, Value};

use super::super::Options;
use super::super::report::{Facts, Problem, Read, Reading};
use super::{Advice, PolicyFacts, Window, ima_text};

/// Directories whose exclusion leaves next to nothing judged.
const BROAD: [&str; 8] = ["/", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/usr/bin", "/usr/lib"];

/// True when the sections are those of an Avouch policy.
pub(super) fn is(object: &Map<String, Value>) -> bool {
    ["v", "name", "boot", "ima"].iter().all(|section| object.contains_key(*section))
}

pub(super) fn read(bytes: &[u8], object: &Map<String, Value>, options: &Options) -> Reading {
    match Policy::parse(bytes) {
        Ok(policy) => {
            let mut facts = facts(object, options.now);
            facts.reference = Some(policy.reference().to_hex());
            Reading::whole(Facts::Policy(Box::new(facts)), Vec::new())
        }
        // What it says is told all the same, as far as it is of the expected form.
        Err(error) if is(object) => {
            let facts = Facts::Policy(Box::new(facts(object, options.now)));
            Reading { facts: Some(facts), read: Read::Partly, problems: vec![Problem::new(error)] }
        }
        Err(error) => Reading::not(Problem::new(format!("no policy that is known here; as one of Avouch: {error}"))),
    }
}

/// Facts and advice; `now` in seconds since 1970.
pub(super) fn facts(object: &Map<String, Value>, now: Option<u64>) -> PolicyFacts {
    let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut facts = PolicyFacts {
        format: "avouch policy",
        version: object.get("v").and_then(Value::as_u64),
        name: text("name"),
        created: text("created"),
        counts: counts(object),
        windows: windows(object, now),
        ..PolicyFacts::default()
    };
    facts.lint = advice(object, &facts);
    facts
}

fn at<'a>(object: &'a Map<String, Value>, section: &str, part: &str) -> Option<&'a Value> {
    object.get(section)?.get(part)
}

fn len(value: Option<&Value>) -> u64 {
    let len = match value {
        Some(Value::Array(list)) => list.len(),
        Some(Value::Object(map)) => map.len(),
        _ => 0,
    };
    u64::try_from(len).unwrap_or(u64::MAX)
}

fn counts(object: &Map<String, Value>) -> BTreeMap<&'static str, u64> {
    [
        ("confirmed boots", len(at(object, "boot", "confirmed"))),
        ("expected events", len(at(object, "boot", "expected"))),
        ("pending updates", len(at(object, "boot", "pending"))),
        ("denied events", len(at(object, "boot", "denied"))),
        ("event rules", len(at(object, "boot", "rules"))),
        ("IMA policies", len(at(object, "ima", "policies"))),
        ("early files", len(at(object, "ima", "early"))),
        ("file digests", len(at(object, "ima", "files"))),
        ("buffers", len(at(object, "ima", "buffers"))),
        ("packages", len(at(object, "ima", "packages"))),
        ("signers", len(at(object, "ima", "signers"))),
        ("exclusions", len(at(object, "ima", "exclusions"))),
        ("denied firmware", len(at(object, "tpm", "denied_firmware"))),
        ("demanded levels", len(at(object, "observation", "required"))),
        ("intended subjects", len(at(object, "observation", "intent").and_then(|intent| intent.get("subjects")))),
    ]
    .into()
}

fn windows(object: &Map<String, Value>, now: Option<u64>) -> Vec<Window> {
    let of = |kind, section, part, name| -> Vec<Window> {
        let entries = at(object, section, part).and_then(Value::as_array).into_iter().flatten();
        entries
            .filter_map(|entry| {
                let until = entry.get("until")?.as_u64()?;
                let what = entry.get(name)?.as_str()?.to_owned();
                let owner = entry.get("owner").and_then(Value::as_str).map(str::to_owned);
                Some(Window { kind, what, owner, until, ended: now.map(|now| now > until) })
            })
            .collect()
    };
    let mut windows = of("pending update", "boot", "pending", "label");
    windows.extend(of("superseded package", "ima", "packages", "name"));
    windows.extend(of("exclusion", "ima", "exclusions", "directory"));
    windows
}

fn advice(object: &Map<String, Value>, facts: &PolicyFacts) -> Vec<Advice> {
    let none = |name: &str| facts.counts.get(name) == Some(&0);
    let mut advice = Vec::new();
    if none("confirmed boots") && none("expected events") {
        let remedy = "Confirm a boot with `avouch policy confirm`, or compute it with `avouch policy build`.";
        advice.push(Advice::new("No boot is known to be good, so no verdict will be a pass", remedy));
    }
    if none("file digests") && none("packages") && none("signers") {
        let remedy = "Build it from the root tree with `avouch policy build --root`.";
        advice.push(Advice::new("No file is known to be good, so no verdict will be a pass", remedy));
    }
    if none("IMA policies") {
        let remedy = "Build it with --ima-policy, or take the one that Avouch ships.";
        advice.push(Advice::new("No IMA policy is approved, so run time is not covered", remedy));
    }
    if object.get("minimum").is_none() {
        let remedy = "Set minimum.bank to sha256 and minimum.coverage to the hooks that must be measured.";
        advice.push(Advice::new("No minimum is set for the bank and the coverage", remedy));
    }
    if at(object, "boot", "secure_boot").is_none() {
        let remedy = "Set boot.secure_boot to required or not-required.";
        advice.push(Advice::new("The policy does not say whether Secure Boot must be on", remedy));
    }
    advice.extend(observation(object));
    advice.extend(facts.windows.iter().filter(|window| window.ended == Some(true)).map(|window| {
        let what = format!("The window of the {} {} has ended, and it does nothing any more", window.kind, window.what);
        Advice::new(what, "Remove it.")
    }));
    advice.extend(facts.windows.iter().filter_map(exclusion));
    advice.extend(type_rules(object));
    advice.extend(ima_holes(object));
    advice
}

/// What is demanded of the paired report.
fn observation(object: &Map<String, Value>) -> Vec<Advice> {
    if object.get("observation").is_none() {
        let what = "The policy demands no level, so what systemd says and what the kernel does decides nothing";
        return vec![Advice::new(what, "Demand levels with `avouch policy intent`.")];
    }
    let mut advice = Vec::new();
    if at(object, "observation", "intent").is_none() {
        let what = "No intent is given, so a change of both witnesses, as by systemctl set-property, is not found";
        advice.push(Advice::new(what, "Take one into the policy with `avouch policy intent`."));
    }
    let required = at(object, "observation", "required").and_then(Value::as_array).into_iter().flatten();
    if required.filter_map(Value::as_str).any(|level| level == "V1") {
        let what = "V1 is demanded, which this release does not evaluate, so no verdict will be a pass";
        advice.push(Advice::new(what, "Take it out of observation.required, or list it as not applicable."));
    }
    let own = at(object, "observation", "tolerate_inconclusive");
    let intents = at(object, "observation", "intent").and_then(|intent| intent.get("tolerate_inconclusive"));
    if [own, intents].into_iter().flatten().any(|flag| flag.as_bool() == Some(true)) {
        let what = "Levels hold although some of their pairs could not be read";
        advice.push(Advice::new(what, "Set tolerate_inconclusive to false where nodes can show everything."));
    }
    advice
}

fn exclusion(window: &Window) -> Option<Advice> {
    let broad = window.kind == "exclusion" && BROAD.contains(&window.what.as_str());
    broad.then(|| {
        let what = format!("The exclusion of {} leaves next to nothing judged", window.what);
        Advice::new(what, "Name the directory that needs it, or add the digests of its files.")
    })
}

/// Types are not covered by digests, so whoever writes the log chooses them.
fn type_rules(object: &Map<String, Value>) -> Vec<Advice> {
    let rules = at(object, "boot", "rules").and_then(Value::as_array).into_iter().flatten();
    let by_type = |rule: &&Value| {
        let lacks = |name: &str| rule.get(name).is_none();
        rule.get("answer").and_then(Value::as_str) == Some("good") && lacks("variable") && lacks("text")
    };
    let told = |rule: &Value| {
        let pcr = rule.get("pcr").map_or_else(|| "?".into(), ToString::to_string);
        let what = format!("A rule answers good in PCR {pcr} by the event's type, which nothing authenticates");
        Advice::new(what, "Condition it on a variable or a text, or list the digests.")
    };
    rules.filter(by_type).map(told).collect()
}

fn ima_holes(object: &Map<String, Value>) -> Vec<Advice> {
    let policies = at(object, "ima", "policies").and_then(Value::as_array).into_iter().flatten();
    let mut advice = Vec::new();
    for policy in policies {
        let path = policy.get("path").and_then(Value::as_str).unwrap_or("unknown");
        for unmeasured in policy.get("text").and_then(Value::as_str).map(ima_text::unmeasured).unwrap_or_default() {
            let what = format!("The IMA policy {path} does not measure all of {unmeasured}");
            advice.push(Advice::new(what, "Add a measure rule for it, or accept the hole in the coverage."));
        }
    }
    advice
}
