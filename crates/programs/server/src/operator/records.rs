//! `GET /v1/nodes/{node}/records…`.

use std::sync::Arc;

use avouch_store::Record;
use axum::http::StatusCode;

use super::lookup::{named_node, named_record};
use crate::api::{RecordView, Records};
use crate::app::{App, store_refused};
use crate::http::guard::Call;
use crate::http::refusal::Refused;
use crate::http::reply::{CBOR, Reply};

/// Records in one answer, unless fewer are asked for.
const PAGE: u64 = 100;

/// Records newest first; `?before=SEQ` and `?limit=N`.
pub(crate) async fn records(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    let node = named_node(&app, &call)?;
    let limit = usize::try_from(call.number("limit")?.unwrap_or(PAGE).clamp(1, PAGE)).unwrap_or(1);
    let before = call.number("before")?;
    let page = app.store.records(&app.cluster, &node.tag, before, limit).map_err(|error| store_refused(&error))?;
    let next = page.last().map(|record| record.seq).filter(|seq| *seq > 1);
    let records = page.iter().map(view).collect();
    Ok(Reply::json(&Records { node: node.tag.to_hex(), records, next }))
}

/// One record with its verdict and header.
pub(crate) async fn record(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    let record = named_record(&app, &call)?;
    let verdict = serde_json::from_str(&record.verdict).ok();
    let header = Some(hex(&record.header));
    Ok(Reply::json(&RecordView { verdict, header, ..view(&record) }))
}

/// The evidence message that a record rests on, exactly as it came.
pub(crate) async fn evidence(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    let record = named_record(&app, &call)?;
    let none = || {
        let what = format!("Record {} has no evidence: nothing came for its challenge.", record.seq);
        Refused::new(StatusCode::NOT_FOUND, "NO_EVIDENCE", what, "Look at a record with another status.")
    };
    let digest = record.evidence.ok_or_else(none)?;
    let held = app.store.evidence(&app.cluster, &digest).map_err(|error| store_refused(&error))?;
    Ok(Reply::new(CBOR, held.ok_or_else(none)?))
}

fn view(record: &Record) -> RecordView {
    RecordView {
        seq: record.seq,
        hash: record.hash.to_hex(),
        round: record.round,
        status: record.status.word().into(),
        code: record.code.clone(),
        time: record.time,
        late: record.late,
        challenge: record.challenge.to_hex(),
        evidence: record.evidence.map(|evidence| evidence.to_hex()),
        verdict: None,
        header: None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
