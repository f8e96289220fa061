//! Paired reports and stored observations: both columns, offline.

use avouch_appraise::{Comparison, LevelFacts, PairFilter};
use avouch_pairs::Observation;
use avouch_protocol::{Message, Observed, Report, Trigger};
use serde::Serialize;

use super::Options;
use super::page::Page;
use super::report::{Facts, Problem, Read, Reading};
use crate::dual;

/// Pairs that are told of one file.
pub(super) const MOST_PAIRS: usize = 200_000;

/// What a report says, and what its pairs come to without anybody's intent.
#[derive(Debug, Serialize)]
pub struct ReportFacts {
    /// `report`, or `observation` for one that stands by itself.
    pub form: &'static str,
    /// The report's place in its chain; null for an observation.
    pub head: Option<Head>,
    /// What was observed; null where the report is a difference and the earlier one is not at hand.
    pub observed: Option<Told>,
}

/// The head of a report.
#[derive(Debug, Serialize)]
pub struct Head {
    /// Position in the chain of its boot session, from 1.
    pub seq: u64,
    /// SHA-256 of the report before it.
    pub prev: String,
    /// `slot`, `event` or `standalone`.
    pub trigger: &'static str,
    /// CLOCK_BOOTTIME in milliseconds when reading began.
    pub started_ms: u64,
    /// CLOCK_BOOTTIME in milliseconds when reading ended.
    pub finished_ms: u64,
    /// Release of the agent.
    pub agent_version: String,
    /// SHA-256 of the report that it is a difference to; null when it is whole.
    pub base: Option<String>,
}

/// The observation as pairs.
#[derive(Debug, Serialize)]
pub struct Told {
    /// Units, listeners and other things that facts are about.
    pub subjects: usize,
    /// Levels, pairs and findings.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// True for bytes that begin and end as a report or an observation.
pub(super) fn is(bytes: &[u8]) -> bool {
    // A CBOR map of up to 23 keys (RFC 8949, 3.1).
    bytes.first().is_some_and(|first| (0xA0..0xB8).contains(first))
        && (Report::from_cbor(bytes).is_ok() || Observed::from_cbor(bytes).is_ok())
}

pub(super) fn read(bytes: &[u8], options: &Options) -> Reading {
    match (Report::from_cbor(bytes), Observed::from_cbor(bytes)) {
        (Ok(report), _) => of_report(&report, options),
        (Err(_), Ok(observed)) => match observed.observation() {
            Ok(observation) => reading("observation", None, Some(&observation), Vec::new(), options),
            Err(error) => Reading::not(Problem::new(error)),
        },
        (Err(error), Err(_)) => Reading::not(Problem::new(error)),
    }
}

fn of_report(report: &Report, options: &Options) -> Reading {
    let head = Head {
        seq: report.seq,
        prev: report.prev.to_hex(),
        trigger: match report.trigger {
            Trigger::Slot => "slot",
            Trigger::Event => "event",
            Trigger::Standalone => "standalone",
        },
        started_ms: report.started_ms,
        finished_ms: report.finished_ms,
        agent_version: report.agent_version.clone(),
        base: report.base.map(|base| base.to_hex()),
    };
    let base = report.base.and_then(|wanted| base(options, &wanted.0));
    match report.observation(base.as_ref()) {
        Ok(observation) => reading("report", Some(head), Some(&observation), Vec::new(), options),
        Err(error) => {
            let what = format!("{error}; name the file of the whole report with --base");
            let problem = if head.base.is_some() { Problem::new(what) } else { Problem::new(error) };
            Reading { read: Read::Partly, ..reading("report", Some(head), None, vec![problem], options) }
        }
    }
}

/// The whole report that `--base` names, if it is the one that is wanted.
fn base(options: &Options, wanted: &[u8; 32]) -> Option<Observation> {
    let bytes = options.base.as_ref().filter(|bytes| avouch_crypto::sha256(&[bytes]) == *wanted)?;
    Report::from_cbor(bytes).ok()?.observation(None).ok()
}

fn reading(
    form: &'static str,
    head: Option<Head>,
    observation: Option<&Observation>,
    problems: Vec<Problem>,
    options: &Options,
) -> Reading {
    let filter = PairFilter { most: MOST_PAIRS, ..options.pairs.clone() };
    let observed = observation.map(|observation| Told {
        subjects: observation.subjects.len(),
        comparison: Comparison::of(observation, None, &filter),
    });
    Reading::whole(Facts::Report(Box::new(ReportFacts { form, head, observed })), problems)
}

// === impl ReportFacts ===

impl ReportFacts {
    pub(super) fn show(&self, page: &mut Page) {
        if let Some(head) = &self.head {
            page.fact("number", format!("{} in its boot session, by {}", head.seq, head.trigger));
            page.fact("read", format!("from {} to {} ms after boot", head.started_ms, head.finished_ms));
            page.fact("agent", &head.agent_version);
            page.fact("before it", &head.prev);
            page.known("difference to", head.base.clone().or_else(|| Some("nothing: it is whole".into())));
        }
        let Some(Told { subjects, comparison }) = &self.observed else { return };
        page.fact("subjects", subjects.to_string());
        page.heading("Levels, by the pairs alone");
        let seen = |level: &&LevelFacts| level.pairs > 0;
        comparison.levels.iter().filter(seen).for_each(|level| page.sign(sign(level), &level.sentence()));
        page.heading(&dual::tally(&comparison.pairs));
        page.whole(dual::lines(&comparison.pairs, &comparison.findings));
    }
}

fn sign(level: &LevelFacts) -> &'static str {
    match level.result.as_str() {
        _ if level.holds() => "✓",
        "fail" => "✗",
        _ => "?",
    }
}
