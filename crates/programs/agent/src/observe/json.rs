//! `observe --json`: the shape `dual-attestation/v1`.

use std::collections::BTreeSet;
use std::fmt;

use avouch_pairs::{Attribute, Fact, Judged, Level, LevelVerdict, Observation, Pair, PairFinding, Reading, subject};
use data_encoding::BASE64;
use serde::{Serialize, Serializer};

use crate::clock::rfc3339;
use crate::hash::sha256;

/// The name of this shape. Fields are added, never changed or removed, while it is `v1`.
pub const SCHEMA: &str = "dual-attestation/v1";

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    schema: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_id: Option<&'a str>,
    boot_id: &'a str,
    sequence: u64,
    trigger: &'static str,
    started_at: String,
    finished_at: String,
    agent: Agent<'a>,
    intent: IntentShown<'a>,
    levels: Vec<LevelShown>,
    attained_level: Option<String>,
    domains: Domains<'a>,
    findings: Vec<FindingShown<'a>>,
    report: ReportShown,
    signature: Option<&'a Signature>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsigned_because: Option<&'a str>,
}

/// What the document is made of.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The node's tag, of an enrolled node.
    pub node_id: Option<&'a str>,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: &'a str,
    /// Wall clock in milliseconds since 1970 when the pass began.
    pub started: u64,
    /// Wall clock in milliseconds since 1970 when the pass ended.
    pub finished: u64,
    /// What was read.
    pub observation: &'a Observation,
    /// What it comes to.
    pub judged: &'a Judged,
    /// Where the intent came from, in words; `None` without one.
    pub intent: Option<&'a str>,
    /// The report's exact bytes.
    pub report: &'a [u8],
    /// The signature over their digest, or why there is none.
    pub signature: Result<&'a Signature, &'a str>,
}

/// A signature of the TPM over the report's digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signature {
    /// `ES256`: ECDSA over P-256 with SHA-256.
    pub alg: &'static str,
    /// TPM Name of the report key, hexadecimal.
    pub key_name: String,
    /// TPMT_PUBLIC of the report key, base64.
    pub key_public: String,
    /// The key's authPolicy, hexadecimal: it signs in one boot state alone.
    pub auth_policy_sha256: String,
    /// TPMT_SIGNATURE, base64.
    pub value: String,
}

#[derive(Debug, Serialize)]
struct Agent<'a> {
    version: &'static str,
    exe_sha256: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct IntentShown<'a> {
    source: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct LevelShown {
    id: String,
    title: &'static str,
    verdict: &'static str,
    pairs_total: u32,
    pairs_discrepant: u32,
    pairs_inconclusive: u32,
}

/// Pairs by the part of the report that they stand in. A pair is put together when it is written: those of a thousand
/// units together would take many times what was read.
#[derive(Clone, Copy, Debug)]
struct Domains<'a> {
    judged: &'a Judged,
    observation: &'a Observation,
}

/// The pairs of one domain.
struct Domain<'a>(&'static str, Domains<'a>);

#[derive(Debug, Serialize)]
struct PairShown<'a> {
    id: Id<'a>,
    level: String,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    attribute: &'static str,
    intent: Option<Value<'a>>,
    orchestrator: Column<'a>,
    kernel: Column<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    second: Option<Column<'a>>,
    verdict: &'static str,
    cause_hint: Option<&'static str>,
    note: Option<&'a str>,
    views_disagree: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u8>,
}

#[derive(Debug, Serialize)]
struct Value<'a> {
    value: &'a str,
}

/// `SUBJECT#ATTRIBUTE`.
#[derive(Debug)]
struct Id<'a>(&'a str, &'static str);

/// One witness: the raw string, its normal form, and what the reading was.
#[derive(Debug, Serialize)]
struct Column<'a> {
    reading: &'static str,
    raw: Option<&'a str>,
    norm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    source: &'static str,
}

#[derive(Debug, Serialize)]
struct FindingShown<'a> {
    code: &'a str,
    severity: &'static str,
    subject: &'a str,
    attribute: &'static str,
    verdict: &'static str,
    cause_hint: Option<&'static str>,
    implication: &'static str,
    remediation: &'a str,
}

#[derive(Debug, Serialize)]
struct ReportShown {
    bytes: String,
    digest: String,
}

// === impl Document ===

impl<'a> Document<'a> {
    /// Puts it together; nothing is judged here.
    pub fn of(parts: &Parts<'a>) -> Self {
        let judged = parts.judged;
        let (signature, unsigned_because) = match parts.signature {
            Ok(signature) => (Some(signature), None),
            Err(why) => (None, Some(why)),
        };
        Self {
            schema: SCHEMA,
            node_id: parts.node_id,
            boot_id: parts.boot_id,
            sequence: 0,
            trigger: "standalone",
            started_at: rfc3339(parts.started),
            finished_at: rfc3339(parts.finished),
            agent: Agent { version: env!("CARGO_PKG_VERSION"), exe_sha256: own_digest(parts.observation) },
            intent: IntentShown { source: parts.intent },
            levels: judged.levels.iter().map(level).collect(),
            attained_level: judged.attained().map(|level| level.to_string()),
            domains: Domains { judged, observation: parts.observation },
            findings: judged.findings.iter().map(finding).collect(),
            report: ReportShown { bytes: BASE64.encode(parts.report), digest: sha256(&[parts.report]).to_hex() },
            signature,
            unsigned_because,
        }
    }
}

fn own_digest(observation: &Observation) -> Option<&str> {
    let host = observation.subjects.get(subject::HOST)?;
    host.facts.get(&Attribute::named("agent.exe")?.attribute)?.kernel.value()
}

// === impl Domains ===

impl Serialize for Domains<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names: BTreeSet<_> = Level::ALL.into_iter().filter_map(domain).collect();
        serializer.collect_map(names.into_iter().map(|name| (name, Domain(name, *self))))
    }
}

impl Serialize for Domain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(name, Domains { judged, observation }) = self;
        let here = |pair: &&Pair| pair.attribute.spec().and_then(|spec| domain(spec.level)) == Some(*name);
        serializer.collect_seq(judged.pairs.iter().filter(here).map(|pair| shown(pair, observation)))
    }
}

// === impl Id ===

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.0, self.1)
    }
}

impl Serialize for Id<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Which part of the report a level's pairs stand in; V1 and V3 have none, they are proven by logs and quotes.
fn domain(level: Level) -> Option<&'static str> {
    match level {
        Level::V1 | Level::V3 => None,
        Level::V2 => Some("image_integrity"),
        Level::V4 => Some("resource_limits"),
        Level::V5 | Level::V6 => Some("security_policies"),
        Level::V7 => Some("namespaces"),
        Level::V8 => Some("capabilities"),
        Level::V9 => Some("mac_enforcement"),
        Level::V10 => Some("network_state"),
        Level::V11 => Some("file_permissions"),
        Level::V12 => Some("kernel_posture"),
        Level::V13 => Some("running_code"),
        Level::V14 => Some("evidence_integrity"),
    }
}

fn shown<'a>(pair: &'a Pair, observation: &'a Observation) -> PairShown<'a> {
    let spec = pair.attribute.spec();
    let (name, level) = spec.map_or(("?", String::new()), |spec| (spec.name, spec.level.to_string()));
    let (orchestrator, kernel) = spec.map_or(("", ""), |spec| (spec.orchestrator, spec.kernel));
    let seen = observation.subjects.get(&pair.subject);
    let fact = seen.and_then(|subject| subject.facts.get(&pair.attribute));
    let column = |norm: &'a Option<String>, reading: fn(&Fact) -> &Reading, source| {
        let (word, raw, why) = reading_of(fact.map(reading));
        Column { reading: word, raw, norm: norm.as_deref(), why, source }
    };
    PairShown {
        id: Id(&pair.subject, name),
        level,
        subject: &pair.subject,
        unit: pair.subject.strip_prefix(subject::UNIT),
        attribute: name,
        intent: pair.intent.as_deref().map(|value| Value { value }),
        orchestrator: column(&pair.orchestrator, |fact| &fact.orchestrator, orchestrator),
        kernel: column(&pair.kernel, |fact| &fact.kernel, kernel),
        second: fact
            .is_some_and(|fact| fact.second != Reading::NotRead)
            .then(|| column(&pair.second, |fact| &fact.second, "second interface")),
        verdict: pair.verdict.word(),
        cause_hint: pair.cause.map(|cause| cause.word()),
        note: pair.note.as_deref(),
        views_disagree: pair.views_disagree,
        attempts: seen.and_then(|subject| subject.identity.as_ref()).map(|identity| identity.attempts),
    }
}

/// The word for a reading, its raw value, and why there is none.
fn reading_of(reading: Option<&Reading>) -> (&'static str, Option<&str>, Option<&str>) {
    match reading {
        Some(Reading::Value(value)) => ("value", Some(value), None),
        Some(Reading::Absent) => ("absent", None, None),
        Some(Reading::Unreadable(why)) => ("unreadable", None, Some(why)),
        Some(Reading::NotSupported(why)) => ("not_supported", None, Some(why)),
        Some(Reading::NotRead) | None => ("not_read", None, None),
    }
}

fn level(verdict: &LevelVerdict) -> LevelShown {
    LevelShown {
        id: verdict.level.to_string(),
        title: verdict.level.title(),
        verdict: verdict.result.word(),
        pairs_total: verdict.pairs,
        pairs_discrepant: verdict.discrepant,
        pairs_inconclusive: verdict.inconclusive,
    }
}

fn finding(finding: &PairFinding) -> FindingShown<'_> {
    FindingShown {
        code: &finding.code,
        severity: finding.severity.word(),
        subject: &finding.subject,
        attribute: finding.attribute.spec().map_or("?", |spec| spec.name),
        verdict: finding.verdict.word(),
        cause_hint: finding.cause.map(|cause| cause.word()),
        implication: finding.implication,
        remediation: &finding.remedy,
    }
}
