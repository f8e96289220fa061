//! One event's answer: good by a source, bad, or unknown.

use avouch_bootlog::{Content, DataCheck, Event};
use avouch_tpm_wire::{Digest, HashAlg};

use crate::code::FindingCode;
use crate::finding::{Finding, Place};
use crate::policy::{BootTables, ConfirmedBoot, Expected, Pending, Rule};
use crate::text::{hex, printable};

/// An event with its digest in the quoted bank.
pub(super) struct Measured<'l, 'a> {
    pub(super) event: &'l Event<'a>,
    pub(super) digest: Digest,
    /// What of its data the digest covers.
    pub(super) check: DataCheck,
}

/// Everything that can say what an event is.
pub(super) struct Sources<'p> {
    pub(super) tables: &'p BootTables,
    /// Confirmed boots of other TPMs.
    pub(super) confirmed: Vec<&'p ConfirmedBoot>,
    /// Unix seconds of server time.
    pub(super) now: u64,
    pub(super) bank: HashAlg,
}

/// Who says that an event is good.
#[derive(Clone, Copy)]
pub(super) enum Source<'p> {
    Confirmed(&'p ConfirmedBoot),
    Expected(&'p Expected),
    Pending(&'p Pending),
    Rule(&'p Rule),
}

pub(super) enum Answer<'p> {
    Good(Source<'p>),
    Unknown {
        /// An update that had this event, and whose window ended.
        lapsed: Option<&'p Pending>,
    },
}

impl<'p> Sources<'p> {
    /// Why the policy calls this event bad, whoever confirmed it.
    pub(super) fn denied(&self, measured: &Measured<'_, '_>) -> Option<String> {
        if let Some(why) = self.tables.denied.get(measured.digest.as_bytes()) {
            return Some(format!("is denied: {why}"));
        }
        let rule = self.rule(measured).filter(|rule| !rule.good)?;
        Some(format!("is bad by a rule of {}: {}", rule.owner, rule.why))
    }

    /// The confirmed boot that has exactly these events.
    pub(super) fn exact(&self, pcr: u32, events: &[Measured<'_, '_>]) -> Option<&'p ConfirmedBoot> {
        let same = |boot: &&&ConfirmedBoot| {
            let wanted = boot.pcrs.get(&pcr).map_or(&[][..], |reference| reference.sequence.as_slice());
            wanted.len() == events.len() && wanted.iter().zip(events).all(|(a, b)| a.as_slice() == b.digest.as_bytes())
        };
        self.confirmed.iter().find(same).copied()
    }

    pub(super) fn answer(&self, measured: &Measured<'_, '_>) -> Answer<'p> {
        let (pcr, digest) = (measured.event.pcr, measured.digest.as_bytes());
        let tables = self.tables;
        let confirmed = self.confirmed.iter().find(|boot| boot.times(pcr, digest) > 0);
        if let Some(boot) = confirmed {
            return Answer::Good(Source::Confirmed(boot));
        }
        if let Some(expected) = tables.expected.iter().find(|event| event.is(pcr, self.bank, digest)) {
            return Answer::Good(Source::Expected(expected));
        }
        let mut updates = tables.pending.iter().filter(|update| update.times(pcr, digest) > 0).collect::<Vec<_>>();
        updates.sort_by_key(|update| !update.holds(self.now));
        match updates.first() {
            Some(update) if update.holds(self.now) => return Answer::Good(Source::Pending(update)),
            _ => {}
        }
        match self.rule(measured) {
            Some(rule) if rule.good => Answer::Good(Source::Rule(rule)),
            _ => Answer::Unknown { lapsed: updates.first().copied() },
        }
    }

    /// False when the event is in its PCR more often than any source has it there. A rule does not count.
    pub(super) fn may_stand(&self, measured: &Measured<'_, '_>, source: &Source<'_>, all: &[Measured<'_, '_>]) -> bool {
        if matches!(source, Source::Rule(_)) {
            return true;
        }
        let (pcr, digest) = (measured.event.pcr, measured.digest.as_bytes());
        let there = all.iter().filter(|other| other.digest == measured.digest).count();
        let expected = self.tables.expected.iter().filter(|event| event.is(pcr, self.bank, digest)).count();
        let confirmed = self.confirmed.iter().map(|boot| boot.times(pcr, digest)).max().unwrap_or(0);
        let pending = self.tables.pending.iter().filter(|update| update.holds(self.now));
        let pending = pending.map(|update| update.times(pcr, digest)).max().unwrap_or(0);
        there <= expected.max(confirmed).max(pending)
    }

    /// The first rule that matches. Variable and text are conditions on data, which hold only where the digest covers
    /// the data.
    fn rule(&self, measured: &Measured<'_, '_>) -> Option<&'p Rule> {
        let Measured { event, check, .. } = measured;
        self.tables.rules.iter().find(|rule| {
            rule.pcr == event.pcr
                && rule.event_type.is_none_or(|kind| kind == event.event_type)
                && rule.variable.as_ref().is_none_or(|name| *check == DataCheck::Covered && is_variable(event, name))
                && rule.text.as_ref().is_none_or(|text| check.proves_value() && is_text(event, text))
        })
    }
}

fn is_variable(event: &Event<'_>, name: &str) -> bool {
    matches!(event.content(), Content::Variable(variable) if variable.name == *name)
}

fn is_text(event: &Event<'_>, text: &str) -> bool {
    matches!(event.content(), Content::Text(words) if words == *text)
}

impl Measured<'_, '_> {
    pub(super) fn finding(&self, code: FindingCode, sources: &Sources<'_>, what: &str) -> Finding {
        let event = self.event;
        let digest = hex(self.digest.as_bytes());
        let description = printable(event.describe().as_bytes());
        let evidence = format!(
            "boot event {} in PCR {}, {}: {description}, {} {digest}, {}",
            event.index,
            event.pcr,
            event.event_type.name(),
            sources.bank,
            printable(what.as_bytes())
        );
        let index = u64::try_from(event.index).ok();
        let place = Place { index, pcr: Some(event.pcr), digest: Some(digest), ..Place::default() };
        Finding::new(code, evidence).at(place)
    }
}
