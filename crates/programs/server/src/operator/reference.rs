//! `GET /v1/nodes/{node}/reference-boot`: what the node's present boot session measured, for a policy of other nodes.
//!
//! The logs are put together from the stored evidence: the newest record that judged the node, and its authentic
//! predecessors back to the one in which the boot session's logs came whole.

use std::sync::Arc;

use avouch_appraise::{AuthenticQuote, Expected, ReferenceBoot, Session};
use avouch_crypto::sha256;
use avouch_ima::{parse_ascii, parse_binary};
use avouch_protocol::{Challenge, Evidence, Hash, ImaFormat, Message, Offsets, RecordHeader, Status};
use avouch_store::{Node, Record};
use avouch_tpm_wire::HashAlg;
use axum::http::StatusCode;

use super::lookup::named_node;
use crate::app::{App, store_refused};
use crate::http::guard::Call;
use crate::http::refusal::Refused;
use crate::http::reply::Reply;

/// Records looked at on the way back to the start of a boot session: five weeks at the default interval.
const MOST_RECORDS: u64 = 10_000;
/// Largest IMA list that is put together, in bytes.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The reference boot of the node's present session.
pub(crate) async fn reference_boot(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    let work = tokio::task::spawn_blocking(move || {
        let node = named_node(&app, &call)?;
        extract(&app, &node)
    });
    work.await.map_err(|error| Refused::internal(&error))?.map(|boot| Reply::json(&boot))
}

fn extract(app: &App, node: &Node) -> Result<ReferenceBoot, Refused> {
    let verdict = node.verdict.as_ref().ok_or_else(|| nothing_proven("it has sent no evidence yet"))?;
    let newest =
        authentic(app, node, verdict.seq)?.ok_or_else(|| nothing_proven("its last evidence is not authentic"))?;
    let proven = proven(node, &newest.challenge.policy_ref)?;
    let logs = gather(app, node, verdict.seq, newest)?;
    let wanted = usize::try_from(proven.ima_bytes).unwrap_or(usize::MAX);
    let ima =
        logs.ima.get(..wanted).ok_or_else(|| nothing_proven("its stored IMA list is shorter than what was proven"))?;
    let bank =
        HashAlg::from_id(logs.challenge.pcr_bank).ok_or_else(|| nothing_proven("its quotes have another bank"))?;
    let ek = Hash(sha256(&[&node.keys.ek_name]));
    ReferenceBoot::extract(&logs.boot_log, ima, bank, logs.challenge.pcr_mask, ek).map_err(|error| {
        let remedy = "Put the reference machine right and let it boot again.";
        Refused::new(StatusCode::CONFLICT, "NO_REFERENCE", error.to_string(), remedy)
    })
}

/// What the node's session holds proven.
fn proven(node: &Node, policy_ref: &Hash) -> Result<Offsets, Refused> {
    let session = node.session.as_deref().and_then(|bytes| Session::from_cbor(bytes).ok());
    let offsets = session.map(|session| session.offsets(policy_ref)).unwrap_or_default();
    match offsets.reset_count {
        Some(_) => Ok(offsets),
        None => Err(nothing_proven("the logs of its last evidence did not reproduce the quote")),
    }
}

/// Stored evidence whose quote is authentic, and its challenge.
struct Stored {
    challenge: Challenge,
    evidence: Evidence,
}

/// `None` when the record does not rest on authentic evidence.
fn authentic(app: &App, node: &Node, seq: u64) -> Result<Option<Stored>, Refused> {
    let record = app.store.record(&app.cluster, &node.tag, seq).map_err(|error| store_refused(&error))?;
    let judged =
        |record: &Record| matches!(record.status, Status::Pass | Status::Fail | Status::Unverifiable) && !record.late;
    let Some(record) = record.filter(judged) else { return Ok(None) };
    let Some(digest) = record.evidence else { return Ok(None) };
    let bytes = app.store.evidence(&app.cluster, &digest).map_err(|error| store_refused(&error))?;
    // A key-lost notice is stored as evidence, too, and is none.
    let Some(evidence) = bytes.and_then(|bytes| Evidence::from_cbor(&bytes).ok()) else { return Ok(None) };
    let header = RecordHeader::from_cbor(&record.header).map_err(|error| Refused::internal(&error))?;
    let challenge = Challenge::from_cbor(&header.challenge).map_err(|error| Refused::internal(&error))?;
    let keys = app.enrolled_keys(&node.tag, node.generation)?;
    let expected = Expected {
        ak: keys.checked.ak(),
        qualified_signer: keys.checked.qualified_signer(),
        challenge: &challenge,
        challenge_bytes: &header.challenge,
        client_spki: keys.client_spki,
        last: None,
    };
    let authentic = AuthenticQuote::authenticate(&evidence, &expected).is_ok();
    Ok(authentic.then_some(Stored { challenge, evidence }))
}

/// The logs of one boot session.
struct Logs {
    challenge: Challenge,
    boot_log: Vec<u8>,
    ima: Vec<u8>,
}

/// Walks back until the evidence in which the IMA list starts at its first entry.
fn gather(app: &App, node: &Node, seq: u64, newest: Stored) -> Result<Logs, Refused> {
    let challenge = newest.challenge.clone();
    // Newest first: where each segment starts, and its bytes in the binary spelling.
    let mut segments: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut boot_log = None;
    let mut at = Some(newest);
    let mut size = 0;
    for seq in (seq.saturating_sub(MOST_RECORDS)..seq).rev() {
        if let Some(Stored { evidence, .. }) = at.take() {
            let segment = evidence.ima.ok_or_else(|| nothing_proven("evidence of this session has no IMA list"))?;
            boot_log = boot_log.or(evidence.boot_log);
            let from = segment.from_count;
            let bytes = match segment.format {
                ImaFormat::Binary => segment.bytes.to_vec(),
                ImaFormat::Ascii => parse_ascii(&segment.bytes, from).as_binary().to_vec(),
            };
            size += bytes.len();
            segments.push((from, bytes));
            if from == 0 {
                break;
            }
        }
        if size > MOST_BYTES {
            return Err(nothing_proven("its IMA list is too long to be put together"));
        }
        at = authentic(app, node, seq)?;
    }
    match (segments.last(), boot_log) {
        (Some((0, _)), Some(boot_log)) => Ok(Logs { challenge, boot_log: boot_log.to_vec(), ima: join(&segments) }),
        _ => Err(nothing_proven("the evidence that began this boot session is not stored any more")),
    }
}

/// Joins segments, newest first: each is cut where the next one starts, because what lay beyond was not proven then
/// and came again.
fn join(segments: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut list = Vec::new();
    let mut newer = None;
    let mut pieces = Vec::new();
    for (from, bytes) in segments {
        let entries = newer.map_or(u64::MAX, |newer: u64| newer.saturating_sub(*from));
        pieces.push(bytes.get(..length_of(bytes, *from, entries)).unwrap_or(bytes));
        newer = Some(*from);
    }
    pieces.into_iter().rev().for_each(|piece| list.extend_from_slice(piece));
    list
}

/// Bytes that the first `entries` entries fill.
fn length_of(bytes: &[u8], first: u64, entries: u64) -> usize {
    let good = parse_binary(bytes, first).map_while(Result::ok);
    let counted = (0..entries).zip(good).last();
    counted.map_or(0, |(_, entry)| entry.end_offset)
}

fn nothing_proven(why: &str) -> Refused {
    let what = format!("The node has no proven boot to take reference values from: {why}.");
    let remedy = "Wait for a round in which its logs reproduce its quote; `avouch node why` shows the last one.";
    Refused::new(StatusCode::CONFLICT, "NO_REFERENCE", what, remedy)
}
