//! The JSON encoding.

use serde::Deserialize;
use serde_json::Value;

use super::{CelError, RawContent, RawRecord, RawSystemd, Turning, algorithm, state_transition};
use crate::text::unhex;
use avouch_bootlog::cel::Management;

/// Separator of a JSON text sequence (RFC 7464).
const RECORD_SEPARATOR: u8 = 0x1E;

#[derive(Deserialize)]
struct JsonRecord {
    #[serde(default)]
    pcr: Option<u32>,
    #[serde(default)]
    nv_index: Option<u32>,
    digests: Vec<JsonDigest>,
    content_type: String,
    content: Value,
}

#[derive(Deserialize)]
struct JsonDigest {
    #[serde(rename = "hashAlg")]
    alg: Value,
    digest: String,
}

/// `serde_json` follows at most 128 levels, and its recursion is bounded by that.
pub(super) fn turn(bytes: &[u8]) -> Result<Vec<u8>, CelError> {
    let mut turning = Turning::new();
    for (start, piece) in pieces(bytes) {
        let skipped = piece.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let (start, piece) = (start.saturating_add(skipped), piece.get(skipped..).unwrap_or_default());
        match piece.first() {
            None => {}
            Some(b'[') => {
                for record in parse::<Vec<JsonRecord>>(piece, start)? {
                    take(&mut turning, start, record)?;
                }
            }
            Some(_) => take(&mut turning, start, parse(piece, start)?)?,
        }
    }
    Ok(turning.writer.finish())
}

/// The texts of a sequence, or its lines; a text that is an array is one piece.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let array = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let separator = if bytes.contains(&RECORD_SEPARATOR) { RECORD_SEPARATOR } else { b'\n' };
    let mut at = 0usize;
    bytes.split(move |byte| !array && *byte == separator).map(move |piece| {
        let start = at;
        at = at.saturating_add(piece.len()).saturating_add(1);
        (start, piece)
    })
}

fn parse<'a, T: Deserialize<'a>>(piece: &'a [u8], start: usize) -> Result<T, CelError> {
    serde_json::from_slice(piece).map_err(|error| {
        // A line of JSON is counted from one.
        let before: usize =
            piece.split(|byte| *byte == b'\n').take(error.line().saturating_sub(1)).map(|line| line.len() + 1).sum();
        let offset = start.saturating_add(before).saturating_add(error.column().saturating_sub(1));
        CelError::Malformed { offset, wanted: error.to_string() }
    })
}

fn take(turning: &mut Turning, offset: usize, json: JsonRecord) -> Result<(), CelError> {
    let number = turning.records;
    let wrong = |field| CelError::Record { offset, number, field };
    let mut raw = RawRecord { pcr: json.pcr, nv_index: json.nv_index, ..RawRecord::default() };
    for JsonDigest { alg, digest } in &json.digests {
        let alg = match alg {
            Value::String(name) => algorithm(name),
            Value::Number(id) => id.as_u64().and_then(|id| u16::try_from(id).ok()),
            _ => None,
        };
        let alg = alg.ok_or_else(|| wrong("the algorithm of a digest"))?;
        raw.digests.push((alg, unhex(digest).ok_or_else(|| wrong("a digest"))?));
    }
    raw.content = Some(content(&json.content_type, &json.content).ok_or_else(|| wrong("the content"))?);
    turning.push(offset, &raw)
}

fn content(kind: &str, content: &Value) -> Option<RawContent> {
    match kind {
        "systemd" => systemd(content).map(RawContent::Systemd),
        "pcclient_std" => {
            let event_type = content.get("event_type").and_then(event_type)?;
            Some(RawContent::PcClient { event_type, data: bytes(content.get("event_data")?)? })
        }
        "ima_template" => Some(RawContent::ImaTemplate {
            name: content.get("template_name")?.as_str()?.as_bytes().to_vec(),
            data: bytes(content.get("template_data")?)?,
        }),
        "cel" | "cel_mgt" => statement(content).map(RawContent::Management),
        _ => None,
    }
}

/// systemd writes what it measured as `string`; where that is secret, a description stands there.
fn systemd(content: &Value) -> Option<RawSystemd> {
    let text = |name: &str| content.get(name).and_then(Value::as_str);
    let boot_id = match text("bootId") {
        Some(id) => Some(unhex(&id.replace('-', ""))?.try_into().ok()?),
        None => None,
    };
    Some(RawSystemd {
        string: text("string")?.as_bytes().to_vec(),
        event_type: text("eventType").map(Into::into),
        timestamp: content.get("timestamp").and_then(Value::as_u64),
        boot_id,
        nv_name: text("nvIndexName").map(Into::into),
    })
}

fn statement(content: &Value) -> Option<Management> {
    let value = content.get("data");
    Some(match content.get("type")?.as_str()? {
        "cel_version" => {
            let number = |name: &str| u16::try_from(value?.get(name)?.as_u64()?).ok();
            Management::Version { major: number("major")?, minor: number("minor")? }
        }
        "firmware_end" => Management::FirmwareEnd,
        "cel_timestamp" => Management::Timestamp(value?.as_u64()?),
        "state_trans" => {
            let number = match value? {
                Value::String(word) => match word.as_str() {
                    "suspend" => 0,
                    "hibernate" => 1,
                    "kexec" => 2,
                    _ => return None,
                },
                number => number.as_u64()?,
            };
            Management::StateTransition(state_transition(number)?)
        }
        _ => return None,
    })
}

/// By number, or by the profile's name.
fn event_type(value: &Value) -> Option<u32> {
    match value {
        Value::String(name) => crate::policy::event_type(name).map(|kind| kind.0),
        number => u32::try_from(number.as_u64()?).ok(),
    }
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    unhex(value.as_str()?)
}
