//! The conversation with PID 1.

use std::collections::BTreeSet;
use std::time::Duration;

use avouch_pairs::{Fact, Reading, Subject, attribute};

use crate::answer::{Answers, Key};
use crate::connect::Via;
use crate::dbus::{Call, Connection, Message};
use crate::property::{self, CGROUP, Kind, On, Row, Spelled, UNIT};
use crate::{Changes, How, Identity, SystemdError, UnitAsk, UnitRef, UnitState};

/// How long one exchange with systemd may take.
pub const DEADLINE: Duration = Duration::from_secs(5);

const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// States of a unit that is there or on its way.
const ALIVE: [&str; 6] = ["active", "reloading", "activating", "deactivating", "maintenance", "refreshing"];

/// A line of `ListUnits`: name, description, load state, active state, sub state, followed unit, path, job's id, type
/// and path.
type Listed<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, &'a str, Path<'a>, u32, &'a str, Path<'a>);
type Path<'a> = zbus::ObjectPath<'a>;

/// A connection to PID 1. Blocking, without threads; every exchange has a deadline, and after one that failed the next
/// connects anew (but for [`How::Stream`], which cannot).
#[derive(Debug)]
pub struct Manager {
    how: How,
    deadline: Duration,
    link: Option<Link>,
    /// Whether a connection ended; a stream cannot be had again.
    ended: bool,
}

/// An open connection and what is known of its other end.
#[derive(Debug)]
struct Link {
    connection: Connection,
    via: Via,
    /// `Version`, as systemd spells it.
    version: String,
    /// Properties that this systemd said it does not have; asked once.
    unknown: BTreeSet<Key>,
}

// === impl Manager ===

impl Manager {
    /// Connects within [`DEADLINE`].
    ///
    /// # Errors
    /// When nobody answers at any of the places that `how` names.
    pub fn connect(how: &How) -> Result<Self, SystemdError> {
        Self::connect_within(how, DEADLINE)
    }

    /// Connects; each exchange, this one and later ones, has this deadline.
    ///
    /// # Errors
    /// When nobody answers at any of the places that `how` names.
    pub fn connect_within(how: &How, deadline: Duration) -> Result<Self, SystemdError> {
        let twin = how.twin().map_err(|error| SystemdError::Closed { call: "connect", error })?;
        let mut manager = Self::at(twin, deadline);
        manager.link()?;
        Ok(manager)
    }

    /// As [`Manager::connect_within`], but connects when something is asked: every question then tells why nobody
    /// answers, and the first one after systemd came back is answered.
    pub fn at(how: How, deadline: Duration) -> Self {
        Self { how, deadline, link: None, ended: false }
    }

    /// Closes the connection until something is asked again: systemd queues its signals for every open one.
    pub fn rest(&mut self) {
        if self.how.again() {
            self.link = None;
        }
    }

    /// The units in scope: services, sockets, scopes, slices and mounts that are active or on their way, and services
    /// that failed; by name.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn units(&mut self) -> Result<Vec<UnitRef>, SystemdError> {
        const CALL: &str = "ListUnits";
        let answer = self.manager_call(CALL, &[])?;
        let malformed = |reason: String| SystemdError::Malformed { call: CALL, reason };
        let body = answer.body("a(ssssssouso)").map_err(malformed)?;
        let (listed, _) = body.deserialize::<Vec<Listed<'_>>>().map_err(|error| malformed(error.to_string()))?;
        let mut units = Vec::new();
        for (name, _, load_state, active_state, sub_state, _, path, ..) in listed {
            let kind = Kind::of(name);
            let failed = kind == Kind::Service && active_state == "failed";
            if kind != Kind::Other && (failed || ALIVE.contains(&active_state)) {
                units.push(UnitRef {
                    name: name.into(),
                    path: path.as_str().into(),
                    load_state: load_state.into(),
                    active_state: active_state.into(),
                    sub_state: sub_state.into(),
                });
            }
        }
        units.sort();
        units.dedup_by(|a, b| a.name == b.name);
        Ok(units)
    }

    /// The unit of this name, whether or not it is in scope or even exists (then its load state is `not-found`).
    ///
    /// # Errors
    /// When systemd does not answer, or takes the name for none of a unit.
    pub fn find(&mut self, name: &str) -> Result<UnitRef, SystemdError> {
        const CALL: &str = "LoadUnit";
        let answer = self.manager_call(CALL, &[name])?;
        let malformed = |reason: String| SystemdError::Malformed { call: CALL, reason };
        let body = answer.body("o").map_err(malformed)?;
        let (path, _) = body.deserialize::<Path<'_>>().map_err(|error| malformed(error.to_string()))?;
        let mut unit = UnitRef {
            name: name.into(),
            path: path.as_str().into(),
            load_state: String::new(),
            active_state: String::new(),
            sub_state: String::new(),
        };
        let wanted = ["Id", "LoadState", "ActiveState", "SubState"].map(|word| (On::Unit, word));
        let answers = self.properties(&unit, "LoadUnit", &wanted.into())?;
        let text = |word| answers.text((On::Unit, word)).unwrap_or_default();
        unit.name = text("Id");
        unit.load_state = text("LoadState");
        unit.active_state = text("ActiveState");
        unit.sub_state = text("SubState");
        if unit.name.is_empty() {
            unit.name = name.into();
        }
        Ok(unit)
    }

    /// All allow-listed properties of a unit, and its processes.
    ///
    /// # Errors
    /// When systemd does not answer. A single property that it does not have or refuses is a reading, not an error.
    pub fn unit(&mut self, unit: &UnitRef) -> Result<UnitState, SystemdError> {
        let kind = Kind::of(&unit.name);
        let mut wanted: BTreeSet<Key> = identity_keys(kind).collect();
        wanted.extend(kind.tables().flat_map(Row::keys));
        let answers = self.properties(unit, "Get", &wanted)?;
        let version = self.version();
        let mut facts = answers.facts(kind.tables(), &version);
        if matches!(kind, Kind::Service | Kind::Scope) {
            facts.insert(attribute::PROCESSES, Fact::orchestrator(self.processes(unit)?));
        }
        let identity = identity(&answers);
        let ask = ask(unit, &answers, &identity);
        Ok(UnitState { identity, facts, ask })
    }

    /// Which run of the unit it is now.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn identity(&mut self, unit: &UnitRef) -> Result<Identity, SystemdError> {
        let kind = Kind::of(&unit.name);
        Ok(identity(&self.properties(unit, "Get", &identity_keys(kind).collect())?))
    }

    /// Whether the unit is still what it was: the same run, with the same limits and the same freezer state, which
    /// change without a new run.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn unchanged(&mut self, unit: &UnitRef, before: &UnitState) -> Result<bool, SystemdError> {
        let kind = Kind::of(&unit.name);
        let restless: &[&'static [Row]] = if kind == Kind::Other { &[UNIT] } else { &[UNIT, CGROUP] };
        let rows = || restless.iter().copied().flatten();
        let mut wanted: BTreeSet<Key> = identity_keys(kind).collect();
        wanted.extend(rows().flat_map(Row::keys));
        let answers = self.properties(unit, "Get", &wanted)?;
        let same = answers.facts(rows(), &self.version()).iter().all(|(attribute, fact)| {
            before.facts.get(attribute).is_some_and(|old| old.orchestrator == fact.orchestrator)
        });
        Ok(same && identity(&answers) == before.identity)
    }

    /// `GetUnitProcesses`: PIDs, ascending, one a line; absent where the unit has no cgroup and no process. The command
    /// lines of the answer are dropped where it is decoded.
    ///
    /// # Errors
    /// When systemd does not answer; that it refuses is a reading.
    pub fn processes(&mut self, unit: &UnitRef) -> Result<Reading, SystemdError> {
        const CALL: &str = "GetUnitProcesses";
        let answer = match self.manager_call(CALL, &[&unit.name]) {
            Ok(answer) => answer,
            Err(SystemdError::Failed { name, .. }) => {
                return Ok(Reading::Unreadable(format!("systemd answered {CALL} with {name}")));
            }
            Err(error) => return Err(error),
        };
        let malformed = |reason: String| SystemdError::Malformed { call: CALL, reason };
        let body = answer.body("a(sus)").map_err(malformed)?;
        let (processes, _) =
            body.deserialize::<Vec<(&str, u32, &str)>>().map_err(|error| malformed(error.to_string()))?;
        let pids: BTreeSet<u32> = processes.into_iter().map(|(_, pid, _)| pid).collect();
        Ok(match pids.is_empty() {
            true => Reading::Absent,
            false => Reading::Value(pids.iter().map(u32::to_string).collect::<Vec<_>>().join("\n")),
        })
    }

    /// Facts of systemd itself: how it was asked, its version, its taint flags.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn host(&mut self) -> Result<Subject, SystemdError> {
        let tainted = self.manager_property("Tainted")?;
        let link = self.link()?;
        let manager = Reading::Value(format!("{}\t{}", link.via.word(), link.version));
        let mut subject = Subject::default();
        subject.facts.insert(attribute::MANAGER, Fact::orchestrator(manager));
        subject.facts.insert(attribute::MANAGER_TAINTED, Fact::orchestrator(Reading::Value(tainted)));
        Ok(subject)
    }

    /// Subscribes to changes, over a second connection.
    ///
    /// # Errors
    /// When systemd does not answer, or this is a stream, of which there is no second.
    pub fn watch(&mut self) -> Result<Changes, SystemdError> {
        Changes::subscribe(&self.how)
    }

    /// The connection; a new one where there is none.
    fn link(&mut self) -> Result<&mut Link, SystemdError> {
        if self.link.is_none() {
            if self.ended && !self.how.again() {
                let error = std::io::ErrorKind::NotConnected.into();
                return Err(SystemdError::Closed { call: "an earlier call", error });
            }
            let (connection, via) = self.how.open(self.deadline)?;
            self.link = Some(Link { connection, via, version: String::new(), unknown: BTreeSet::new() });
            let version = self.manager_property("Version")?;
            if let Some(link) = &mut self.link {
                link.version = version;
            }
        }
        self.link
            .as_mut()
            .ok_or_else(|| SystemdError::Closed { call: "connect", error: std::io::ErrorKind::NotConnected.into() })
    }

    /// `systemd 252`, for people.
    fn version(&self) -> String {
        let version = self.link.as_ref().map_or("", |link| link.version.as_str());
        let number = version.split(|c: char| !c.is_ascii_digit()).next().filter(|number| !number.is_empty());
        format!("systemd {}", number.unwrap_or("of an unknown version"))
    }

    fn manager_call(&mut self, member: &'static str, arguments: &[&str]) -> Result<Message, SystemdError> {
        let call = Call { path: MANAGER_PATH, interface: MANAGER, member, arguments };
        let answer = self.link()?.connection.call(&call);
        self.settle(answer)
    }

    fn manager_property(&mut self, name: &'static str) -> Result<String, SystemdError> {
        let call = Call { path: MANAGER_PATH, interface: PROPERTIES, member: "Get", arguments: &[MANAGER, name] };
        let answer = self.link()?.connection.call(&call);
        let answer = self.settle(answer)?;
        let malformed = |reason: String| SystemdError::Malformed { call: name, reason };
        let body = answer.body("v").map_err(malformed)?;
        let (value, _) = body.deserialize::<zbus::Variant<'_>>().map_err(|error| malformed(error.to_string()))?;
        property::string(&value).map(str::to_owned).ok_or_else(|| malformed("it is no string".into()))
    }

    /// Some properties of a unit, each by its own call, all in one exchange.
    fn properties(
        &mut self,
        unit: &UnitRef,
        name: &'static str,
        wanted: &BTreeSet<Key>,
    ) -> Result<Answers, SystemdError> {
        let kind = Kind::of(&unit.name);
        let link = self.link()?;
        let keys: Vec<Key> = wanted.iter().copied().filter(|key| !link.unknown.contains(key)).collect();
        let arguments: Vec<[&str; 2]> = keys.iter().map(|(on, name)| [on.interface(kind), *name]).collect();
        let calls = arguments.iter().map(|arguments| Call {
            path: &unit.path,
            interface: PROPERTIES,
            member: "Get",
            arguments,
        });
        let got = link.connection.exchange(name, calls);
        let got = self.settle(got)?;
        let answers = Answers::of(keys.into_iter().zip(got).collect());
        if let Some(link) = &mut self.link {
            // What is unknown on one type's interface may be known on another's.
            if kind == Kind::Service {
                link.unknown.extend(answers.unknown());
            }
        }
        Ok(answers)
    }

    /// Drops a connection on which something failed that leaves later answers in doubt.
    fn settle<T>(&mut self, result: Result<T, SystemdError>) -> Result<T, SystemdError> {
        if let Err(error) = &result
            && !matches!(error, SystemdError::Failed { .. })
        {
            self.link = None;
            self.ended = true;
        }
        result
    }
}

/// The properties that tell one run from another.
fn identity_keys(kind: Kind) -> impl Iterator<Item = Key> {
    let unit =
        ["InvocationID", "ActiveEnterTimestampMonotonic", "StateChangeTimestampMonotonic", "ActiveState", "SubState"];
    let of_type: &[&'static str] = match kind {
        Kind::Service => &["ControlGroupId", "MainPID", "ControlPID", "ExecMainStartTimestamp"],
        Kind::Socket | Kind::Mount => &["ControlGroupId", "ControlPID"],
        Kind::Scope | Kind::Slice => &["ControlGroupId"],
        Kind::Other => &[],
    };
    unit.into_iter().map(|name| (On::Unit, name)).chain(of_type.iter().map(|name| (On::Type, *name)))
}

/// The same, for the allow-list.
pub(crate) fn identity_properties(kind: Kind) -> impl Iterator<Item = (&'static str, &'static str)> {
    identity_keys(kind).map(move |(on, name)| (on.interface(kind), name))
}

fn identity(answers: &Answers) -> Identity {
    let number = |key| answers.number(key).unwrap_or_default();
    let pid = |name| u32::try_from(number((On::Type, name))).unwrap_or_default();
    let text = |name| answers.text((On::Unit, name)).unwrap_or_default();
    Identity {
        invocation: answers.hexadecimal((On::Unit, "InvocationID")).unwrap_or_default(),
        main_pid: pid("MainPID"),
        control_pid: pid("ControlPID"),
        control_group_id: number((On::Type, "ControlGroupId")),
        active_enter_usec: number((On::Unit, "ActiveEnterTimestampMonotonic")),
        state_change_usec: number((On::Unit, "StateChangeTimestampMonotonic")),
        active_state: text("ActiveState"),
        sub_state: text("SubState"),
        started_usec: number((On::Type, "ExecMainStartTimestamp")),
    }
}

fn ask(unit: &UnitRef, answers: &Answers, identity: &Identity) -> UnitAsk {
    let of_unit = |name| answers.text((On::Unit, name)).filter(|path| !path.is_empty());
    let sockets = answers.pairs((On::Type, "Listen"));
    let paths = sockets.iter().filter(|(kind, address)| property::is_path(kind, address));
    UnitAsk {
        name: unit.name.clone(),
        control_group: answers.text((On::Type, "ControlGroup")).unwrap_or_default(),
        main_pid: identity.main_pid,
        control_pid: identity.control_pid,
        unit_files: of_unit("FragmentPath").into_iter().chain(answers.strings((On::Unit, "DropInPaths"))).collect(),
        directories: directories(answers),
        socket_paths: paths.map(|(_, address)| address.clone()).collect(),
        sockets,
    }
}

/// Absolute paths of the directories that systemd makes for the unit.
fn directories(answers: &Answers) -> Vec<String> {
    let kinds = ["StateDirectory", "CacheDirectory", "LogsDirectory", "RuntimeDirectory", "ConfigurationDirectory"];
    let kinds = kinds.into_iter().zip(property::DIRECTORIES);
    let of_kind = |(name, (_, below))| {
        let names = answers.strings((On::Type, name)).into_iter();
        names.map(move |name| format!("{below}/{name}"))
    };
    kinds.flat_map(of_kind).collect()
}

// === impl Row ===

impl Row {
    /// Every property that the row may need.
    fn keys(&self) -> impl Iterator<Item = Key> {
        self.properties.iter().chain(&self.newer).map(|name| (self.on, *name))
    }
}

// === impl Spelled ===

impl From<Spelled> for Reading {
    fn from(spelled: Spelled) -> Self {
        match spelled {
            Spelled::Value(text) => Self::Value(text),
            Spelled::Absent => Self::Absent,
        }
    }
}
