//! Challenges that ran out, and what comes after them.

use std::thread;

use super::chain::round;
use super::specimen::{PATIENCE, START, answer, ask, challenge, cluster, join, record};
use super::{applied, found, read, refused};
use crate::{Change, CommitRecord, Head, OpenChallenge, Outcome, Record, Refused, Store};

/// The first second after the deadline of a challenge asked at [`START`].
const OVER: u64 = START + PATIENCE + 1;

fn expiry(node: &avouch_protocol::NodeTag, head: Head, open: &OpenChallenge) -> (Record, Change) {
    let record = record(node, head, &open.bytes, open.round, None, open.deadline + 1);
    (record.clone(), Change::ExpireChallenge { node: *node, record: Box::new(record) })
}

/// A challenge stays open until its last second has passed, then becomes one Unanswered record.
pub fn challenge_expires_only_after_its_deadline_and_once(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let node = read(join(&*store, &cluster, 1));
    let open = read(ask(&*store, &cluster, &node, START));
    let (record, expire) = expiry(&node, Head::default(), &open);
    let early = Refused::TooEarly { deadline: OVER - 1, now: OVER - 1 };
    assert_eq!(refused(&*store, &cluster, OVER - 1, expire.clone()), early);
    assert_eq!(found(store.open_challenge(&cluster, &node)), open);
    assert_eq!(applied(&*store, &cluster, OVER, expire.clone()), Outcome::Committed);
    assert_eq!(found(store.record(&cluster, &node, 1)), record);
    assert_eq!(found(store.node(&cluster, &node)).head, Head { seq: 1, record: record.hash });
    assert_eq!(read(store.open_challenge(&cluster, &node)), None);
    assert_eq!(applied(&*store, &cluster, OVER, expire), Outcome::AlreadyStored(Box::new(record)));

    let never_asked = challenge(&node, Head { seq: 7, ..Head::default() }, START);
    let (_, expire) = expiry(&node, Head { seq: 7, ..Head::default() }, &never_asked);
    assert_eq!(refused(&*store, &cluster, OVER, expire), Refused::ChallengeUnknown { seq: 8 });
}

/// Of an answer and an expiry of the same challenge exactly one is stored, in every order and when they race.
pub fn expiry_and_evidence_exclude_each_other(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let commit = |commit: &CommitRecord| Change::CommitRecord(Box::new(commit.clone()));
    for n in 1..=12 {
        let node = read(join(&*store, &cluster, n));
        let open = read(ask(&*store, &cluster, &node, START));
        let answered = answer(&node, Head::default(), &open, b"evidence", START + 1);
        let (unanswered, expire) = expiry(&node, Head::default(), &open);
        let (store, cluster) = (&*store, &cluster);
        let (by_evidence, by_expiry) = match n {
            1 => (applied(store, cluster, OVER, commit(&answered)), applied(store, cluster, OVER, expire)),
            2 => {
                let by_expiry = applied(store, cluster, OVER, expire);
                (applied(store, cluster, OVER, commit(&answered)), by_expiry)
            }
            _ => thread::scope(|scope| {
                let racer = scope.spawn(move || applied(store, cluster, OVER, expire));
                let by_evidence = applied(store, cluster, OVER, commit(&answered));
                (by_evidence, racer.join().unwrap_or(Outcome::Done))
            }),
        };
        let stored = Box::new(found(store.record(cluster, &node, 1)));
        if stored.evidence.is_some() {
            assert_eq!(*stored, answered.record);
            assert_eq!((by_evidence, by_expiry), (Outcome::Committed, Outcome::Spent(stored)));
        } else {
            assert_eq!(*stored, unanswered);
            assert_eq!((by_evidence, by_expiry), (Outcome::Spent(stored), Outcome::Committed));
        }
        assert_eq!(found(store.node(cluster, &node)).head.seq, 1);
    }
}

/// Evidence for an Unanswered record becomes one late record at the end of the chain, and only while nothing is open.
pub fn late_evidence_follows_an_unanswered_record_once(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let node = read(join(&*store, &cluster, 1));
    let first = read(ask(&*store, &cluster, &node, START));
    let late_after = |head: Head, evidence: &[u8]| {
        let mut late = answer(&node, head, &first, evidence, OVER + 20);
        (late.record.late, late.verdict, late.session) = (true, None, None);
        late
    };
    let commit = |commit: &CommitRecord| Change::CommitRecord(Box::new(commit.clone()));
    // While it is open, its evidence is not late.
    let refusal = refused(&*store, &cluster, START, commit(&late_after(Head::default(), b"evidence")));
    assert_eq!(refusal, Refused::ChallengeUnknown { seq: 1 });
    let (_, expire) = expiry(&node, Head::default(), &first);
    applied(&*store, &cluster, OVER, expire);

    let head = found(store.node(&cluster, &node)).head;
    let second = read(ask(&*store, &cluster, &node, OVER));
    let refusal = refused(&*store, &cluster, OVER, commit(&late_after(head, b"evidence")));
    assert_eq!(refusal, Refused::ChallengeOpen { seq: 2 });
    let answered = answer(&node, head, &second, b"second", OVER + 1);
    applied(&*store, &cluster, OVER + 1, commit(&answered));

    let stale = late_after(head, b"evidence");
    let refusal = refused(&*store, &cluster, OVER + 20, commit(&stale));
    assert_eq!(refusal, Refused::NotNext { wanted: 3, got: 2 });
    let before = found(store.node(&cluster, &node));
    let late = late_after(before.head, b"evidence");
    assert_eq!(applied(&*store, &cluster, OVER + 20, commit(&late)), Outcome::Committed);
    let after = found(store.node(&cluster, &node));
    assert_eq!(after.head, Head { seq: 3, record: late.record.hash });
    assert_eq!(after.verdict, before.verdict);
    let stored = Box::new(late.record.clone());
    assert_eq!(applied(&*store, &cluster, OVER + 21, commit(&late)), Outcome::AlreadyStored(stored.clone()));
    let other = late_after(after.head, b"other");
    assert_eq!(applied(&*store, &cluster, OVER + 21, commit(&other)), Outcome::Spent(stored));
    round(&*store, &cluster, &node, b"next", OVER + 30);
}

/// The sweep sees what has run out, oldest first, and nothing else.
pub fn overdue_challenges_come_oldest_first(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let mut asked = Vec::new();
    for (n, at) in [(1, START + 5), (2, START), (3, START + 9)] {
        let node = read(join(&*store, &cluster, n));
        asked.push((node, read(ask(&*store, &cluster, &node, at))));
    }
    let [first, second, third] = asked.as_slice() else { unreachable!("three were asked") };
    assert_eq!(read(store.overdue(&cluster, OVER - 1, 9)), []);
    assert_eq!(read(store.overdue(&cluster, OVER, 9)), std::slice::from_ref(second));
    let all = [second.clone(), first.clone(), third.clone()];
    assert_eq!(read(store.overdue(&cluster, OVER + 99, 9)), all);
    assert_eq!(read(store.overdue(&cluster, OVER + 99, 2)), all.split_at(2).0);
}
