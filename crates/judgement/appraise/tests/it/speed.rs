#![allow(clippy::disallowed_methods)] // It measures time; nothing here is judged by it.
//! A gross bound on cost: an accidental quadratic or a policy copied per round shows here. Real numbers are bench's.

use std::time::{Duration, Instant};

use avouch_appraise::Policy;
use avouch_protocol::Status;

use crate::data;
use crate::machine::{Machine, file};

fn fastest(mut run: impl FnMut()) -> Duration {
    let once = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..20).map(|_| once(&mut run)).min().unwrap()
}

#[test]
fn a_round_costs_little_whatever_the_policy_knows() {
    let mut machine = Machine::with_list(data!("binary_runtime_measurements"));
    machine.ima.extend((0..413).map(|number| file(&format!("/usr/bin/tool{number}"))));
    let mut draft = machine.draft();
    for number in 0..20_000_u32 {
        draft.add_file(&avouch_crypto::sha256(&[&number.to_be_bytes()]), &format!("/usr/share/f{number}")).unwrap();
    }
    for number in 0..30 {
        let path = format!("/usr/bin/new{number}");
        draft.add_file(&crate::machine::content(&path), &path).unwrap();
    }
    let policy = Policy::parse(&draft.to_bytes()).unwrap();
    let first = machine.round(Some(&policy), None);
    let whole = fastest(|| assert_eq!(machine.appraise(&first, Some(&policy), None).verdict.status, Status::Pass));
    let session = machine.appraise(&first, Some(&policy), None).session.unwrap();
    machine.ima.extend((0..30).map(|number| file(&format!("/usr/bin/new{number}"))));
    let next = machine.round(Some(&policy), Some(&session));
    let increment = fastest(|| {
        assert_eq!(machine.appraise(&next, Some(&policy), Some(&session)).verdict.status, Status::Pass);
    });
    println!("780 entries and the boot log: {whole:?}; 30 entries: {increment:?}");
    assert!(whole < Duration::from_millis(50) && increment < Duration::from_millis(25), "{whole:?} {increment:?}");
}
