//! Third step: what the proven logs mean under a policy.

mod boot;
mod coverage;
mod ima;

use avouch_protocol::{Challenge, Hash, KeyLost};

use crate::code::{ClaimName, FindingCode};
use crate::finding::{Finding, Findings};
use crate::identity::Identity;
use crate::policy::Policy;
use crate::quote::AuthenticQuote;
use crate::replay::{ReplayedLogs, Unproven};
use crate::session::{ImaProof, Proven, Session};
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
        match logs {
            Ok(logs) => judge_logs(&logs, policy, previous, context),
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
        Self { verdict, session: previous.cloned().map(Session::forget_proof) }
    }
}

fn judge_unproven(unproven: &Unproven, previous: Option<&Session>, context: &Context<'_>) -> Appraisal {
    let quote = &unproven.quote;
    let mut findings = Findings::default();
    note_session(quote, previous, &mut findings);
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
    let session = Session { clock: quote.clock, firmware: quote.firmware, proven: None };
    Appraisal { verdict, session: Some(session) }
}

fn judge_logs(
    logs: &ReplayedLogs<'_>,
    policy: Option<&Policy>,
    previous: Option<&Session>,
    context: &Context<'_>,
) -> Appraisal {
    let quote = &logs.quote;
    let mut judgement = Judgement {
        lasting: logs.before.map(|proven| proven.findings.clone()).unwrap_or_default(),
        momentary: Findings::default(),
    };
    note_session(quote, previous, &mut judgement.momentary);
    let mut verdict = Verdict::empty(&quote.challenge, context);
    verdict.session = Some(session_facts(quote, logs.ima.proof.count));
    let mut judged = vec![ClaimName::Quote, ClaimName::Session, ClaimName::Logs];
    let policy = applicable(policy, &quote.challenge, &mut judgement.momentary);
    let mut proof = logs.ima.proof.clone();
    if let Policies::Judge(policy) = policy {
        if boot::judge(logs, policy, context, &mut judgement) {
            judged.push(ClaimName::Boot);
        }
        ima::judge(logs, policy, &mut proof.judged, &mut judgement);
        judged.extend([ClaimName::ImaPolicy, ClaimName::Ima]);
    }
    verdict.coverage = coverage::of(logs, &policy, &proof.judged, judged.contains(&ClaimName::Boot));
    let mut all = judgement.lasting.clone();
    all.append(&judgement.momentary);
    verdict.conclude(&all, &judged);
    // What was not judged does not count as proven: the next challenge asks for it again.
    let judged = !matches!(policy, Policies::Changed);
    let proven = judged.then(|| proven(logs, proof, &judgement.lasting));
    let session = Session { clock: quote.clock, firmware: quote.firmware, proven };
    Appraisal { verdict, session: Some(session) }
}

fn proven(logs: &ReplayedLogs<'_>, ima: ImaProof, lasting: &Findings) -> Proven {
    Proven {
        policy_ref: logs.quote.challenge.policy_ref,
        bank: logs.quote.selection.bank,
        mask: logs.quote.selection.mask,
        boot: logs.boot.proof.clone(),
        ima,
        findings: lasting.carried(Session::MAX_FINDINGS),
    }
}

/// Findings by how long they hold.
struct Judgement {
    /// For the whole boot session: an entry stays bad when its log is not sent again.
    lasting: Findings,
    /// For this round; found anew in the next one if it still holds.
    momentary: Findings,
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

fn note_session(quote: &AuthenticQuote, previous: Option<&Session>, findings: &mut Findings) {
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
