//! From an observation to the tables of a report. The same observation and base give the same tables.

use std::collections::{BTreeMap, VecDeque};

use avouch_pairs::{Attribute, Fact, Observation, Reading, Subject};

use super::body::{Body, Entries, Entry, Identity, Lists, Run};
use super::error::ReportError;
use super::lines::{Line, Lines};
use crate::limits::{MAX_REPORT_LINES, MAX_REPORT_LISTS, MAX_REPORT_SUBJECTS};

/// Earlier subjects that a subject is compared with.
const CANDIDATES: usize = 16;

/// What is to be told of one subject.
struct Told<'a> {
    name: &'a str,
    like: usize,
    identity: Option<bool>,
    subject: &'a Subject,
    facts: Vec<(Attribute, &'a Fact)>,
    without: Vec<Attribute>,
}

pub(super) fn body(observation: &Observation, base: Option<&Observation>) -> Result<(Lines, Body), ReportError> {
    let told = told(observation, base);
    bounded("subjects", told.len(), MAX_REPORT_SUBJECTS)?;
    let tables = Tables::of(&told);
    bounded("lines", tables.lines.len(), MAX_REPORT_LINES)?;
    bounded("lists", tables.lists.len(), MAX_REPORT_LISTS)?;
    let subjects = Entries(told.iter().map(|told| tables.entry(told)).collect());
    let gone = base.into_iter().flat_map(|base| base.subjects.keys());
    let removed = gone.filter(|name| !observation.subjects.contains_key(*name)).cloned().collect();
    let lists =
        Lists(tables.lists.iter().map(|list| list.split('\n').map(|line| tables.line(line)).collect()).collect());
    let lines = Lines(tables.lines.iter().map(|line| (*line).to_owned()).collect());
    Ok((lines, Body { lists, subjects, removed }))
}

fn bounded(what: &'static str, got: usize, wanted: usize) -> Result<(), ReportError> {
    if got <= wanted { Ok(()) } else { Err(ReportError::TooMany { what, wanted, got }) }
}

/// What differs, subject by subject: from itself in the base, else from the one before it that it resembles most.
fn told<'a>(observation: &'a Observation, base: Option<&'a Observation>) -> Vec<Told<'a>> {
    let mut told: Vec<Told<'a>> = Vec::new();
    let mut candidates: VecDeque<(usize, &'a Subject)> = VecDeque::new();
    for (name, subject) in &observation.subjects {
        if let Some(before) = base.and_then(|base| base.subjects.get(name)) {
            if before != subject {
                let same = subject.identity.is_some() && before.identity == subject.identity;
                let identity = same.then_some(true);
                told.push(Told::of(name, subject, 0, identity, Some(before)));
            }
            continue;
        }
        let alone = subject.facts.len();
        let nearest = candidates.iter().map(|(at, other)| (distance(subject, other), *at, *other)).min_by_key(|n| n.0);
        let own = told.len().saturating_add(1);
        match nearest.filter(|(distance, ..)| *distance < alone) {
            Some((distance, at, other)) => {
                told.push(Told::of(name, subject, at, None, Some(other)));
                if distance.saturating_mul(2) > alone {
                    candidates.push_back((own, subject));
                }
            }
            None => {
                told.push(Told::of(name, subject, 0, None, None));
                candidates.push_back((own, subject));
            }
        }
        if candidates.len() > CANDIDATES {
            candidates.pop_front();
        }
    }
    told
}

/// How many facts would have to be told of `subject` beside those of `other`.
fn distance(subject: &Subject, other: &Subject) -> usize {
    let same = subject.facts.iter().filter(|(attribute, fact)| other.facts.get(attribute) == Some(fact)).count();
    let absent = other.facts.keys().filter(|attribute| !subject.facts.contains_key(attribute)).count();
    subject.facts.len().saturating_sub(same).saturating_add(absent)
}

impl<'a> Told<'a> {
    fn of(name: &'a str, subject: &'a Subject, like: usize, identity: Option<bool>, from: Option<&Subject>) -> Self {
        let same = |attribute, fact| from.is_some_and(|from| from.facts.get(attribute) == Some(fact));
        let facts = subject.facts.iter().filter(|(attribute, fact)| !same(attribute, fact));
        let before = from.into_iter().flat_map(|from| from.facts.keys());
        Self {
            name,
            like,
            identity: identity.or(subject.identity.is_none().then_some(false)),
            subject,
            facts: facts.map(|(attribute, fact)| (*attribute, fact)).collect(),
            without: before.filter(|attribute| !subject.facts.contains_key(attribute)).copied().collect(),
        }
    }

    /// The texts that the entry names by number.
    fn texts(&self) -> impl Iterator<Item = &'a str> {
        let readings = self.facts.iter().flat_map(|(_, fact)| [&fact.orchestrator, &fact.kernel, &fact.second]);
        let run = self.subject.identity.as_ref().filter(|_| self.identity.is_none());
        let states = run.into_iter().flat_map(|run| [run.active_state.as_str(), run.sub_state.as_str()]);
        readings.filter_map(text).chain(states)
    }
}

fn text(reading: &Reading) -> Option<&str> {
    match reading {
        Reading::Value(text) | Reading::Unreadable(text) | Reading::NotSupported(text) => Some(text),
        Reading::Absent | Reading::NotRead => None,
    }
}

/// The distinct texts, the commonest first, so that their numbers are short.
struct Tables<'a> {
    lines: Vec<&'a str>,
    lists: Vec<&'a str>,
    numbers: BTreeMap<&'a str, u32>,
}

impl<'a> Tables<'a> {
    fn of(told: &[Told<'a>]) -> Self {
        let mut uses: BTreeMap<&'a str, usize> = BTreeMap::new();
        for text in told.iter().flat_map(Told::texts) {
            let count = uses.entry(text).or_default();
            *count = count.saturating_add(1);
        }
        let (mut lists, mut lines): (Vec<_>, Vec<_>) = uses.iter().partition(|(text, _)| text.contains('\n'));
        let inner: BTreeMap<&'a str, (&'a str, usize)> = lists
            .iter()
            .flat_map(|(list, _)| list.split('\n'))
            .filter(|line| !uses.contains_key(line))
            .map(|line| (line, (line, 0)))
            .collect();
        let mut counted: Vec<(&'a str, usize)> = lines.drain(..).map(|(line, count)| (*line, *count)).collect();
        counted.extend(inner.into_values());
        // Both are in the order of their texts, and the sort is stable.
        counted.sort_by_key(|(line, count)| (std::cmp::Reverse(*count), *line));
        lists.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let lines: Vec<&'a str> = counted.into_iter().map(|(line, _)| line).collect();
        let lists: Vec<&'a str> = lists.into_iter().map(|(list, _)| *list).collect();
        let numbers = lines.iter().chain(&lists).copied().zip(0..).collect();
        Self { lines, lists, numbers }
    }

    /// The number of a text that was counted.
    fn line(&self, text: &str) -> u32 {
        self.numbers.get(text).copied().unwrap_or(u32::MAX)
    }

    fn reading(&self, reading: &Reading) -> u32 {
        let values = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let kind = match reading {
            Reading::NotRead => return 0,
            Reading::Absent => return 1,
            Reading::Value(_) => 0,
            Reading::Unreadable(_) => 1,
            Reading::NotSupported(_) => 2,
        };
        let number = text(reading).map_or(u32::MAX, |text| self.line(text));
        values.saturating_mul(kind).saturating_add(2).saturating_add(number)
    }

    fn entry(&self, told: &Told<'_>) -> Entry {
        let identity = match (told.identity, &told.subject.identity) {
            (Some(true), _) => Identity::Same,
            (None, Some(run)) => Identity::This(Run {
                invocation: Line(run.invocation.clone()),
                main_pid: run.main_pid,
                main_start: run.main_start,
                active_state: self.line(&run.active_state),
                sub_state: self.line(&run.sub_state),
                started_usec: run.started_usec,
                attempts: run.attempts,
                steady: run.steady,
            }),
            _ => Identity::None,
        };
        let mut last = 0;
        let mut step = |attribute: &Attribute| {
            let number = u32::from(attribute.0);
            let step = number.saturating_sub(last);
            last = number;
            step
        };
        let numbers = |(attribute, fact): &(Attribute, &Fact)| {
            let readings = [&fact.orchestrator, &fact.kernel, &fact.second].map(|reading| self.reading(reading));
            let [orchestrator, kernel, second] = readings;
            [step(attribute), orchestrator, kernel, second]
        };
        let facts = told.facts.iter().flat_map(numbers).collect();
        last = 0;
        let without = told
            .without
            .iter()
            .map(|attribute| {
                let number = u32::from(attribute.0);
                let step = number.saturating_sub(last);
                last = number;
                step
            })
            .collect();
        let like = u32::try_from(told.like).unwrap_or(u32::MAX);
        Entry { name: told.name.to_owned(), like, identity, facts, without }
    }
}
