//! Every interleaving of the runner with those who read and ask, up to a bound on forced switches.

use std::time::Duration;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// What `cell` is written over, as loom has it.
mod sync {
    pub(super) use std::sync::PoisonError;

    pub(super) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
}

#[path = "../../../src/gate/cell.rs"]
#[expect(dead_code, unreachable_pub, reason = "the model has no events, and this is no library")]
mod cell;

use cell::{Ask, StateCell, Unanswered, Wake};

const LONG: Duration = Duration::from_secs(3600);

/// Two halves of one run, which must never be seen apart.
type Halves = (usize, usize);

fn model(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

/// Runs until told to stop; `begun` counts a run as soon as it has begun.
fn run(cell: &StateCell<Halves>, begun: &AtomicUsize) {
    let mut number = 0;
    while cell.wake(LONG) != Wake::Stop {
        cell.begin();
        number += 1;
        begun.store(number, Ordering::SeqCst);
        cell.publish(Arc::new((number, number)));
    }
}

#[test]
fn readers_see_whole_values_and_never_go_back() {
    model(|| {
        let cell = Arc::new(StateCell::new(Arc::new((0, 0))));
        let shared = Arc::clone(&cell);
        let reader = thread::spawn(move || {
            let (first, second) = (*shared.current(), *shared.current());
            assert!(first.0 == first.1 && second.0 == second.1, "torn: {first:?} {second:?}");
            assert!(first <= second, "{second:?} after {first:?}");
        });
        for number in 1..=2 {
            cell.publish(Arc::new((number, number)));
        }
        reader.join().unwrap();
        assert_eq!(*cell.current(), (2, 2));
    });
}

#[test]
fn an_answer_comes_from_a_run_that_began_after_its_question() {
    model(|| {
        let (cell, begun) = (Arc::new(StateCell::new(Arc::new((0, 0)))), Arc::new(AtomicUsize::new(0)));
        let runner = {
            let (cell, begun) = (Arc::clone(&cell), Arc::clone(&begun));
            thread::spawn(move || run(&cell, &begun))
        };
        let other = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || cell.ask(Ask::Nonce([7; 32]), LONG).map(|value| *value))
        };
        let before = begun.load(Ordering::SeqCst);
        let answer = *cell.ask(Ask::Fresh, LONG).unwrap();
        assert!(answer.0 > before, "run {} had begun before it was asked for ({before} had)", answer.0);
        assert!(cell.current().0 >= answer.0, "an answer that is not published yet");
        assert!(other.join().unwrap().is_ok());
        cell.stop();
        runner.join().unwrap();
        assert!(begun.load(Ordering::SeqCst) <= 2, "two questions took more than two runs");
    });
}

#[test]
fn whoever_waits_when_it_ends_is_told() {
    model(|| {
        let cell = Arc::new(StateCell::new(Arc::new((0, 0))));
        let asker = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || cell.ask(Ask::Fresh, LONG).map(|value| *value))
        };
        cell.stop();
        assert_eq!(asker.join().unwrap(), Err(Unanswered::Stopping));
        assert_eq!(cell.wake(LONG), Wake::Stop);
    });
}
