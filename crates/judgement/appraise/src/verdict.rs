//! What an appraisal says, to people and to programs.

use avouch_protocol::{Challenge, Hash, Status};
use serde::{Deserialize, Serialize};

use crate::Context;
use crate::booted::Booted;
use crate::code::{ClaimName, Effect};
use crate::finding::{Finding, Findings};
use crate::identity::IdentityFacts;
use crate::levels::LevelFacts;
use crate::rejection::Rejection;

/// Version of the rules that this release judges by. It changes whenever the same input could give another verdict.
pub const SEMANTICS: &str = "avouch-appraise/3";

/// The verdict on one node's evidence, or on the lack of it. As JSON it is what the API and the CLI show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Version of this shape.
    pub v: u64,
    /// [`SEMANTICS`] of the release that judged.
    pub semantics: String,
    /// The one status.
    #[serde(with = "status_word")]
    pub status: Status,
    /// Machine code of the gravest finding or of the rejection; empty when there is none.
    pub code: String,
    /// The node, in hexadecimal.
    pub node: String,
    /// Round of the challenge.
    pub round: u64,
    /// Sequence number of the challenge.
    pub seq: u64,
    /// Unix seconds of server time at which the verdict expires; zero for a rejection, which never extends one.
    pub expires: u64,
    /// SHA-256 of the policy that the challenge named, in hexadecimal; empty when none is assigned.
    pub policy_ref: String,
    /// Who says that the evidence is fresh: `operator-asserted` while no checkpoint stands in the challenge.
    pub freshness: String,
    /// Who says that the node belongs to the cohort.
    pub membership: String,
    /// Set when the TPM is only good for evaluation, e.g. a software TPM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<String>,
    /// Who vouches for the TPM; absent in verdicts of releases before there were profiles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityFacts>,
    /// The boot session; absent when the quote is not authentic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionFacts>,
    /// What the machine booted; only where the boot log came with the evidence and explains the quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booted: Option<Booted>,
    /// The claims: those of [`ClaimName::ALL`]; [`ClaimName::Report`] and [`ClaimName::Levels`] where a report came or
    /// is demanded; [`ClaimName::Rules`] when the policy has a rule of its own.
    pub claims: Vec<Claim>,
    /// V1 to V14, each with its result; empty where no report came and none is demanded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<LevelFacts>,
    /// The highest level that holds together with every one below it, e.g. `V3`; absent where V1 does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attained_level: Option<String>,
    /// What was seen, and what was not.
    pub coverage: Coverage,
}

/// The TPM's counters when it signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFacts {
    /// TPM resets: one boot session each.
    pub reset_count: u32,
    /// Suspends and hibernations within the boot session.
    pub restart_count: u32,
    /// Milliseconds of power-on time.
    pub clock: u64,
    /// False after a power cut until the clock has caught up.
    pub clock_safe: bool,
    /// TPM firmware version, hexadecimal.
    pub firmware: String,
    /// IMA entries proven in this boot session.
    pub ima_entries: u64,
}

/// One claim and what was found against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Its name.
    pub name: ClaimName,
    /// What is claimed.
    pub statement: String,
    /// What it came to.
    pub result: ClaimResult,
    /// All failures and notes, in the order in which they were met.
    pub findings: Vec<Finding>,
    /// Findings that were counted and not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u64,
}

/// What a claim came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimResult {
    /// It holds.
    Pass,
    /// It is authentically false.
    Fail,
    /// It cannot be judged.
    Unverifiable,
    /// An earlier claim left nothing to judge it by.
    NotJudged,
    /// The policy does not demand it: what was found is shown and changes nothing.
    NotDemanded,
}

/// What the verdict speaks about, and what it says nothing about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// What was looked at.
    pub covered: Vec<CoverageItem>,
    /// What was not seen; a pass says nothing about it.
    pub holes: Vec<CoverageItem>,
}

/// One line of coverage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageItem {
    /// Machine code.
    pub code: String,
    /// For people.
    pub what: String,
}

/// A verdict as a tree: claim, evidence, rule, result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The text of this line.
    pub text: String,
    /// What the line says good or bad of; absent where it only explains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ClaimResult>,
    /// What stands below.
    pub children: Vec<Node>,
}

// === impl Verdict ===

impl Verdict {
    /// What is recorded when the evidence is not authentic. It leaves the node's last verdict as it is.
    pub fn rejected(rejection: &Rejection, challenge: &Challenge, context: &Context<'_>) -> Self {
        let mut verdict = Self::empty(challenge, context);
        verdict.status = Status::Rejected;
        verdict.code = rejection.code.as_str().into();
        verdict.expires = 0;
        verdict.coverage.holes.push(CoverageItem::new(
            rejection.code.as_str(),
            format!("the evidence was refused before anything in it was believed: {}", rejection.detail),
        ));
        verdict
    }

    /// A verdict about nothing yet.
    pub(crate) fn empty(challenge: &Challenge, context: &Context<'_>) -> Self {
        let policy_ref = challenge.policy_ref;
        Self {
            v: 1,
            semantics: SEMANTICS.into(),
            status: Status::Unverifiable,
            code: String::new(),
            node: challenge.node_tag.to_hex(),
            round: challenge.round,
            seq: challenge.seq,
            expires: context.expires,
            policy_ref: if policy_ref == Hash::ZERO { String::new() } else { policy_ref.to_hex() },
            freshness: if challenge.base == Hash::ZERO { "operator-asserted" } else { "checkpoint" }.into(),
            membership: "operator".into(),
            tpm: context.tpm.map(Into::into),
            identity: Some(context.identity.facts()),
            session: None,
            booted: None,
            claims: Vec::new(),
            levels: Vec::new(),
            attained_level: None,
            coverage: Coverage::default(),
        }
    }

    /// Sets claims, status and code from what was found. A claim in `judged` with no finding holds; one outside it
    /// was not judged, and a verdict with such a claim is never a pass.
    pub(crate) fn conclude(&mut self, findings: &Findings, judged: &[ClaimName]) {
        self.coverage.holes.extend(self.identity.as_ref().and_then(IdentityFacts::hole));
        self.claims = ClaimName::ALL.iter().map(|name| Claim::of(*name, findings, judged.contains(name))).collect();
        let told = |name: &ClaimName| judged.contains(name) || findings.tally(*name).total() > 0;
        let report = [ClaimName::Report].into_iter().filter(told);
        self.claims.extend(report.map(|name| Claim::of(name, findings, judged.contains(&name))));
        self.settle();
    }

    /// Sets status and code from the claims.
    pub(crate) fn settle(&mut self) {
        let is = |result| move |claim: &Claim| claim.result == result;
        // Only claims outside ClaimName::ALL can be not demanded: those must hold below.
        let harmless = |claim: &Claim| matches!(claim.result, ClaimResult::Pass | ClaimResult::NotDemanded);
        let holds = |name: &ClaimName| self.claims.iter().any(|c| c.name == *name && c.result == ClaimResult::Pass);
        self.status = if self.claims.iter().any(is(ClaimResult::Fail)) {
            Status::Fail
        } else if self.claims.iter().all(harmless) && ClaimName::ALL.iter().all(holds) {
            Status::Pass
        } else {
            Status::Unverifiable
        };
        let gravest = self.gravest().map(|finding| finding.name().to_string());
        if !self.claims.is_empty() {
            self.code = gravest.unwrap_or_default();
        }
    }

    /// True for evidence of which nothing was believed.
    pub(crate) fn is_rejected(&self) -> bool {
        self.status == Status::Rejected
    }

    fn gravest(&self) -> Option<&Finding> {
        let all = || self.claims.iter().flat_map(|claim| &claim.findings).filter(|f| f.effect != Effect::None);
        let worst = all().map(|finding| finding.effect).max()?;
        all().find(|finding| finding.effect == worst)
    }

    /// Every finding, in the order of the claims.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.claims.iter().flat_map(|claim| &claim.findings)
    }

    /// The tree that people read: each claim with its result, below it each finding with evidence, rule, meaning and
    /// remedy, and the coverage at the end.
    pub fn tree(&self) -> Node {
        let code = if self.code.is_empty() { String::new() } else { format!(" ({})", self.code) };
        let mut children: Vec<Node> = self.claims.iter().map(Claim::tree).collect();
        let lists = [("covered", &self.coverage.covered), ("not covered", &self.coverage.holes)];
        let lists = lists.into_iter().filter(|(_, items)| !items.is_empty()).map(|(text, items)| {
            let items = items.iter().map(|item| Node::leaf(format!("{}: {}", item.code, item.what)));
            Node { children: items.collect(), ..Node::leaf(text.into()) }
        });
        children.extend(self.levels_tree());
        children.push(Node { children: lists.collect(), ..Node::leaf("coverage".into()) });
        children.extend(self.identity.iter().map(|identity| Node::leaf(identity.text.clone())));
        Node { children, ..Node::leaf(format!("{}{code}", self.status.word())) }
    }
}

impl Verdict {
    /// The vector of levels, where there is one.
    fn levels_tree(&self) -> Option<Node> {
        let attained = self.attained_level.as_deref().unwrap_or("none");
        let children: Vec<Node> = self.levels.iter().map(LevelFacts::tree).collect();
        (!children.is_empty()).then(|| Node { children, ..Node::leaf(format!("levels: attained {attained}")) })
    }
}

// === impl Claim ===

impl Claim {
    fn of(name: ClaimName, findings: &Findings, judged: bool) -> Self {
        let kept: Vec<Finding> = findings.kept().iter().filter(|f| f.claim == name).cloned().collect();
        let tally = findings.tally(name);
        let result = match tally.effect() {
            Effect::Fail => ClaimResult::Fail,
            Effect::Unverifiable => ClaimResult::Unverifiable,
            Effect::None if judged => ClaimResult::Pass,
            Effect::None => ClaimResult::NotJudged,
        };
        let listed = u64::try_from(kept.len()).unwrap_or(u64::MAX);
        Self {
            name,
            statement: name.statement().into(),
            result,
            omitted: tally.total().saturating_sub(listed),
            findings: kept,
        }
    }

    fn tree(&self) -> Node {
        let mut children: Vec<Node> = self.findings.iter().map(finding_tree).collect();
        if self.omitted > 0 {
            children.push(Node::leaf(format!("{} more findings are counted and not listed", self.omitted)));
        }
        let text = format!("{}: {} - {}", self.name.as_str(), self.result.word(), self.statement);
        Node { text, result: Some(self.result), children }
    }
}

fn finding_tree(finding: &Finding) -> Node {
    let lines = [
        ("evidence", finding.evidence.as_str()),
        ("rule", &finding.rule),
        ("means", &finding.implication),
        ("do", &finding.remedy),
    ];
    let result = match finding.effect {
        Effect::Fail => Some(ClaimResult::Fail),
        Effect::Unverifiable => Some(ClaimResult::Unverifiable),
        Effect::None => None,
    };
    let mut children: Vec<Node> = finding.pair.iter().flat_map(|pair| pair.columns()).map(Node::leaf).collect();
    // Both columns say what the sentence of the evidence says.
    let lines = lines.into_iter().filter(|(name, _)| finding.pair.is_none() || *name != "evidence");
    children.extend(lines.map(|(name, text)| Node::leaf(format!("{name}: {text}"))));
    children.extend(finding.causes.first().map(|cause| Node::leaf(format!("likely: {}", cause.what))));
    children.extend(finding.fix.iter().map(|fix| Node::leaf(format!("allow: {}", fix.command()))));
    let about = finding.pair.as_ref().map_or_else(String::new, |pair| format!(" {}", pair.subject));
    Node { text: format!("{}{about}", finding.name()), result, children }
}

impl ClaimResult {
    /// The lower-case word used in the tree.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unverifiable => "unverifiable",
            Self::NotJudged => "not judged",
            Self::NotDemanded => "not demanded",
        }
    }
}

impl Coverage {
    pub(crate) fn cover(&mut self, code: &str, what: impl Into<String>) {
        self.covered.push(CoverageItem::new(code, what));
    }

    pub(crate) fn hole(&mut self, code: &str, what: impl Into<String>) {
        self.holes.push(CoverageItem::new(code, what));
    }
}

impl CoverageItem {
    pub(crate) fn new(code: &str, what: impl Into<String>) -> Self {
        Self { code: code.into(), what: what.into() }
    }
}

impl Node {
    pub(crate) fn leaf(text: String) -> Self {
        Self { text, result: None, children: Vec::new() }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// [`Status`] as its word.
mod status_word {
    use avouch_protocol::Status;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    const ALL: [Status; 7] = [
        Status::Pass,
        Status::Fail,
        Status::Unverifiable,
        Status::Rejected,
        Status::Unanswered,
        Status::Silent,
        Status::Maintenance,
    ];

    pub(super) fn serialize<S: Serializer>(status: &Status, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(status.word())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
        let word = String::deserialize(deserializer)?;
        ALL.into_iter()
            .find(|status| status.word() == word)
            .ok_or_else(|| D::Error::custom(format!("{word:?} is not a status")))
    }
}
