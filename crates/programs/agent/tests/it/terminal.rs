//! What a person sees, held against files that were looked at once: `AVOUCH_GENERATE=1` writes them anew.

use std::fs;
use std::path::Path;

use avouch_agent::observe::{Detail, Document, Look, Parts, Signature, View, overall, render};
use avouch_pairs::{
    Attribute, CauseHint, Fact, Judged, Level, LevelResult, LevelVerdict, Observation, Pair, PairFinding, PairVerdict,
    Reading, Severity, Subject, UnitIdentity,
};

const NARROW: Look = Look { width: 72, colour: false, signs: false };
const WIDE: Look = Look { width: 120, colour: true, signs: true };

fn attribute(name: &str) -> Attribute {
    Attribute::named(name).unwrap().attribute
}

fn pair(subject: &str, name: &str, columns: [&str; 2], verdict: PairVerdict) -> Pair {
    Pair {
        subject: subject.into(),
        attribute: attribute(name),
        intent: None,
        orchestrator: Some(columns[0].into()),
        kernel: Some(columns[1].into()),
        second: None,
        verdict,
        cause: None,
        note: None,
        views_disagree: false,
    }
}

fn finding(of: &Pair, code: &str, level: Level, severity: Severity, cause: Option<CauseHint>) -> PairFinding {
    PairFinding {
        code: code.into(),
        level,
        subject: of.subject.clone(),
        attribute: of.attribute,
        verdict: of.verdict,
        severity,
        cause,
        implication: "systemd states a limit that the kernel does not enforce: the service can exhaust the host's memory and take its neighbours down.",
        remedy: format!("systemctl restart {}", of.subject.trim_start_matches("unit:")),
    }
}

fn levels(given: &[(Level, LevelResult, u32, u32, u32)]) -> [LevelVerdict; 14] {
    Level::ALL.map(|level| {
        let found = given.iter().find(|(of, ..)| *of == level);
        let &(_, result, pairs, discrepant, inconclusive) =
            found.unwrap_or(&(level, LevelResult::NotEvaluated, 0, 0, 0));
        LevelVerdict { level, result, pairs, discrepant, inconclusive }
    })
}

/// A database whose limit was taken off behind systemd's back, a unit that agrees, and one with an odd name.
fn scene() -> (Observation, Judged) {
    let weaker = Pair {
        intent: Some("4294967296".into()),
        cause: Some(CauseHint::DirectWrite),
        ..pair("unit:postgresql.service", "memory.max", ["4294967296", "max"], PairVerdict::KernelWeaker)
    };
    let mounts = Pair {
        views_disagree: true,
        second: Some("0".into()),
        note: Some("/proc/PID/status and capget(2) differ".into()),
        ..pair("unit:postgresql.service", "cap.effective", ["", "00000000a80425fb"], PairVerdict::KernelWeaker)
    };
    let agrees = pair("unit:ssh.service", "memory.max", ["infinity", "infinity"], PairVerdict::Match);
    let odd = pair("unit:a\u{1b}[2Jb.service", "pids.max", ["1", "2"], PairVerdict::Unreadable);
    let findings = vec![
        finding(&weaker, "V4.memory.max.kernel_weaker", Level::V4, Severity::High, weaker.cause),
        finding(&mounts, "KERNEL_VIEWS_DISAGREE", Level::V8, Severity::Critical, None),
    ];
    let judged = Judged {
        findings,
        pairs: vec![odd, weaker, mounts, agrees],
        levels: levels(&[
            (Level::V4, LevelResult::Fail, 3, 1, 1),
            (Level::V8, LevelResult::Fail, 1, 1, 0),
            (Level::V9, LevelResult::NotApplicable, 0, 0, 0),
        ]),
    };
    (observation(), judged)
}

fn observation() -> Observation {
    let mut observation = Observation::default();
    let fact = |orchestrator: &str, kernel: Reading| Fact {
        orchestrator: Reading::Value(orchestrator.into()),
        kernel,
        second: Reading::NotRead,
    };
    let identity = UnitIdentity { main_pid: 7, attempts: 1, steady: true, ..UnitIdentity::default() };
    for (unit, name, fact) in [
        ("unit:postgresql.service", "memory.max", fact("4294967296", Reading::Value("max".into()))),
        ("unit:postgresql.service", "landlock", Fact::kernel(Reading::NotSupported("Landlock has no readout".into()))),
        ("unit:ssh.service", "memory.max", fact("18446744073709551615", Reading::Value("max".into()))),
        (
            "unit:a\u{1b}[2Jb.service",
            "pids.max",
            fact("1", Reading::Unreadable("pids.max: permission denied \u{1b}[31m".into())),
        ),
    ] {
        let subject = observation
            .subjects
            .entry(unit.into())
            .or_insert_with(|| Subject { identity: Some(identity.clone()), ..Subject::default() });
        subject.facts.insert(attribute(name), fact);
    }
    observation
}

fn rendered(scene: &(Observation, Judged), detail: Detail, look: Look) -> String {
    let heading = ["host, 2026-11-22T06:00:00Z, read in 120 ms".to_owned()];
    let (observation, judged) = scene;
    render(&View { observation, judged, detail, heading: &heading, signature: Some("Unsigned: a test.") }, look)
}

fn same_as_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("AVOUCH_GENERATE").is_some_and(|value| value == "1") {
        fs::write(&path, text).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), text, "{}", path.display());
}

#[test]
fn findings_in_a_narrow_terminal_without_colour() {
    same_as_golden("findings-narrow.txt", &rendered(&scene(), Detail::Subjects, NARROW));
}

#[test]
fn every_pair_in_a_wide_terminal_with_colour() {
    same_as_golden("pairs-wide.txt", &rendered(&scene(), Detail::Pairs, WIDE));
}

#[test]
fn a_machine_in_order_says_so_in_one_line() {
    let (observation, mut judged) = scene();
    judged.findings.clear();
    judged.pairs.retain(|pair| pair.verdict == PairVerdict::Match);
    judged.levels = levels(&[(Level::V4, LevelResult::Pass, 1, 0, 0)]);
    let text = rendered(&(observation, judged), Detail::Findings, Look { width: 120, ..NARROW });
    assert!(text.contains("+ pass: what systemd says is what the kernel does, in 1 pair, 3 units seen."), "{text}");
}

#[test]
fn nothing_observed_is_no_pass() {
    let nothing = Judged { pairs: Vec::new(), findings: Vec::new(), levels: levels(&[]) };
    assert_eq!(overall(&nothing), LevelResult::Inconclusive);
    let text = rendered(&(Observation::default(), nothing), Detail::Subjects, NARROW);
    assert!(text.contains("? inconclusive: no finding, 0 pairs agree, 0 units seen."), "{text}");
}

#[test]
fn no_line_is_wider_than_the_terminal_and_nothing_acts_on_it() {
    for look in [NARROW, Look { width: 60, ..NARROW }, Look { width: 140, ..NARROW }] {
        for detail in [Detail::Findings, Detail::Subjects, Detail::Pairs] {
            for line in rendered(&scene(), detail, look).lines() {
                assert!(line.chars().count() <= look.width, "{} of {}: {line:?}", line.chars().count(), look.width);
                assert!(!line.contains('\u{1b}'), "{line:?}");
            }
        }
    }
}

/// Red is said by sign and word too: without colour the same words stand there.
#[test]
fn colour_carries_nothing_alone() {
    let coloured = rendered(&scene(), Detail::Pairs, Look { signs: false, width: 72, colour: true });
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some(at) = rest.find("\u{1b}[") {
        stripped += &rest[..at];
        rest = &rest[at..][rest[at..].find('m').unwrap() + 1..];
    }
    stripped += rest;
    assert_eq!(stripped, rendered(&scene(), Detail::Pairs, NARROW));
    assert!(coloured.contains("\u{1b}[1;31m"));
}

fn document(signature: Result<&Signature, &str>) -> serde_json::Value {
    let (observation, judged) = scene();
    let parts = Parts {
        node_id: Some("ab12"),
        boot_id: "0b0e",
        started: 1_800_000_000_250,
        finished: 1_800_000_000_500,
        observation: &observation,
        judged: &judged,
        intent: Some("\"web\" of /etc/avouch/intent.json, signed by the pinned key"),
        report: b"report",
        signature,
    };
    serde_json::to_value(Document::of(&parts)).unwrap()
}

#[test]
fn the_json_has_the_shape_of_the_schema() {
    let text = serde_json::to_string_pretty(&document(Err("no TPM answers"))).unwrap() + "\n";
    // The release is not part of the shape.
    same_as_golden("observe.json", &text.replace(env!("CARGO_PKG_VERSION"), "RELEASE"));
}

#[test]
fn a_signed_report_carries_key_and_policy_and_an_unsigned_one_the_reason() {
    let signature = Signature {
        alg: "ES256",
        key_name: "000b".into(),
        key_public: "AA==".into(),
        auth_policy_sha256: "00".into(),
        value: "AA==".into(),
    };
    let signed = document(Ok(&signature));
    assert_eq!(signed["signature"]["alg"], "ES256");
    assert!(signed.get("unsigned_because").is_none());
    let unsigned = document(Err("no TPM answers"));
    assert!(unsigned["signature"].is_null());
    assert_eq!(unsigned["unsigned_because"], "no TPM answers");
    assert!(unsigned["findings"].as_array().unwrap().iter().all(|finding| finding["remediation"].is_string()));
}
