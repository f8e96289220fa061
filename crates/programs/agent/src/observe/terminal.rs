//! The dual-column report: systemd left, the kernel right, the intent slim above them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use avouch_pairs::{
    CauseHint, Judged, LevelResult, LevelVerdict, Observation, Pair, PairFinding, Reading, Severity, subject,
};

use super::look::{Look, Tone};
use super::text::{plain, side_by_side, wrapped};

/// Reasons for what was not read, at most; the rest is counted.
const REASONS: usize = 12;
/// Words that lead the lines under a pair, padded to this.
const LEAD: usize = 9;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Only what does not agree.
    Findings,
    /// What does not agree, and one line for each subject that does.
    Subjects,
    /// Every pair.
    Pairs,
}

/// What is shown.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What was read.
    pub observation: &'a Observation,
    /// What it comes to.
    pub judged: &'a Judged,
    /// How much of it.
    pub detail: Detail,
    /// Which machine and which sources, one line each.
    pub heading: &'a [String],
    /// Whether the report is signed and by what, or why not; `None` for a part of a report, which has no levels either.
    pub signature: Option<&'a str>,
}

/// Pairs and findings of one subject, e.g. a unit.
struct Subject<'a> {
    name: &'a str,
    pairs: Vec<&'a Pair>,
    findings: Vec<&'a PairFinding>,
}

/// Writes the whole report.
pub fn render(view: &View<'_>, look: Look) -> String {
    let mut page = Page { look, text: String::new() };
    for line in view.heading {
        page.wrap(Tone::Strong, 0, line);
    }
    page.blank();
    page.subjects(view);
    if let Some(signature) = view.signature {
        page.levels(view.judged);
        page.unread(view.observation);
        page.summary(view);
        page.wrap(Tone::Slim, 0, signature);
    }
    page.text
}

struct Page {
    look: Look,
    text: String,
}

// === impl Page ===

impl Page {
    fn subjects(&mut self, view: &View<'_>) {
        let (mut agreed, mut with_findings) = (Vec::new(), Vec::new());
        for subject in by_subject(view.judged) {
            let loud = !subject.findings.is_empty() || subject.pairs.iter().any(|pair| is_discrepant(pair));
            if loud { with_findings.push(subject) } else { agreed.push(subject) }
        }
        // The gravest first; a subject's name decides among equals, so that two reports can be compared by eye.
        with_findings.sort_by_key(|subject| (gravest(subject), subject.name));
        match view.detail {
            Detail::Pairs => agreed.iter().for_each(|subject| self.subject(subject, true)),
            Detail::Subjects if !agreed.is_empty() => self.agreed(&agreed),
            Detail::Subjects | Detail::Findings => {}
        }
        with_findings.iter().for_each(|subject| self.subject(subject, view.detail == Detail::Pairs));
    }

    /// One line each, and what was not read of them.
    fn agreed(&mut self, subjects: &[Subject<'_>]) {
        for subject in subjects {
            let evaluated = subject.pairs.iter().filter(|pair| Tone::of(pair.verdict) == Tone::Good).count();
            let doubtful = subject.pairs.iter().filter(|pair| Tone::of(pair.verdict) == Tone::Doubt).count();
            let tone = match (evaluated, doubtful) {
                (_, 1..) => Tone::Doubt,
                (0, 0) => Tone::Slim,
                _ => Tone::Good,
            };
            let doubt = if doubtful == 0 { String::new() } else { format!(", {doubtful} not read") };
            let sign = self.look.paint(tone, self.look.sign(tone));
            let name = plain(subject.name);
            let _ = writeln!(self.text, "{sign} {name}: {} agree{doubt}", counted(evaluated, "pair"));
        }
        self.blank();
    }

    fn subject(&mut self, subject: &Subject<'_>, every_pair: bool) {
        self.wrap(Tone::Strong, 0, subject.name);
        let mut told: BTreeSet<usize> = BTreeSet::new();
        for pair in &subject.pairs {
            let findings: Vec<_> = findings_of(subject, pair).collect();
            if every_pair || !findings.is_empty() || is_discrepant(pair) || Tone::of(pair.verdict) == Tone::Doubt {
                self.pair(pair);
                findings.iter().for_each(|(index, finding)| {
                    told.insert(*index);
                    self.finding(finding);
                });
            }
        }
        // A unit that is absent has no pair.
        let pairless = subject.findings.iter().enumerate().filter(|(index, _)| !told.contains(index));
        pairless.map(|(_, finding)| *finding).for_each(|finding| self.finding(finding));
        self.blank();
    }

    fn pair(&mut self, pair: &Pair) {
        let tone = Tone::of(pair.verdict);
        let name = pair.attribute.spec().map_or_else(|| format!("attribute {}", pair.attribute.0), |s| s.name.into());
        let word = pair.verdict.word().replace('_', " ");
        let line = format!("{} {name}: {word}", self.look.sign(tone));
        let _ = writeln!(self.text, "  {}", self.look.paint(tone, &plain(&line)));
        if let Some(intent) = &pair.intent {
            self.led(Tone::Slim, "intent", &value(pair, Some(intent)));
        }
        let left = format!("systemd  {}", value(pair, pair.orchestrator.as_deref()));
        let right = format!("kernel  {}", value(pair, pair.kernel.as_deref()));
        for line in side_by_side(&left, &right, 4, self.look) {
            let tone = if tone == Tone::Bad { Tone::Bad } else { Tone::Plain };
            let _ = writeln!(self.text, "{}", self.look.paint(tone, &line));
        }
        if let Some(second) = pair.second.as_deref().filter(|_| pair.views_disagree) {
            self.led(Tone::Bad, "2nd view", &value(pair, Some(second)));
        }
        if let Some(note) = &pair.note {
            self.led(Tone::Slim, "note", note);
        }
    }

    fn finding(&mut self, finding: &PairFinding) {
        let tone = Tone::of_severity(finding.severity);
        let code = format!("{} {} {}", self.look.sign(tone), severity(finding), finding.code);
        let _ = writeln!(self.text, "    {}", self.look.paint(tone, &plain(&code)));
        self.led(Tone::Plain, "means", finding.implication);
        if let Some(cause) = finding.cause.filter(|cause| *cause != CauseHint::Unknown) {
            self.led(Tone::Plain, "cause", likely(cause));
        }
        self.led(Tone::Plain, "to do", &finding.remedy);
    }

    fn levels(&mut self, judged: &Judged) {
        self.wrap(Tone::Strong, 0, "Levels");
        for level in &judged.levels {
            let tone = Tone::of_level(level.result);
            let word = level.result.word().replace('_', " ");
            let line =
                format!("{} {:<4}{word:<16}{}", self.look.sign(tone), level.level.to_string(), level.level.title());
            let counts = counts(level);
            let fits = line.chars().count() + 2 + counts.chars().count() <= self.look.width;
            let between = if counts.is_empty() {
                String::new()
            } else if fits {
                "  ".into()
            } else {
                format!("\n{:22}", "")
            };
            let _ = writeln!(self.text, "{}{between}{counts}", self.look.paint(tone, &line));
        }
        let attained = match judged.attained() {
            Some(level) => format!("{level} (every level up to it passes)"),
            None => "none; V1 to V3 are what a server proves from the boot log and the quote".to_owned(),
        };
        self.wrap(Tone::Plain, 0, &format!("Attained: {attained}"));
        self.blank();
    }

    /// What neither witness could be asked, with the reason; silence would look like agreement.
    fn unread(&mut self, observation: &Observation) {
        let reasons = reasons(observation);
        if reasons.is_empty() {
            return;
        }
        self.wrap(Tone::Strong, 0, "Not read");
        for ((kind, why), attributes) in reasons.iter().take(REASONS) {
            let facts: usize = attributes.values().sum();
            let names: Vec<_> = attributes.keys().copied().collect();
            let tone = if *kind == UNREADABLE { Tone::Doubt } else { Tone::Slim };
            let line =
                format!("{} {kind}: {why} ({}: {})", self.look.sign(tone), counted(facts, "fact"), names.join(", "));
            self.wrap(tone, 0, &line);
        }
        if let Some(more) = reasons.len().checked_sub(REASONS).filter(|more| *more > 0) {
            self.wrap(Tone::Slim, 0, &format!("and {} (--json has them all)", counted(more, "further reason")));
        }
        self.blank();
    }

    fn summary(&mut self, view: &View<'_>) {
        let judged = view.judged;
        let result = overall(judged);
        let tone = Tone::of_level(result);
        let units = view.observation.subjects.keys().filter(|name| name.starts_with(subject::UNIT)).count();
        let agree = judged.pairs.iter().filter(|pair| Tone::of(pair.verdict) == Tone::Good).count();
        let line = match (result, judged.findings.len()) {
            (LevelResult::Pass, 0) => {
                format!("pass: what systemd says is what the kernel does, in {}", counted(agree, "pair"))
            }
            (result, 0) => format!("{}: no finding, {} agree", result.word().replace('_', " "), counted(agree, "pair")),
            (result, found) => format!("{}: {}", result.word().replace('_', " "), counted(found, "finding")),
        };
        let line = format!("{} {line}, {} seen.", self.look.sign(tone), counted(units, "unit"));
        self.wrap(tone, 0, &line);
    }

    /// `lead  text`, the text wrapped and aligned behind the lead.
    fn led(&mut self, tone: Tone, lead: &str, text: &str) {
        let width = self.look.width.saturating_sub(4 + LEAD);
        for (index, line) in wrapped(&plain(text), width).into_iter().enumerate() {
            let lead = if index == 0 { lead } else { "" };
            let line = format!("    {lead:<LEAD$}{line}");
            let _ = writeln!(self.text, "{}", self.look.paint(tone, line.trim_end()));
        }
    }

    fn wrap(&mut self, tone: Tone, indent: usize, text: &str) {
        for line in wrapped(&plain(text), self.look.width.saturating_sub(indent)) {
            let _ = writeln!(self.text, "{:indent$}{}", "", self.look.paint(tone, &line));
        }
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }
}

/// What the levels come to together: a failure before a doubt before a pass. A machine of which no pair could be
/// evaluated has passed nothing.
pub fn overall(judged: &Judged) -> LevelResult {
    let any = |wanted| judged.levels.iter().any(|level| level.result == wanted);
    match () {
        () if any(LevelResult::Fail) || judged.findings.iter().any(|f| f.severity != Severity::Notice) => {
            LevelResult::Fail
        }
        () if any(LevelResult::Inconclusive) => LevelResult::Inconclusive,
        () if any(LevelResult::Pass) => LevelResult::Pass,
        () => LevelResult::Inconclusive,
    }
}

/// A normal form for people: an empty one named, bytes in the unit that they are thought of in.
fn value(pair: &Pair, norm: Option<&str>) -> String {
    match norm {
        None => "(not said)".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(norm) => {
            let is_bytes = pair.attribute.spec().is_some_and(|spec| spec.name.starts_with("memory."));
            let bytes = norm.parse::<u64>().ok().filter(|bytes| is_bytes && *bytes >= 1024);
            bytes.map_or_else(|| norm.to_owned(), |bytes| format!("{norm} ({})", binary(bytes)))
        }
    }
}

/// One digit behind the point, in the largest unit that leaves something before it.
fn binary(bytes: u64) -> String {
    let (mut tenths, mut unit) = (u128::from(bytes) * 10, 0);
    while tenths >= 10_240 && unit + 1 < BINARY.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, BINARY.get(unit).unwrap_or(&"B"))
}

const BINARY: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

fn by_subject(judged: &Judged) -> Vec<Subject<'_>> {
    let mut subjects: BTreeMap<&str, Subject<'_>> = BTreeMap::new();
    let empty = |name| Subject { name, pairs: Vec::new(), findings: Vec::new() };
    for pair in &judged.pairs {
        subjects.entry(&pair.subject).or_insert_with(|| empty(&pair.subject)).pairs.push(pair);
    }
    for finding in &judged.findings {
        subjects.entry(&finding.subject).or_insert_with(|| empty(&finding.subject)).findings.push(finding);
    }
    subjects.into_values().collect()
}

fn findings_of<'a>(subject: &'a Subject<'a>, pair: &'a Pair) -> impl Iterator<Item = (usize, &'a PairFinding)> {
    let findings = subject.findings.iter().enumerate().map(|(index, finding)| (index, *finding));
    findings.filter(|(_, finding)| finding.attribute == pair.attribute)
}

fn is_discrepant(pair: &Pair) -> bool {
    Tone::of(pair.verdict) == Tone::Bad || pair.views_disagree
}

/// Smaller is graver.
fn gravest(subject: &Subject<'_>) -> u8 {
    subject.findings.iter().map(|finding| weight(finding.severity)).min().unwrap_or(u8::MAX)
}

fn weight(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 0,
        Severity::High => 1,
        Severity::Medium => 2,
        Severity::Low => 3,
        Severity::Notice => 4,
    }
}

fn severity(finding: &PairFinding) -> String {
    finding.severity.word().to_uppercase()
}

fn likely(cause: CauseHint) -> &'static str {
    match cause {
        CauseHint::PendingRestart => "the unit was changed after its processes started",
        CauseHint::DirectWrite => "likely a direct write behind systemd's back",
        CauseHint::SwallowedError => "likely systemd could not set it and went on",
        CauseHint::Unknown => "unknown",
    }
}

fn counts(level: &LevelVerdict) -> String {
    match level.result {
        LevelResult::NotApplicable | LevelResult::NotEvaluated => String::new(),
        _ => {
            let mut text = counted_u32(level.pairs, "pair");
            if level.discrepant > 0 {
                text += &format!(", {} discrepant", level.discrepant);
            }
            if level.inconclusive > 0 {
                text += &format!(", {} inconclusive", level.inconclusive);
            }
            text
        }
    }
}

const UNREADABLE: &str = "could not be read";
const NOT_SUPPORTED: &str = "cannot be shown here";

/// (kind, reason) → attribute → how many facts.
fn reasons(observation: &Observation) -> BTreeMap<(&'static str, &str), BTreeMap<&'static str, usize>> {
    let mut reasons: BTreeMap<_, BTreeMap<_, usize>> = BTreeMap::new();
    for (attribute, fact) in observation.subjects.values().flat_map(|subject| &subject.facts) {
        let name = attribute.spec().map_or("?", |spec| spec.name);
        for reading in [&fact.orchestrator, &fact.kernel, &fact.second] {
            let reason = match reading {
                Reading::Unreadable(why) => (UNREADABLE, why.as_str()),
                Reading::NotSupported(why) => (NOT_SUPPORTED, why.as_str()),
                Reading::Value(_) | Reading::Absent | Reading::NotRead => continue,
            };
            *reasons.entry(reason).or_default().entry(name).or_default() += 1;
        }
    }
    reasons
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn counted_u32(count: u32, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
