//! Grants, attempts, nodes and their keys.

use avouch_protocol::{Hash, NodeProfile};

use super::specimen::{START, answer, ask, cluster, enrolment, grant, hash, join, keys, tag};
use super::{applied, found, read, refused};
use crate::{Assignee, Attempt, Change, Grant, NodeKeys, Outcome, Refused, SqliteStore, Store};

fn attempt(n: u64, expires: u64) -> Attempt {
    let (request, challenge) = (vec![1; 2_000], vec![2; 400]);
    Attempt { id: hash("attempt", n), request, challenge, expected_proof: hash("proof", n), expires }
}

/// A join needs a grant that is known, in time and not used up; the same TPM counts once.
pub fn grant_that_is_unknown_expired_or_used_up_is_refused(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let refusal = refused(&*store, &cluster, START, enrolment(1, 1));
    assert_eq!(refusal, Refused::GrantUnknown(grant().id));

    let two = Grant { uses: 2, ..grant() };
    applied(&*store, &cluster, START, Change::PutGrant(two));
    let late = two.expires + 1;
    let refusal = refused(&*store, &cluster, late, enrolment(1, 1));
    assert_eq!(refusal, Refused::GrantExpired { expires: two.expires, now: late });

    for (n, generation) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
        let outcome = applied(&*store, &cluster, two.expires, enrolment(n, generation));
        assert_eq!(outcome, Outcome::Enrolled { generation: u32::try_from(generation).unwrap_or(0) });
    }
    assert_eq!(found(store.grant(&cluster, &two.id)).used, 2);
    assert_eq!(refused(&*store, &cluster, START, enrolment(3, 1)), Refused::GrantUsedUp { uses: 2 });
    applied(&*store, &cluster, START, enrolment(1, 3));
}

/// A grant may be put again; it neither resets its count nor takes other terms.
pub fn terms_of_a_grant_do_not_change(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    read(join(&*store, &cluster, 1));
    assert_eq!(applied(&*store, &cluster, START, Change::PutGrant(grant())), Outcome::Done);
    let more = Grant { uses: grant().uses + 1, ..grant() };
    assert!(matches!(
        refused(&*store, &cluster, START, Change::PutGrant(more)),
        Refused::Conflict { what: "grant", .. }
    ));
    assert_eq!(found(store.grant(&cluster, &grant().id)), Grant { used: 1, ..grant() });
    assert_eq!(read(store.grant(&cluster, &hash("grant", 9))), None);
}

/// An attempt comes out once and as it went in; an expired or foreign one never does.
pub fn attempt_is_consumed_once(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let (kept, expired) = (attempt(1, START + 60), attempt(2, START + 1));
    applied(&*store, &cluster, START, Change::OpenAttempt(kept.clone()));
    applied(&*store, &cluster, START, Change::OpenAttempt(expired.clone()));
    assert!(matches!(
        refused(&*store, &cluster, START, Change::OpenAttempt(kept.clone())),
        Refused::Conflict { what: "attempt", .. }
    ));
    let consume = |id: Hash| store.apply(&cluster, START + 60, Change::ConsumeAttempt(id));
    assert_eq!(consume(kept.id), Ok(Outcome::Attempt(Box::new(kept.clone()))));
    for gone in [kept.id, expired.id, hash("attempt", 3)] {
        assert_eq!(consume(gone), Err(Refused::AttemptUnknown(gone).into()));
    }
}

/// Only so many attempts are kept; expired ones make room.
pub fn attempts_are_bounded_and_expired_ones_swept(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let limit = SqliteStore::MAX_OPEN_ATTEMPTS;
    for n in 0..u64::try_from(limit).unwrap_or(0) {
        let expires = if n == 0 { START + 1 } else { START + 100 };
        store.submit(&cluster, START, Change::OpenAttempt(attempt(n, expires)), Box::new(|_| ()));
    }
    let next = || Change::OpenAttempt(attempt(1_000_000, START + 200));
    assert_eq!(refused(&*store, &cluster, START + 1, next()), Refused::TooManyAttempts { limit });
    applied(&*store, &cluster, START + 2, next());
}

/// A re-enrolment counts up, keeps label, policy and chain, and starts without session and verdict. All generations
/// of the keys stay readable.
pub fn new_generation_keeps_the_chain_and_drops_what_the_old_key_proved(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    let node = read(join(&*store, &cluster, 1));
    applied(&*store, &cluster, START, Change::PutPolicy { name: "base".into(), bytes: vec![1] });
    let policy = Some(crate::evidence::digest(&[1]));
    applied(&*store, &cluster, START, Change::AssignPolicy { to: Assignee::Node(node), policy });
    let challenge = read(ask(&*store, &cluster, &node, START));
    let commit = answer(&node, Default::default(), &challenge, b"evidence", START + 1);
    applied(&*store, &cluster, START + 1, Change::CommitRecord(Box::new(commit)));
    let before = found(store.node(&cluster, &node));
    assert!(before.session.is_some() && before.verdict.is_some() && before.last_reset_count.is_some());

    let keys_now = Box::new(keys(1, 2));
    let again = Change::Enrol { node, grant: grant().id, label: None, keys: keys_now.clone() };
    assert_eq!(applied(&*store, &cluster, START + 9, again), Outcome::Enrolled { generation: 2 });
    let after = found(store.node(&cluster, &node));
    assert_eq!((after.generation, after.enrolled_at, &after.keys), (2, START + 9, &*keys_now));
    assert_eq!((&after.label, after.policy, after.head), (&before.label, policy, before.head));
    assert_eq!((after.session, after.verdict, after.last_reset_count), (None, None, None));
    let history = read(store.key_history(&cluster, &node));
    assert_eq!(history, [(1, START, keys(1, 1)), (2, START + 9, keys(1, 2))]);
}

/// No EK Name, AK Name or client key ever belongs to two nodes, and a tag never changes its EK.
pub fn key_of_another_node_is_refused(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    read(join(&*store, &cluster, 1));
    applied(&*store, &cluster, START, enrolment(1, 2));
    let (first, second, fresh) = (keys(1, 1), keys(1, 2), keys(2, 1));
    let enrol = |n: u64, keys| {
        let change = Change::Enrol { node: tag(n), grant: grant().id, label: None, keys: Box::new(keys) };
        match refused(&*store, &cluster, START, change) {
            Refused::Conflict { what, owner } => {
                assert_eq!(owner, tag(1).to_hex());
                what
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(enrol(1, fresh.clone()), "node_tag");
    let mut stolen = fresh.clone();
    stolen.ek_name.clone_from(&second.ek_name);
    assert_eq!(enrol(2, stolen), "ek_name");
    for of in [first, second] {
        let mut stolen = fresh.clone();
        stolen.ak_name.clone_from(&of.ak_name);
        assert_eq!(enrol(2, stolen), "ak_name");
        let mut stolen = fresh.clone();
        stolen.client_spki = of.client_spki;
        assert_eq!(enrol(2, stolen), "client_spki");
        // Neither as its own name nor beside another one does an endorsement key come to a second node.
        let further = of.further_eks.first().map(|further| further.name.clone()).unwrap_or_default();
        let mut stolen = fresh.clone();
        stolen.ek_name.clone_from(&further);
        assert_eq!(enrol(2, stolen), "ek_name");
        let mut stolen = fresh.clone();
        stolen.further_eks.clone_from(&of.further_eks);
        assert_eq!(enrol(2, stolen), "ek_name");
    }
    applied(&*store, &cluster, START, enrolment(2, 1));
}

/// A TPM that was known by a strong profile is never known by a weaker one, whatever came between.
pub fn weaker_profile_is_refused_for_ever(open: &dyn Fn() -> Box<dyn Store>) {
    use NodeProfile::{EkAllowlist, EkCert, Tofu};
    let (store, cluster) = (open(), cluster());
    applied(&*store, &cluster, START, Change::PutGrant(grant()));
    let enrol = |generation, profile| {
        let keys = Box::new(NodeKeys { profile, ..keys(1, generation) });
        store.apply(&cluster, START, Change::Enrol { node: tag(1), grant: grant().id, label: None, keys })
    };
    assert_eq!(enrol(1, Tofu), Ok(Outcome::Enrolled { generation: 1 }));
    assert_eq!(enrol(2, EkCert), Ok(Outcome::Enrolled { generation: 2 }));
    for got in [Tofu, EkAllowlist] {
        assert_eq!(enrol(3, got), Err(Refused::WeakerProfile { known: EkCert, got }.into()));
    }
    assert_eq!(found(store.node(&cluster, &tag(1))).keys.profile, EkCert);
    assert_eq!(enrol(3, EkCert), Ok(Outcome::Enrolled { generation: 3 }));
}

/// What a refused enrolment touched before its refusal is as it was.
pub fn refused_enrolment_leaves_nothing(open: &dyn Fn() -> Box<dyn Store>) {
    let (store, cluster) = (open(), cluster());
    read(join(&*store, &cluster, 1));
    let mut stolen = keys(2, 1);
    stolen.client_spki = keys(1, 1).client_spki;
    let change = Change::Enrol { node: tag(2), grant: grant().id, label: None, keys: Box::new(stolen) };
    refused(&*store, &cluster, START, change);
    assert_eq!(read(store.node(&cluster, &tag(2))), None);
    assert_eq!(found(store.grant(&cluster, &grant().id)).used, 1);
    // The names that were claimed before the conflict was met are free: node 3 may have them.
    let mut freed = keys(3, 1);
    (freed.ek_name, freed.ak_name) = (keys(2, 1).ek_name, keys(2, 1).ak_name);
    let change = Change::Enrol { node: tag(3), grant: grant().id, label: None, keys: Box::new(freed) };
    assert_eq!(applied(&*store, &cluster, START, change), Outcome::Enrolled { generation: 1 });
}
