//! Third step: what the proven logs mean under a policy.

mod boot;
mod coverage;
mod firmware;
mod ima;

pub(crate) use self::boot::BootJudged;
use self::boot::SentLog;
use avouch_protocol::{Challenge, Hash, KeyLost};

use crate::chain::{self, ProvenReports};
use crate::code::{ClaimName, FindingCode};
use crate::finding::{Finding, Findings};
use crate::identity::Identity;
use crate::levels::{self, Seen};
use crate::policy::Policy;
use crate::quote::AuthenticQuote;
use crate::replay::{ReplayedLogs, Unproven};
use crate::seen::{Forgetful, SeenSignatures};
use crate::session::{BootProof, ImaProof, Proven, Session};
use crate::track::{Moment, Pace, Track};
use crate::verdict::{SessionFacts, Verdict};

/// What the caller knows beside the evidence.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Unix seconds of server time at which the evidence came: what windows and expiries are compared with.
    pub now: u64,
    /// Unix seconds of server time at which the verdict expires: the end of the round after the challenge's, and the
    /// grace.
    pub expires: u64,
    /// SHA-256 of the Name of the node's endorsement key; a boot that was recorded with it cannot approve the node.
    pub ek: Hash,
    /// What to say of the TPM in every verdict, e.g. `software TPM: evaluation only`.
    pub tpm: Option<&'a str>,
    /// Who vouched for the TPM when the node enrolled.
    pub identity: Identity<'a>,
}

/// The verdict, and what to keep of the node until its next evidence. Only this crate makes one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Appraisal {
    /// The verdict.
    pub verdict: Verdict,
    /// The session to store; `None` leaves the node as it was before its first authentic quote.
    pub session: Option<Session>,
    /// What the node's proven reports show; `None` where none came, or none is proven.
    pub reports: Option<ProvenReports>,
}

impl Appraisal {
    /// Judges an authentic quote. Evaluation always runs to its end, so that the verdict names everything that is
    /// wrong, not only the first thing.
    ///
    /// `previous` is the session that was given to [`AuthenticQuote::authenticate`] and [`ReplayedLogs::replay`].
    /// Without a policy, with empty sections in it, or with logs that do not explain the quote the verdict is
    /// unverifiable, never a pass.
    pub fn judge(
        logs: Result<ReplayedLogs<'_>, Unproven>,
        policy: Option<&Policy>,
        previous: Option<&Session>,
        context: &Context<'_>,
    ) -> Self {
        Self::judge_remembering(logs, policy, previous, context, &Forgetful)
    }

    /// The same with a memory of file signatures that were good before, which saves time and changes no verdict.
    pub fn judge_remembering(
        logs: Result<ReplayedLogs<'_>, Unproven>,
        policy: Option<&Policy>,
        previous: Option<&Session>,
        context: &Context<'_>,
        seen: &dyn SeenSignatures,
    ) -> Self {
        match logs {
            Ok(logs) => judge_logs(&logs, policy, previous, context, seen),
            Err(unproven) => judge_unproven(&unproven, previous, context),
        }
    }

    /// The agent says that its key no longer loads. That is believed to the node's own harm only: the pass ends.
    ///
    /// The caller has checked that the notice names the open challenge and came over the node's own client key.
    pub fn key_lost(
        notice: &KeyLost,
        challenge: &Challenge,
        previous: Option<&Session>,
        context: &Context<'_>,
    ) -> Self {
        let mut findings = Findings::default();
        findings.push(FindingCode::TpmCleared, || {
            let evidence = format!("TPM2_Load answered {:#05x} for the enrolled attestation key", notice.tpm_rc);
            Finding::new(FindingCode::TpmCleared, evidence)
        });
        let mut verdict = Verdict::empty(challenge, context);
        verdict.coverage = coverage::nothing("the node could not quote");
        verdict.conclude(&findings, &[]);
        Self { verdict, session: previous.cloned().map(Session::forget_proof), reports: None }
    }
}

fn judge_unproven(unproven: &Unproven, previous: Option<&Session>, context: &Context<'_>) -> Appraisal {
    let quote = &unproven.quote;
    let mut findings = Findings::default();
    let (track, fork) = note_session(quote, previous, context, &mut findings);
    note_fork(fork, &mut findings);
    findings.push(unproven.code, || Finding::new(unproven.code, unproven.detail.clone()));
    let mut verdict = Verdict::empty(&quote.challenge, context);
    verdict.session = Some(session_facts(quote, 0));
    verdict.coverage = coverage::nothing("the logs do not explain the quote");
    coverage::always(quote.selection, &mut verdict.coverage);
    let judged: &[ClaimName] = match unproven.code.facts().claim {
        ClaimName::Session => &[ClaimName::Quote],
        _ => &[ClaimName::Quote, ClaimName::Session],
    };
    verdict.conclude(&findings, judged);
    // What was proven earlier in this boot session stays judged; its logs are shown again to prove it anew.
    let same = previous.filter(|session| session.clock.reset_count == quote.clock.reset_count);
    let proven = same.and_then(|session| session.proven.clone());
    // The PCR keeps its value, whoever explains it: what was proven of the chain stays proven.
    let chain = previous.and_then(|session| session.chain.clone());
    let session = Session { clock: quote.clock, firmware: quote.firmware, proven, track, owes_all: true, chain };
    Appraisal { verdict, session: Some(session), reports: None }
}

fn judge_logs(
    logs: &ReplayedLogs<'_>,
    policy: Option<&Policy>,
    previous: Option<&Session>,
    context: &Context<'_>,
    seen: &dyn SeenSignatures,
) -> Appraisal {
    let quote = &logs.quote;
    let mut judgement = Judgement::default();
    let (track, fork) = note_session(quote, previous, context, &mut judgement.momentary);
    let mut verdict = Verdict::empty(&quote.challenge, context);
    verdict.session = Some(session_facts(quote, logs.ima.proof.count));
    let sent = logs.boot.sent.as_ref().map(|log| SentLog::of(log, quote.selection.bank));
    verdict.booted = sent.as_ref().map(|sent| boot::summary(&sent.state));
    let mut judged = vec![ClaimName::Quote, ClaimName::Session, ClaimName::Logs];
    let policy = applicable(policy, &quote.challenge, &mut judgement.momentary);
    let mut proof = logs.ima.proof.clone();
    let mut boot = logs.boot.proof.clone();
    if let Some(before) = logs.before {
        judgement.lasting = match policy {
            Policies::Judge(policy) if logs.owes_boot() => ima::judge_again(before, policy, context, &mut proof.judged),
            _ => before.findings.clone(),
        };
        if !logs.owes_boot() {
            boot.judged = before.boot.judged.clone();
        }
    }
    // The copy does not go away by keeping quiet.
    note_fork(fork, &mut judgement.lasting);
    if let Policies::Judge(policy) = policy {
        if boot::judge(logs, sent.as_ref(), policy, context, &mut boot.judged, &mut judgement) {
            judged.push(ClaimName::Boot);
        }
        let rules = ima::Rules { tables: &policy.ima, now: context.now, seen };
        ima::judge(logs, &rules, &mut proof.judged, &mut judgement);
        judged.extend([ClaimName::ImaPolicy, ClaimName::Ima]);
    }
    verdict.coverage =
        coverage::of(logs, &policy, context, &proof.judged, judged.contains(&ClaimName::Boot).then_some(&boot.judged));
    if let Policies::Judge(policy) = policy {
        firmware::judge(quote.firmware, policy, context, &mut verdict.coverage, &mut judgement);
    }
    let approved = match policy {
        Policies::Judge(_) => Some(judged.contains(&ClaimName::Boot) && judgement.holds(ClaimName::Boot)),
        Policies::None | Policies::Changed => None,
    };
    let chain = chain::judge(&logs.chained, quote, &boot, approved, logs.base, &mut judgement.momentary);
    judged.extend(chain.judged.then_some(ClaimName::Report));
    let mut all = judgement.lasting.clone();
    all.append(&judgement.momentary);
    verdict.conclude(&all, &judged);
    let demand = match policy {
        Policies::Judge(policy) => policy.demand.as_ref(),
        Policies::None | Policies::Changed => None,
    };
    levels::judge(chain.reports.as_ref().map(Seen::of), demand, &mut verdict);
    if let Policies::Judge(policy) = policy
        && policy.rego().is_some()
    {
        verdict.await_rules("the policy's own rule did not run yet");
    }
    // What was not judged does not count as proven: the next challenge asks for it again.
    let proven = match policy {
        Policies::Changed => logs.before.cloned(),
        Policies::Judge(_) | Policies::None => Some(proven(logs, boot, proof, &judgement.lasting)),
    };
    let session =
        Session { clock: quote.clock, firmware: quote.firmware, proven, track, owes_all: false, chain: chain.chain };
    Appraisal { verdict, session: Some(session), reports: chain.reports }
}

fn proven(logs: &ReplayedLogs<'_>, boot: BootProof, ima: ImaProof, lasting: &Findings) -> Proven {
    Proven {
        policy_ref: logs.quote.challenge.policy_ref,
        bank: logs.quote.selection.bank,
        mask: logs.quote.selection.mask,
        boot,
        ima,
        findings: lasting.carried(Session::MAX_FINDINGS),
    }
}

/// Findings by how long they hold.
#[derive(Default)]
struct Judgement {
    /// For the whole boot session: an entry stays bad when its log is not sent again.
    lasting: Findings,
    /// For this round; found anew in the next one if it still holds.
    momentary: Findings,
}

impl Judgement {
    /// True when nothing was found against the claim.
    fn holds(&self, claim: ClaimName) -> bool {
        let against = |findings: &Findings| findings.tally(claim).failed > 0 || findings.tally(claim).unverifiable > 0;
        !against(&self.lasting) && !against(&self.momentary)
    }
}

/// What there is to judge by.
#[derive(Clone, Copy)]
enum Policies<'a> {
    /// The policy that the challenge names.
    Judge(&'a Policy),
    /// The challenge names none.
    None,
    /// The challenge names one that is not at hand. Nothing counts as proven then, because nothing was judged.
    Changed,
}

fn applicable<'a>(policy: Option<&'a Policy>, challenge: &Challenge, findings: &mut Findings) -> Policies<'a> {
    let (code, evidence, policies) = match policy {
        Some(policy) if policy.reference() == challenge.policy_ref => return Policies::Judge(policy),
        None if challenge.policy_ref == Hash::ZERO => {
            (FindingCode::NoPolicy, "no policy is assigned to this node".to_string(), Policies::None)
        }
        None => {
            let evidence = format!("policy {} is named by the challenge and not at hand", challenge.policy_ref);
            (FindingCode::NoPolicy, evidence, Policies::Changed)
        }
        Some(policy) => {
            let evidence =
                format!("the challenge names policy {}, now {} applies", challenge.policy_ref, policy.reference());
            (FindingCode::PolicyChanged, evidence, Policies::Changed)
        }
    };
    findings.push(code, || Finding::new(code, evidence));
    policies
}

/// Says what the counters tell, takes the quote up in the track of its boot session, and tells why there must be
/// two TPMs, if there must.
fn note_session(
    quote: &AuthenticQuote,
    previous: Option<&Session>,
    context: &Context<'_>,
    findings: &mut Findings,
) -> (Track, Option<String>) {
    note_counters(quote, previous, findings);
    let clock = &quote.clock;
    let continued = previous.filter(|session| session.clock.reset_count == clock.reset_count);
    let track = continued.map(|session| session.track.clone()).unwrap_or_default();
    let moment = Moment::of(&quote.challenge, clock, context);
    let pace = track.pace(&moment, clock.safe);
    let fork = match &pace {
        Pace::Forked(told) => Some(told.clone()),
        Pace::Honest | Pace::Forwarded(_) => quote.fork.clone(),
    };
    if let Pace::Forwarded(told) = &pace {
        findings.push(FindingCode::ClockForwarded, || Finding::new(FindingCode::ClockForwarded, told.clone()));
    }
    (track.go_on(moment, &pace, quote.selection, &quote.pcr_digest), fork)
}

fn note_fork(fork: Option<String>, findings: &mut Findings) {
    if let Some(told) = fork {
        findings.push(FindingCode::VtpmFork, || Finding::new(FindingCode::VtpmFork, told));
    }
}

fn note_counters(quote: &AuthenticQuote, previous: Option<&Session>, findings: &mut Findings) {
    let now = &quote.clock;
    let mut note = |code, evidence: String| findings.push(code, || Finding::new(code, evidence));
    match previous.map(|session| session.clock) {
        Some(last) if last.reset_count == now.reset_count => {
            if last.restart_count != now.restart_count {
                let evidence = format!("restartCount went from {} to {}", last.restart_count, now.restart_count);
                note(FindingCode::SessionResumed, evidence);
            }
        }
        Some(last) => {
            let evidence = format!("resetCount went from {} to {}", last.reset_count, now.reset_count);
            note(FindingCode::BootSessionNew, evidence);
            if now.clock < last.clock {
                let evidence =
                    format!("clock was {} ms in the earlier session and is {} ms now", last.clock, now.clock);
                note(FindingCode::ShutdownNotOrderly, evidence);
            }
        }
        None => note(FindingCode::BootSessionNew, format!("first evidence, at resetCount {}", now.reset_count)),
    }
    if !now.safe {
        note(FindingCode::ClockUnsafe, format!("safe is NO at clock {} ms", now.clock));
    }
}

fn session_facts(quote: &AuthenticQuote, ima_entries: u64) -> SessionFacts {
    SessionFacts {
        reset_count: quote.clock.reset_count,
        restart_count: quote.clock.restart_count,
        clock: quote.clock.clock,
        clock_safe: quote.clock.safe,
        firmware: format!("{:016x}", quote.firmware),
        ima_entries,
    }
}
