//! From the tables of a report to the observation. Nothing in the tables is believed.

use std::collections::btree_map::Entry as Place;
use std::collections::{BTreeMap, BTreeSet};

use avouch_pairs::{Attribute, Fact, Observation, Reading, Subject, UnitIdentity};

use super::body::{Body, Entry, Identity, Run};
use super::error::ReportError;
use super::lines::Lines;
use crate::limits::MAX_REPORT_UNFOLDED;

/// What a fact takes in memory beside its texts.
const FACT_BYTES: usize = 160;
/// What a report of any size may unfold to.
const FREE_BYTES: usize = 1024 * 1024;
/// How many bytes a byte of a report may unfold to.
const FACTOR: usize = 256;

pub(super) fn observation(lines: &Lines, body: &Body, base: Option<&Observation>) -> Result<Observation, ReportError> {
    let values = Values::of(lines, body)?;
    let mut room = Room::of(lines, body);
    let mut subjects: BTreeMap<String, Subject> = base.map(|base| base.subjects.clone()).unwrap_or_default();
    for (at, name) in body.removed.iter().enumerate() {
        if at > 0 && body.removed.get(at.saturating_sub(1)) >= Some(name) {
            return Err(ReportError::Order { what: "removed subjects", subject: at });
        }
        if subjects.remove(name).is_none() {
            return Err(ReportError::NothingToRemove { subject: name.clone() });
        }
    }
    let gone: BTreeSet<&String> = body.removed.iter().collect();
    let entries = &body.subjects.0;
    for (at, entry) in entries.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| entries.get(before));
        if before.is_some_and(|before| before.name >= entry.name) || gone.contains(&entry.name) {
            return Err(ReportError::Order { what: "names", subject: at });
        }
        let subject = unfold(entry, at, entries, &subjects, &values, &mut room)?;
        subjects.insert(entry.name.clone(), subject);
    }
    Ok(Observation { subjects })
}

fn unfold(
    entry: &Entry,
    at: usize,
    entries: &[Entry],
    subjects: &BTreeMap<String, Subject>,
    values: &Values<'_>,
    room: &mut Room,
) -> Result<Subject, ReportError> {
    let own = subjects.get(&entry.name);
    let like = usize::try_from(entry.like).unwrap_or(usize::MAX);
    let from = match like.checked_sub(1) {
        None => own,
        Some(like) => {
            let index = ReportError::Index { what: "earlier subjects", wanted: at, got: entry.like.into() };
            let other = entries.get(like).filter(|_| like < at).ok_or(index)?;
            subjects.get(&other.name)
        }
    };
    let mut facts = match from {
        Some(from) if like == 0 => from.facts.clone(),
        Some(from) => {
            room.take(from.facts.values().map(size).sum())?;
            from.facts.clone()
        }
        None => BTreeMap::new(),
    };
    let without = attributes(&entry.without, 1, at)?;
    for attribute in &without {
        if facts.remove(attribute).is_none() {
            return Err(ReportError::NothingToRemove { subject: entry.name.clone() });
        }
    }
    let numbers = entry.facts.chunks_exact(4);
    if !numbers.remainder().is_empty() {
        return Err(ReportError::Facts { subject: at });
    }
    for (attribute, numbers) in attributes(&entry.facts, 4, at)?.into_iter().zip(numbers) {
        let [_, orchestrator, kernel, second] = *numbers else { return Err(ReportError::Facts { subject: at }) };
        let fact = Fact {
            orchestrator: values.reading(orchestrator, room)?,
            kernel: values.reading(kernel, room)?,
            second: values.reading(second, room)?,
        };
        room.take(FACT_BYTES)?;
        match facts.entry(attribute) {
            // A second spelling of what is there already.
            Place::Occupied(there) if *there.get() == fact => {
                return Err(ReportError::Facts { subject: at });
            }
            Place::Occupied(mut there) => {
                there.insert(fact);
            }
            Place::Vacant(_) if without.binary_search(&attribute).is_ok() => {
                return Err(ReportError::Facts { subject: at });
            }
            Place::Vacant(free) => {
                free.insert(fact);
            }
        }
    }
    let identity = match &entry.identity {
        Identity::None => None,
        Identity::Same => match own.and_then(|own| own.identity.clone()) {
            None => return Err(ReportError::Index { what: "earlier identities", wanted: 0, got: 0 }),
            identity => identity,
        },
        Identity::This(run) => Some(values.identity(run, room)?),
    };
    Ok(Subject { identity, facts })
}

/// The attributes that stand at every `step`-th number, each less the one before.
fn attributes(numbers: &[u32], step: usize, subject: usize) -> Result<Vec<Attribute>, ReportError> {
    let mut last = 0u32;
    let mut attributes = Vec::new();
    for number in numbers.iter().step_by(step) {
        if *number == 0 {
            return Err(ReportError::Order { what: "attributes", subject });
        }
        last = last.checked_add(*number).ok_or(ReportError::Facts { subject })?;
        attributes.push(Attribute(u16::try_from(last).map_err(|_| ReportError::Facts { subject })?));
    }
    Ok(attributes)
}

fn size(fact: &Fact) -> usize {
    let text = |reading: &Reading| match reading {
        Reading::Value(text) | Reading::Unreadable(text) | Reading::NotSupported(text) => text.len(),
        Reading::Absent | Reading::NotRead => 0,
    };
    [&fact.orchestrator, &fact.kernel, &fact.second].map(text).iter().fold(FACT_BYTES, |sum, n| sum.saturating_add(*n))
}

/// What may still be unfolded.
struct Room {
    left: usize,
    whole: usize,
}

impl Room {
    /// By what the tables themselves take at least on the wire.
    fn of(lines: &Lines, body: &Body) -> Self {
        let lines = lines.0.iter().map(|line| line.len().div_ceil(2));
        let lists = body.lists.0.iter().map(Vec::len);
        let entries = body.subjects.0.iter().map(|entry| {
            entry.name.len().saturating_add(entry.facts.len()).saturating_add(entry.without.len()).saturating_add(5)
        });
        let bytes = lines.chain(lists).chain(entries).fold(0, usize::saturating_add);
        let whole = bytes.saturating_mul(FACTOR).saturating_add(FREE_BYTES).min(MAX_REPORT_UNFOLDED);
        Self { left: whole, whole }
    }

    fn take(&mut self, bytes: usize) -> Result<(), ReportError> {
        let refused = ReportError::TooMany {
            what: "bytes of facts",
            wanted: self.whole,
            got: self.whole.saturating_sub(self.left).saturating_add(bytes),
        };
        self.left = self.left.checked_sub(bytes).ok_or(refused)?;
        Ok(())
    }
}

/// The values by their numbers: the lines, then the lists.
struct Values<'a> {
    lines: &'a [String],
    lists: Vec<(Vec<&'a str>, usize)>,
}

impl<'a> Values<'a> {
    fn of(lines: &'a Lines, body: &'a Body) -> Result<Self, ReportError> {
        let line = |number: &u32| {
            let found = usize::try_from(*number).ok().and_then(|number| lines.0.get(number));
            let index = ReportError::Index { what: "lines", wanted: lines.0.len(), got: (*number).into() };
            found.map(String::as_str).ok_or(index)
        };
        let mut lists = Vec::new();
        for list in &body.lists.0 {
            let texts = list.iter().map(line).collect::<Result<Vec<_>, _>>()?;
            let bytes = texts.iter().fold(0usize, |sum, text| sum.saturating_add(text.len()).saturating_add(1));
            lists.push((texts, bytes));
        }
        Ok(Self { lines: &lines.0, lists })
    }

    fn len(&self) -> usize {
        self.lines.len().saturating_add(self.lists.len())
    }

    fn index(&self, number: u32) -> ReportError {
        ReportError::Index { what: "values", wanted: self.len(), got: number.into() }
    }

    fn text(&self, number: usize, room: &mut Room) -> Option<Result<String, ReportError>> {
        if let Some(line) = self.lines.get(number) {
            return Some(room.take(line.len()).map(|()| line.clone()));
        }
        let (texts, bytes) = number.checked_sub(self.lines.len()).and_then(|list| self.lists.get(list))?;
        Some(room.take(*bytes).map(|()| texts.join("\n")))
    }

    fn reading(&self, number: u32, room: &mut Room) -> Result<Reading, ReportError> {
        let Some(value) = usize::try_from(number).ok().and_then(|number| number.checked_sub(2)) else {
            return Ok(if number == 0 { Reading::NotRead } else { Reading::Absent });
        };
        let (kind, value) = match self.len() {
            0 => return Err(self.index(number)),
            count => (value.checked_div(count), value.checked_rem(count).unwrap_or(0)),
        };
        let kind = match kind {
            Some(0) => Reading::Value,
            Some(1) => Reading::Unreadable,
            Some(2) => Reading::NotSupported,
            _ => return Err(self.index(number)),
        };
        self.text(value, room).ok_or_else(|| self.index(number))?.map(kind)
    }

    fn identity(&self, run: &Run, room: &mut Room) -> Result<UnitIdentity, ReportError> {
        let mut text = |number: u32| {
            let place = usize::try_from(number).unwrap_or(usize::MAX);
            self.text(place, room).ok_or_else(|| self.index(number))?
        };
        Ok(UnitIdentity {
            invocation: run.invocation.0.clone(),
            main_pid: run.main_pid,
            main_start: run.main_start,
            active_state: text(run.active_state)?,
            sub_state: text(run.sub_state)?,
            started_usec: run.started_usec,
            attempts: run.attempts,
            steady: run.steady,
        })
    }
}
