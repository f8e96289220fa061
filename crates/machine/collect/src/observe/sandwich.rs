//! One unit, read so that a change between the witnesses shows.

use std::time::{Duration, Instant};

use avouch_kernel::{Kernel, Pass};
use avouch_pairs::{Observation, Reading, Subject, attribute};
use avouch_systemd::{Manager, SystemdError, UnitRef, UnitState};

use super::Read;

/// How often a unit is read before it counts as racing.
const ATTEMPTS: u8 = 3;
/// How long is waited before the second and the third time: a restart of a small service takes tens of milliseconds.
const BACKOFF: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];
/// How long after a change of its state a unit may have processes that do not run their own program yet. Until then
/// they are systemd's, with all of its privileges, and systemd calls the unit active already.
const YOUNG: Duration = Duration::from_secs(10);
/// Ends of the paths of the programs that such a process shows: PID 1's own, or since systemd 255 its executor.
const UNEXECUTED: [&str; 2] = ["/systemd/systemd", "/systemd/systemd-executor"];
/// What stands for processes that two readings of systemd and one of the kernel between them do not agree on.
const RESTLESS: &str = "processes came and went during every reading";

/// Both witnesses of a unit.
pub(super) struct Sandwich<'a, 'k> {
    pub(super) manager: &'a mut Manager,
    pub(super) kernel: &'a Kernel,
    pub(super) pass: &'a Pass<'k>,
    /// When no more attempts are made.
    pub(super) until: Instant,
}

/// What one attempt saw.
struct Attempt {
    state: UnitState,
    kernel: Subject,
    main_start: u64,
    /// The run, the limits and the main process stayed.
    steady: bool,
    /// Both witnesses may be held against each other over the processes.
    processes: Census,
}

/// What the two lists of processes come to.
enum Census {
    /// Nothing changed, or the witnesses agree.
    Settled,
    /// systemd's second list, which agrees with the kernel's.
    Later(Reading),
    /// systemd's lists differ from each other and from the kernel's.
    Restless,
}

// === impl Sandwich ===

impl Sandwich<'_, '_> {
    /// Reads until it stands still; `None` for a unit that went away, unless it was asked for by its name.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub(super) fn read(mut self, unit: &UnitRef, named: bool) -> Result<Option<Read>, SystemdError> {
        let mut attempts = 1;
        loop {
            let fresh;
            let pass = match attempts {
                1 => self.pass,
                // What the shared pass remembers is from before the change.
                _ => {
                    fresh = self.kernel.begin();
                    &fresh
                }
            };
            let seen = attempt(self.manager, self.kernel, pass, unit)?;
            if gone(&seen.state) && !named {
                return Ok(None);
            }
            let settled = seen.steady && !matches!(seen.processes, Census::Restless);
            if settled || attempts == ATTEMPTS || !self.wait(attempts) {
                return Ok(Some(seen.finish(unit, attempts)));
            }
            attempts += 1;
        }
    }

    /// Waits before the next attempt; false where the time is up.
    fn wait(&mut self, attempts: u8) -> bool {
        let pause = BACKOFF.get(usize::from(attempts) - 1).copied().unwrap_or_default();
        let enough = Instant::now() + pause < self.until;
        if enough {
            std::thread::sleep(pause);
        }
        enough
    }
}

fn attempt(manager: &mut Manager, kernel: &Kernel, pass: &Pass<'_>, unit: &UnitRef) -> Result<Attempt, SystemdError> {
    let state = manager.unit(unit)?;
    let main = state.identity.main_pid;
    let start = || if main == 0 { Some(0) } else { kernel.process_start(main) };
    let before = start();
    // Once no process is systemd's fork any more, what is read after that is of the programs.
    let all_executed = |exe: &Reading| is_adopted(unit) || all_executed(&state, exe);
    let executed = !is_young(&state) || all_executed(&pass.programs(&state.ask));
    let seen = pass.unit(&state.ask);
    let executed = executed && seen.facts.get(&attribute::EXE).is_none_or(|exe| all_executed(&exe.kernel));
    let lives = before.is_some() && before == start();
    let steady = manager.unchanged(unit, &state)? && lives && executed;
    let processes = census(manager, unit, &state, &seen)?;
    Ok(Attempt { state, kernel: seen, main_start: before.unwrap_or_default(), steady, processes })
}

/// Whether none of these programs is still systemd's fork, where the unit does not run systemd itself (`user@.service`
/// does).
fn all_executed(state: &UnitState, exe: &Reading) -> bool {
    let exes = exe.value().unwrap_or_default();
    let started = state.facts.get(&attribute::EXE).and_then(|fact| fact.orchestrator.value()).unwrap_or_default();
    let paths = exes.lines().map(|line| line.split('\t').next().unwrap_or_default());
    let fork = |path: &str| UNEXECUTED.iter().any(|end| path.ends_with(end)) && !started.lines().any(|own| own == path);
    !paths.into_iter().any(fork)
}

/// Whether systemd did not start the unit's processes itself: those of a scope ran before it took them in, and its own
/// (`init.scope`) runs nothing but systemd.
fn is_adopted(unit: &UnitRef) -> bool {
    unit.name.ends_with(".scope")
}

fn is_young(state: &UnitState) -> bool {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let now = Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default());
    let last = state.identity.active_enter_usec.max(state.identity.state_change_usec);
    now.saturating_sub(Duration::from_micros(last)) < YOUNG
}

/// systemd's list is asked for again only where the kernel's is another.
fn census(manager: &mut Manager, unit: &UnitRef, state: &UnitState, kernel: &Subject) -> Result<Census, SystemdError> {
    let first = state.facts.get(&attribute::PROCESSES).map(|fact| &fact.orchestrator);
    let seen = kernel.facts.get(&attribute::PROCESSES).map(|fact| &fact.kernel);
    let (Some(first @ (Reading::Value(_) | Reading::Absent)), Some(seen @ (Reading::Value(_) | Reading::Absent))) =
        (first, seen)
    else {
        return Ok(Census::Settled);
    };
    if first == seen {
        return Ok(Census::Settled);
    }
    let second = manager.processes(unit)?;
    Ok(match (second == *seen, second == *first) {
        (true, _) => Census::Later(second),
        (false, true) => Census::Settled,
        (false, false) => Census::Restless,
    })
}

/// Whether systemd has nothing of this unit any more.
fn gone(state: &UnitState) -> bool {
    matches!(state.identity.active_state.as_str(), "" | "inactive")
}

// === impl Attempt ===

impl Attempt {
    fn finish(self, unit: &UnitRef, attempts: u8) -> Read {
        let Self { mut state, kernel, main_start, steady, processes } = self;
        if let Some(fact) = state.facts.get_mut(&attribute::PROCESSES) {
            match processes {
                Census::Settled => {}
                Census::Later(reading) => fact.orchestrator = reading,
                Census::Restless => fact.orchestrator = Reading::Unreadable(RESTLESS.into()),
            }
        }
        let identity = Some(state.identity.reported(main_start, attempts, steady));
        let mut both = Observation::default();
        both.subjects.insert(unit.name.clone(), Subject { identity, facts: state.facts });
        let mut theirs = Observation::default();
        theirs.subjects.insert(unit.name.clone(), kernel);
        both.join(theirs);
        let subject = both.subjects.remove(&unit.name).unwrap_or_default();
        Read { subject, ask: state.ask }
    }
}
