//! Policies, secrets, time, gaps, events and lists.

use std::thread;

use avouch_protocol::NodeTag;

use super::specimen::{START, challenge, cluster, hash, join, tag};
use super::{applied, found, read, refused};
use crate::{Assignee, Change, Event, Gap, Head, LoggedEvent, Outcome, Policy, Refused, Store};

/// A policy's name is the hash of its bytes; only stored policies are assigned; assigning notes when.
pub fn policy_is_named_by_its_bytes_and_assigned_when_stored(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let node = read(join(&*store, &cluster, 1));
    let reference = crate::evidence::digest(b"policy");
    let assign = |to| Change::AssignPolicy { to, policy: Some(reference) };
    let unknown = Refused::PolicyUnknown(reference);
    assert_eq!(refused(&*store, &cluster, START, assign(Assignee::Default)), unknown);
    assert_eq!(refused(&*store, &cluster, START, assign(Assignee::Node(node))), unknown);
    assert_eq!((found(store.node(&cluster, &node)).policy, read(store.default_policy(&cluster))), (None, None));

    let put = |name: &str| Change::PutPolicy { name: name.into(), bytes: b"policy".to_vec() };
    applied(&*store, &cluster, START, put("base"));
    applied(&*store, &cluster, START + 1, put("again"));
    let mut policy =
        Policy { reference, bytes: b"policy".to_vec(), name: "base".into(), created: START, applied: None };
    assert_eq!(found(store.policy(&cluster, &reference)), policy);

    applied(&*store, &cluster, START + 2, assign(Assignee::Default));
    assert_eq!(read(store.default_policy(&cluster)), Some(reference));
    assert_eq!(found(store.node(&cluster, &node)).policy, None);
    applied(&*store, &cluster, START + 3, assign(Assignee::Node(node)));
    assert_eq!(found(store.node(&cluster, &node)).policy, Some(reference));
    (policy.bytes, policy.applied) = (Vec::new(), Some(START + 3));
    assert_eq!(read(store.policies(&cluster, 9)), [policy]);
    assert_eq!(refused(&*store, &cluster, START, assign(Assignee::Node(tag(2)))), Refused::NodeUnknown(tag(2)));

    for to in [Assignee::Default, Assignee::Node(node)] {
        applied(&*store, &cluster, START + 4, Change::AssignPolicy { to, policy: None });
    }
    assert_eq!((found(store.node(&cluster, &node)).policy, read(store.default_policy(&cluster))), (None, None));
}

/// Whoever offers a round's secret second gets the first one.
pub fn first_round_secret_wins(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let offer = |round, byte| applied(&*store, &cluster, START, Change::RoundSecret { round, secret: [byte; 32] });
    assert_eq!(read(store.round_secret(&cluster, 1)), None);
    assert_eq!(offer(1, 1), Outcome::RoundSecret([1; 32]));
    assert_eq!(offer(1, 2), Outcome::RoundSecret([1; 32]));
    assert_eq!(offer(2, 3), Outcome::RoundSecret([3; 32]));
    assert_eq!(read(store.round_secret(&cluster, 1)), Some([1; 32]));
}

/// All who race for a round's secret end with the same one.
pub fn racing_round_secrets_have_one_winner(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let (store, cluster) = (&*store, &cluster);
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let race = |byte| {
            let offer = Change::RoundSecret { round: 1, secret: [byte; 32] };
            scope.spawn(move || applied(store, cluster, START, offer))
        };
        let racers: Vec<_> = (1..=8).map(race).collect();
        racers.into_iter().map(|racer| racer.join().unwrap_or(Outcome::Done)).collect()
    });
    let winner = Outcome::RoundSecret(found(store.round_secret(cluster, 1)));
    assert!(outcomes.iter().all(|outcome| *outcome == winner), "{outcomes:?}");
}

/// The highest time stays; refused changes do not count; any applied change does.
pub fn server_time_never_goes_back(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    assert_eq!(read(store.highest_time(&cluster)), 0);
    applied(&*store, &cluster, START, Change::NoteTime);
    applied(&*store, &cluster, START - 50, Change::NoteTime);
    assert_eq!(read(store.highest_time(&cluster)), START);
    refused(&*store, &cluster, START + 9, Change::ConsumeAttempt(hash("attempt", 1)));
    assert_eq!(read(store.highest_time(&cluster)), START);
    applied(&*store, &cluster, START + 5, Change::RoundSecret { round: 1, secret: [1; 32] });
    assert_eq!(read(store.highest_time(&cluster)), START + 5);
}

/// Gaps come oldest first, events newest first and in pages.
pub fn gaps_and_events_are_kept_in_order(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let gap = |n| Gap { from: START + n, to: START + n + 60, reason: format!("forward step {n}") };
    let event = |n| Event { kind: "VERIFIER_CLOCK".into(), node: Some(tag(n)), detail: format!("{{\"n\":{n}}}") };
    for n in 0..3 {
        applied(&*store, &cluster, START + n, Change::NoteGap(gap(n)));
        applied(&*store, &cluster, START + n, Change::NoteEvent(event(n)));
    }
    assert_eq!(read(store.gaps(&cluster)), [gap(0), gap(1), gap(2)]);
    let all = read(store.events(&cluster, None, 9));
    let shown = |logged: &LoggedEvent| (logged.time, logged.event.clone());
    let wanted = [(START + 2, event(2)), (START + 1, event(1)), (START, event(0))];
    assert_eq!(all.iter().map(shown).collect::<Vec<_>>(), wanted);
    let newest = all.first().map(|logged| logged.id);
    let rest = read(store.events(&cluster, newest, 1));
    assert_eq!(rest.iter().map(shown).collect::<Vec<_>>(), [(START + 1, event(1))]);
}

/// Pages cover every node once; a label or the beginning of a tag finds its node and no pattern finds more.
pub fn nodes_are_listed_in_pages_and_found_by_label_or_tag(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let mut tags: Vec<NodeTag> = (1..=5).map(|n| read(join(&*store, &cluster, n))).collect();
    tags.sort();
    let mut seen = Vec::new();
    while let page @ [_, ..] = read(store.nodes(&cluster, seen.last(), 2)).as_slice() {
        assert!(page.len() <= 2);
        seen.extend(page.iter().map(|node| node.tag));
    }
    assert_eq!(seen, tags);

    let find = |text: &str| read(store.find_nodes(&cluster, text, 9)).iter().map(|node| node.tag).collect::<Vec<_>>();
    assert_eq!(find("web-3"), [tag(3)]);
    assert_eq!(find(&tag(4).short()), [tag(4)]);
    assert_eq!(find(&tag(4).to_hex()), [tag(4)]);
    assert_eq!(find(&tag(4).to_hex().to_uppercase()), [tag(4)]);
    for nothing in ["", "web", "%", "web-%", "web-3' OR 1=1 --", &format!("{}0", tag(4).to_hex()), "äöü"] {
        assert_eq!(find(nothing), [], "{nothing:?}");
    }
}

/// What does not fit into a row is refused and not cut.
pub fn numbers_beyond_a_row_are_refused(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let node = read(join(&*store, &cluster, 1));
    let mut far = challenge(&node, Head::default(), START);
    far.deadline = u64::MAX;
    let refusal = refused(&*store, &cluster, START, Change::OpenChallenge { node, challenge: far });
    assert_eq!(refusal, Refused::Range { what: "deadline", got: u64::MAX });
    assert_eq!(read(store.open_challenge(&cluster, &node)), None);
    let refusal = refused(&*store, &cluster, u64::MAX, Change::NoteTime);
    assert_eq!(refusal, Refused::Range { what: "now", got: u64::MAX });
    applied(&*store, &cluster, START, Change::NoteTime);
}
