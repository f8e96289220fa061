//! Challenges and the records they become in time.

use std::thread;

use avouch_crypto::sha256;
use avouch_protocol::{Hash, NodeTag, Status};

use super::specimen::{PATIENCE, START, answer, ask, challenge, cluster, enrolment, hash, join, other_cluster, tag};
use super::{applied, found, read, refused};
use crate::{
    Assignee, Change, Cluster, CommitRecord, EvidenceParts, Head, ObservationBytes, ObservedReport, Outcome, Refused,
    Store,
};

/// How many threads race for one thing.
const RACERS: u64 = 8;

fn commit(commit: &CommitRecord) -> Change {
    Change::CommitRecord(Box::new(commit.clone()))
}

/// One whole round; gives back what was committed.
pub(super) fn round(store: &dyn Store, cluster: &Cluster, node: &NodeTag, evidence: &[u8], now: u64) -> CommitRecord {
    let head = found(store.node(cluster, node)).head;
    let open = read(ask(store, cluster, node, now));
    let answered = answer(node, head, &open, evidence, now + 1);
    assert_eq!(applied(store, cluster, now + 1, commit(&answered)), Outcome::Committed);
    answered
}

/// Only the next number of a node that exists is opened.
pub fn challenge_must_continue_the_chain(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let stranger = Change::OpenChallenge { node: tag(1), challenge: challenge(&tag(1), Head::default(), START) };
    assert_eq!(refused(&*store, &cluster, START, stranger), Refused::NodeUnknown(tag(1)));
    let node = read(join(&*store, &cluster, 1));
    let at = |seq| {
        let head = Head { seq, ..Head::default() };
        Change::OpenChallenge { node, challenge: challenge(&node, head, START) }
    };
    assert_eq!(refused(&*store, &cluster, START, at(1)), Refused::NotNext { wanted: 1, got: 2 });
    assert_eq!(applied(&*store, &cluster, START, at(0)), Outcome::Opened);
    assert_eq!(found(store.open_challenge(&cluster, &node)), challenge(&node, Head::default(), START));
    let open = found(store.open_challenge(&cluster, &node));
    let answered = answer(&node, Head::default(), &open, b"evidence", START);
    applied(&*store, &cluster, START, commit(&answered));
    assert_eq!(refused(&*store, &cluster, START, at(0)), Refused::NotNext { wanted: 2, got: 1 });
    assert_eq!(applied(&*store, &cluster, START, at(1)), Outcome::Opened);
}

/// Who comes second is told what is open, whatever he brought.
pub fn second_challenge_gets_the_first_ones_bytes(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let node = read(join(&*store, &cluster, 1));
    let first = read(ask(&*store, &cluster, &node, START));
    let other = challenge(&node, Head::default(), START + 1);
    assert_ne!(first, other);
    let outcome = applied(&*store, &cluster, START + 1, Change::OpenChallenge { node, challenge: other });
    assert_eq!(outcome, Outcome::AlreadyOpen(Box::new(first)));
}

/// Exactly one of several challenges is opened; all others get its bytes.
pub fn racing_challenges_have_one_winner(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let node = read(join(&*store, &cluster, 1));
    let (store, cluster) = (&*store, &cluster);
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let race = |n| {
            let challenge = challenge(&node, Head::default(), START + n);
            scope.spawn(move || applied(store, cluster, START, Change::OpenChallenge { node, challenge }))
        };
        let racers: Vec<_> = (0..RACERS).map(race).collect();
        racers.into_iter().map(|racer| racer.join().unwrap_or(Outcome::Done)).collect()
    });
    let winner = Box::new(found(store.open_challenge(cluster, &node)));
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Opened).count(), 1, "{outcomes:?}");
    assert_eq!(
        outcomes.iter().filter(|outcome| **outcome == Outcome::AlreadyOpen(winner.clone())).count(),
        outcomes.len() - 1,
        "{outcomes:?}"
    );
}

/// A record moves the head, replaces session and verdict and closes the challenge, all in one.
pub fn record_advances_head_session_and_verdict(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let node = read(join(&*store, &cluster, 1));
    let first = round(&*store, &cluster, &node, b"first", START);
    let second = round(&*store, &cluster, &node, b"second", START + 10);
    let now = found(store.node(&cluster, &node));
    assert_eq!(now.head, Head { seq: 2, record: second.record.hash });
    let rests_on = now.verdict.as_ref().map_or(0, |verdict| verdict.seq);
    assert_eq!((now.session, now.verdict, now.last_reset_count), (second.session, second.verdict, second.reset_count));
    assert_eq!(read(store.open_challenge(&cluster, &node)), None);
    assert_eq!(found(store.record(&cluster, &node, rests_on)), second.record);
    assert_eq!(found(store.record(&cluster, &node, 1)), first.record);
    assert_eq!(read(store.record(&cluster, &node, 3)), None);
    assert_eq!(read(store.records(&cluster, &node, None, 9)), [second.record.clone(), first.record.clone()]);
    assert_eq!(read(store.records(&cluster, &node, Some(2), 9)), std::slice::from_ref(&first.record));
    assert_eq!(read(store.records(&cluster, &node, None, 1)), std::slice::from_ref(&second.record));
    assert_eq!(found(store.evidence(&cluster, &first.evidence.digest())), b"first");
    assert_eq!(found(store.record_of_evidence(&cluster, &node, &second.evidence.digest())), second.record);
}

/// What a round reads in one go agrees with what is read one by one: before the first challenge, while one is open, and
/// after its record.
pub fn standing_is_what_the_single_reads_say(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let node = read(join(&*store, &cluster, 1));
    let (own, default) = (b"own policy".to_vec(), b"default policy".to_vec());
    let agrees = |policy: Option<Hash>| {
        let (standing, single) = (found(store.standing(&cluster, &node)), found(store.node(&cluster, &node)));
        assert_eq!((standing.tag, standing.generation, standing.head), (single.tag, single.generation, single.head));
        assert_eq!(
            (standing.session, standing.last_reset_count, standing.policy),
            (single.session, single.last_reset_count, policy)
        );
        assert_eq!(standing.open, read(store.open_challenge(&cluster, &node)));
        standing.open.is_some()
    };
    assert!(!agrees(None));
    let assign = |to, bytes: &[u8]| {
        let reference = Hash(sha256(&[bytes]));
        applied(&*store, &cluster, START, Change::PutPolicy { name: "policy".into(), bytes: bytes.to_vec() });
        applied(&*store, &cluster, START, Change::AssignPolicy { to, policy: Some(reference) });
        Some(reference)
    };
    let default = assign(Assignee::Default, &default);
    assert!(!agrees(default));
    let own = assign(Assignee::Node(node), &own);
    read(ask(&*store, &cluster, &node, START));
    assert!(agrees(own));
    round(&*store, &cluster, &node, b"first", START);
    assert!(!agrees(own));
    assert_eq!(read(store.standing(&cluster, &tag(2))), None);
}

/// A record needs the open challenge of its number with exactly its bytes, in time, and digests that are right. What
/// is refused changes nothing.
pub fn record_without_its_challenge_is_refused(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let node = read(join(&*store, &cluster, 1));
    let challenge = challenge(&node, Head::default(), START);
    let good = answer(&node, Head::default(), &challenge, b"evidence", START + 1);
    let refusal = |bad: &CommitRecord| refused(&*store, &cluster, START + 1, commit(bad));
    assert_eq!(refusal(&good), Refused::ChallengeUnknown { seq: 1 });
    assert_eq!(read(ask(&*store, &cluster, &node, START)), challenge);

    let mut bad = good.clone();
    bad.record.challenge = hash("challenge", 2);
    assert_eq!(refusal(&bad), Refused::ChallengeUnknown { seq: 1 });
    let mut bad = good.clone();
    bad.record.seq = 2;
    assert_eq!(refusal(&bad), Refused::ChallengeUnknown { seq: 2 });
    let mut bad = good.clone();
    bad.record.header.push(0);
    assert_eq!(refusal(&bad), Refused::Digest { what: "record.hash" });
    let mut bad = good.clone();
    bad.evidence = EvidenceParts::whole(b"other");
    assert_eq!(refusal(&bad), Refused::Digest { what: "record.evidence" });
    let mut bad = good.clone();
    bad.node = tag(2);
    assert_eq!(refusal(&bad), Refused::NodeUnknown(tag(2)));
    let late = answer(&node, Head::default(), &challenge, b"evidence", START + PATIENCE + 1);
    assert_eq!(refusal(&late), Refused::TooLate { deadline: START + PATIENCE, time: START + PATIENCE + 1 });

    assert_eq!(found(store.node(&cluster, &node)).head, Head::default());
    assert_eq!(found(store.open_challenge(&cluster, &node)), challenge);
    assert_eq!(read(store.evidence(&cluster, &good.evidence.digest())), None);
    let in_time = answer(&node, Head::default(), &challenge, b"evidence", START + PATIENCE);
    assert_eq!(applied(&*store, &cluster, START + PATIENCE, commit(&in_time)), Outcome::Committed);
}

/// The same message gets the same record however often it comes; other bytes for a spent challenge get that record,
/// too, but as spent.
pub fn repeated_evidence_is_stored_once_and_other_bytes_are_spent(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let node = read(join(&*store, &cluster, 1));
    let first = round(&*store, &cluster, &node, b"evidence", START);
    let stored = Box::new(first.record.clone());
    let mut again = first.clone();
    // The same message, appraised again a second later: the stored opinion stays.
    again.record.time += 1;
    again.record.code = "OTHER".into();
    assert_eq!(applied(&*store, &cluster, START + 2, commit(&again)), Outcome::AlreadyStored(stored.clone()));
    let challenge = challenge(&node, Head::default(), START);
    let other = answer(&node, Head::default(), &challenge, b"other", START + 2);
    assert_eq!(applied(&*store, &cluster, START + 2, commit(&other)), Outcome::Spent(stored.clone()));
    round(&*store, &cluster, &node, b"next", START + 10);
    assert_eq!(applied(&*store, &cluster, START + 12, commit(&again)), Outcome::AlreadyStored(stored.clone()));
    assert_eq!(applied(&*store, &cluster, START + 12, commit(&other)), Outcome::Spent(stored));
    assert_eq!(found(store.node(&cluster, &node)).head.seq, 2);
    assert_eq!(read(store.evidence(&cluster, &other.evidence.digest())), None);
}

/// Exactly one of several answers becomes the record; all others are told which.
pub fn racing_evidence_has_one_winner(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let node = read(join(&*store, &cluster, 1));
    let challenge = read(ask(&*store, &cluster, &node, START));
    let (store, cluster, challenge) = (&*store, &cluster, &challenge);
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let race = |n: u64| {
            let answered = answer(&node, Head::default(), challenge, &n.to_be_bytes(), START + 1);
            scope.spawn(move || applied(store, cluster, START + 1, commit(&answered)))
        };
        let racers: Vec<_> = (0..RACERS).map(race).collect();
        racers.into_iter().map(|racer| racer.join().unwrap_or(Outcome::Done)).collect()
    });
    let winner = Box::new(found(store.record(cluster, &node, 1)));
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Committed).count(), 1, "{outcomes:?}");
    let losers = outcomes.iter().filter(|outcome| **outcome == Outcome::Spent(winner.clone())).count();
    assert_eq!(losers, outcomes.len() - 1, "{outcomes:?}");
    assert_eq!(read(store.records(cluster, &node, None, 9)).len(), 1);
}

/// A rejected message becomes a record and touches neither session nor verdict.
pub fn rejected_record_leaves_the_verdict(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let node = read(join(&*store, &cluster, 1));
    round(&*store, &cluster, &node, b"good", START);
    let before = found(store.node(&cluster, &node));
    let open = read(ask(&*store, &cluster, &node, START + 10));
    let mut rejected = answer(&node, before.head, &open, b"forged", START + 11);
    (rejected.session, rejected.verdict, rejected.reset_count) = (None, None, None);
    rejected.record.status = Status::Rejected;
    rejected.record.code = "SIGNATURE_INVALID".into();
    rejected.record.receipt = None;
    assert_eq!(applied(&*store, &cluster, START + 11, commit(&rejected)), Outcome::Committed);
    let after = found(store.node(&cluster, &node));
    assert_eq!(after.head, Head { seq: 2, record: rejected.record.hash });
    assert_eq!((after.session, after.verdict), (before.session, before.verdict));
    assert_eq!(found(store.record(&cluster, &node, 2)), rejected.record);
}

/// A boot log that two messages hold is a piece of both and comes back on its own; each message comes back whole.
pub fn evidence_shares_its_pieces(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let boot_log: Vec<u8> = (0..40_000_u32).flat_map(|n| (n / 7).to_be_bytes()).collect();
    for n in 1..=2 {
        let node = read(join(&*store, &cluster, n));
        let message = [b"before".as_slice(), &n.to_be_bytes(), &boot_log, &n.to_le_bytes()].concat();
        let open = read(ask(&*store, &cluster, &node, START));
        let mut answered = answer(&node, Head::default(), &open, &message, START + 1);
        answered.evidence = EvidenceParts::sharing(&message, &[&boot_log]);
        assert_eq!(applied(&*store, &cluster, START + 1, commit(&answered)), Outcome::Committed);
        assert_eq!(found(store.evidence(&cluster, &answered.evidence.digest())), message);
        assert_eq!(found(store.evidence_part(&cluster, &crate::evidence::digest(&boot_log))), boot_log);
    }
    assert_eq!(read(store.evidence(&cluster, &hash("evidence", 9))), None);
    assert_eq!(read(store.evidence_part(&cluster, &hash("evidence", 9))), None);
}

/// What was observed is written when it changes and only then; the newest and the one before it are kept.
pub fn observation_is_kept_once_with_the_one_before_it(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let node = read(join(&*store, &cluster, 1));
    let observe = |bytes: Option<&[u8]>, now: u64| {
        let head = found(store.node(&cluster, &node)).head;
        let open = read(ask(&*store, &cluster, &node, now));
        let mut answered = answer(&node, head, &open, &now.to_be_bytes(), now + 1);
        let report = hash("report", now);
        answered.observed = bytes.map(|bytes| ObservedReport { report, changed: Some(ObservationBytes::new(bytes)) });
        assert_eq!(applied(&*store, &cluster, now + 1, commit(&answered)), Outcome::Committed);
        let last = found(store.standing(&cluster, &node)).observed_report;
        assert_eq!(last == Some(report), bytes.is_some(), "the newest report is named even when it shows nothing new");
        read(store.observations(&cluster, &node)).iter().map(|kept| kept.seq).collect::<Vec<_>>()
    };
    let (first, second, third) = (vec![1; 9_000], b"second".to_vec(), b"third".to_vec());
    assert_eq!(observe(None, START), [0_u64; 0]);
    assert_eq!(observe(Some(&first), START + 10), [2]);
    assert_eq!(observe(Some(&first), START + 20), [2], "the same is not written again");
    assert_eq!(observe(None, START + 30), [2], "no report leaves the last one");
    assert_eq!(observe(Some(&second), START + 40), [5, 2]);
    let kept = read(store.observations(&cluster, &node));
    let heads: Vec<_> = kept.iter().map(|kept| (kept.digest, kept.time, kept.size)).collect();
    let digest = crate::evidence::digest;
    assert_eq!(heads, [(digest(&second), START + 41, 6), (digest(&first), START + 11, 9_000)]);
    assert_eq!(found(store.observation(&cluster, &node, &digest(&first))), first);
    assert_eq!(observe(Some(&third), START + 50), [6, 5]);
    assert_eq!(observe(Some(&second), START + 60), [7, 6], "what was before comes again");
    assert_eq!(found(store.observation(&cluster, &node, &digest(&second))), second);
    assert_eq!(read(store.observation(&cluster, &node, &digest(&first))), None);
    let (newest, bytes) = found(store.newest_observation(&cluster, &node));
    assert_eq!((newest.seq, newest.digest, bytes), (7, digest(&second), second.clone()));
    for (cluster, node) in [(&cluster, &tag(2)), (&other_cluster(), &node)] {
        assert_eq!(read(store.observations(cluster, node)), []);
        assert_eq!(read(store.newest_observation(cluster, node)), None);
    }
    assert_eq!(read(store.observation(&other_cluster(), &node, &digest(&second))), None);
}

/// What is refused keeps no observation, and a new generation of keys starts without one.
pub fn observation_does_not_outlive_its_keys_and_a_refusal_keeps_none(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let node = read(join(&*store, &cluster, 1));
    let open = read(ask(&*store, &cluster, &node, START));
    let mut answered = answer(&node, Head::default(), &open, b"evidence", START + 1);
    let changed = Some(ObservationBytes::new(b"observed"));
    answered.observed = Some(ObservedReport { report: hash("report", 1), changed });
    let mut bad = answered.clone();
    bad.record.header.push(0);
    assert_eq!(refused(&*store, &cluster, START + 1, commit(&bad)), Refused::Digest { what: "record.hash" });
    assert_eq!(read(store.observations(&cluster, &node)), []);
    assert_eq!(applied(&*store, &cluster, START + 1, commit(&answered)), Outcome::Committed);
    assert_eq!(read(store.observations(&cluster, &node)).len(), 1);
    // A report that shows what is kept already names no bytes.
    let head = found(store.node(&cluster, &node)).head;
    let open = read(ask(&*store, &cluster, &node, START + 2));
    let mut again = answer(&node, head, &open, b"again", START + 3);
    again.observed = Some(ObservedReport { report: hash("report", 2), changed: None });
    assert_eq!(applied(&*store, &cluster, START + 3, commit(&again)), Outcome::Committed);
    assert_eq!(read(store.observations(&cluster, &node)).len(), 1);
    assert_eq!(found(store.standing(&cluster, &node)).observed_report, Some(hash("report", 2)));
    applied(&*store, &cluster, START + 4, enrolment(1, 2));
    assert_eq!(read(store.observations(&cluster, &node)), []);
    assert_eq!(read(store.newest_observation(&cluster, &node)), None);
    assert_eq!(found(store.standing(&cluster, &node)).observed_report, None);
}
