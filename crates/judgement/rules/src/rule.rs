//! A compiled rule, and what it says of a verdict.

use core::num::NonZeroU32;
use core::time::Duration;

use avouch_appraise::{Effect, Policy, PolicyError, RuleFinding, Verdict};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, LimitError};
use serde::Deserialize;
use serde_json::Value;

use crate::cost;
use crate::error::RuleError;
use crate::extent::Sizes;
use crate::module::Module;

/// Largest verdict, as JSON, that a rule reads: 1,024 findings with long paths.
pub const MAX_INPUT_BYTES: usize = 4 * 1024 * 1024;
/// Most findings of one rule.
pub const MAX_FINDINGS: usize = 64;
/// Longest text in a finding.
pub const MAX_TEXT_BYTES: usize = 1_024;
/// Far more than [`cost::MAX_COST`] steps take; only a fault makes it matter.
const WATCHDOG: Duration = Duration::from_secs(20);

/// A module that is fit to be run.
#[derive(Clone)]
pub struct Rule {
    module: Module,
}

/// The last rule of a policy, compiled once and asked for every verdict under it.
#[derive(Clone, Debug)]
pub enum LastRule {
    /// The policy has none.
    None,
    /// Fit to be run.
    Ready(Box<Rule>),
    /// The policy's module is refused, so that no verdict under it can be a pass.
    Refused(RuleError),
}

/// A policy with its last rule: what a server keeps parsed, so that no verdict is given without the rule.
#[derive(Debug)]
pub struct RuledPolicy {
    policy: Policy,
    rule: LastRule,
}

/// A finding as a module writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    code: String,
    effect: Effect,
    evidence: String,
    #[serde(default)]
    remedy: String,
}

// === impl RuledPolicy ===

impl RuledPolicy {
    /// Reads a policy file, and compiles its rule if it has one. A rule that is refused does not make the file
    /// unreadable: an older record must stay explainable, and nothing passes under it.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let policy = Policy::parse(bytes)?;
        Ok(Self { rule: LastRule::of(&policy), policy })
    }

    /// The typed part.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The rule.
    pub fn rule(&self) -> &LastRule {
        &self.rule
    }
}

// === impl LastRule ===

impl LastRule {
    /// Compiles the module of a policy.
    pub fn of(policy: &Policy) -> Self {
        match policy.rego().map(Rule::compile) {
            None => Self::None,
            Some(Ok(rule)) => Self::Ready(Box::new(rule)),
            Some(Err(error)) => Self::Refused(error),
        }
    }

    /// The verdict after the rule: with its findings, or unverifiable with the reason why it was not run.
    ///
    /// A verdict that awaits no rule is given back as it is.
    ///
    /// # Errors
    /// [`RuleError::Watchdog`] alone: the machine's fault, of which no verdict may speak.
    pub fn conclude(&self, verdict: Verdict) -> Result<Verdict, RuleError> {
        if !verdict.awaits_rules() {
            return Ok(verdict);
        }
        let findings = match self {
            // Another policy's rule is no rule of this verdict's policy: it stays as it is, awaiting its own.
            Self::None => return Ok(verdict),
            Self::Ready(rule) => rule.findings(&verdict),
            Self::Refused(error) => Err(error.clone()),
        };
        match findings {
            Ok(findings) => Ok(verdict.with_rules(findings)),
            Err(RuleError::Watchdog) => Err(RuleError::Watchdog),
            Err(refused) => Ok(verdict.rules_failed(&refused.to_string())),
        }
    }
}

// === impl Rule ===

impl Rule {
    /// Reads a module and checks everything that needs no input.
    ///
    /// # Errors
    /// [`RuleError`], with the line.
    pub fn compile(source: &str) -> Result<Self, RuleError> {
        Ok(Self { module: Module::parse(source)? })
    }

    /// Upper bound on the steps that the rule takes on an input of this kind.
    ///
    /// # Errors
    /// [`RuleError::InputTooLong`], [`RuleError::Cost`], [`RuleError::ValueSize`].
    pub fn cost(&self, input: &Value) -> Result<u128, RuleError> {
        let bytes = input.to_string().len();
        if bytes > MAX_INPUT_BYTES {
            return Err(RuleError::InputTooLong { got: bytes });
        }
        cost::bound(&self.module.rules, Sizes::of(input, bytes))
    }

    /// What the rule finds in a verdict, in the order of the findings' codes and texts.
    ///
    /// # Errors
    /// [`RuleError`].
    pub fn findings(&self, verdict: &Verdict) -> Result<Vec<RuleFinding>, RuleError> {
        // Strings, whole numbers, lists and maps with string keys always serialise.
        let input = serde_json::to_value(verdict).unwrap_or_default();
        self.cost(&input)?;
        let found = self.evaluate(&input)?;
        let found = found.as_array().cloned().ok_or_else(|| finding("`findings` is not a set or an array"))?;
        if found.len() > MAX_FINDINGS {
            return Err(finding(&format!("there are {}", found.len())));
        }
        found.into_iter().map(read).collect()
    }

    fn evaluate(&self, input: &Value) -> Result<Value, RuleError> {
        let mut engine: Engine = self.module.engine.clone();
        let check_interval = NonZeroU32::new(1_024).unwrap_or(NonZeroU32::MIN);
        engine.set_execution_timer_config(ExecutionTimerConfig { limit: WATCHDOG, check_interval });
        // A builtin that fails would otherwise be silently undefined, and the rule silently pass.
        engine.set_strict_builtin_errors(true);
        let failed = |error: &dyn core::fmt::Display| RuleError::Evaluation { reason: error.to_string() };
        engine.set_input_json(&input.to_string()).map_err(|error| failed(&error))?;
        let found = engine.eval_rule("data.avouch.findings".into()).map_err(|error| match error.downcast_ref() {
            Some(LimitError::TimeLimitExceeded { .. }) => RuleError::Watchdog,
            _ => failed(&error),
        })?;
        let json = found.to_json_str().map_err(|error| failed(&error))?;
        serde_json::from_str(&json).map_err(|error| failed(&error))
    }
}

impl core::fmt::Debug for Rule {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Rule").field("rules", &self.module.rules.len()).finish()
    }
}

fn read(value: Value) -> Result<RuleFinding, RuleError> {
    let written: Written = serde_json::from_value(value).map_err(|error| finding(&error.to_string()))?;
    for text in [&written.evidence, &written.remedy] {
        if text.len() > MAX_TEXT_BYTES {
            return Err(finding(&format!("{} has a text of {} bytes", written.code, text.len())));
        }
    }
    RuleFinding::new(&written.code, written.effect, &written.evidence, &written.remedy)
        .map_err(|error| finding(&error.to_string()))
}

fn finding(reason: &str) -> RuleError {
    RuleError::Finding { reason: reason.into() }
}
