//! Canonical event logs in JSON and CBOR, read by way of TLV; bytes are told as they stand in the file.

use avouch_appraise::{CelEncoding, CelError, to_tlv};
use avouch_bootlog::cel::{CelContent, CelLog};
use minicbor::Decoder;
use minicbor::data::Type;

use super::super::Options;
use super::super::report::{Facts, Problem, Reading};
use super::cel;

/// The spelling that the bytes seem to have.
pub(super) fn of(bytes: &[u8]) -> Option<CelEncoding> {
    match bytes.trim_ascii_start().first()? {
        0x1E | b'{' | b'[' => Some(CelEncoding::Json),
        _ => is_cbor(bytes).then_some(CelEncoding::Cbor),
    }
}

/// The spelling, when nothing else is known that begins so.
pub(super) fn surely(bytes: &[u8]) -> Option<CelEncoding> {
    let start = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    let has = |word: &[u8]| start.windows(word.len()).any(|window| window == word);
    of(bytes).filter(|encoding| *encoding == CelEncoding::Cbor || (has(b"\"content_type\"") && has(b"\"digests\"")))
}

/// A map, perhaps in an array, with a number under 0 and then a register.
fn is_cbor(bytes: &[u8]) -> bool {
    let mut decoder = Decoder::new(bytes);
    let mut read = || {
        if matches!(decoder.datatype()?, Type::Array | Type::ArrayIndef) {
            decoder.array()?;
        }
        decoder.map()?;
        let number = decoder.u8()?;
        decoder.u64()?;
        Ok::<_, minicbor::decode::Error>((number, decoder.u8()?))
    };
    matches!(read(), Ok((0, 1 | 2)))
}

/// Reads a log by way of TLV.
pub(super) fn read(bytes: &[u8], encoding: CelEncoding, options: &Options) -> Reading {
    let tlv = match to_tlv(encoding, bytes) {
        Ok(tlv) => tlv,
        Err(error) => return Reading::not(problem(&error)),
    };
    if tlv.is_empty() {
        return Reading::not(Problem::at(0, "a canonical event log without records"));
    }
    let mut reading = cel::read(&tlv, format(encoding, &tlv), options);
    let starts = (record_starts(&tlv), original_starts(bytes, encoding));
    let original = |offset: usize| {
        let record = starts.0.partition_point(|start| *start <= offset).saturating_sub(1);
        starts.1.get(record).copied()
    };
    for problem in &mut reading.problems {
        problem.offset = problem.offset.and_then(original);
    }
    if let Some(Facts::EventLog(facts)) = &mut reading.facts {
        facts.converted = true;
        let whole = facts.counts.bytes == tlv.len();
        facts.counts.bytes = if whole { bytes.len() } else { original(facts.counts.bytes).unwrap_or_default() };
        for event in facts.events.iter_mut().flatten() {
            event.offset = original(event.offset).unwrap_or_default();
        }
    }
    reading
}

fn problem(error: &CelError) -> Problem {
    match error {
        CelError::Malformed { offset, .. } | CelError::Record { offset, .. } => Problem::at(*offset, error),
        _ => Problem::new(error),
    }
}

fn format(encoding: CelEncoding, tlv: &[u8]) -> &'static str {
    let systemd = |log: CelLog<'_>| log.records().iter().all(|r| matches!(r.content, CelContent::Systemd(_)));
    match encoding {
        CelEncoding::Cbor => "cel-cbor",
        CelEncoding::Json if CelLog::parse(tlv).is_ok_and(systemd) => "systemd",
        CelEncoding::Json => "cel-json",
    }
}

/// Where records begin in the TLV form: each has four fields.
fn record_starts(tlv: &[u8]) -> Vec<usize> {
    let (mut starts, mut at, mut fields) = (Vec::new(), 0_usize, 0_usize);
    while let Some(length) = tlv.get(at..).and_then(|rest| rest.get(1..)?.first_chunk()) {
        if fields.is_multiple_of(4) {
            starts.push(at);
        }
        fields += 1;
        at = at.saturating_add(usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX)).saturating_add(5);
    }
    starts
}

/// Where they begin in the file.
fn original_starts(bytes: &[u8], encoding: CelEncoding) -> Vec<usize> {
    match encoding {
        CelEncoding::Json => json_starts(bytes),
        CelEncoding::Cbor => cbor_starts(bytes),
    }
}

/// The objects that stand in no object.
fn json_starts(bytes: &[u8]) -> Vec<usize> {
    let (mut starts, mut depth, mut quoted, mut escaped) = (Vec::new(), 0_usize, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => {
                if depth == 0 {
                    starts.push(at);
                }
                depth += 1;
            }
            b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    starts
}

/// The maps that stand in no map.
fn cbor_starts(bytes: &[u8]) -> Vec<usize> {
    let mut decoder = Decoder::new(bytes);
    let mut starts = Vec::new();
    while let Ok(kind) = decoder.datatype() {
        let at = decoder.position();
        let passed = match kind {
            Type::Array | Type::ArrayIndef => decoder.array().map(drop),
            Type::Break => decoder.skip(),
            _ => {
                starts.push(at);
                decoder.skip()
            }
        };
        if passed.is_err() {
            break;
        }
    }
    starts
}
