//! What must survive. The functions here get one that opens the same store each time.

use std::sync::mpsc;

use super::chain::round;
use super::specimen::{START, ask, cluster, grant, hash, join, keys};
use super::{applied, found, read};
use crate::{Assignee, Change, Event, Gap, Outcome, Store};

/// Everything acknowledged before a store was closed is there when it is opened again.
pub fn reopening_keeps_all_that_was_acknowledged(same: &dyn Fn() -> Box<dyn Store>) {
    let cluster = cluster();
    let store = same();
    let node = read(join(&*store, &cluster, 1));
    let first = round(&*store, &cluster, &node, b"evidence", START);
    let open = read(ask(&*store, &cluster, &node, START + 10));
    let policy = Some(crate::evidence::digest(b"policy"));
    applied(&*store, &cluster, START, Change::PutPolicy { name: "base".into(), bytes: b"policy".to_vec() });
    applied(&*store, &cluster, START, Change::AssignPolicy { to: Assignee::Default, policy });
    applied(&*store, &cluster, START, Change::RoundSecret { round: 1, secret: [1; 32] });
    let gap = Gap { from: 1, to: 2, reason: "step".into() };
    applied(&*store, &cluster, START + 99, Change::NoteGap(gap.clone()));
    let event = Event { kind: "TEST".into(), node: Some(node), detail: "{}".into() };
    applied(&*store, &cluster, START, Change::NoteEvent(event.clone()));
    let before = found(store.node(&cluster, &node));
    drop(store);

    let store = same();
    assert_eq!(found(store.node(&cluster, &node)), before);
    assert_eq!(before.keys, keys(1, 1));
    assert_eq!(found(store.record(&cluster, &node, 1)), first.record);
    assert_eq!(found(store.evidence(&cluster, &first.evidence.digest())), b"evidence");
    assert_eq!(found(store.open_challenge(&cluster, &node)), open);
    assert_eq!(found(store.grant(&cluster, &grant().id)).used, 1);
    assert_eq!(read(store.default_policy(&cluster)), policy);
    assert_eq!(read(store.round_secret(&cluster, 1)), Some([1; 32]));
    assert_eq!(read(store.highest_time(&cluster)), START + 99);
    assert_eq!(read(store.gaps(&cluster)), [gap]);
    assert_eq!(
        read(store.events(&cluster, None, 9)).into_iter().map(|logged| logged.event).collect::<Vec<_>>(),
        [event]
    );
    round(&*store, &cluster, &node, b"next", START + 10);
}

/// Changes that are refused between others take nothing with them, and a store that is closed answers all it took.
pub fn refused_changes_do_not_disturb_their_neighbours(same: &dyn Fn() -> Box<dyn Store>) {
    let cluster = cluster();
    let store = same();
    let (sender, answers) = mpsc::channel();
    let pairs = 200;
    for round in 0..pairs {
        for change in [Change::RoundSecret { round, secret: [1; 32] }, Change::ConsumeAttempt(hash("attempt", round))] {
            let sender = sender.clone();
            let done = Box::new(move |result: Result<Outcome, _>| {
                // The receiver waits for every answer.
                let _ = sender.send(result.is_ok());
            });
            store.submit(&cluster, START, change, done);
        }
    }
    drop((store, sender));
    let answers: Vec<bool> = answers.iter().collect();
    assert_eq!(answers, [true, false].repeat(usize::try_from(pairs).unwrap_or(0)));
    let store = same();
    for round in 0..pairs {
        assert_eq!(read(store.round_secret(&cluster, round)), Some([1; 32]));
    }
}
