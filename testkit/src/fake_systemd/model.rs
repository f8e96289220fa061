//! What systemd knows and what the kernel holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::Sender;

use zbus::{OwnedVariant, Variant};

use super::config::{Config, empty, owned};
use super::process::FakeProcess;
use super::recorded;
use super::signals::Signal;

/// Where systemd's units stand on the bus.
pub(super) const UNITS: &str = "/org/freedesktop/systemd1/unit/";

/// How the D-Bus side misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// It does not.
    #[default]
    None,
    /// Calls are read and never answered.
    Hang,
    /// The connection is closed at the next call.
    Close,
    /// The next answers are strings, whatever was asked for.
    Lie,
}

/// What was asked over D-Bus: interface and member, or of a property its interface and name.
pub type Asked = (String, String);

/// A unit: what systemd says and what the kernel holds.
#[derive(Clone, Debug, Default)]
pub struct FakeUnit {
    /// `Id`.
    pub name: String,
    /// `ActiveState`.
    pub active_state: String,
    /// `SubState`.
    pub sub_state: String,
    /// `InvocationID`.
    pub invocation: [u8; 16],
    /// `MainPID`.
    pub main_pid: u32,
    /// `ControlPID`.
    pub control_pid: u32,
    /// `ControlGroup`.
    pub control_group: String,
    /// `ActiveEnterTimestampMonotonic`.
    pub active_enter: u64,
    /// `StateChangeTimestampMonotonic`.
    pub state_change: u64,
    /// What systemd is configured with.
    pub config: Config,
    /// Inode of the cgroup; 0 while there is none.
    pub group_id: u64,
    /// Files of the cgroup while there is one.
    pub files: BTreeMap<String, String>,
    /// Properties as `systemctl show` printed them, of a unit that was recorded: then only they are said.
    pub recorded: Option<BTreeMap<String, String>>,
}

/// The machine.
pub struct Model {
    /// `Version`.
    pub version: String,
    /// Units by name.
    pub units: BTreeMap<String, FakeUnit>,
    /// Processes by PID.
    pub processes: BTreeMap<u32, FakeProcess>,
    /// Units that the kernel has cgroups of and systemd knows nothing of.
    pub hidden: BTreeSet<String>,
    /// How D-Bus misbehaves.
    pub fault: Fault,
    /// Everything that was asked, once each.
    pub asked: BTreeSet<Asked>,
    /// Calls in all.
    pub calls: u64,
    /// Bytes of calls and answers in all.
    pub bytes: u64,
    /// Runs before a property of a unit is answered: whoever tests a race puts a change here.
    pub before_property: Option<Hook>,
    pub(super) subscribers: Vec<Sender<Signal>>,
    pub(super) next_job: u32,
    pub(super) next_pid: u32,
    pub(super) next_inode: u64,
    pub(super) ticks: u64,
}

/// What a test does at an instant: the model, the unit, the property.
pub type Hook = Box<dyn FnMut(&mut Model, &str, &str) + Send>;

// === impl Model ===

impl Default for Model {
    fn default() -> Self {
        let mut model = Self {
            version: "252.39-1~deb12u2".into(),
            units: BTreeMap::new(),
            processes: BTreeMap::new(),
            hidden: BTreeSet::new(),
            fault: Fault::None,
            asked: BTreeSet::new(),
            calls: 0,
            bytes: 0,
            before_property: None,
            subscribers: Vec::new(),
            next_job: 0,
            next_pid: 300,
            next_inode: 1000,
            ticks: 5000,
        };
        let init = FakeProcess::forked(1, 1, "/init.scope", &Config::default());
        model.processes.insert(1, init);
        let groups = [
            ("-.slice", "/", "active"),
            ("system.slice", "/system.slice", "active"),
            ("init.scope", "/init.scope", "running"),
        ];
        for (name, group, state) in groups {
            model.add_group(name, group, state, Config { tasks_max: u64::MAX, ..Config::default() });
        }
        model
    }
}

impl Model {
    /// A unit with a cgroup and no process.
    pub(super) fn add_group(&mut self, name: &str, group: &str, sub_state: &str, config: Config) {
        self.next_inode += 1;
        let mut unit = FakeUnit {
            name: name.into(),
            active_state: "active".into(),
            sub_state: sub_state.into(),
            control_group: group.into(),
            config,
            group_id: self.next_inode,
            active_enter: 1,
            state_change: 1,
            ..FakeUnit::default()
        };
        unit.write_files();
        self.announce(Signal::UnitNew(name.to_owned(), unit.path()));
        self.units.insert(name.into(), unit);
    }

    /// The unit that this object is.
    pub(super) fn unit_at(&self, path: &str) -> Option<&FakeUnit> {
        let wanted = path.strip_prefix(UNITS)?;
        // A name that is not escaped in full is none of a unit.
        let mut name = Vec::new();
        let mut bytes = wanted.bytes();
        while let Some(byte) = bytes.next() {
            name.push(match byte {
                b'_' => {
                    let digits = [bytes.next()?, bytes.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                byte => byte,
            });
        }
        self.units.get(std::str::from_utf8(&name).ok()?)
    }

    /// Processes of a cgroup and those below it.
    pub(super) fn members<'m>(&'m self, group: &'m str) -> impl Iterator<Item = &'m FakeProcess> {
        let inside = move |process: &&FakeProcess| {
            process.cgroup.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.processes.values().filter(inside)
    }

    /// A property; `None` for one that this systemd does not have.
    pub(super) fn property(&self, unit: &FakeUnit, interface: &str, name: &str) -> Option<OwnedVariant> {
        let kind = interface.strip_prefix("org.freedesktop.systemd1.")?;
        let suffix = unit.name.rsplit('.').next().unwrap_or_default();
        if let Some(shown) = &unit.recorded {
            return recorded::property(shown, name);
        }
        if kind == "Unit" {
            return unit.common_property(name);
        }
        if !kind.eq_ignore_ascii_case(suffix) {
            return None;
        }
        let of_kind = match kind {
            "Service" => unit.service_property(name),
            "Socket" => unit.socket_property(name),
            _ => None,
        };
        let exec = || matches!(kind, "Service" | "Socket" | "Mount").then(|| unit.config.exec_property(name))?;
        of_kind.or_else(|| unit.group_property(name)).or_else(|| unit.config.cgroup_property(name)).or_else(exec)
    }
}

// === impl FakeUnit ===

impl FakeUnit {
    /// Its object.
    pub fn path(&self) -> String {
        let mut path = UNITS.to_owned();
        for (at, byte) in self.name.bytes().enumerate() {
            let plain = byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit());
            if plain { path.push(byte.into()) } else { path.push_str(&format!("_{byte:02x}")) }
        }
        path
    }

    /// systemd applies the limits to the cgroup.
    pub(super) fn write_files(&mut self) {
        let config = &self.config;
        let number = |value: u64| if value == u64::MAX { "max".to_owned() } else { value.to_string() };
        let quota = match config.cpu_quota {
            u64::MAX => "max 100000".to_owned(),
            quota => format!("{} 100000", quota / 10),
        };
        let weight = if config.cpu_weight == u64::MAX { 100 } else { config.cpu_weight };
        let files = [
            ("memory.max", number(pages(config.memory_max))),
            ("memory.high", "max".into()),
            ("memory.low", "0".into()),
            ("memory.min", "0".into()),
            ("memory.swap.max", "max".into()),
            ("memory.zswap.max", "max".into()),
            ("memory.oom.group", "0".into()),
            ("cpu.max", quota),
            ("cpu.weight", weight.to_string()),
            ("cpu.idle", "0".into()),
            ("cpuset.cpus", String::new()),
            ("cpuset.cpus.effective", "0-1".into()),
            ("cpuset.mems", String::new()),
            ("cpuset.mems.effective", "0".into()),
            ("pids.max", number(config.tasks_max)),
            ("io.weight", "default 100".into()),
            ("io.max", String::new()),
            ("cgroup.freeze", "0".into()),
            ("cgroup.events", "populated 1\nfrozen 0".into()),
            ("cgroup.controllers", "cpuset cpu io memory pids".into()),
            ("cgroup.subtree_control", "cpuset cpu io memory pids".into()),
        ];
        self.files = files.into_iter().map(|(name, content)| (name.to_owned(), format!("{content}\n"))).collect();
    }

    fn common_property(&self, name: &str) -> Option<OwnedVariant> {
        owned(match name {
            "Id" => Variant::from(self.name.as_str()),
            "LoadState" => Variant::from("loaded"),
            "ActiveState" => Variant::from(self.active_state.as_str()),
            "SubState" => Variant::from(self.sub_state.as_str()),
            "FreezerState" => Variant::from("running"),
            "FragmentPath" => Variant::from(format!("/etc/systemd/system/{}", self.name)),
            "DropInPaths" | "JoinsNamespaceOf" => empty("s"),
            "NeedDaemonReload" => Variant::Bool(false),
            "InvocationID" => Variant::from(self.invocation.to_vec()),
            "ActiveEnterTimestampMonotonic" => Variant::U64(self.active_enter),
            "StateChangeTimestampMonotonic" => Variant::U64(self.state_change),
            _ => return None,
        })
    }

    fn group_property(&self, name: &str) -> Option<OwnedVariant> {
        owned(match name {
            "ControlGroup" => Variant::from(self.control_group.as_str()),
            "ControlGroupId" => Variant::U64(self.group_id),
            _ => return None,
        })
    }

    fn service_property(&self, name: &str) -> Option<OwnedVariant> {
        owned(match name {
            "MainPID" => Variant::U32(self.main_pid),
            "ControlPID" => Variant::U32(self.control_pid),
            "ExecMainStartTimestamp" => Variant::U64(self.active_enter),
            "OOMPolicy" => Variant::from("stop"),
            "UID" | "GID" => Variant::U32(u32::MAX),
            "ExecStart" => return self.config.exec_start(),
            _ => return None,
        })
    }

    fn socket_property(&self, name: &str) -> Option<OwnedVariant> {
        owned(match name {
            "ControlPID" => Variant::U32(0),
            "Listen" => return self.config.listen_property(),
            "BindIPv6Only" => Variant::from("default"),
            "BindToDevice" => Variant::from(""),
            "SocketMode" => Variant::U32(0o666),
            "SocketUser" | "SocketGroup" => Variant::from(""),
            _ => return None,
        })
    }
}

/// The kernel keeps whole pages.
fn pages(bytes: u64) -> u64 {
    if bytes == u64::MAX { bytes } else { bytes / 4096 * 4096 }
}
