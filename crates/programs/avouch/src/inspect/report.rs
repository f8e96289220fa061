//! What one file came to: for programs as JSON, for people as lines.

use serde::Serialize;

use super::page::Page;
use super::{Kind, cert, checkpoint, efivar, eventlog, ima, observed, policy, quote};

/// One file, read as far as it can be. A value that is not known is null, never zero.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Path as it was given; `-` is standard input.
    pub file: String,
    /// What it was read as; null when it is none of the kinds.
    pub kind: Option<Kind>,
    /// How the kind is known: it was asked for, or what in the bytes says so.
    pub kind_from: String,
    /// Wrappings that were taken off, outermost first: `base64`, `hex`.
    pub wrappings: Vec<&'static str>,
    /// Bytes that were read, without wrappings. Offsets count these. Null when none could be had.
    pub bytes: Option<usize>,
    /// SHA-256 of these bytes.
    pub sha256: Option<String>,
    /// How far reading came.
    pub read: Read,
    /// What is wrong in it, in the order of the file.
    pub problems: Vec<Problem>,
    /// What the kind says; absent when nothing could be read.
    #[serde(flatten)]
    pub facts: Option<Facts>,
}

/// How far reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Read {
    /// To the last byte.
    Whole,
    /// To the first problem's offset; what is told comes from the bytes before it.
    Partly,
    /// Not at all.
    Not,
}

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Byte in what was read; null when it belongs to no byte.
    pub offset: Option<usize>,
    /// What is wrong there.
    pub what: String,
}

/// The facts of each kind.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Facts {
    /// A boot log.
    EventLog(Box<eventlog::EventLog>),
    /// An IMA measurement list.
    Ima(Box<ima::List>),
    /// A TPM attestation and what lies around it.
    Quote(Box<quote::Quote>),
    /// Certificates.
    Cert(Box<cert::Certificates>),
    /// UEFI variables and signature lists.
    EfiVar(Box<efivar::Variable>),
    /// Policies.
    Policy(Box<policy::PolicyFacts>),
    /// Signed notes.
    Checkpoint(Box<checkpoint::Note>),
    /// Paired reports.
    Report(Box<observed::ReportFacts>),
}

/// What a kind's reader found.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) facts: Option<Facts>,
    pub(super) read: Read,
    pub(super) problems: Vec<Problem>,
}

// === impl Problem ===

impl Problem {
    pub(super) fn at(offset: usize, what: impl ToString) -> Self {
        Self { offset: Some(offset), what: what.to_string() }
    }

    pub(super) fn new(what: impl ToString) -> Self {
        Self { offset: None, what: what.to_string() }
    }
}

// === impl Reading ===

impl Reading {
    /// Everything was read; `problems` are about what was read.
    pub(super) fn whole(facts: Facts, problems: Vec<Problem>) -> Self {
        Self { facts: Some(facts), read: Read::Whole, problems }
    }

    /// Nothing could be read.
    pub(super) fn not(problem: Problem) -> Self {
        Self { facts: None, read: Read::Not, problems: vec![problem] }
    }
}

// === impl Report ===

impl Report {
    /// A file of which no byte could be had.
    pub(super) fn unreadable(file: String, kind: Option<Kind>, why: String) -> Self {
        Self {
            file,
            kind,
            kind_from: "as asked".into(),
            wrappings: Vec::new(),
            bytes: None,
            sha256: None,
            read: Read::Not,
            problems: vec![Problem::new(why)],
            facts: None,
        }
    }

    /// Exit status that this file alone would give: 0, 1 with problems inside, 2 when it could not be read.
    pub fn exit(&self) -> u8 {
        match self.read {
            Read::Not => 2,
            Read::Partly => 1,
            Read::Whole => u8::from(!self.problems.is_empty()),
        }
    }

    /// For people.
    pub(super) fn lines(&self, columns: Option<usize>) -> Vec<String> {
        let mut page = Page::new(columns);
        let kind = self.kind.map_or("unknown", Kind::name);
        page.title(&format!("{}: {kind}", self.file), &self.kind_from);
        let wrapped =
            if self.wrappings.is_empty() { String::new() } else { format!(", in {}", self.wrappings.join(" in ")) };
        if let (Some(bytes), Some(sha256)) = (self.bytes, &self.sha256) {
            page.fact("size", format!("{bytes} bytes{wrapped}, sha256 {sha256}"));
        }
        match &self.facts {
            Some(Facts::EventLog(facts)) => facts.show(&mut page),
            Some(Facts::Ima(facts)) => facts.show(&mut page),
            Some(Facts::Quote(facts)) => facts.show(&mut page),
            Some(Facts::Cert(facts)) => facts.show(&mut page),
            Some(Facts::EfiVar(facts)) => facts.show(&mut page),
            Some(Facts::Policy(facts)) => facts.show(&mut page),
            Some(Facts::Checkpoint(facts)) => facts.show(&mut page),
            Some(Facts::Report(facts)) => facts.show(&mut page),
            None => {}
        }
        self.ending(&mut page);
        page.lines()
    }

    fn ending(&self, page: &mut Page) {
        if !self.problems.is_empty() {
            page.heading(&format!("Problems ({})", self.problems.len()));
            for problem in &self.problems {
                let place = problem.offset.map_or_else(String::new, |offset| format!("byte {offset}: "));
                page.sign("✗", &format!("{place}{}", problem.what));
            }
        }
        match self.read {
            Read::Whole if self.problems.is_empty() => page.sign("✓", "read to the end, no problem found"),
            Read::Whole => page.sign("?", "read to the end"),
            Read::Partly => page.sign("?", "read up to the problem; everything above comes from the bytes before it"),
            Read::Not => page.sign("✗", "not read: nothing is known of its content"),
        }
    }
}
