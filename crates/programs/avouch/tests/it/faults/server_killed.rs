//! kill -9 of `avouch serve` under load.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use avouch_agent::AgentError;
use avouch_agent::http::HttpError;
use avouch_server::api::NodeView;
use avouch_testkit::{Machine, TPMS, skip_without_swtpm};

use super::instants::{Instants, until};
use super::ledger::acknowledged_are_there;
use super::member::Member;
use super::programs::{Verifier, json};

const KILLS: u32 = 200;
/// A kill comes within this after its trigger.
const SPREAD: Duration = Duration::from_millis(60);
/// Longest wait for a trigger; hitting it only makes the kill come earlier than meant.
const TRIGGER: Duration = Duration::from_secs(2);
/// One of so many receipts is followed by a new enrolment of one member.
const ENROLMENTS: usize = 6;

/// What members met.
#[derive(Default)]
struct Met {
    /// Requests that broke, by route; that nobody listens afterwards is not counted.
    broken: BTreeMap<&'static str, u32>,
    /// Requests that the server refused, by code.
    refused: BTreeMap<String, u32>,
}

/// Works until it is told to stop and everything it sent has its receipt. `enrols` members join again now and then.
fn work(member: &mut Member, enrols: bool, stop: &AtomicBool, receipts: &Sender<()>) -> Met {
    let mut met = Met::default();
    let mut down = false;
    loop {
        let before = member.acknowledged.len();
        let result = member.step();
        let was_down = std::mem::replace(&mut down, result.is_err());
        match result {
            Ok(()) if member.acknowledged.len() > before => {
                receipts.send(()).unwrap();
                if stop.load(Ordering::SeqCst) {
                    return met;
                }
                if enrols && member.acknowledged.len().is_multiple_of(ENROLMENTS) {
                    member.enrol_again();
                }
            }
            Ok(()) => (),
            Err(AgentError::Http(HttpError::Unreachable { .. } | HttpError::Tls { .. })) => {
                if !was_down {
                    *met.broken.entry(member.asked).or_default() += 1;
                }
                // Nobody listens; the next server needs the processor more than this loop does.
                std::thread::park_timeout(Duration::from_millis(2));
            }
            Err(AgentError::Http(HttpError::Refused(refusal))) => {
                *met.refused.entry(refusal.code.clone()).or_default() += 1;
                assert!(
                    met.refused.values().sum::<u32>() < 100,
                    "refused all the time: {:?}, {refusal:?}",
                    met.refused
                );
            }
            Err(error) => panic!("{}: {error}", error.code()),
        }
    }
}

/// Waits for so many receipts of this life, then lets a random time pass.
fn choose_instant(instants: &mut Instants, receipts: &Receiver<()>) {
    while receipts.try_recv().is_ok() {}
    let trigger = instants.below(6).saturating_sub(2);
    let deadline = Instant::now() + TRIGGER;
    for _ in 0..trigger {
        let _ = receipts.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
    instants.let_pass(SPREAD);
}

#[test]
fn server_killed_at_random_instants_loses_no_acknowledged_record() {
    let Some(factory) = skip_without_swtpm().unwrap() else { return };
    let mut instants = Instants::new();
    let mut verifier = Verifier::new(&factory, None);
    verifier.start();
    let token = verifier.token(100_000);
    let member = |which| Member::new(Machine::new(&factory, which).unwrap(), &format!("node {which}"), token.clone());
    let mut members: Vec<_> = (0..TPMS).map(member).collect();
    let stop = AtomicBool::new(false);
    let (sender, receipts) = channel();
    let started = Instant::now();

    let met: Vec<Met> = std::thread::scope(|scope| {
        let spawn = |(which, member)| {
            let (sender, stop) = (sender.clone(), &stop);
            scope.spawn(move || work(member, which == 0, stop, &sender))
        };
        let workers: Vec<_> = members.iter_mut().enumerate().map(spawn).collect();
        for _ in 0..KILLS {
            choose_instant(&mut instants, &receipts);
            verifier.kill();
            verifier.start();
            // A worker that ended has panicked; its message is shown when it is joined.
            if workers.iter().any(|worker| worker.is_finished()) {
                break;
            }
        }
        stop.store(true, Ordering::SeqCst);
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });

    let took = started.elapsed();
    let operator = verifier.operator();
    let mut acknowledged = 0;
    for member in &members {
        let node = member.tag().unwrap();
        acknowledged_are_there(&operator, &node, &member.acknowledged);
        acknowledged += member.acknowledged.len();
        let view: NodeView = json(&operator.get(&format!("/v1/nodes/{}", node.to_hex())).unwrap());
        assert!(member.generations.is_sorted_by(|a, b| a < b), "{:?}", member.generations);
        assert_eq!(Some(&view.generation), member.generations.last(), "the acknowledged enrolment is not the last one");
    }
    until("the server is ready", Duration::from_secs(10), || {
        (verifier.anonymous().get("/readyz").unwrap().status == 200).then_some(())
    });
    let mut broken = BTreeMap::<_, u32>::new();
    met.iter().flat_map(|met| &met.broken).for_each(|(route, count)| *broken.entry(*route).or_default() += count);
    let refused: Vec<_> = met.iter().map(|met| &met.refused).collect();
    let enrolments: usize = members.iter().map(|member| member.generations.len()).sum();
    println!(
        "counted: {KILLS} kills of the server, {acknowledged} acknowledged records and {enrolments} enrolments of \
         {TPMS} nodes, each there once; requests that broke by route {broken:?}, refusals {refused:?}; slowest start \
         {:?}, {took:?} in all",
        verifier.slowest_start
    );
    assert!(acknowledged >= 100, "only {acknowledged} records: the load was no load");
    for route in ["/v1/enroll", "/v1/challenge", "/v1/evidence"] {
        assert!(broken.contains_key(route), "no kill hit {route}: {broken:?}");
    }
}
