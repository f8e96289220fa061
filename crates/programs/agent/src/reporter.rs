//! From what the collector saw to reports that the TPM has chained.

use std::collections::BTreeSet;
use std::time::Duration;

use avouch_pairs::{Intent, Judged, judge};
use avouch_protocol::{Challenge, Hash, Offsets, Trigger, cap_event};
use avouch_tpm::{Tpm, Transport};

use crate::chain::{Chain, Opened, extend_pcr, read_pcr};
use crate::clock::{Moment, wall_clock};
use crate::collector::{Collector, Observed, ScopeAsked};
use crate::config::Cap;
use crate::error::AgentError;
use crate::hash::sha256;
use crate::state::{Looked, StateDir, StateLock};

/// Events come in bursts; one report tells what a burst came to.
pub const BETWEEN_EVENTS: Duration = Duration::from_secs(10);
/// Reports that wait for the next round, at most. What happens then is told by that round's own report.
const MAX_WAITING: u64 = 30;

/// Makes reports: asks the collector, chains what it says, and caps where it is told to.
#[derive(Debug)]
pub struct Reporter {
    collector: Collector,
    scope: ScopeAsked,
    intent: Option<Intent>,
    cap: Option<Cap>,
    /// Where the server wants reports chained, from its newest challenge.
    wanted: Option<Wanted>,
    /// Codes of the look before that the cap is about.
    before: BTreeSet<String>,
    last_event: Option<Moment>,
    /// The server lacks what the next report would be a difference to.
    anew: bool,
}

/// What a challenge says of reports.
#[derive(Clone, Debug)]
struct Wanted {
    pcr: u8,
    cap_pcr: Option<u8>,
    held: Offsets,
}

/// The reports of a round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// Bytes of each, oldest first; the server has those before.
    pub reports: Vec<Vec<u8>>,
    /// SHA-256 of the newest.
    pub digest: Hash,
}

// === impl Reporter ===

impl Reporter {
    /// A reporter over this collector.
    pub fn new(collector: Collector, scope: ScopeAsked, intent: Option<Intent>, cap: Option<Cap>) -> Self {
        Self { collector, scope, intent, cap, wanted: None, before: BTreeSet::new(), last_event: None, anew: false }
    }

    /// Where events come from.
    pub fn collector(&self) -> &Collector {
        &self.collector
    }

    /// Makes the next round's report stand by itself.
    pub fn begin_anew(&mut self) {
        self.anew = true;
    }

    /// Whether this node could make reports, if it were asked to: there is a collector.
    pub fn is_able(&self) -> bool {
        self.collector.path().exists()
    }

    /// The reports that `challenge` asks for, the newest made now and chained; `None` where it asks for none. `held` is
    /// what the server holds proven.
    ///
    /// # Errors
    /// [`AgentError::Link`] when the collector does not answer: a round that owes a report is not answered without.
    pub fn report<T: Transport>(
        &mut self,
        state: &StateDir,
        lock: &StateLock,
        tpm: &mut Tpm<T>,
        challenge: &Challenge,
        held: &Offsets,
    ) -> Result<Option<Reported>, AgentError> {
        let held = held.clone();
        self.wanted = challenge.chain_pcr.map(|pcr| Wanted { pcr, cap_pcr: challenge.cap_pcr, held });
        let Some(wanted) = self.wanted.clone() else { return Ok(None) };
        let observed = self.collector.observe(self.scope.clone())?;
        let reset_count = tpm.clock()?.reset_count;
        let (mut chain, opened) = Chain::open(state, lock, tpm, reset_count, wanted.pcr, &wanted.held)?;
        tell(opened, wanted.pcr);
        if std::mem::take(&mut self.anew) {
            chain.begin_anew();
        }
        let digest = chain.add(tpm, &observed, Trigger::Slot)?;
        let held = proven(&wanted.held, reset_count);
        let reports = chain.behind(held)?;
        tell_gap(&chain, held, reports.len());
        self.look(state, lock, tpm, &observed, &chain, held)?;
        Ok(Some(Reported { reports, digest }))
    }

    /// Whether an event may become a report now, and else after how long.
    pub fn may_report_event(&self) -> Option<Duration> {
        self.wanted.as_ref()?;
        Some(self.last_event.map_or(Duration::ZERO, |last| last.after(BETWEEN_EVENTS).remaining()))
    }

    /// A report between two rounds, because something happened. False where enough of them wait.
    ///
    /// # Errors
    /// As [`Reporter::report`].
    pub fn report_event<T: Transport>(
        &mut self,
        state: &StateDir,
        lock: &StateLock,
        tpm: &mut Tpm<T>,
    ) -> Result<bool, AgentError> {
        let Some(wanted) = self.wanted.clone() else { return Ok(false) };
        self.last_event = Some(Moment::now());
        let reset_count = tpm.clock()?.reset_count;
        let (mut chain, opened) = Chain::open(state, lock, tpm, reset_count, wanted.pcr, &wanted.held)?;
        tell(opened, wanted.pcr);
        let held = proven(&wanted.held, reset_count);
        if chain.count().saturating_sub(held) >= MAX_WAITING {
            return Ok(false);
        }
        let observed = self.collector.observe(self.scope.clone())?;
        chain.add(tpm, &observed, Trigger::Event)?;
        self.look(state, lock, tpm, &observed, &chain, held)?;
        Ok(true)
    }

    /// What the newest report comes to on this node: for `status`, and for the cap.
    fn look<T: Transport>(
        &mut self,
        state: &StateDir,
        lock: &StateLock,
        tpm: &mut Tpm<T>,
        observed: &Observed,
        chain: &Chain<'_>,
        held: u64,
    ) -> Result<(), AgentError> {
        let judged = judge(&observed.observation, self.intent.as_ref());
        let looked = Looked::of(&judged, wall_clock(), chain.count(), chain.count().saturating_sub(held));
        if let Err(error) = state.keep_looked(lock, &looked) {
            tracing::warn!("{error}; {}", error.remedy());
        }
        self.cap(tpm, &judged)
    }

    /// Extends the cap when a finding that it is about stands in two consecutive looks.
    fn cap<T: Transport>(&mut self, tpm: &mut Tpm<T>, judged: &Judged) -> Result<(), AgentError> {
        let Some(cap) = &self.cap else { return Ok(()) };
        let now: BTreeSet<String> =
            judged.findings.iter().filter(|finding| cap.is_about(&finding.code)).map(|f| f.code.clone()).collect();
        let confirmed: Vec<_> = now.intersection(&self.before).cloned().collect();
        let asked = self.wanted.as_ref().and_then(|wanted| wanted.cap_pcr);
        self.before = now;
        if confirmed.is_empty() {
            return Ok(());
        }
        if asked != Some(cap.pcr) {
            tracing::warn!(
                pcr = cap.pcr,
                "the cap is not extended: the node's policy names another PCR for it, or none"
            );
            return Ok(());
        }
        // Once: any further value would be nobody's.
        if read_pcr(tpm, cap.pcr)? == Hash::ZERO {
            extend_pcr(tpm, cap.pcr, &cap_event(sha256))?;
            tracing::warn!(
                pcr = cap.pcr,
                codes = confirmed.join(" "),
                "capped: this node passes no more until its next boot"
            );
        }
        Ok(())
    }
}

/// Reports that the server holds proven of this boot session.
fn proven(held: &Offsets, reset_count: u32) -> u64 {
    if held.reset_count == Some(reset_count) { held.reports } else { 0 }
}

fn tell(opened: Opened, pcr: u8) {
    match opened {
        Opened::Continued | Opened::New => {}
        Opened::Dropped => tracing::info!("a report that was not chained when a process ended is dropped"),
        Opened::Foreign => tracing::warn!(
            pcr,
            "the chain PCR holds what these reports do not lead to: something else extends it, or reports were lost; \
             the server will say REPORT_WITHHELD until the next boot"
        ),
        Opened::Adopted => tracing::warn!(
            "the server holds reports that this node does not remember making: its state directory was lost or restored"
        ),
    }
}

fn tell_gap(chain: &Chain<'_>, held: u64, sent: usize) {
    let wanted = chain.count().saturating_sub(held);
    if u64::try_from(sent).is_ok_and(|sent| sent < wanted) {
        tracing::warn!(
            wanted,
            sent,
            "reports that the server asks for are not here any more; it will say REPORT_WITHHELD until the next boot"
        );
    }
}

// === impl Cap ===

impl Cap {
    /// Whether a finding of this code is one that the cap is about.
    pub fn is_about(&self, code: &str) -> bool {
        self.on.iter().any(|on| match on.strip_suffix('*') {
            Some(start) => code.starts_with(start),
            None => code == on,
        })
    }
}
