//! `GET /v1/nodes/{node}/rounds`: exactly one status for every round.

use std::collections::BTreeMap;
use std::sync::Arc;

use avouch_protocol::{Interval, Round, Status};
use avouch_store::Record;

use super::lookup::named_node;
use crate::api::{RoundView, Rounds};
use crate::app::{App, store_refused};
use crate::http::guard::Call;
use crate::http::refusal::Refused;
use crate::http::reply::Reply;

/// Rounds in one answer, unless fewer are asked for: three and a half days at the default interval.
const MOST: u64 = 1_000;
/// Rounds in one answer when none is named.
const USUAL: u64 = 12;
/// Records read in one step.
const PAGE: usize = 500;
/// A round that can still get another status.
const OPEN: &str = "open";

/// The last `?last=N` rounds, the present one included.
pub(crate) async fn rounds(app: Arc<App>, call: Call) -> Result<Reply, Refused> {
    let node = named_node(&app, &call)?;
    let last = call.number("last")?.unwrap_or(USUAL).clamp(1, MOST);
    let now = app.validity().now;
    let present = app.interval.round_at(now).0;
    // A joiner is due from the round after its enrolment; what it sends before that shows when it exists.
    let joined = app.interval.round_at(node.enrolled_at).0;
    let first = present.saturating_sub(last - 1).max(joined);
    let mut deciding: BTreeMap<u64, Record> = BTreeMap::new();
    let mut before = None;
    'pages: loop {
        let page = app.store.records(&app.cluster, &node.tag, before, PAGE).map_err(|error| store_refused(&error))?;
        let full = page.len() == PAGE;
        before = page.last().map(|record| record.seq);
        for record in page {
            // Rounds only grow along the chain, but for late records.
            if record.round < first && !record.late {
                break 'pages;
            }
            take(&mut deciding, record);
        }
        if !full {
            break;
        }
    }
    let rounds = (first..=present)
        .filter(|round| *round > joined || deciding.contains_key(round))
        .map(|round| view(Round(round), deciding.get(&round), now, app.interval))
        .collect();
    Ok(Reply::json(&Rounds { node: node.tag.to_hex(), now, rounds }))
}

/// Keeps the record that decides its round; a late one never does.
fn take(deciding: &mut BTreeMap<u64, Record>, record: Record) {
    if record.late {
        return;
    }
    let graver = |held: &Record| weight(record.status) > weight(held.status);
    if deciding.get(&record.round).is_none_or(graver) {
        deciding.insert(record.round, record);
    }
}

/// Which of several records of a round decides: bad news first, and good news before no news.
fn weight(status: Status) -> u8 {
    match status {
        Status::Fail => 6,
        Status::Unverifiable => 5,
        Status::Rejected => 4,
        Status::Pass => 3,
        Status::Unanswered => 2,
        Status::Maintenance => 1,
        Status::Silent => 0,
    }
}

fn view(round: Round, record: Option<&Record>, now: u64, interval: Interval) -> RoundView {
    let status = match record {
        Some(record) => record.status.word(),
        None if now <= round.closes(interval) => OPEN,
        None => Status::Silent.word(),
    };
    RoundView {
        round: round.0,
        start: round.start(interval),
        end: round.end(interval),
        status: status.into(),
        code: record.map(|record| record.code.clone()).unwrap_or_default(),
        seq: record.map(|record| record.seq),
    }
}

#[cfg(test)]
mod tests {
    use avouch_protocol::Hash;

    use super::*;

    fn record(seq: u64, status: Status, late: bool) -> Record {
        Record {
            seq,
            header: Vec::new(),
            hash: Hash::ZERO,
            challenge: Hash::ZERO,
            evidence: None,
            round: 7,
            status,
            code: String::new(),
            verdict: String::new(),
            receipt: None,
            time: 0,
            late,
        }
    }

    fn decided(records: &[(Status, bool)]) -> Option<Status> {
        let mut deciding = BTreeMap::new();
        for (seq, (status, late)) in (1..).zip(records) {
            take(&mut deciding, record(seq, *status, *late));
        }
        deciding.get(&7).map(|record| record.status)
    }

    #[test]
    fn one_failure_decides_a_round_whatever_else_came() {
        assert_eq!(decided(&[(Status::Pass, false), (Status::Fail, false), (Status::Pass, false)]), Some(Status::Fail));
        assert_eq!(decided(&[(Status::Unanswered, false), (Status::Pass, false)]), Some(Status::Pass));
        assert_eq!(decided(&[(Status::Pass, false), (Status::Rejected, false)]), Some(Status::Rejected));
    }

    #[test]
    fn late_evidence_never_decides_a_round() {
        assert_eq!(decided(&[(Status::Unanswered, true)]), None);
    }

    #[test]
    fn a_round_without_a_record_is_open_until_it_closes_and_silent_after() {
        let interval = Interval::new(10).unwrap();
        assert_eq!(view(Round(7), None, 110, interval).status, "open");
        assert_eq!(view(Round(7), None, 111, interval).status, "silent");
    }
}
