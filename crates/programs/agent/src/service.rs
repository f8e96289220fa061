//! `run`: round after round until told to stop.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use avouch_protocol::Status;
use sd_notify::NotifyState;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::agent::Agent;
use crate::backoff::Backoff;
use crate::clock::Moment;
use crate::collector::Collector;
use crate::config::TpmAddress;
use crate::error::AgentError;
use crate::gate::server::ServerSource;
use crate::receipt::VerifiedReceipt;
use crate::reporter::Reporter;
use crate::tpm;

/// How long the service waits for a one-shot call that holds the TPM.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest sleep without a look at the clock: waits are counted on CLOCK_BOOTTIME, sleeping is not.
const LOOK: Duration = Duration::from_secs(20);
/// Before a collector that went away is tried again; a socket unit starts it at the first try. Doubled each time, until
/// [`AGAIN`].
const SOON: Duration = Duration::from_secs(1);
/// Between two tries at a collector that stays away or hangs up at once.
const AGAIN: Duration = Duration::from_secs(10);
/// The longest interval of the protocol bounds what a server may ask for.
const LONGEST_WAIT: u64 = *avouch_protocol::INTERVAL_RANGE.end();

/// Runs until SIGTERM or SIGINT. A round in progress is finished first; a second signal ends the process at once,
/// which loses nothing (see [`crate::state`]).
///
/// # Errors
/// Only what no waiting heals: this node is not enrolled, or signals cannot be caught.
pub fn run(agent: &mut Agent, address: &TpmAddress) -> Result<(), AgentError> {
    let (sender, wakes) = channel();
    stop_signal(sender.clone()).map_err(AgentError::Signals)?;
    let interval = agent.interval()?;
    if let Some(reporter) = agent.reporter() {
        // What happened while nobody followed is in the next round's report.
        let happened = move |followed| followed == Followed::Back || sender.send(Wake::Event).is_ok();
        follow_events(reporter.collector().clone(), happened).map_err(AgentError::Signals)?;
    }
    let mut service = Service { agent, address, backoff: Backoff::new(interval), ready: false };
    loop {
        let wait = service.attempt()?;
        if service.sleep(wait, &wakes) {
            notify(&[NotifyState::Stopping]);
            return Ok(());
        }
    }
}

/// What ends a sleep, or a part of it.
enum Wake {
    Stop,
    /// The collector says that something happened.
    Event,
}

struct Service<'a> {
    agent: &'a mut Agent,
    address: &'a TpmAddress,
    backoff: Backoff,
    ready: bool,
}

// === impl Service ===

impl Service<'_> {
    /// One round; how long to wait after it.
    fn attempt(&mut self) -> Result<Duration, AgentError> {
        // Fed before each round and while waiting, never during one: a TPM or server that hangs beyond every bound
        // starves the watchdog.
        notify(&[NotifyState::Watchdog]);
        let lock = match self.agent.lock(PATIENCE) {
            Ok(lock) => lock,
            Err(error) => return Ok(self.failed(&error)),
        };
        let result = tpm::open(self.address).and_then(|mut tpm| {
            let result = self.agent.round(&lock, &mut tpm);
            drop(tpm);
            result
        });
        let wait = match &result {
            Err(error @ AgentError::NotEnrolled) => {
                self.told(&error.to_string());
                return Err(AgentError::NotEnrolled);
            }
            Ok(receipt) => self.answered(receipt),
            Err(error) => self.failed(error),
        };
        self.agent.note(&lock, result.as_ref().err(), Some(wait));
        Ok(wait)
    }

    fn answered(&mut self, receipt: &VerifiedReceipt) -> Duration {
        self.backoff.reset();
        let message = receipt.message();
        let line = match message.status {
            Status::Pass => format!("record {}: pass", message.seq),
            status => format!("record {}: {status} {}", message.seq, message.code),
        };
        tracing::info!(seq = message.seq, status = %message.status, code = message.code, next_in = receipt.next_in(), "receipt");
        self.told(&line);
        self.leave_word(receipt);
        // Not zero, whatever the server says: a round is work for the TPM.
        Duration::from_secs(receipt.next_in().clamp(1, LONGEST_WAIT))
    }

    /// For a gate on this machine that is told to ask the server. Where none is, nobody misses it.
    fn leave_word(&mut self, receipt: &VerifiedReceipt) {
        let source = self.agent.reporter().map(|reporter| ServerSource::beside(reporter.collector().path()));
        if let Some(Err(error)) = source.map(|source| source.leave(receipt)) {
            tracing::debug!(%error, "the server's word cannot be left for a gate");
        }
    }

    fn failed(&mut self, error: &AgentError) -> Duration {
        let random = u32::from_be_bytes(avouch_crypto::random());
        let wait = self.backoff.next(random).max(Duration::from_secs(error.retry_in().unwrap_or(0).min(LONGEST_WAIT)));
        tracing::warn!(code = error.code(), next_in = wait.as_secs(), "{error}; to do: {}", error.remedy());
        self.told(&format!("{}: {error}", error.code()));
        wait
    }

    /// Tells systemd; the first contact attempt, good or bad, makes the service ready.
    fn told(&mut self, line: &str) {
        notify(&[NotifyState::Status(line), NotifyState::Watchdog]);
        if !self.ready {
            self.ready = true;
            notify(&[NotifyState::Ready]);
        }
    }

    /// True when it is time to stop. Events that come meanwhile become reports, many at once one.
    fn sleep(&mut self, wait: Duration, wakes: &Receiver<Wake>) -> bool {
        let until = Moment::now().after(wait);
        let mut happened = false;
        loop {
            let left = until.remaining();
            if left.is_zero() {
                return false;
            }
            let due = if happened { self.agent.reporter().and_then(Reporter::may_report_event) } else { None };
            if due.is_some_and(|due| due.is_zero()) {
                happened = false;
                self.report_event();
                continue;
            }
            match wakes.recv_timeout(left.min(LOOK).min(due.unwrap_or(LOOK))) {
                Err(RecvTimeoutError::Timeout) => notify(&[NotifyState::Watchdog]),
                Ok(Wake::Event) => happened = true,
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }

    /// A report between rounds. What fails here is told; the next round's own report tells what this one would have.
    fn report_event(&mut self) {
        let reported = self.agent.lock(PATIENCE).and_then(|lock| {
            let mut tpm = tpm::open(self.address)?;
            self.agent.report_event(&lock, &mut tpm)
        });
        match reported {
            Ok(true) => tracing::info!("something happened: one more report is chained"),
            Ok(false) => {}
            Err(error) => tracing::warn!(code = error.code(), "{error}; to do: {}", error.remedy()),
        }
    }
}

/// What whoever follows a collector learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// The collector answers again, or for the first time after it was looked for in vain: what happened meanwhile was
    /// seen by nobody.
    Back,
    /// Something happened.
    Event,
}

/// Follows the collector's events for as long as the process lives, or until `happened` says that nobody wants them; a
/// collector that ends is followed again.
pub(crate) fn follow_events(
    collector: Collector,
    happened: impl Fn(Followed) -> bool + Send + 'static,
) -> std::io::Result<()> {
    let follow = move || {
        let (mut pause, mut missed) = (SOON, false);
        loop {
            let steady = Moment::now().after(AGAIN);
            if let Ok(events) = collector.events() {
                if missed && !happened(Followed::Back) {
                    return;
                }
                for _ in events.map_while(Result::ok) {
                    if !happened(Followed::Event) {
                        return;
                    }
                }
            }
            missed = true;
            thread::sleep(pause);
            pause = if steady.remaining().is_zero() { SOON } else { pause.saturating_mul(2).min(AGAIN) };
        }
    };
    thread::Builder::new().name("events".to_owned()).spawn(follow).map(|_| ())
}

fn stop_signal(wakes: Sender<Wake>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let catch = move || {
        for (count, _) in signals.forever().enumerate() {
            if count > 0 || wakes.send(Wake::Stop).is_err() {
                std::process::exit(0);
            }
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(catch).map(|_| ())
}

/// Without a service manager nobody listens, and that is fine.
pub(crate) fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}
