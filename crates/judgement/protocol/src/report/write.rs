//! From an observation to the tables of a report. The same observation and base give the same tables.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use avouch_pairs::{Attribute, Fact, Observation, Reading, Subject};

use super::body::{Body, Entries, Entry, Identity, Lists, Run};
use super::error::ReportError;
use super::lines::{Line, Lines, head};
use super::own::{opened, stem};
use crate::limits::{MAX_REPORT_LINES, MAX_REPORT_LISTS, MAX_REPORT_SUBJECTS, MAX_REPORT_UNFOLDED, REPORT_FACT_BYTES};

/// Earlier subjects that a subject is compared with.
const CANDIDATES: usize = 16;
/// A subject that differs from all of these in less than one of so many facts is not one of them: later subjects that
/// are like it are nearly as near to what it is like.
const ALIKE: usize = 8;

pub(super) fn body(observation: &Observation, base: Option<&Observation>) -> Result<(Lines, Body), ReportError> {
    bounded("bytes of facts", unfolded(observation), MAX_REPORT_UNFOLDED)?;
    let told = told(observation, base);
    bounded("subjects", told.len(), MAX_REPORT_SUBJECTS)?;
    let tables = Tables::of(&told);
    bounded("lines", tables.lines.len(), MAX_REPORT_LINES)?;
    bounded("lists", tables.lists.len(), MAX_REPORT_LISTS)?;
    let subjects = Entries(told.iter().map(|told| tables.entry(told)).collect());
    let gone = base.into_iter().flat_map(|base| base.subjects.keys());
    let removed = gone.filter(|name| !observation.subjects.contains_key(*name)).cloned().collect();
    let lists = tables.lists.iter().map(|list| list.split('\n').map(|line| tables.number(line)).collect());
    let lists = Lists(lists.collect());
    let lines = Lines(tables.lines.iter().map(|line| (*line).to_owned()).collect());
    Ok((lines, Body { lists, subjects, removed }))
}

fn bounded(what: &'static str, got: usize, wanted: usize) -> Result<(), ReportError> {
    if got <= wanted { Ok(()) } else { Err(ReportError::TooMany { what, wanted, got }) }
}

/// At least what a reader counts, in whichever way the texts are spelled.
fn unfolded(observation: &Observation) -> usize {
    let text = |reading: &Reading| match reading {
        Reading::Value(text) | Reading::Unreadable(text) | Reading::NotSupported(text) => {
            // Each place for a name, which has three bytes at least, counts one more.
            text.len().div_ceil(3).saturating_add(text.len()).saturating_add(1)
        }
        Reading::NotRead | Reading::Absent => 0,
    };
    let facts = observation.subjects.values().flat_map(|subject| subject.facts.values());
    let texts = facts.map(|fact| [&fact.orchestrator, &fact.kernel, &fact.second].map(text));
    texts
        .flatten()
        .chain(observation.subjects.values().map(|subject| subject.facts.len().saturating_mul(REPORT_FACT_BYTES)))
        .fold(0, usize::saturating_add)
}

// === What differs ===

/// What is to be told of one subject.
struct Told<'a> {
    name: &'a str,
    like: usize,
    identity: Identified<'a>,
    facts: Vec<(Attribute, Row<'a>)>,
    without: Vec<Attribute>,
}

enum Identified<'a> {
    None,
    Same,
    This(&'a avouch_pairs::UnitIdentity),
}

/// The readings of a fact, the unit's own name left open.
type Row<'a> = [Own<'a>; 3];

#[derive(Clone, PartialEq, Eq)]
enum Own<'a> {
    NotRead,
    Absent,
    /// 0 value, 1 unreadable, 2 not supported.
    Text(u32, Cow<'a, str>),
}

/// Subject by subject: what differs from itself in the base, else from the one before it that it resembles most.
fn told<'a>(observation: &'a Observation, base: Option<&Observation>) -> Vec<Told<'a>> {
    let mut told: Vec<Told<'a>> = Vec::new();
    let mut candidates: VecDeque<(usize, BTreeMap<Attribute, Row<'a>>)> = VecDeque::new();
    for (name, subject) in &observation.subjects {
        if let Some(before) = base.and_then(|base| base.subjects.get(name)) {
            if before != subject {
                told.push(since(name, subject, before));
            }
            continue;
        }
        let rows: BTreeMap<_, _> = rows(name, subject).collect();
        let distances = candidates.iter().map(|(at, other)| (distance(&rows, other), *at, other));
        let nearest = distances.min_by_key(|(distance, ..)| *distance).filter(|(distance, ..)| *distance < rows.len());
        let (told_of, like, from) = match nearest {
            Some((distance, at, other)) => (distance, at, Some(other)),
            None => (rows.len(), 0, None),
        };
        let differs =
            |(attribute, row): &(&Attribute, &Row<'a>)| from.and_then(|from| from.get(attribute)) != Some(row);
        let facts = rows.iter().filter(differs).map(|(attribute, row)| (*attribute, row.clone())).collect();
        let absent = from.into_iter().flat_map(BTreeMap::keys).filter(|attribute| !rows.contains_key(attribute));
        let without = absent.copied().collect();
        let identity = subject.identity.as_ref().map_or(Identified::None, Identified::This);
        told.push(Told { name, like, identity, facts, without });
        if told_of.saturating_mul(ALIKE) > rows.len() {
            candidates.push_back((told.len(), rows));
        }
        if candidates.len() > CANDIDATES {
            candidates.pop_front();
        }
    }
    told
}

fn since<'a>(name: &'a str, subject: &'a Subject, before: &Subject) -> Told<'a> {
    let identity = match &subject.identity {
        None => Identified::None,
        same if *same == before.identity => Identified::Same,
        Some(run) => Identified::This(run),
    };
    let changed = |attribute: &Attribute| before.facts.get(attribute) != subject.facts.get(attribute);
    let facts = rows(name, subject).filter(|(attribute, _)| changed(attribute)).collect();
    let without = before.facts.keys().filter(|attribute| !subject.facts.contains_key(attribute)).copied().collect();
    Told { name, like: 0, identity, facts, without }
}

/// How many facts would have to be told beside those of `other`.
fn distance(rows: &BTreeMap<Attribute, Row<'_>>, other: &BTreeMap<Attribute, Row<'_>>) -> usize {
    let same = rows.iter().filter(|(attribute, row)| other.get(attribute) == Some(row)).count();
    let absent = other.keys().filter(|attribute| !rows.contains_key(attribute)).count();
    rows.len().saturating_sub(same).saturating_add(absent)
}

fn rows<'a>(name: &'a str, subject: &'a Subject) -> impl Iterator<Item = (Attribute, Row<'a>)> {
    let stem = stem(name);
    let own = move |reading: &'a Reading| match reading {
        Reading::NotRead => Own::NotRead,
        Reading::Absent => Own::Absent,
        Reading::Value(text) => Own::Text(0, opened(text, stem)),
        Reading::Unreadable(text) => Own::Text(1, opened(text, stem)),
        Reading::NotSupported(text) => Own::Text(2, opened(text, stem)),
    };
    let row = move |fact: &'a Fact| [own(&fact.orchestrator), own(&fact.kernel), own(&fact.second)];
    subject.facts.iter().map(move |(attribute, fact)| (*attribute, row(fact)))
}

impl Told<'_> {
    /// The texts that the entry names by number.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let readings = self.facts.iter().flat_map(|(_, row)| row).filter_map(|own| match own {
            Own::Text(_, text) => Some(text.as_ref()),
            Own::NotRead | Own::Absent => None,
        });
        let run = match self.identity {
            Identified::This(run) => Some(run),
            Identified::None | Identified::Same => None,
        };
        readings.chain(run.into_iter().flat_map(|run| [run.active_state.as_str(), run.sub_state.as_str()]))
    }
}

// === The tables ===

/// The distinct texts, the commonest first, so that their numbers are short.
struct Tables<'a> {
    lines: Vec<&'a str>,
    lists: Vec<&'a str>,
    numbers: BTreeMap<&'a str, u32>,
}

impl<'a> Tables<'a> {
    fn of(told: &'a [Told<'_>]) -> Self {
        let mut uses: BTreeMap<&'a str, usize> = BTreeMap::new();
        told.iter().flat_map(Told::texts).for_each(|text| count(&mut uses, text));
        let (lists, mut lines): (BTreeMap<_, _>, BTreeMap<_, _>) =
            uses.into_iter().partition(|(text, _)| text.contains('\n'));
        for line in lists.keys().flat_map(|list| list.split('\n')) {
            lines.entry(line).or_default();
        }
        // What several lines have before their digest stands once.
        let mut heads = BTreeMap::new();
        lines.keys().filter_map(|line| head(line)).for_each(|head| count(&mut heads, head));
        for (head, uses) in heads.into_iter().filter(|(_, uses)| *uses > 1) {
            let line = lines.entry(head).or_default();
            *line = line.saturating_add(uses);
        }
        let (lines, lists) = (commonest_first(lines), commonest_first(lists));
        let numbers = lines.iter().chain(&lists).copied().zip(0..).collect();
        Self { lines, lists, numbers }
    }

    /// The number of a text that was counted.
    fn number(&self, text: &str) -> u32 {
        self.numbers.get(text).copied().unwrap_or(u32::MAX)
    }

    fn reading(&self, own: &Own<'_>) -> u32 {
        let values = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        match own {
            Own::NotRead => 0,
            Own::Absent => 1,
            Own::Text(kind, text) => values.saturating_mul(*kind).saturating_add(2).saturating_add(self.number(text)),
        }
    }

    fn entry(&self, told: &Told<'_>) -> Entry {
        let identity = match told.identity {
            Identified::None => Identity::None,
            Identified::Same => Identity::Same,
            Identified::This(run) => Identity::This(Run {
                invocation: Line(run.invocation.clone()),
                main_pid: run.main_pid,
                main_start: run.main_start,
                active_state: self.number(&run.active_state),
                sub_state: self.number(&run.sub_state),
                started_usec: run.started_usec,
                attempts: run.attempts,
                steady: run.steady,
            }),
        };
        let mut facts = Vec::new();
        for (step, (_, row)) in steps(told.facts.iter().map(|(attribute, _)| attribute)).zip(&told.facts) {
            facts.push(step);
            facts.extend(row.iter().map(|own| self.reading(own)));
        }
        let without = steps(told.without.iter()).collect();
        let like = u32::try_from(told.like).unwrap_or(u32::MAX);
        Entry { name: told.name.to_owned(), like, identity, facts, without }
    }
}

fn count<'a>(uses: &mut BTreeMap<&'a str, usize>, text: &'a str) {
    let count = uses.entry(text).or_default();
    *count = count.saturating_add(1);
}

fn commonest_first(counted: BTreeMap<&str, usize>) -> Vec<&str> {
    let mut counted: Vec<_> = counted.into_iter().collect();
    // The sort is stable: what is as common stays in the order of its text.
    counted.sort_by_key(|(_, count)| Reverse(*count));
    counted.into_iter().map(|(text, _)| text).collect()
}

/// Each attribute less the one before.
fn steps<'a>(attributes: impl Iterator<Item = &'a Attribute>) -> impl Iterator<Item = u32> {
    attributes.scan(0u32, |last, attribute| {
        let number = u32::from(attribute.0);
        let step = number.saturating_sub(*last);
        *last = number;
        Some(step)
    })
}
