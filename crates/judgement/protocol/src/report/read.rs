//! From the tables of a report to the observation. Nothing in the tables is believed.

use std::collections::BTreeMap;

use avouch_pairs::{Attribute, Fact, Observation, Reading, Subject, UnitIdentity};

use super::body::{Body, Entry, Identity, Run};
use super::error::ReportError;
use super::lines::Lines;
use super::own::{closed, openings, stem};
use crate::limits::{MAX_REPORT_UNFOLDED, REPORT_FACT_BYTES};

pub(super) fn observation(lines: &Lines, body: &Body, base: Option<&Observation>) -> Result<Observation, ReportError> {
    let mut unfolding =
        Unfolding { values: Values::of(lines, body)?, room: Room { left: MAX_REPORT_UNFOLDED }, entries: Vec::new() };
    let mut subjects: BTreeMap<String, Subject> = base.map(|base| base.subjects.clone()).unwrap_or_default();
    for (at, name) in body.removed.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| body.removed.get(before));
        if before.is_some_and(|before| before >= name) {
            return Err(ReportError::Order { what: "removed subjects", subject: at });
        }
        if subjects.remove(name).is_none() {
            return Err(ReportError::NothingToRemove { subject: name.clone() });
        }
    }
    let entries = &body.subjects.0;
    for (at, entry) in entries.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| entries.get(before));
        if before.is_some_and(|before| before.name >= entry.name) || body.removed.binary_search(&entry.name).is_ok() {
            return Err(ReportError::Order { what: "names", subject: at });
        }
        let own = subjects.remove(&entry.name);
        let subject = unfolding.subject(entry, at, own)?;
        subjects.insert(entry.name.clone(), subject);
    }
    Ok(Observation { subjects })
}

/// The numbers of the readings of each fact.
type Rows = BTreeMap<Attribute, [u32; 3]>;

struct Unfolding<'a> {
    values: Values<'a>,
    room: Room,
    /// Of the entries so far: what others may begin from.
    entries: Vec<Option<Rows>>,
}

impl Unfolding<'_> {
    fn subject(&mut self, entry: &Entry, at: usize, own: Option<Subject>) -> Result<Subject, ReportError> {
        let (before, own) = own.map(|own| (own.identity, own.facts)).unzip();
        let stem = stem(&entry.name);
        let facts = match (entry.like.checked_sub(1), own) {
            (None, Some(mut facts)) => {
                let rows = changed(entry, at, |attribute| facts.remove(attribute).is_some())?;
                for (attribute, row) in rows {
                    let fact = self.fact(row, stem, at)?;
                    self.room.take(REPORT_FACT_BYTES)?;
                    if facts.get(&attribute) == Some(&fact) {
                        return Err(ReportError::Facts { subject: at });
                    }
                    facts.insert(attribute, fact);
                }
                self.entries.push(None);
                facts
            }
            (like, _) => {
                let rows = self.rows(entry, at, like)?;
                let facts = rows.iter().map(|(attribute, row)| Ok((*attribute, self.fact(*row, stem, at)?)));
                let facts = facts.collect::<Result<_, _>>()?;
                self.entries.push(Some(rows));
                facts
            }
        };
        let identity = match &entry.identity {
            Identity::None => None,
            Identity::Same => match before.flatten() {
                None => return Err(ReportError::Index { what: "earlier identities", wanted: 0, got: 0 }),
                identity => identity,
            },
            Identity::This(run) => Some(self.identity(run, at)?),
        };
        Ok(Subject { identity, facts })
    }

    /// The rows of a subject that starts from an earlier entry, or from nothing.
    fn rows(&mut self, entry: &Entry, at: usize, like: Option<u32>) -> Result<Rows, ReportError> {
        let mut rows = match like {
            None => Rows::new(),
            Some(like) => {
                let index = ReportError::Index { what: "earlier subjects", wanted: at, got: entry.like.into() };
                let found = usize::try_from(like).ok().and_then(|like| self.entries.get(like)).and_then(Option::as_ref);
                let found = found.ok_or(index)?;
                self.room.take(found.len().saturating_mul(REPORT_FACT_BYTES))?;
                found.clone()
            }
        };
        let new = changed(entry, at, |attribute| rows.remove(attribute).is_some())?;
        for (attribute, row) in new {
            match rows.insert(attribute, row) {
                None => self.room.take(REPORT_FACT_BYTES)?,
                Some(same) if same == row => return Err(ReportError::Facts { subject: at }),
                Some(_) => {}
            }
        }
        Ok(rows)
    }

    fn fact(&mut self, row: [u32; 3], stem: Option<&str>, subject: usize) -> Result<Fact, ReportError> {
        let [orchestrator, kernel, second] = row;
        let mut reading = |number| self.values.reading(number, stem, subject, &mut self.room);
        Ok(Fact { orchestrator: reading(orchestrator)?, kernel: reading(kernel)?, second: reading(second)? })
    }

    fn identity(&mut self, run: &Run, subject: usize) -> Result<UnitIdentity, ReportError> {
        let mut text = |number: u32| {
            let place = usize::try_from(number).unwrap_or(usize::MAX);
            self.values.text(place, None, subject, &mut self.room)?.ok_or_else(|| self.values.index(number))
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

/// What an entry says of facts, once what it takes away was there: each attribute with the numbers of its readings.
fn changed(
    entry: &Entry,
    subject: usize,
    mut remove: impl FnMut(&Attribute) -> bool,
) -> Result<Vec<(Attribute, [u32; 3])>, ReportError> {
    let without = attributes(entry.without.iter(), subject)?;
    if !without.iter().all(&mut remove) {
        return Err(ReportError::NothingToRemove { subject: entry.name.clone() });
    }
    let numbers = entry.facts.chunks_exact(4);
    if !numbers.remainder().is_empty() {
        return Err(ReportError::Facts { subject });
    }
    let mut rows = Vec::new();
    for (attribute, numbers) in attributes(entry.facts.iter().step_by(4), subject)?.into_iter().zip(numbers) {
        match *numbers {
            [_, orchestrator, kernel, second] if without.binary_search(&attribute).is_err() => {
                rows.push((attribute, [orchestrator, kernel, second]));
            }
            _ => return Err(ReportError::Facts { subject }),
        }
    }
    Ok(rows)
}

/// Attributes that stand there each less the one before.
fn attributes<'a>(steps: impl Iterator<Item = &'a u32>, subject: usize) -> Result<Vec<Attribute>, ReportError> {
    let mut last = 0u32;
    let mut attributes = Vec::new();
    for step in steps {
        if *step == 0 {
            return Err(ReportError::Order { what: "attributes", subject });
        }
        last = last.checked_add(*step).ok_or(ReportError::Facts { subject })?;
        attributes.push(Attribute(u16::try_from(last).map_err(|_| ReportError::Facts { subject })?));
    }
    Ok(attributes)
}

/// What may still be unfolded.
struct Room {
    left: usize,
}

impl Room {
    fn take(&mut self, bytes: usize) -> Result<(), ReportError> {
        let refused = ReportError::TooMany {
            what: "bytes of facts",
            wanted: MAX_REPORT_UNFOLDED,
            got: MAX_REPORT_UNFOLDED.saturating_sub(self.left).saturating_add(bytes),
        };
        self.left = self.left.checked_sub(bytes).ok_or(refused)?;
        Ok(())
    }
}

/// The values by their numbers: the lines, then the lists.
struct Values<'a>(Vec<Value<'a>>);

struct Value<'a> {
    lines: Vec<&'a str>,
    /// Bytes of the lines and what is between them.
    len: usize,
    /// Places at which the name of the subject belongs.
    openings: usize,
}

impl<'a> Value<'a> {
    fn of(lines: Vec<&'a str>) -> Self {
        let len = lines.iter().fold(0usize, |sum, line| sum.saturating_add(line.len()).saturating_add(1));
        let openings = lines.iter().map(|line| openings(line)).sum();
        Self { lines, len, openings }
    }
}

impl<'a> Values<'a> {
    fn of(lines: &'a Lines, body: &'a Body) -> Result<Self, ReportError> {
        let line = |number: &u32| {
            let found = usize::try_from(*number).ok().and_then(|number| lines.0.get(number));
            let index = ReportError::Index { what: "lines", wanted: lines.0.len(), got: (*number).into() };
            found.map(String::as_str).ok_or(index)
        };
        let mut values: Vec<Value<'a>> = lines.0.iter().map(|line| Value::of(vec![line])).collect();
        for list in &body.lists.0 {
            values.push(Value::of(list.iter().map(line).collect::<Result<_, _>>()?));
        }
        Ok(Self(values))
    }

    fn index(&self, number: u32) -> ReportError {
        ReportError::Index { what: "values", wanted: self.0.len(), got: number.into() }
    }

    fn text(
        &self,
        number: usize,
        stem: Option<&str>,
        subject: usize,
        room: &mut Room,
    ) -> Result<Option<String>, ReportError> {
        let Some(value) = self.0.get(number) else { return Ok(None) };
        let names = value.openings.saturating_mul(stem.map_or(0, str::len));
        room.take(value.len.saturating_add(names))?;
        closed(value.lines.join("\n"), stem).map(Some).ok_or(ReportError::Facts { subject })
    }

    fn reading(
        &self,
        number: u32,
        stem: Option<&str>,
        subject: usize,
        room: &mut Room,
    ) -> Result<Reading, ReportError> {
        let Some(value) = usize::try_from(number).ok().and_then(|number| number.checked_sub(2)) else {
            return Ok(if number == 0 { Reading::NotRead } else { Reading::Absent });
        };
        let kind = match value.checked_div(self.0.len()) {
            Some(0) => Reading::Value,
            Some(1) => Reading::Unreadable,
            Some(2) => Reading::NotSupported,
            _ => return Err(self.index(number)),
        };
        let value = value.checked_rem(self.0.len()).unwrap_or(0);
        self.text(value, stem, subject, room)?.map(kind).ok_or_else(|| self.index(number))
    }
}
