//! The one thread that attests: at once, then every interval, when something happened, and when somebody asks.
//!
//! ```text
//! server's word ─▶ facts (the quote last) ─▶ appraise ─▶ prepare ─▶ audit line, fsync ─▶ publish ─▶ incident
//! ```
//! A run that the audit log does not take fails the machine. Nothing is half-published: readers have the old standing
//! until the line is on disk, and then the new one.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use avouch_attestor::audit::Tail;
use avouch_attestor::{
    Appraisal, Hash, HmacKey, Incident, Machine, Moment, NothingToAcknowledge, Reading, References, ServerWord,
    Settings, Standing, State, Trigger, appraise,
};
use sd_notify::NotifyState;

use super::audit::AuditLog;
use super::cell::{Ask, StateCell, Unanswered, Wake};
use super::facts::{self, Reader, Request};
use super::http::{Attestor, NotRefreshed, Server};
use super::server::ServerSource;
use super::webhook::Webhook;
use super::{GateError, settings};
use crate::clock::Moment as Clock;
use crate::service::notify;

/// Longest sleep without a look at the clock and the watchdog.
const LOOK: Duration = Duration::from_secs(20);
/// The same where the server's word counts: a file of some hundred bytes is read.
const LISTEN: Duration = Duration::from_secs(5);
/// From the beginning of a run to one that an event asks for: a unit that restarts in a loop must not take more of the
/// TPM and the CPU than a caller may.
const AFTER_EVENT: Duration = Duration::from_secs(5);
/// Longest wait of a caller for a run; the edge gives up before.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the runner and those who ask it share.
pub(super) struct Desk {
    cell: StateCell<Standing>,
    /// Who acknowledged since the last run began.
    acknowledged: Mutex<Vec<String>>,
    /// Secrets were read anew since the last run began.
    reloaded: AtomicBool,
}

/// Owns everything that a run changes.
pub(super) struct Runner {
    settings: Settings,
    reader: Reader,
    machine: Machine,
    audit: AuditLog,
    desk: Arc<Desk>,
    credentials: Option<PathBuf>,
    server: Option<ServerSource>,
    /// What the server said at the last run.
    heard: Option<ServerWord>,
    webhook: Option<Webhook>,
    /// State and failures that were told last.
    told: Option<Told>,
}

/// What makes two runs the same to people: not times, not digests.
type Told = (State, Vec<(&'static str, String)>);

// === impl Desk ===

impl Desk {
    /// Something happened on the machine.
    pub(super) fn event(&self) {
        self.cell.event();
    }

    /// Secrets were read anew: the next bundle is to be signed with the key that holds now.
    pub(super) fn reloaded(&self) {
        self.reloaded.store(true, Ordering::Release);
        self.cell.event();
    }

    /// Ends the runner.
    pub(super) fn stop(&self) {
        self.cell.stop();
    }
}

impl Attestor for Desk {
    fn now(&self) -> Moment {
        facts::now()
    }

    fn standing(&self) -> Arc<Standing> {
        self.cell.current()
    }

    fn refresh(&self, nonce: Option<Hash>) -> Result<Arc<Standing>, NotRefreshed> {
        let ask = nonce.map_or(Ask::Fresh, |nonce| Ask::Nonce(nonce.0));
        self.cell.ask(ask, PATIENCE).map_err(|why| match why {
            Unanswered::Busy => NotRefreshed::Busy,
            Unanswered::Late => NotRefreshed::Slow,
            Unanswered::Stopping => NotRefreshed::Stopping,
        })
    }

    fn acknowledge(&self, by: &str) -> Result<(), NothingToAcknowledge> {
        let standing = self.standing();
        let view = standing.at(self.now());
        let waits = view.latched() || view.bundle().is_some_and(|bundle| bundle.state != State::Attested);
        if !waits {
            return Err(NothingToAcknowledge);
        }
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(by.to_owned());
        Ok(())
    }
}

// === impl Runner ===

impl Runner {
    /// A runner that has not run yet. The audit log's last line says whether a failure is still latched.
    pub(super) fn new(
        settings: Settings,
        reader: Reader,
        webhook: Option<Webhook>,
        server: Option<ServerSource>,
    ) -> Self {
        let mut audit = AuditLog::at(&settings.audit_log_path);
        let tail = audit.tail().map_err(|error| tracing::error!("{error}; to do: {}", error.remedy())).ok();
        let machine = Machine::new(&settings, tail.as_ref());
        let desk = Desk {
            cell: StateCell::new(machine.standing()),
            acknowledged: Mutex::default(),
            reloaded: AtomicBool::default(),
        };
        let desk = Arc::new(desk);
        let credentials = settings::credentials();
        Self { settings, reader, machine, audit, desk, credentials, server, heard: None, webhook, told: None }
    }

    /// What callers ask.
    pub(super) fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }

    /// Runs until told to stop.
    ///
    /// # Errors
    /// [`GateError::NotAnswering`] when the thread that answers ended: a gate that nobody can ask must be started anew.
    pub(super) fn run(mut self, server: &Server) -> Result<(), GateError> {
        let (mut due, mut begun, mut happened) = (Clock::now(), None::<Clock>, None);
        let look = if self.server.is_some() { LISTEN } else { LOOK };
        let soonest = |begun: Option<Clock>| begun.map_or(Duration::ZERO, |begun| begun.after(AFTER_EVENT).remaining());
        loop {
            let event_in = if happened.is_some() { soonest(begun) } else { look };
            let wake = self.desk.cell.wake(due.remaining().min(event_in).min(look));
            notify(&[NotifyState::Watchdog]);
            if !server.is_running() {
                return Err(GateError::NotAnswering);
            }
            happened = happened.or_else(|| self.happened(wake));
            let trigger = match wake {
                Wake::Stop => return Ok(()),
                _ if begun.is_none() => Trigger::Start,
                Wake::Asked => Trigger::Request,
                _ if due.remaining().is_zero() => Trigger::Interval,
                _ => match happened.filter(|_| soonest(begun).is_zero()) {
                    Some(trigger) => trigger,
                    None => continue,
                },
            };
            begun = Some(Clock::now());
            happened = None;
            self.attest(trigger);
            due = Clock::now().after(self.settings.refresh_interval);
        }
    }

    /// What makes another run worthwhile before its time.
    fn happened(&self, wake: Wake) -> Option<Trigger> {
        if wake == Wake::Event {
            let reloaded = self.desk.reloaded.swap(false, Ordering::AcqRel);
            return Some(if reloaded { Trigger::Reload } else { Trigger::Event });
        }
        let heard = self.heard.as_ref()?;
        self.server.as_ref().is_some_and(|server| server.says_other_than(heard)).then_some(Trigger::Server)
    }

    /// One run, from asking to publishing.
    fn attest(&mut self, trigger: Trigger) {
        let ask = self.desk.cell.begin();
        let trigger = if self.take_acknowledgements() { Trigger::Acknowledgement } else { trigger };
        let baseline = facts::baseline(&self.settings);
        let server = self.server.as_ref().map(ServerSource::word);
        self.heard.clone_from(&server);
        let nonce = match ask {
            Ask::Fresh => None,
            Ask::Nonce(nonce) => Some(Hash(nonce)),
        };
        let known = baseline.as_ref().and_then(|baseline| baseline.as_ref().ok());
        let facts = self.reader.read(Request { nonce, server }, known);
        let references = References { baseline: baseline.as_ref(), first_seen: self.machine.first_seen() };
        let appraisal = appraise(&facts, &self.settings, &references).triggered_by(trigger);
        let key = settings::hmac_key(&self.settings, self.credentials.as_deref());
        let standing = self.record(appraisal, &key);
        self.desk.cell.publish(Arc::clone(&standing));
        self.tell(&standing);
    }

    /// Whether anything was acknowledged.
    fn take_acknowledgements(&mut self) -> bool {
        let acknowledged = std::mem::take(&mut *self.desk.acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
        let mut taken = false;
        for by in acknowledged {
            match self.machine.acknowledge(&by, facts::now()) {
                Ok(()) => {
                    taken = true;
                    tracing::info!("acknowledged by {by}");
                }
                Err(nothing) => tracing::info!("acknowledged by {by}: {nothing}"),
            }
        }
        taken
    }

    /// The line first, then the standing.
    fn record(&mut self, appraisal: Appraisal, key: &Reading<HmacKey>) -> Arc<Standing> {
        let tail = self.audit.tail();
        let prepared = self.machine.prepare(appraisal, key, tail.as_ref().unwrap_or(&Tail::EMPTY));
        match tail.and_then(|_| self.audit.append(prepared.line(), prepared.tail())) {
            Ok(()) => self.machine.publish(prepared),
            Err(error) => self.machine.withhold(prepared, key, &format!("{error}; to do: {}", error.remedy())),
        }
    }

    /// Journal, systemd and the webhook: once for each change, so that a machine that stays degraded does not fill them.
    fn tell(&mut self, standing: &Standing) {
        let Some(bundle) = standing.at(facts::now()).bundle() else { return };
        let findings = bundle.findings.iter().map(|finding| (finding.code.code(), finding.subject.clone()));
        let told = (bundle.state, findings.collect());
        if self.told.as_ref() == Some(&told) {
            return;
        }
        self.told = Some(told);
        match bundle.state {
            State::Attested => tracing::info!("attested"),
            state => tracing::warn!("{state}"),
        }
        for finding in &bundle.findings {
            tracing::warn!(code = finding.code.code(), critical = finding.critical, "{}", finding.text);
        }
        let line = match bundle.findings.as_slice() {
            [] => bundle.state.word().to_owned(),
            [first, ..] => format!("{}: {} {}", bundle.state, first.code, first.subject),
        };
        notify(&[NotifyState::Status(&line)]);
        let report = Incident::of(bundle).and_then(|incident| serde_json::to_vec(&incident).ok());
        if let (Some(webhook), Some(body)) = (&self.webhook, report) {
            webhook.report(body);
        }
    }
}
