//! The way from evidence to a verdict, as one step that may be replaced as a whole and can never be skipped in part.

use std::panic::{AssertUnwindSafe, catch_unwind};

use avouch_appraise::{
    Appraisal, AuthenticQuote, Context, Coverage, CoverageItem, Expected, NodeKeys, ReplayedLogs, SEMANTICS,
    SeenSignatures, Session, Verdict,
};
use avouch_pairs::Observation;
use avouch_protocol::{Challenge, Evidence, Hash, Status};
use avouch_rules::{LastRule, RuleError, RuledPolicy};

/// What an appraisal looks at.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The evidence message.
    pub evidence: &'a Evidence,
    /// The challenge that it claims to answer.
    pub challenge: &'a Challenge,
    /// Its bytes exactly as they were sent.
    pub challenge_bytes: &'a [u8],
    /// SHA-256 of the SubjectPublicKeyInfo of the client key that the evidence came over.
    pub client_spki: Hash,
    /// The node's enrolled keys.
    pub keys: &'a NodeKeys,
    /// The node's last session.
    pub session: Option<&'a Session>,
    /// The policy that the challenge names.
    pub policy: Option<&'a RuledPolicy>,
    /// SHA-256 of the newest report whose observation is kept, and that observation: differences begin there.
    pub base: Option<(Hash, &'a Observation)>,
    /// What else the verdict depends on.
    pub context: Context<'a>,
    /// File signatures that were good before; changes no verdict.
    pub seen: &'a dyn SeenSignatures,
}

/// What came of it.
#[derive(Debug)]
pub enum Opinion {
    /// The evidence is not authentic: nothing in it was believed, and the node's last verdict stays.
    Rejected(Box<Verdict>),
    /// The quote is authentic, and this is the node's verdict from now on.
    Judged(Box<Appraisal>),
    /// This machine could not come to an end, which says nothing of the node: the evidence is asked for again.
    Unfinished(RuleError),
    /// No opinion was reached. The node's last verdict ends all the same.
    Broken(Box<Verdict>),
}

/// Appraises evidence. The server's own is [`Pipeline`].
pub trait Appraise: Send + Sync {
    /// Appraises one message. It may panic; the caller turns that into a verdict.
    fn appraise(&self, case: &Case<'_>) -> Opinion;
}

/// Authenticate, replay, judge, and ask the policy's own rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pipeline;

impl Appraise for Pipeline {
    fn appraise(&self, case: &Case<'_>) -> Opinion {
        let expected = Expected {
            ak: case.keys.ak(),
            qualified_signer: case.keys.qualified_signer(),
            challenge: case.challenge,
            challenge_bytes: case.challenge_bytes,
            client_spki: case.client_spki,
            last: case.session,
        };
        match AuthenticQuote::authenticate(case.evidence, &expected) {
            Err(rejection) => Opinion::Rejected(Box::new(Verdict::rejected(&rejection, case.challenge, &case.context))),
            Ok(quote) => {
                let logs = ReplayedLogs::replay(quote, case.evidence, case.session);
                let logs = logs.map(|logs| match case.base {
                    Some((report, observation)) => logs.with_observation(report, observation),
                    None => logs,
                });
                let policy = case.policy.map(RuledPolicy::policy);
                let mut appraisal = Appraisal::judge_remembering(logs, policy, case.session, &case.context, case.seen);
                match case.policy.map_or(&LastRule::None, RuledPolicy::rule).conclude(appraisal.verdict) {
                    Ok(verdict) => {
                        appraisal.verdict = verdict;
                        Opinion::Judged(Box::new(appraisal))
                    }
                    Err(error) => Opinion::Unfinished(error),
                }
            }
        }
    }
}

/// Appraises, and survives an appraiser that does not: a panic is an unverifiable verdict, which ends the pass.
pub(crate) fn appraise_surely(appraiser: &dyn Appraise, case: &Case<'_>) -> Opinion {
    // The appraiser gets shared references to values that no one uses afterwards but to store them as they are.
    catch_unwind(AssertUnwindSafe(|| appraiser.appraise(case))).unwrap_or_else(|_| {
        tracing::error!(node = %case.challenge.node_tag.short(), seq = case.challenge.seq, "the appraisal panicked; this is a defect");
        let what = "the appraisal ended in a defect of this release; keep the evidence and report it";
        Opinion::Broken(Box::new(unjudged(case.challenge, &case.context, "APPRAISAL_PANICKED", what)))
    })
}

/// A verdict about evidence that nobody could look at.
pub(crate) fn unjudged(challenge: &Challenge, context: &Context<'_>, code: &str, what: &str) -> Verdict {
    let hole = CoverageItem { code: code.into(), what: what.into() };
    let policy_ref = if challenge.policy_ref == Hash::ZERO { String::new() } else { challenge.policy_ref.to_hex() };
    Verdict {
        v: 1,
        semantics: SEMANTICS.into(),
        status: Status::Unverifiable,
        code: code.into(),
        node: challenge.node_tag.to_hex(),
        round: challenge.round,
        seq: challenge.seq,
        expires: context.expires,
        policy_ref,
        freshness: "operator-asserted".into(),
        membership: "operator".into(),
        tpm: context.tpm.map(Into::into),
        identity: Some(context.identity.facts()),
        session: None,
        booted: None,
        claims: Vec::new(),
        levels: Vec::new(),
        attained_level: None,
        coverage: Coverage { covered: Vec::new(), holes: vec![hole] },
    }
}
