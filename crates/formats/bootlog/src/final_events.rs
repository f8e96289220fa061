//! The final events table: what was measured after the log was taken (TCG EFI Protocol Specification, section 7).
//!
//! Firmware puts every event that follows the first call of GetEventLog into this table as well as into the log, and a
//! loader that took the log early misses the rest. The Linux EFI stub merges both; this is for logs that come apart.

use alloc::vec::Vec;

use crate::cursor::Cursor;
use crate::log::{agile_event, padding};
use crate::{BootLog, Event, Format, LogError, MAX_EVENTS};

/// `EFI_TCG2_FINAL_EVENTS_TABLE` that borrows its bytes.
#[derive(Clone, Debug)]
pub struct FinalEvents<'a> {
    events: Vec<Event<'a>>,
}

/// A log with the events that only the table has.
#[derive(Clone, Debug)]
pub struct MergedLog<'a> {
    /// The log. Offsets of the added events count in the table.
    pub log: BootLog<'a>,
    /// Events that stand in both: the log's last are the table's first.
    pub common: usize,
    /// Events that came from the table.
    pub added: usize,
}

impl<'a> FinalEvents<'a> {
    /// Reads the table of the machine that `log` is from: only the log's header says how long digests are.
    ///
    /// # Errors
    /// [`LogError`] for a log in the SHA-1 form, which has no such table, another version than 1, fewer events than
    /// stated, more than [`MAX_EVENTS`], or bytes behind the last that are no padding.
    pub fn parse(bytes: &'a [u8], log: &BootLog<'a>) -> Result<Self, LogError> {
        let mut cursor = Cursor::new(bytes, 0);
        let version = cursor.u64("final events version")?;
        if version != 1 || log.format() != Format::CryptoAgile {
            return Err(LogError::Value { offset: 0, field: "final events version for this log" });
        }
        let offset = cursor.offset();
        let count = cursor.u64("number of final events")?;
        if !usize::try_from(count).is_ok_and(|count| count <= MAX_EVENTS) {
            return Err(LogError::TooMany { offset, field: "final events", wanted: MAX_EVENTS, got: count });
        }
        let mut events = Vec::new();
        for _ in 0..count {
            let index = events.len();
            events.push(agile_event(&mut cursor, index, log.sizes())?);
        }
        match cursor.rest() {
            [] => Ok(Self { events }),
            rest if padding(rest).is_some() => Ok(Self { events }),
            rest => Err(LogError::Trailing { offset: cursor.offset(), field: "the final events", got: rest.len() }),
        }
    }

    /// The events in order.
    pub fn events(&self) -> &[Event<'a>] {
        &self.events
    }

    /// `log` with what only the table has. The two overlap by as many events as possible, in linear time.
    pub fn merge(&self, log: &BootLog<'a>) -> MergedLog<'a> {
        let common = overlap(log.events(), &self.events);
        let mut log = log.clone();
        let added = self.events.iter().skip(common);
        let count = added.len();
        added.for_each(|event| log.push(*event));
        MergedLog { log, common, added: count }
    }
}

/// Length of the longest prefix of `table` that is a suffix of `log` (Knuth, Morris and Pratt).
fn overlap(log: &[Event<'_>], table: &[Event<'_>]) -> usize {
    let mut failure: Vec<usize> = Vec::with_capacity(table.len());
    let mut matched = 0;
    for (position, event) in table.iter().enumerate() {
        if position > 0 {
            matched = advance(table, &failure, matched, event);
        }
        failure.push(matched);
    }
    let start = log.len().saturating_sub(table.len());
    log.iter().skip(start).fold(0, |matched, event| advance(table, &failure, matched, event))
}

fn advance(table: &[Event<'_>], failure: &[usize], mut matched: usize, event: &Event<'_>) -> usize {
    loop {
        if table.get(matched).is_some_and(|wanted| wanted.same(event)) {
            return matched.saturating_add(1);
        }
        let Some(shorter) = matched.checked_sub(1).and_then(|last| failure.get(last)) else { return 0 };
        matched = *shorter;
    }
}
