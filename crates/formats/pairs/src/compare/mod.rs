//! How the witnesses of each attribute are compared: one module per table of [`crate::attribute`], and in it a `role`
//! that names the rule of each row.
//!
//! A rule has two halves. Its *demand* says what systemd states, in normal form, and whether that is anything to
//! enforce; its *comparison* holds what the kernel shows against it. What does not depend on the attribute (an
//! unreadable witness, a missing file, a unit that does not run) is decided here, once.

mod code;
mod credentials;
mod every;
mod evidence;
mod files;
mod filesystem;
mod kernel;
mod limits;
mod listener;
mod mac;
mod mounts;
mod namespaces;
mod network;
mod placement;
mod process;
mod quantity;
mod rlimits;
mod sysctl;
mod writable;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use crate::attribute::{
    CAP_LAST_CAP, CGROUP_HIERARCHY, CGROUP_ID, CGROUP_MAIN, CPUSET_CPUS, CPUSET_MEMS, DELEGATE, EXE, EXEC_MAPPINGS,
    LISTENER, NET_DEVICES, PROCESSES,
};
use crate::{Attribute, CauseHint, Fact, Intent, Observation, PairVerdict, Reading, Severity, Subject, subject};

pub(crate) use evidence::changed_since_start;
pub(crate) use listener::is_passing;
pub(crate) use quantity::lines;

/// What all cases of one judgement share.
pub(crate) struct World<'a> {
    pub(crate) observation: &'a Observation,
    pub(crate) intent: Option<&'a Intent>,
    /// Every capability that this kernel knows.
    pub(crate) capabilities: u64,
    /// False on a host whose units have no cgroup v2 files.
    pub(crate) unified: bool,
}

/// A fact under comparison, and what else is known of its subject.
pub(crate) struct Case<'a> {
    pub(crate) world: &'a World<'a>,
    pub(crate) name: &'a str,
    pub(crate) subject: &'a Subject,
    pub(crate) attribute: Attribute,
    pub(crate) fact: &'a Fact,
    /// What the intent demands of it.
    pub(crate) intent: Option<&'a str>,
}

/// What an attribute is for.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    /// Two witnesses are compared.
    Compared(Rule),
    /// What systemd says of itself is the evidence; the kernel has no part in it.
    Stated(fn(&Case<'_>, &str) -> Outcome),
    /// Other attributes' rules read it; by itself it is held against an intent only.
    Input,
    /// Nobody configures it: it is shown, and held against an intent.
    Shown,
}

/// A rule of comparison.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    of: Of,
    /// The attribute whose kernel column is the evidence, where it is not the attribute itself.
    evidence: Option<Attribute>,
    demand: fn(&Case<'_>) -> Demand,
    compare: fn(&Case<'_>, &Demand, &str) -> Compared,
}

/// What the kernel's evidence belongs to: when there is something to compare, and who could have changed it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// A unit's cgroup: systemd writes it again with every reload.
    Cgroup,
    /// A unit's processes: settled when they start.
    Process,
    /// A unit, whether or not it runs, or something that is no unit.
    Anything,
}

/// What is stated, in normal form.
#[derive(Default)]
pub(crate) struct Demand {
    pub(crate) norm: Option<String>,
    /// Whether there is anything to enforce.
    pub(crate) configured: bool,
    /// Why it is not known.
    unreadable: Option<String>,
    /// Whether the intent is already part of it.
    by_intent: bool,
}

/// What a comparison came to.
pub(crate) struct Compared {
    pub(crate) norm: Option<String>,
    pub(crate) verdict: PairVerdict,
    pub(crate) note: Option<String>,
    pub(crate) severity: Option<Severity>,
    pub(crate) cause: Option<CauseHint>,
}

/// A pair before the unit's steadiness and the second source were looked at.
pub(crate) struct Outcome {
    pub(crate) orchestrator: Option<String>,
    pub(crate) kernel: Option<String>,
    pub(crate) verdict: PairVerdict,
    pub(crate) note: Option<String>,
    pub(crate) severity: Option<Severity>,
    pub(crate) cause: Option<CauseHint>,
    /// Whether an undecided verdict counts: it does not where nothing is configured.
    pub(crate) weighs: bool,
    pub(crate) of: Of,
}

/// The role of an attribute; `None` for one that this release does not know.
pub(crate) fn role(attribute: Attribute) -> Option<Role> {
    match attribute.0 {
        200..=299 | 1200..=1299 => kernel::role(attribute),
        400..=499 => limits::role(attribute),
        500..=599 => process::role(attribute),
        600..=699 => filesystem::role(attribute),
        700..=799 => namespaces::role(attribute),
        800..=899 => credentials::role(attribute),
        900..=999 => mac::role(attribute),
        1000..=1099 => network::role(attribute),
        1100..=1199 => files::role(attribute),
        1300..=1399 => code::role(attribute),
        1400..=1499 => evidence::role(attribute),
        _ => None,
    }
}

/// Compares one fact; `None` where there is nothing to compare.
pub(crate) fn examine(case: &Case<'_>) -> Option<Outcome> {
    let outcome = match role(case.attribute)? {
        Role::Compared(rule) => compared(case, &rule)?,
        Role::Stated(judge) => stated(case, judge)?,
        Role::Input => input(case)?,
        Role::Shown => shown(case)?,
    };
    Some(outcome)
}

/// Whether two interfaces of the kernel contradict each other about the fact.
pub(crate) fn views_disagree(case: &Case<'_>) -> bool {
    let (kernel, second) = (&case.fact.kernel, &case.fact.second);
    match (kernel, second) {
        // The second column of a set of processors is what is in effect, not the same fact again.
        _ if matches!(case.attribute, CPUSET_CPUS | CPUSET_MEMS) => false,
        // Owners come of one walk over /proc; what two interfaces can contradict each other about is the socket.
        (Reading::Value(_), Reading::Absent) | (Reading::Absent, Reading::Value(_)) => case.attribute == LISTENER,
        (Reading::Value(_), Reading::Value(_)) if case.attribute == LISTENER => false,
        (Reading::Value(first), Reading::Value(second)) => !every::same_values(first, second),
        _ => false,
    }
}

/// Whether the fact could be there: of a unit that does not run, nothing is.
pub(crate) fn is_due(case: &Case<'_>) -> bool {
    match role(case.attribute) {
        Some(Role::Compared(rule)) => case.is_due(rule.of),
        _ => true,
    }
}

/// Whether a setting of processes is settled when they start, so that newer files of the unit explain a difference.
pub(crate) fn is_settled_at_start(attribute: Attribute) -> bool {
    !matches!(attribute, CGROUP_MAIN | PROCESSES | EXE | EXEC_MAPPINGS | NET_DEVICES)
}

fn compared(case: &Case<'_>, rule: &Rule) -> Option<Outcome> {
    if !case.is_due(rule.of) {
        return None;
    }
    let demand = (rule.demand)(case);
    let reading = rule.evidence.map_or(&case.fact.kernel, |attribute| case.reading(attribute));
    if rule.evidence.is_some() && is_derived_from_nothing(case, &demand, reading) {
        return None;
    }
    if let Some(why) = &demand.unreadable {
        let seen = reading.value().filter(|_| rule.evidence.is_none()).map(lines);
        return Some(Outcome { kernel: seen, ..Outcome::undecided(PairVerdict::Unreadable, &demand, rule.of, why) });
    }
    let outcome = match reading {
        Reading::Value(value) => {
            let found = (rule.compare)(case, &demand, value);
            Outcome {
                orchestrator: demand.norm.clone(),
                kernel: found.norm,
                verdict: found.verdict,
                note: found.note,
                severity: found.severity,
                cause: found.cause,
                weighs: true,
                of: rule.of,
            }
        }
        Reading::Absent => absent(case, &demand, rule.of)?,
        Reading::Unreadable(why) => Outcome::undecided(PairVerdict::Unreadable, &demand, rule.of, why),
        Reading::NotSupported(why) => Outcome {
            weighs: demand.configured,
            ..Outcome::undecided(PairVerdict::NotSupported, &demand, rule.of, why)
        },
        Reading::NotRead if demand.configured => {
            Outcome::undecided(PairVerdict::Unreadable, &demand, rule.of, "nobody read the kernel's side")
        }
        Reading::NotRead => return None,
    };
    Some(if demand.by_intent { outcome } else { outcome.beside(case.intent) })
}

/// Of an option whose evidence stands elsewhere: it is not set, or there is no main process to see it by.
fn is_derived_from_nothing(case: &Case<'_>, demand: &Demand, reading: &Reading) -> bool {
    let unset = !demand.configured && demand.unreadable.is_none() && case.intent.is_none();
    unset || *reading == Reading::Absent && case.main_pid() == 0
}

/// The kernel has no such object.
fn absent(case: &Case<'_>, demand: &Demand, of: Of) -> Option<Outcome> {
    if of == Of::Process && !case.has_processes() {
        return None;
    }
    if !demand.configured {
        let nothing = Outcome::undecided(PairVerdict::NotConfigured, demand, of, "");
        return demand.norm.is_some().then_some(Outcome { note: None, ..nothing });
    }
    if of == Of::Cgroup && !case.world.unified {
        let why = "this host has no cgroup v2 hierarchy for its units";
        return Some(Outcome::undecided(PairVerdict::NotSupported, demand, of, why));
    }
    let (note, cause) = if of == Of::Cgroup { limits::why_absent(case) } else { (None, None) };
    Some(Outcome { note, cause, ..Outcome::undecided(PairVerdict::KernelMissing, demand, of, "") })
}

fn stated(case: &Case<'_>, judge: fn(&Case<'_>, &str) -> Outcome) -> Option<Outcome> {
    let nothing = Demand::default();
    Some(match &case.fact.orchestrator {
        Reading::Value(raw) => judge(case, raw).beside(case.intent),
        Reading::Unreadable(why) => Outcome::undecided(PairVerdict::Unreadable, &nothing, Of::Anything, why),
        Reading::NotSupported(why) => Outcome::undecided(PairVerdict::NotSupported, &nothing, Of::Anything, why),
        Reading::Absent | Reading::NotRead => return None,
    })
}

/// What other rules read: only an intent says what it should be.
fn input(case: &Case<'_>) -> Option<Outcome> {
    let intent = case.intent?;
    let demand = case.demand(|raw| Some(Demand::of(lines(raw))));
    let verdict = match (&demand.unreadable, &demand.norm) {
        (Some(why), _) => return Some(Outcome::undecided(PairVerdict::Unreadable, &demand, Of::Anything, why)),
        (None, None) => {
            let why = "the intent demands it and systemd does not state it";
            return Some(Outcome::undecided(PairVerdict::Unreadable, &demand, Of::Anything, why));
        }
        (None, Some(_)) => PairVerdict::Match,
    };
    let stated = Outcome { note: None, ..Outcome::undecided(verdict, &demand, Of::Anything, "") };
    Some(stated.beside(Some(intent)))
}

/// What nobody configures.
fn shown(case: &Case<'_>) -> Option<Outcome> {
    let demand = match &case.fact.orchestrator {
        Reading::Value(raw) => Demand::unset(lines(raw)),
        _ => Demand::default(),
    };
    let nothing = Outcome { note: None, ..Outcome::undecided(PairVerdict::NotConfigured, &demand, Of::Anything, "") };
    let outcome = match &case.fact.kernel {
        Reading::Value(value) => Outcome { kernel: Some(lines(value)), ..nothing },
        Reading::Unreadable(why) => Outcome::undecided(PairVerdict::Unreadable, &demand, Of::Anything, why),
        Reading::NotSupported(why) => Outcome {
            weighs: case.intent.is_some(),
            ..Outcome::undecided(PairVerdict::NotSupported, &demand, Of::Anything, why)
        },
        Reading::Absent | Reading::NotRead if demand.norm.is_some() || case.intent.is_some() => nothing,
        Reading::Absent | Reading::NotRead => return None,
    };
    Some(outcome.beside(case.intent))
}

// === impl World ===

impl<'a> World<'a> {
    pub(crate) fn new(observation: &'a Observation, intent: Option<&'a Intent>) -> Self {
        let host = observation.subjects.get(subject::HOST);
        let fact = |attribute| host.and_then(|host| host.facts.get(&attribute)).and_then(|fact| fact.kernel.value());
        let last = fact(CAP_LAST_CAP).and_then(|last| last.trim().parse::<u32>().ok());
        let unknown_above = last.and_then(|last| last.checked_add(1)).and_then(|bits| u64::MAX.checked_shl(bits));
        Self {
            observation,
            intent,
            capabilities: if last.is_some() { !unknown_above.unwrap_or(0) } else { credentials::KNOWN },
            unified: fact(CGROUP_HIERARCHY).is_none_or(|kind| kind == "unified"),
        }
    }

    /// What the kernel shows of the host.
    pub(crate) fn host(&self, attribute: Attribute) -> Option<&'a str> {
        self.observation.subjects.get(subject::HOST)?.facts.get(&attribute)?.kernel.value()
    }
}

// === impl Case ===

impl<'a> Case<'a> {
    /// The subject's name without its kind.
    pub(crate) fn bare_name(&self) -> &'a str {
        self.name.split_once(':').map_or(self.name, |(_, name)| name)
    }

    /// What systemd states of another attribute of the subject.
    pub(crate) fn stated(&self, attribute: Attribute) -> Option<&'a str> {
        self.subject.facts.get(&attribute)?.orchestrator.value()
    }

    /// What the kernel shows of another attribute of the subject.
    pub(crate) fn seen(&self, attribute: Attribute) -> Option<&'a str> {
        self.reading(attribute).value()
    }

    pub(crate) fn yes(&self, attribute: Attribute) -> bool {
        self.stated(attribute) == Some("yes")
    }

    fn reading(&self, attribute: Attribute) -> &'a Reading {
        self.subject.facts.get(&attribute).map_or(&Reading::NotRead, |fact| &fact.kernel)
    }

    /// What systemd states of the attribute, where `read` understands it.
    pub(crate) fn demand(&self, read: impl Fn(&str) -> Option<Demand>) -> Demand {
        match &self.fact.orchestrator {
            Reading::Value(raw) => read(raw).unwrap_or_else(|| {
                Demand::unknown("systemd's value is spelled in a way that this release does not know")
            }),
            Reading::Unreadable(why) => Demand::unknown(why),
            Reading::Absent | Reading::NotSupported(_) | Reading::NotRead => Demand::default(),
        }
    }

    pub(crate) fn main_pid(&self) -> u32 {
        self.subject.identity.as_ref().map_or(0, |identity| identity.main_pid)
    }

    /// Whether the unit hands its cgroup to a program that manages processes of its own.
    pub(crate) fn is_delegated(&self) -> bool {
        self.yes(DELEGATE)
    }

    /// Whether the unit is between states, when control processes with settings of their own run in it.
    pub(crate) fn is_changing(&self) -> bool {
        self.subject.identity.as_ref().is_some_and(|identity| {
            matches!(
                &*identity.active_state,
                "activating" | "deactivating" | "reloading" | "refreshing" | "maintenance"
            )
        })
    }

    fn is_inactive(&self) -> bool {
        self.subject.identity.as_ref().is_some_and(|identity| matches!(&*identity.active_state, "inactive" | "failed"))
    }

    fn has_processes(&self) -> bool {
        self.main_pid() != 0 || self.seen(PROCESSES).is_some_and(|pids| !pids.is_empty())
    }

    /// Whether there is something whose evidence could be compared. A unit that does not run, or whose processes are
    /// through, has nothing that the kernel could enforce on.
    fn is_due(&self, of: Of) -> bool {
        let gone = matches!(self.reading(CGROUP_ID), Reading::Absent);
        match of {
            Of::Anything => true,
            Of::Cgroup => !self.is_inactive() && (!gone || self.main_pid() != 0),
            Of::Process => !self.is_inactive() && (!gone || self.has_processes()),
        }
    }
}

// === impl Rule ===

impl Role {
    fn cgroup(demand: fn(&Case<'_>) -> Demand, compare: fn(&Case<'_>, &Demand, &str) -> Compared) -> Self {
        Self::Compared(Rule { of: Of::Cgroup, evidence: None, demand, compare })
    }

    fn process(demand: fn(&Case<'_>) -> Demand, compare: fn(&Case<'_>, &Demand, &str) -> Compared) -> Self {
        Self::Compared(Rule { of: Of::Process, evidence: None, demand, compare })
    }

    fn anything(demand: fn(&Case<'_>) -> Demand, compare: fn(&Case<'_>, &Demand, &str) -> Compared) -> Self {
        Self::Compared(Rule { of: Of::Anything, evidence: None, demand, compare })
    }

    /// A setting of processes whose evidence stands in another attribute's kernel column.
    fn derived(
        evidence: Attribute,
        demand: fn(&Case<'_>) -> Demand,
        compare: fn(&Case<'_>, &Demand, &str) -> Compared,
    ) -> Self {
        Self::Compared(Rule { of: Of::Process, evidence: Some(evidence), demand, compare })
    }
}

// === impl Demand ===

impl Demand {
    /// Something to enforce.
    pub(crate) fn of(norm: impl Into<String>) -> Self {
        Self { norm: Some(norm.into()), configured: true, ..Self::default() }
    }

    /// The default: nothing to enforce.
    pub(crate) fn unset(norm: impl Into<String>) -> Self {
        Self { norm: Some(norm.into()), ..Self::default() }
    }

    pub(crate) fn unknown(why: &str) -> Self {
        Self { unreadable: Some(why.to_owned()), ..Self::default() }
    }

    /// What the intent demands of something that systemd does not state.
    pub(crate) fn intent(case: &Case<'_>) -> Self {
        Self { configured: case.intent.is_some(), by_intent: true, ..Self::default() }
    }

    /// `norm` to enforce, or nothing.
    pub(crate) fn when(configured: bool, norm: impl Into<String>) -> Self {
        if configured { Self::of(norm) } else { Self::unset(norm) }
    }
}

// === impl Compared ===

impl Compared {
    pub(crate) fn new(norm: impl Into<String>, verdict: PairVerdict) -> Self {
        Self { norm: Some(norm.into()), verdict, note: None, severity: None, cause: None }
    }

    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    pub(crate) fn severity(self, severity: Severity) -> Self {
        Self { severity: Some(severity), ..self }
    }

    /// The kernel's value is spelled in a way that nobody foresaw.
    pub(crate) fn odd(raw: &str) -> Self {
        Self::new(lines(raw), PairVerdict::Unreadable)
            .note("the kernel's value is spelled in a way that this release does not know")
    }
}

// === impl Outcome ===

impl Outcome {
    /// What systemd alone says.
    pub(crate) fn stated(norm: &str, verdict: PairVerdict) -> Self {
        let demand = Demand::of(norm);
        Self { note: None, ..Self::undecided(verdict, &demand, Of::Anything, "") }
    }

    fn undecided(verdict: PairVerdict, demand: &Demand, of: Of, why: &str) -> Self {
        Self {
            orchestrator: demand.norm.clone(),
            kernel: None,
            verdict,
            note: Some(why.to_owned()),
            severity: None,
            cause: None,
            weighs: true,
            of,
        }
    }

    /// Holds a pair that is in order against the intent: in normal form of the orchestrator column, or of the kernel's
    /// where systemd states nothing.
    fn beside(self, intent: Option<&str>) -> Self {
        let Some(intent) = intent else { return self };
        let found = self.orchestrator.as_deref().or(self.kernel.as_deref());
        if !self.verdict.is_green() {
            return self;
        }
        match found {
            Some(found) if found == intent => match self.verdict {
                PairVerdict::NotConfigured => Self { verdict: PairVerdict::Match, ..self },
                _ => self,
            },
            Some(_) => {
                let note = format!("the intent demands {intent}");
                Self { verdict: PairVerdict::IntentDrift, note: Some(note), ..self }
            }
            None => {
                let note = "the intent demands it and neither witness shows it".to_owned();
                Self { verdict: PairVerdict::IntentDrift, note: Some(note), ..self }
            }
        }
    }
}
