//! Boot logs.

mod assumed;
mod cel;
mod facts;
mod prefix;
mod show;
mod spelled;
mod state;

use std::collections::BTreeMap;

use avouch_bootlog::cel::{CelContent, CelWriter, Register};
use avouch_bootlog::{
    BootLog, CcLog, Checked, DataCheck, Event, EventType, FinalEvents, Format, GrammarFault, NO_PCR, Weight,
};
use avouch_crypto::Hash;
use avouch_tpm_wire::HashAlg;
use data_encoding::HEXLOWER;

use super::Options;
use super::report::{Facts, Problem, Read, Reading};
use facts::{Breach, Counts, EventView, Merged, NoAction, Padding, SpecId};
use state::State;

pub(super) use facts::EventLog;

/// True for a canonical event log in TLV.
pub(super) fn is_canonical(bytes: &[u8]) -> bool {
    cel::is_tlv(bytes)
}

/// True for a canonical event log in JSON or CBOR.
pub(super) fn is_spelled(bytes: &[u8]) -> bool {
    spelled::surely(bytes).is_some()
}

/// The log as a canonical event log in TLV, or why it cannot be one.
pub(super) fn canonical(bytes: &[u8], options: &Options) -> Result<Vec<u8>, String> {
    if cel::is_tlv(bytes) {
        return Ok(bytes.to_vec());
    }
    if let Some(encoding) = spelled::of(bytes) {
        return avouch_appraise::to_tlv(encoding, bytes).map_err(|error| error.to_string());
    }
    let mut log = BootLog::parse(bytes).map_err(|error| error.to_string())?;
    let mut problems = Vec::new();
    options.final_events.as_deref().and_then(|table| merge(&mut log, table, &mut problems));
    if let Some(problem) = problems.pop() {
        return Err(problem.what);
    }
    let mut writer = CelWriter::new();
    if is_confidential(&log) {
        for event in log.events() {
            let content = CelContent::PcClient { event_type: event.event_type, data: event.data };
            writer.record(Register::Cc(event.pcr), event.digests.iter(), &content);
        }
    } else {
        // Events of no register extend nothing; they alone have no spelling.
        writer.boot_log(&log);
    }
    Ok(writer.finish())
}

/// Reads a boot log as far as it goes.
pub(super) fn read(bytes: &[u8], options: &Options) -> Reading {
    if cel::is_tlv(bytes) {
        return cel::read(bytes, "cel-tlv", options);
    }
    if let Some(encoding) = spelled::of(bytes) {
        return spelled::read(bytes, encoding, options);
    }
    let (mut log, stopped) = match prefix::readable(bytes) {
        Ok(read) => read,
        Err(error) => return Reading::not(Problem::at(error.offset(), error)),
    };
    let mut problems = Vec::new();
    let used = log.padding().map_or(bytes.len(), |padding| bytes.len().saturating_sub(padding.len));
    let used = stopped.as_ref().map_or(used, |stopped| stopped.at);
    let merged = options.final_events.as_deref().and_then(|table| merge(&mut log, table, &mut problems));
    let mut facts = facts(log, used, stopped.is_some(), options, &mut problems);
    facts.final_events = merged;
    let read = if stopped.is_some() { Read::Partly } else { Read::Whole };
    problems.extend(stopped.map(|stopped| Problem::at(stopped.error.offset(), stopped.error)));
    problems.sort_by_key(|problem| problem.offset);
    Reading { facts: Some(Facts::EventLog(Box::new(facts))), read, problems }
}

fn merge<'a>(log: &mut BootLog<'a>, table: &'a [u8], problems: &mut Vec<Problem>) -> Option<Merged> {
    match FinalEvents::parse(table, log) {
        Ok(table) => {
            let merged = table.merge(log);
            *log = merged.log;
            Some(Merged { common: merged.common, added: merged.added })
        }
        Err(error) => {
            problems.push(Problem::new(format!("the final events table: {error}")));
            None
        }
    }
}

fn facts(log: BootLog<'_>, used: usize, cut: bool, options: &Options, problems: &mut Vec<Problem>) -> EventLog {
    let header = log.events().first();
    let confidential = is_confidential(&log);
    let mut facts = EventLog {
        format: match log.format() {
            Format::CryptoAgile => "crypto-agile",
            Format::Sha1 => "sha1",
        },
        confidential_computing: confidential,
        banks: log.banks().iter().map(|bank| bank.name()).collect(),
        spec_id: header.and_then(|header| spec_id(header.data)),
        counts: counts(&log, used),
        padding: log.padding().filter(|_| !cut).map(|padding| Padding { byte: padding.byte, bytes: padding.len }),
        startup_locality: log.startup_locality(),
        no_action: no_action(&log),
        pcrs: pcrs(&log, options, problems),
        digests_missing: digests_missing(&log),
        assumed: if confidential { Vec::new() } else { assumed::of(&log, options) },
        events: options.entries.then(|| events(&log, options)),
        ..EventLog::default()
    };
    if let Some(spec) = facts.spec_id.as_ref().filter(|spec| (spec.major, spec.minor) != (2, 0)) {
        let what =
            format!("the header is of version {}.{}, and its form is defined by version 2.0", spec.major, spec.minor);
        problems.push(Problem::at(0, what));
    }
    if let Some(bank) = reading_bank(&log, options) {
        facts.read_in = Some(bank.name());
        let checked = log.check(bank, &Hash);
        data_checks(&checked, &mut facts, problems);
        match confidential.then(|| CcLog::try_from(log.clone())) {
            None => meaning(&checked, &mut facts, problems),
            Some(Ok(log)) => meaning(&log.check(bank, &Hash), &mut facts, problems),
            Some(Err(error)) => problems.push(Problem::at(error.offset(), error)),
        }
    }
    facts
}

/// Logs of confidential virtual machines name register 1 in their header. Some name 0; they are told by SHA-384 alone
/// and no event but in the four run-time registers, while firmware with a TPM always measures into PCR 0.
fn is_confidential(log: &BootLog<'_>) -> bool {
    let named = log.events().first().is_some_and(|header| header.pcr == 1);
    let mut extending = log.events().iter().filter(|event| event.extends()).peekable();
    let registers = extending.peek().is_some() && extending.all(|event| (1..=4).contains(&event.pcr));
    log.format() == Format::CryptoAgile && (named || (log.banks() == [HashAlg::Sha384] && registers))
}

/// SHA-256 where there is one, else the strongest that is known here.
fn reading_bank(log: &BootLog<'_>, options: &Options) -> Option<HashAlg> {
    let order = [HashAlg::Sha256, HashAlg::Sha384, HashAlg::Sha512, HashAlg::Sha1];
    let wanted = |bank: &HashAlg| log.banks().contains(bank) && options.bank.is_none_or(|only| only == *bank);
    order.into_iter().find(wanted)
}

fn data_checks(checked: &Checked<'_, '_>, facts: &mut EventLog, problems: &mut Vec<Problem>) {
    for event in checked.log().events().iter().filter(|event| event.extends()) {
        match checked.data_check(event) {
            DataCheck::Differs => {
                facts.data_differs.push(event.index);
                let what = format!(
                    "event {} ({}): the digest is not that of the data: one of them was changed, or the firmware is at fault",
                    event.index,
                    type_name(event.event_type)
                );
                problems.push(Problem::at(event.offset, what));
            }
            DataCheck::ValueCovered => facts.value_only.push(event.index),
            _ => {}
        }
    }
}

fn meaning(checked: &Checked<'_, '_>, facts: &mut EventLog, problems: &mut Vec<Problem>) {
    facts.boot_state = Some(State::of(&checked.boot_state()));
    let faults = checked.grammar();
    facts.grammar = faults.iter().map(breach).collect();
    let heavy = faults.iter().filter(|fault| fault.rule.weight() == Weight::Contradiction);
    problems.extend(heavy.map(|fault| match checked.log().events().get(fault.event) {
        Some(event) => Problem::at(event.offset, fault),
        None => Problem::new(fault),
    }));
}

fn breach(fault: &GrammarFault) -> Breach {
    Breach {
        pcr: (fault.pcr != NO_PCR).then_some(fault.pcr),
        event: fault.event,
        rule: fault.rule.words().into(),
        weight: match fault.rule.weight() {
            Weight::Unknown => "unknown",
            Weight::Odd => "odd",
            Weight::Contradiction => "contradiction",
        },
    }
}

fn digests_missing(log: &BootLog<'_>) -> BTreeMap<usize, Vec<&'static str>> {
    let missing = |event: &Event<'_>| {
        let banks = log.banks().iter().filter(|bank| event.digest(**bank).is_none());
        banks.map(|bank| bank.name()).collect::<Vec<_>>()
    };
    // The header of a crypto-agile log has a SHA-1 digest in form, and extends nothing.
    let events = log.events().iter().filter(|event| event.extends()).map(|event| (event.index, missing(event)));
    events.filter(|(_, banks)| !banks.is_empty()).collect()
}

fn spec_id(data: &[u8]) -> Option<SpecId> {
    let rest = data.strip_prefix(b"Spec ID Event03\0")?;
    let (class, rest) = rest.split_first_chunk()?;
    let (&[minor, major, errata, uintn], rest) = rest.split_first_chunk()?;
    let (count, rest) = rest.split_first_chunk()?;
    let sizes = usize::try_from(u32::from_le_bytes(*count)).ok()?.checked_mul(4)?;
    let (len, vendor) = rest.get(sizes..)?.split_first()?;
    let vendor = HEXLOWER.encode(vendor.get(..usize::from(*len))?);
    Some(SpecId { platform_class: u32::from_le_bytes(*class), major, minor, errata, uintn, vendor })
}

fn counts(log: &BootLog<'_>, used: usize) -> Counts {
    let mut counts = Counts { events: log.events().len(), bytes: used, ..Counts::default() };
    for event in log.events() {
        *counts.types.entry(type_name(event.event_type)).or_default() += 1;
        if event.extends() {
            *counts.pcrs.entry(event.pcr).or_default() += 1;
        }
    }
    counts
}

/// The profile's name, or the number of a type that it does not define.
fn type_name(event_type: EventType) -> String {
    match event_type.name() {
        "EV_UNKNOWN" => format!("0x{:08x}", event_type.0),
        name => name.into(),
    }
}

fn register(event: &Event<'_>) -> Option<u32> {
    (event.pcr != NO_PCR).then_some(event.pcr)
}

fn no_action(log: &BootLog<'_>) -> Vec<NoAction> {
    let still = log.events().iter().filter(|event| !event.extends());
    let signature = |data: &[u8]| {
        let field = data.get(..16).unwrap_or(data).split(|byte| *byte == 0).next()?;
        std::str::from_utf8(field).ok().map(str::to_owned)
    };
    let told = |event: &Event<'_>| NoAction {
        event: event.index,
        pcr: register(event),
        signature: signature(event.data),
        what: event.describe(),
    };
    still.map(told).collect()
}

fn pcrs(
    log: &BootLog<'_>,
    options: &Options,
    problems: &mut Vec<Problem>,
) -> BTreeMap<&'static str, BTreeMap<u32, Option<String>>> {
    let wanted = |pcr: &u32| options.pcr.is_none_or(|only| only == *pcr);
    let mut banks = BTreeMap::new();
    for &bank in log.banks().iter().filter(|bank| options.bank.is_none_or(|only| only == **bank)) {
        let Ok(replayed) = log.replay(bank, &Hash) else { continue };
        let values = (0..avouch_bootlog::PCR_COUNT).filter(|pcr| replayed.is_extended(*pcr)).filter(wanted);
        let values = values.map(|pcr| (pcr, replayed.value(pcr).map(|value| value.to_string())));
        let values: BTreeMap<u32, Option<String>> = values.collect();
        for pcr in values.iter().filter(|(_, value)| value.is_none()).map(|(pcr, _)| *pcr) {
            problems.push(unknown(log, bank, pcr));
        }
        banks.insert(bank.name(), values);
    }
    if let Some(bank) = options.bank.filter(|bank| !log.banks().contains(bank)) {
        problems.push(Problem::new(format!("the log has no {bank} digests")));
    }
    banks
}

/// Why a value is not known: an event without a digest, or start values that contradict each other.
fn unknown(log: &BootLog<'_>, bank: HashAlg, pcr: u32) -> Problem {
    let without = log.events().iter().find(|e| e.extends() && e.pcr == pcr && e.digest(bank).is_none());
    match without {
        Some(event) => Problem::at(
            event.offset,
            format!("PCR {pcr} is unknown in the {bank} bank: event {} has no digest for it", event.index),
        ),
        None => {
            Problem::new(format!("PCR {pcr} is unknown in the {bank} bank: the log contradicts itself on its start"))
        }
    }
}

fn events(log: &BootLog<'_>, options: &Options) -> Vec<EventView> {
    let wanted = |event: &&Event<'_>| options.pcr.is_none_or(|only| only == event.pcr);
    log.events().iter().filter(wanted).map(|event| view(event, options)).collect()
}

fn view(event: &Event<'_>, options: &Options) -> EventView {
    let name = |id: u16| HashAlg::from_id(id).map_or_else(|| format!("0x{id:04x}"), |alg| alg.name().into());
    let digests = event.digests.iter().map(|(id, digest)| (name(id), HEXLOWER.encode(digest)));
    EventView {
        event: event.index,
        offset: event.offset,
        pcr: register(event),
        event_type: type_name(event.event_type),
        digests: digests.filter(|(name, _)| options.bank.is_none_or(|bank| bank.name() == name)).collect(),
        bytes: event.data.len(),
        what: event.describe(),
    }
}
