//! How the witnesses of each attribute are compared: one module per table of [`crate::attribute`], and in it a `role`
//! that names the rule of each row.
//!
//! A rule has two halves. Its *demand* says what systemd states, in normal form, and whether that is anything to
//! enforce; its *comparison* holds what the kernel shows against it. What does not depend on the attribute (an
//! unreadable witness, a missing file, a unit that does not run) is decided here, once.

mod case;
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
mod outcome;
mod placement;
mod process;
mod quantity;
mod rlimits;
mod sysctl;
mod writable;

use crate::attribute::{CGROUP_MAIN, CPUSET_CPUS, CPUSET_MEMS, EXE, EXEC_MAPPINGS, LISTENER, NET_DEVICES, PROCESSES};
use crate::{Attribute, PairVerdict, Reading};

pub(crate) use case::{Case, World};
pub(crate) use evidence::changed_since_start;
pub(crate) use listener::{is_passing, is_racing};
pub(crate) use outcome::Outcome;
use outcome::{Compared, Demand};
pub(crate) use quantity::lines;

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
    if case.attribute == LISTENER && case.fact.kernel.value().is_none() {
        return listener::unseen(case).or_else(|| match &case.fact.kernel {
            Reading::Unreadable(why) => {
                Some(Outcome::undecided(PairVerdict::Unreadable, &Demand::default(), Of::Anything, why))
            }
            Reading::NotSupported(why) => Some(Outcome {
                weighs: false,
                ..Outcome::undecided(PairVerdict::NotSupported, &Demand::default(), Of::Anything, why)
            }),
            _ => None,
        });
    }
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
                beside_main: found.beside_main,
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
    if case.attribute == CGROUP_MAIN {
        let note = "the main process is not in the unit's cgroup, and no other process is";
        return Some(Outcome::undecided(PairVerdict::KernelWeaker, demand, of, note));
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

// === impl Role ===

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

    /// As [`Role::derived`], of what does not belong to processes.
    fn derived_of(
        of: Of,
        evidence: Attribute,
        demand: fn(&Case<'_>) -> Demand,
        compare: fn(&Case<'_>, &Demand, &str) -> Compared,
    ) -> Self {
        Self::Compared(Rule { of, evidence: Some(evidence), demand, compare })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    #[test]
    fn every_attribute_has_a_role_and_texts_for_every_verdict() {
        for spec in Attribute::all() {
            assert!(role(spec.attribute).is_some(), "{} has no role", spec.name);
            for verdict in PairVerdict::ALL {
                assert!(text::meaning(spec.attribute, verdict).len() > 30, "{} {}", spec.name, verdict.word());
            }
        }
        assert!(role(Attribute(9_999)).is_none());
    }

    #[test]
    fn an_attribute_that_a_kernel_column_is_stated_of_is_compared_or_shown() {
        for spec in Attribute::all().filter(|spec| !spec.kernel.is_empty() && !spec.orchestrator.is_empty()) {
            let known_elsewhere =
                spec.attribute == crate::attribute::KEYRING_MODE || spec.attribute == crate::attribute::GROUPS;
            let compared = matches!(role(spec.attribute), Some(Role::Compared(_)));
            assert!(compared || known_elsewhere, "{} has two witnesses and no rule", spec.name);
        }
    }
}
