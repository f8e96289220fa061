//! The JSON encoding (TCG Canonical Event Log Format 1.0, section 5.3): one record a line.

use avouch_bootlog::cel::{CelContent, Management, Record, Register, StateTransition, Systemd};
use avouch_tpm_wire::HashAlg;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

/// The line of a record, or what has no spelling in JSON.
pub(super) fn line(record: &Record<'_>) -> Result<String, &'static str> {
    let digests = record.digests.iter().map(|(id, digest)| {
        let name = HashAlg::from_id(id.into()).map_or_else(|| json!(id), |alg| json!(alg.name()));
        json!({ "hashAlg": name, "digest": HEXLOWER.encode(digest) })
    });
    let digests: Vec<Value> = digests.collect();
    let (kind, content) = content(&record.content)?;
    let (register, index) = match record.register {
        Register::Pcr(pcr) => ("pcr", pcr),
        Register::NvIndex(index) => ("nv_index", index),
        Register::Cc(_) => return Err("a measurement register"),
    };
    let record = json!({
        "recnum": record.number, register: index, "digests": digests, "content_type": kind, "content": content,
    });
    Ok(format!("{record}\n"))
}

fn content(content: &CelContent<'_>) -> Result<(&'static str, Value), &'static str> {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| "a name or word that is not UTF-8");
    Ok(match content {
        CelContent::Management(statement) => ("cel", management(*statement)?),
        CelContent::PcClient { event_type, data } => {
            ("pcclient_std", json!({ "event_type": event_type.0, "event_data": HEXLOWER.encode(data) }))
        }
        CelContent::ImaTemplate { name, data } => {
            ("ima_template", json!({ "template_name": text(name)?, "template_data": HEXLOWER.encode(data) }))
        }
        CelContent::Systemd(words) => ("systemd", systemd(words, text(words.string)?)),
        _ => return Err("a content of this type"),
    })
}

fn management(statement: Management) -> Result<Value, &'static str> {
    Ok(match statement {
        Management::Version { major, minor } => {
            json!({ "type": "cel_version", "data": { "major": major, "minor": minor } })
        }
        Management::FirmwareEnd => json!({ "type": "firmware_end" }),
        Management::Timestamp(time) => json!({ "type": "cel_timestamp", "data": time }),
        Management::StateTransition(transition) => {
            let word = match transition {
                StateTransition::Suspend => "suspend",
                StateTransition::Hibernate => "hibernate",
                StateTransition::Kexec => "kexec",
            };
            json!({ "type": "state_trans", "data": word })
        }
        _ => return Err("a management statement of this type"),
    })
}

/// What is absent is left out, as systemd does.
fn systemd(words: &Systemd<'_>, string: &str) -> Value {
    let mut content = serde_json::Map::from_iter([("string".to_owned(), json!(string))]);
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            content.insert(name.to_owned(), value);
        }
    };
    put("eventType", words.event_type.map(|word| json!(word)));
    put("timestamp", words.timestamp.map(|time| json!(time)));
    put("bootId", words.boot_id.map(|id| json!(HEXLOWER.encode(id))));
    put("nvIndexName", words.nv_name.map(|name| json!(name)));
    Value::Object(content)
}
