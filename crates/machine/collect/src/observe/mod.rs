//! Both witnesses at once.
//!
//! ```text
//! systemd (A1) ─▶ kernel ─▶ systemd (A2)      the same run, the same limits, the same main process: steady
//!        └───────── else again, three times ─┘                                else: racing
//! ```
//!
//! Neither witness is asked what the other shows. Where systemd does not answer, the kernel's column is filled all the
//! same.

mod listeners;
mod sandwich;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use avouch_kernel::{HostAsk, Kernel};
use avouch_pairs::{Attribute, Fact, Level, Observation, Reading, Subject, attribute, subject};
use avouch_systemd::{Manager, SystemdError, UnitAsk, UnitRef, configured};

use sandwich::Sandwich;

/// How long one observation may take before systemd is asked no more: units that are left are read from the kernel
/// alone. 1,000 units take a few seconds.
const LONGEST: Duration = Duration::from_secs(60);

/// What is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only these units, and of listeners only theirs; `None` = all that are in scope.
    pub units: Option<Vec<String>>,
    /// The levels that will be judged: facts of two witnesses that belong to other levels are left out. `None` = all.
    pub levels: Option<Vec<Level>>,
    /// Absolute paths that an intent names.
    pub paths: Vec<String>,
    /// Keys of sysctls that an intent names, with dots; those that sysctl.d sets are read anyway.
    pub sysctls: Vec<String>,
}

/// Reads both witnesses.
pub struct Observer {
    manager: Option<Manager>,
    kernel: Kernel,
    root: PathBuf,
    longest: Duration,
}

/// What systemd lists.
#[derive(Default)]
struct Listed {
    /// The units to read, in order: those in scope, and those that were asked for by name.
    units: Vec<UnitRef>,
    /// Every unit that systemd has, in scope or not.
    known: BTreeSet<String>,
}

/// A unit that was read, and what the kernel was asked about it.
struct Read {
    subject: Subject,
    ask: UnitAsk,
}

// === impl Observer ===

impl Observer {
    /// An observer of this machine; without a manager systemd's column is unreadable.
    pub fn new(manager: Option<Manager>, kernel: Kernel) -> Self {
        Self { manager, kernel, root: PathBuf::from("/"), longest: LONGEST }
    }

    /// Reads configuration files below `root`: `/proc/1/root` where this process has a view of its own.
    #[must_use]
    pub fn rooted(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = root.into();
        self
    }

    /// Asks systemd for at most this long, over one observation.
    #[must_use]
    pub fn within(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// One observation. It cannot fail: what could not be read says so.
    pub fn observe(&mut self, scope: &Scope) -> Observation {
        let until = Instant::now() + self.longest;
        let mut observation = configured(&self.root, &scope.paths);
        let (asks, known) = self.units(scope, until, &mut observation);
        self.host(scope, &asks, &known, &mut observation);
        if let Some(manager) = &mut self.manager {
            manager.rest();
        }
        narrow(&mut observation, scope);
        observation
    }

    /// Every unit in scope, both columns; what the kernel was asked about each, and the names of all units.
    fn units(
        &mut self,
        scope: &Scope,
        until: Instant,
        observation: &mut Observation,
    ) -> (Vec<UnitAsk>, BTreeSet<String>) {
        let mut silence = None;
        let Listed { units, known } = match listed(self.manager.as_mut(), scope) {
            Ok(listed) => listed,
            Err(reason) => {
                silence = Some(reason);
                Listed::default()
            }
        };
        let pass = self.kernel.begin();
        let mut asks = Vec::new();
        for unit in &units {
            let named = scope.units.as_ref().is_some_and(|names| names.contains(&unit.name));
            let read = match (&mut self.manager, &silence) {
                (Some(manager), None) if Instant::now() < until => {
                    Sandwich { manager, kernel: &self.kernel, pass: &pass, until }.read(unit, named)
                }
                (Some(_), None) => {
                    silence = Some(format!("systemd was asked for longer than {} s", self.longest.as_secs()));
                    Ok(None)
                }
                _ => Ok(None),
            };
            match read {
                Ok(Some(Read { subject, ask })) => {
                    observation.subjects.insert(format!("{}{}", subject::UNIT, unit.name), subject);
                    asks.push(ask);
                }
                Ok(None) => {}
                Err(error) => silence = Some(error.to_string()),
            }
        }
        if let Some(reason) = &silence {
            self.kernel_alone(scope, reason, &mut asks, observation);
        }
        self.manager_facts(silence, observation);
        (asks, known)
    }

    /// Units that systemd was not asked about, or did not answer for, found by their cgroups.
    fn kernel_alone(&self, scope: &Scope, reason: &str, asks: &mut Vec<UnitAsk>, observation: &mut Observation) {
        let pass = self.kernel.begin();
        for (control_group, name) in self.kernel.unit_groups() {
            let wanted = scope.units.as_ref().is_none_or(|names| names.contains(&name));
            let key = format!("{}{name}", subject::UNIT);
            if !wanted || observation.subjects.contains_key(&key) {
                continue;
            }
            let ask = UnitAsk { name, control_group, ..UnitAsk::default() };
            let mut subject = pass.unit(&ask);
            unreadable(&mut subject, reason);
            observation.subjects.insert(key, subject);
            asks.push(ask);
        }
    }

    /// Cgroups of units out of scope, which systemd was not asked about: whose listener is another unit's must not be
    /// taken for a stranger's. The hierarchy names them, and only a unit that systemd has is one.
    fn others(&self, asks: &[UnitAsk], known: &BTreeSet<String>) -> Vec<(String, String)> {
        let asked: BTreeSet<&str> = asks.iter().map(|ask| ask.name.as_str()).collect();
        let mut groups = self.kernel.unit_groups();
        groups.retain(|(_, unit)| known.contains(unit) && !asked.contains(unit.as_str()));
        groups
    }

    /// What systemd says of itself, or why it says nothing.
    fn manager_facts(&mut self, silence: Option<String>, observation: &mut Observation) {
        let said = match (&mut self.manager, silence) {
            (_, Some(reason)) => Err(reason),
            (Some(manager), None) => manager.host().map_err(|error| error.to_string()),
            (None, None) => Err("systemd was not asked".into()),
        };
        let host = observation.subjects.entry(subject::HOST.into()).or_default();
        match said {
            Ok(said) => host.facts.extend(said.facts),
            Err(reason) => {
                for attribute in [attribute::MANAGER, attribute::MANAGER_TAINTED] {
                    host.facts.insert(attribute, Fact::orchestrator(Reading::Unreadable(reason.clone())));
                }
            }
        }
    }

    /// The machine as a whole, and the listeners that socket units name.
    fn host(&self, scope: &Scope, asks: &[UnitAsk], known: &BTreeSet<String>, observation: &mut Observation) {
        let declared = listeners::declared(asks);
        let mut sysctls: BTreeSet<String> = scope.sysctls.iter().cloned().collect();
        let configured = observation.subjects.keys().filter_map(|name| name.strip_prefix(subject::SYSCTL));
        sysctls.extend(configured.map(str::to_owned));
        let groups = asks.iter().filter(|ask| !ask.control_group.is_empty());
        let mut unit_groups: Vec<_> = groups.map(|ask| (ask.control_group.clone(), ask.name.clone())).collect();
        if scope.units.is_some() {
            unit_groups.extend(self.others(asks, known));
        }
        let ask = HostAsk {
            sysctls: sysctls.into_iter().collect(),
            paths: scope.paths.clone(),
            unit_groups,
            listeners: declared.subjects.keys().cloned().collect(),
        };
        observation.join(self.kernel.begin().host(&ask));
        observation.join(declared);
        // A socket that the kernel has and no unit names: systemd was asked, and has no such object.
        let answered = matches!(
            observation.subjects.get(subject::HOST).and_then(|host| host.facts.get(&attribute::MANAGER)),
            Some(Fact { orchestrator: Reading::Value(_), .. })
        );
        let listeners = observation.subjects.iter_mut().filter(|(name, _)| name.starts_with(subject::LISTENER));
        for fact in listeners.filter_map(|(_, subject)| subject.facts.get_mut(&attribute::LISTENER)) {
            if fact.orchestrator == Reading::NotRead {
                fact.orchestrator = match answered {
                    true => Reading::Absent,
                    false => Reading::Unreadable("systemd did not answer which units listen".into()),
                };
            }
        }
    }
}

fn listed(manager: Option<&mut Manager>, scope: &Scope) -> Result<Listed, String> {
    let Some(manager) = manager else { return Err("systemd was not asked".into()) };
    let mut units = manager.units().map_err(|error| error.to_string())?;
    let known = units.iter().map(|unit| unit.name.clone()).collect();
    if let Some(names) = &scope.units {
        units.retain(|unit| names.contains(&unit.name));
        for name in names {
            if units.iter().any(|unit| unit.name == *name) {
                continue;
            }
            match manager.find(name) {
                Ok(unit) => units.push(unit),
                // It is no unit's name: nothing can be said of it.
                Err(SystemdError::Failed { .. }) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
    Ok(Listed { units, known })
}

/// Says of every fact that systemd would have stated why it did not.
fn unreadable(subject: &mut Subject, reason: &str) {
    for (attribute, fact) in &mut subject.facts {
        let stated = attribute.spec().is_some_and(|spec| !spec.orchestrator.is_empty());
        if stated && fact.orchestrator == Reading::NotRead {
            fact.orchestrator = Reading::Unreadable(reason.into());
        }
    }
}

/// Leaves out what was not asked for.
fn narrow(observation: &mut Observation, scope: &Scope) {
    if let Some(levels) = &scope.levels {
        let wanted = |attribute: &Attribute, fact: &mut Fact| {
            let level = attribute.spec().map(|spec| spec.level);
            // What one witness alone states is context that comparisons of any level may draw upon.
            let both = fact.orchestrator != Reading::NotRead && fact.kernel != Reading::NotRead;
            !both || level.is_none_or(|level| level == Level::V14 || levels.contains(&level))
        };
        observation.subjects.values_mut().for_each(|subject| subject.facts.retain(wanted));
    }
    if let Some(units) = &scope.units {
        // They are about the processes of no unit, and are told only where every unit was asked for.
        if let Some(host) = observation.subjects.get_mut(subject::HOST) {
            let of_no_unit = [attribute::STRAY_PROCESSES, attribute::NS_UNMANAGED];
            host.facts.retain(|attribute, _| !of_no_unit.contains(attribute));
        }
        let owned = |fact: &Fact| {
            let lines = [&fact.orchestrator, &fact.kernel].into_iter().filter_map(|reading| reading.value());
            lines.flat_map(str::lines).any(|line| units.iter().any(|unit| line.split('\t').next() == Some(unit)))
        };
        observation.subjects.retain(|name, subject| {
            !name.starts_with(subject::LISTENER) || subject.facts.get(&attribute::LISTENER).is_some_and(owned)
        });
    }
}
