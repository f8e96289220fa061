//! TCG Canonical Event Logs, and systemd's log, which is one in JSON.

use std::collections::BTreeMap;

use avouch_appraise::printable;
use avouch_bootlog::cel::{CelContent, CelLog, Record, Register};
use avouch_bootlog::{DataCheck, PCR_COUNT};
use avouch_crypto::Hash;
use avouch_tpm_wire::HashAlg;
use data_encoding::HEXLOWER;

use super::super::Options;
use super::super::report::{Facts, Problem, Read, Reading};
use super::{Counts, EventLog, EventView};

/// Records are at least this long, so a log that is cut is shortened by no more than its last record.
const SHORTEST: usize = 20;

/// True when the bytes begin with a record: number, register, digests.
pub(super) fn is_tlv(bytes: &[u8]) -> bool {
    let field = |bytes: &[u8]| -> Option<(u8, usize)> {
        let (kind, rest) = bytes.split_first()?;
        let length = usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?;
        (length <= 8).then_some((*kind, length + 5))
    };
    let Some((0, number)) = field(bytes) else { return false };
    let Some((1 | 2 | 108, register)) = bytes.get(number..).and_then(field) else { return false };
    number > 5 && register > 5 && bytes.get(number + register) == Some(&3)
}

/// Reads a log in TLV; `format` says what it was before.
pub(super) fn read(bytes: &[u8], format: &'static str, options: &Options) -> Reading {
    match CelLog::parse(bytes) {
        Ok(log) => facts(&log, bytes.len(), format, options, None),
        Err(error) => {
            let problem = Problem::at(error.offset(), &error);
            match beginning(bytes, error.offset()) {
                Some((log, used)) => facts(&log, used, format, options, Some(problem)),
                None => Reading::not(problem),
            }
        }
    }
}

/// The records before the one that is broken: the parser gives none of a broken log.
fn beginning(bytes: &[u8], broken: usize) -> Option<(CelLog<'_>, usize)> {
    let mut end = broken.min(bytes.len());
    while end >= SHORTEST {
        match CelLog::parse(bytes.get(..end)?) {
            Ok(log) => return (!log.records().is_empty()).then_some((log, end)),
            Err(error) if error.offset() < end => end = error.offset(),
            Err(_) => end -= 1,
        }
    }
    None
}

fn facts(log: &CelLog<'_>, used: usize, format: &'static str, options: &Options, stopped: Option<Problem>) -> Reading {
    let mut problems = Vec::new();
    let mut facts = EventLog {
        format,
        banks: banks(log).iter().map(|bank| bank.name()).collect(),
        counts: counts(log, used),
        events: options.entries.then(|| log.records().iter().enumerate().map(|(at, r)| view(at, r)).collect()),
        ..EventLog::default()
    };
    for bank in banks(log) {
        if options.bank.is_none_or(|only| only == bank) {
            replay(log, bank, options, &mut facts, &mut problems);
        }
    }
    let read_in = [HashAlg::Sha256, HashAlg::Sha384, HashAlg::Sha512, HashAlg::Sha1];
    if let Some(bank) = read_in.into_iter().find(|bank| banks(log).contains(bank)) {
        facts.read_in = Some(bank.name());
        checks(log, bank, &mut facts, &mut problems);
    }
    let read = if stopped.is_some() { Read::Partly } else { Read::Whole };
    problems.extend(stopped);
    Reading { facts: Some(Facts::EventLog(Box::new(facts))), read, problems }
}

fn banks(log: &CelLog<'_>) -> Vec<HashAlg> {
    let has =
        |bank: &HashAlg| log.records().iter().any(|record| record.content.extends() && record.digest(*bank).is_some());
    HashAlg::ALL.into_iter().filter(has).collect()
}

fn counts(log: &CelLog<'_>, used: usize) -> Counts {
    let mut counts = Counts { events: log.records().len(), bytes: used, ..Counts::default() };
    for record in log.records() {
        *counts.types.entry(kind(&record.content)).or_default() += 1;
        if let (Register::Pcr(pcr), true) = (record.register, record.content.extends()) {
            *counts.pcrs.entry(pcr).or_default() += 1;
        }
    }
    counts
}

fn replay(log: &CelLog<'_>, bank: HashAlg, options: &Options, facts: &mut EventLog, problems: &mut Vec<Problem>) {
    let Ok(replayed) = log.replay(bank, &Hash) else { return };
    let wanted = (0..PCR_COUNT).filter(|pcr| options.pcr.is_none_or(|only| only == *pcr));
    let wanted = wanted.filter(|pcr| replayed.pcrs.is_extended(*pcr));
    let values = wanted.map(|pcr| (pcr, replayed.pcrs.value(pcr).map(|value| value.to_string())));
    let values: BTreeMap<u32, Option<String>> = values.collect();
    for pcr in values.iter().filter(|(_, value)| value.is_none()).map(|(pcr, _)| pcr) {
        problems.push(Problem::new(format!("PCR {pcr} is unknown in the {bank} bank: a record has no digest for it")));
    }
    facts.pcrs.insert(bank.name(), values);
    for (register, value) in replayed.others {
        let value = value.map(|value| value.to_string());
        facts.registers.entry(name(register)).or_default().insert(bank.name(), value);
    }
}

fn checks(log: &CelLog<'_>, bank: HashAlg, facts: &mut EventLog, problems: &mut Vec<Problem>) {
    for (at, record) in log.records().iter().enumerate() {
        match record.check_data(bank, &Hash) {
            DataCheck::Differs => {
                facts.data_differs.push(at);
                let what = format!("record {}: the digest is not that of its content", record.number);
                problems.push(Problem::at(record.offset, what));
            }
            DataCheck::ValueCovered => facts.value_only.push(at),
            _ => {}
        }
    }
}

fn view(at: usize, record: &Record<'_>) -> EventView {
    let bank = |id: u8| HashAlg::from_id(id.into()).map_or_else(|| format!("0x{id:04x}"), |alg| alg.name().into());
    let (bytes, what) = content(&record.content);
    EventView {
        event: at,
        offset: record.offset,
        pcr: match record.register {
            Register::Pcr(pcr) => Some(pcr),
            _ => None,
        },
        event_type: kind(&record.content),
        digests: record.digests.iter().map(|(id, digest)| (bank(id), HEXLOWER.encode(digest))).collect(),
        bytes,
        what: match record.register {
            Register::Pcr(_) => what,
            other => format!("{}: {what}", name(other)),
        },
    }
}

fn name(register: Register) -> String {
    match register {
        Register::Pcr(pcr) => format!("PCR {pcr}"),
        Register::NvIndex(index) => format!("NV index 0x{index:08x}"),
        Register::Cc(register) => {
            avouch_bootlog::register_name(register).map_or_else(|| format!("register {register}"), Into::into)
        }
    }
}

fn kind(content: &CelContent<'_>) -> String {
    match content {
        CelContent::Management(_) => "management".into(),
        CelContent::PcClient { event_type, .. } => super::type_name(*event_type),
        CelContent::ImaTemplate { .. } => "IMA entry".into(),
        CelContent::ImaTlv(_) => "IMA entry in TLV".into(),
        CelContent::Systemd(systemd) => format!("systemd {}", systemd.event_type.unwrap_or("word")),
        CelContent::Other { kind, .. } => format!("content type {kind}"),
        _ => "content of an unknown kind".into(),
    }
}

fn content(content: &CelContent<'_>) -> (usize, String) {
    match content {
        CelContent::Management(management) => (0, format!("{management:?}")),
        CelContent::PcClient { data, .. } | CelContent::ImaTlv(data) | CelContent::Other { data, .. } => {
            (data.len(), format!("{} bytes", data.len()))
        }
        CelContent::ImaTemplate { name, data } => (data.len(), printable(name)),
        CelContent::Systemd(systemd) => {
            let nv = systemd.nv_name.map_or_else(String::new, |name| format!(" ({name})"));
            (systemd.string.len(), format!("{}{nv}", printable(systemd.string)))
        }
        _ => (0, String::new()),
    }
}
