//! Two clusters in one store.

use super::chain::round;
use super::specimen::{START, ask, cluster, enrolment, grant, hash, join, other_cluster, tag};
use super::{applied, found, read, refused};
use crate::{Assignee, Change, Event, Gap, Outcome, Refused, Store};

/// Nothing that one cluster writes is seen, counted or in the way in another one; the same names are free there.
pub fn clusters_never_see_each_other(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, ours, theirs) = (open(), cluster(), other_cluster());
    let store = &*store;
    let node = read(join(store, &ours, 1));
    let first = round(store, &ours, &node, b"evidence", START);
    read(ask(store, &ours, &node, START + 10));
    let reference = crate::evidence::digest(b"policy");
    let policy = Some(reference);
    applied(store, &ours, START, Change::PutPolicy { name: "base".into(), bytes: b"policy".to_vec() });
    applied(store, &ours, START, Change::AssignPolicy { to: Assignee::Default, policy });
    applied(store, &ours, START, Change::RoundSecret { round: 1, secret: [1; 32] });
    applied(store, &ours, START, Change::NoteGap(Gap { from: 1, to: 2, reason: "step".into() }));
    let event = Event { kind: "TEST".into(), node: None, detail: "{}".into() };
    applied(store, &ours, START, Change::NoteEvent(event));

    assert_eq!(read(store.node(&theirs, &node)), None);
    assert_eq!(read(store.nodes(&theirs, None, 9)), []);
    assert_eq!(read(store.find_nodes(&theirs, "web-1", 9)), []);
    assert_eq!(read(store.key_history(&theirs, &node)), []);
    assert_eq!(read(store.grant(&theirs, &grant().id)), None);
    assert_eq!(read(store.open_challenge(&theirs, &node)), None);
    assert_eq!(read(store.overdue(&theirs, u64::MAX, 9)), []);
    assert_eq!(read(store.record(&theirs, &node, 1)), None);
    assert_eq!(read(store.records(&theirs, &node, None, 9)), []);
    let digest = first.evidence.digest();
    assert_eq!(read(store.record_of_evidence(&theirs, &node, &digest)), None);
    assert_eq!(read(store.evidence(&theirs, &digest)), None);
    assert_eq!(read(store.evidence_part(&theirs, &digest)), None);
    assert_eq!(read(store.policy(&theirs, &reference)), None);
    assert_eq!(read(store.policies(&theirs, 9)), []);
    assert_eq!(read(store.default_policy(&theirs)), None);
    assert_eq!(read(store.round_secret(&theirs, 1)), None);
    assert_eq!(read(store.highest_time(&theirs)), 0);
    assert_eq!(read(store.gaps(&theirs)), []);
    assert_eq!(read(store.events(&theirs, None, 9)), []);

    // What exists only there cannot be used here, and the same names, keys and bytes are free here.
    assert_eq!(refused(store, &theirs, START, enrolment(1, 1)), Refused::GrantUnknown(grant().id));
    let assign = Change::AssignPolicy { to: Assignee::Default, policy: Some(hash("policy", 7)) };
    assert_eq!(refused(store, &theirs, START, assign), Refused::PolicyUnknown(hash("policy", 7)));
    let before = found(store.node(&ours, &node));
    assert_eq!(read(join(store, &theirs, 1)), tag(1));
    let theirs_first = round(store, &theirs, &node, b"evidence", START);
    assert_eq!(found(store.evidence(&theirs, &theirs_first.evidence.digest())), b"evidence");
    let secret = applied(store, &theirs, START, Change::RoundSecret { round: 1, secret: [2; 32] });
    assert_eq!(secret, Outcome::RoundSecret([2; 32]));
    assert_eq!(found(store.round_secret(&ours, 1)), [1; 32]);
    assert_eq!(found(store.node(&ours, &node)), before);
    assert_eq!(found(store.grant(&ours, &grant().id)).used, 1);
}
