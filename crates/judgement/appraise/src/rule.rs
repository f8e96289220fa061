//! The one door through which the result of a policy's own rule enters a verdict.
//!
//! It can add findings and lower a verdict. It cannot remove a finding, change one, or raise a claim: the only thing
//! that running the rule lifts is `RULES_NOT_RUN`, which stands for the rule not having run.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::code::{ClaimName, Effect, FindingCode, Severity};
use crate::finding::{Finding, Findings, Place};
use crate::text::printable;
use crate::verdict::{Claim, ClaimResult, Verdict};

/// What every code of a rule starts with, so that it is never taken for one of this release's own.
pub const RULE_CODE_PREFIX: &str = "RULE_";
/// Longest code of a rule.
const MAX_CODE: usize = 64;

/// One finding of the policy's own rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", deny_unknown_fields)]
pub struct RuleFinding {
    code: String,
    effect: Effect,
    evidence: String,
    remedy: String,
}

/// Why something is no finding of a rule: the rule's author wrote it so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleFindingError {
    /// A code that does not start with [`RULE_CODE_PREFIX`], has other characters than capital letters, digits and
    /// underscores, or more than 64 of them.
    Code {
        /// The code, escaped.
        got: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    code: String,
    effect: Effect,
    evidence: String,
    remedy: String,
}

// === impl RuleFinding ===

impl RuleFinding {
    /// A finding with the rule's own code, e.g. `RULE_KERNEL_TOO_OLD`. Evidence and remedy are the rule's words;
    /// whatever in them could deceive a reader is escaped, and what is too long is cut.
    ///
    /// # Errors
    /// [`RuleFindingError::Code`].
    pub fn new(code: &str, effect: Effect, evidence: &str, remedy: &str) -> Result<Self, RuleFindingError> {
        let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let named = code.strip_prefix(RULE_CODE_PREFIX).is_some_and(|rest| !rest.is_empty());
        if !named || code.len() > MAX_CODE || !code.bytes().all(plain) {
            return Err(RuleFindingError::Code { got: printable(code.as_bytes()) });
        }
        let text = |text: &str| printable(text.as_bytes());
        Ok(Self { code: code.into(), effect, evidence: text(evidence), remedy: text(remedy) })
    }

    /// The rule's code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What it does to the verdict.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    fn into_finding(self) -> Finding {
        let severity = match self.effect {
            Effect::None => Severity::Note,
            Effect::Unverifiable => Severity::High,
            Effect::Fail => Severity::Critical,
        };
        let place = Place { rule: Some(self.code), ..Place::default() };
        let finding = Finding::new(FindingCode::Rule, self.evidence).at(place);
        Finding { effect: self.effect, severity, remedy: self.remedy.into(), ..finding }
    }
}

impl TryFrom<Unchecked> for RuleFinding {
    type Error = RuleFindingError;

    fn try_from(raw: Unchecked) -> Result<Self, Self::Error> {
        Self::new(&raw.code, raw.effect, &raw.evidence, &raw.remedy)
    }
}

// === impl Verdict ===

impl Verdict {
    /// True while the policy has a rule of its own that did not run for this verdict.
    pub fn awaits_rules(&self) -> bool {
        self.claims.iter().any(|claim| claim.name == ClaimName::Rules && awaits(claim))
    }

    /// The verdict after the policy's own rule ran over it and gave `findings`; an empty list means that the rule has
    /// nothing against it. Called again, it adds to what it added before.
    ///
    /// A rejected verdict stays as it is: no rule is asked about evidence that nobody believed.
    pub fn with_rules(mut self, findings: Vec<RuleFinding>) -> Self {
        if self.is_rejected() {
            return self;
        }
        let position = self.claims.iter().position(|claim| claim.name == ClaimName::Rules);
        let mut claim = match position {
            Some(position) => self.claims.remove(position),
            None if findings.is_empty() => return self,
            None => Claim::unjudged(ClaimName::Rules),
        };
        if awaits(&claim) || claim.result == ClaimResult::NotJudged {
            claim = Claim { result: ClaimResult::Pass, ..Claim::unjudged(ClaimName::Rules) };
        }
        for finding in findings {
            claim.add(finding.into_finding());
        }
        self.claims.push(claim);
        self.settle();
        self
    }

    /// The verdict when the policy's own rule could not run: it stays unverifiable, and says why.
    pub fn rules_failed(mut self, why: &str) -> Self {
        if !self.is_rejected() {
            self.claims.retain(|claim| claim.name != ClaimName::Rules || !awaits(claim));
            self.await_rules(&printable(why.as_bytes()));
        }
        self
    }

    /// Adds the claim that only running the rule makes good.
    pub(crate) fn await_rules(&mut self, why: &str) {
        let mut claim = Claim::unjudged(ClaimName::Rules);
        claim.add(Finding::new(FindingCode::RulesNotRun, why));
        self.claims.push(claim);
        self.settle();
    }
}

fn awaits(claim: &Claim) -> bool {
    claim.findings.iter().any(|finding| finding.code == FindingCode::RulesNotRun)
}

// === impl Claim ===

impl Claim {
    pub(crate) fn unjudged(name: ClaimName) -> Self {
        let statement = name.statement().into();
        Self { name, statement, result: ClaimResult::NotJudged, findings: Vec::new(), omitted: 0 }
    }

    /// Adds a finding; the result only gets worse.
    pub(crate) fn add(&mut self, finding: Finding) {
        match finding.effect {
            Effect::Fail => self.result = ClaimResult::Fail,
            Effect::Unverifiable if self.result != ClaimResult::Fail => self.result = ClaimResult::Unverifiable,
            Effect::Unverifiable | Effect::None => {}
        }
        if self.findings.len() < Findings::KEPT {
            self.findings.push(finding);
        } else {
            self.omitted = self.omitted.saturating_add(1);
        }
    }
}

impl fmt::Display for RuleFindingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code { got } => write!(
                f,
                "a rule gave the code {got:?}; codes start with {RULE_CODE_PREFIX} and have at most {MAX_CODE} capital letters, digits and underscores"
            ),
        }
    }
}

impl std::error::Error for RuleFindingError {}
