//! What was read, before anybody judged it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::Attribute;

/// How subjects are named: a kind, a colon, a name.
pub mod subject {
    use alloc::format;
    use alloc::string::String;
    use core::net::SocketAddr;

    /// The machine as a whole.
    pub const HOST: &str = "host";
    /// `unit:NAME`, any unit type.
    pub const UNIT: &str = "unit:";
    /// `listener:PROTO:ADDRESS:PORT[@NETNS]` or `listener:unix:PATH`; `@INODE` where it is not PID 1's network namespace.
    /// Spelled by [`inet_listener`] and [`unix_listener`]; others are `listener:raw:ADDRESS:PROTOCOL`,
    /// `listener:packet:INTERFACE OR *:PROTOCOL` and `listener:vsock:CID OR *:PORT`.
    pub const LISTENER: &str = "listener:";
    /// `sysctl:KEY` with dots, e.g. `sysctl:kernel.kptr_restrict`.
    pub const SYSCTL: &str = "sysctl:";
    /// `dm:NAME`, a device-mapper device.
    pub const DM: &str = "dm:";
    /// `path:/ABSOLUTE`, a file or directory that the intent names.
    pub const PATH: &str = "path:";

    /// The subject of an internet socket that waits for peers: `protocol` is `tcp` or `udp`; `namespace` the inode of a
    /// network namespace that is not PID 1's. E.g. `listener:tcp:0.0.0.0:22`, `listener:udp:[::]:546@4026532241`.
    pub fn inet_listener(protocol: &str, address: SocketAddr, namespace: Option<u64>) -> String {
        match namespace {
            None => format!("{LISTENER}{protocol}:{address}"),
            Some(inode) => format!("{LISTENER}{protocol}:{address}@{inode}"),
        }
    }

    /// The subject of a Unix socket that waits for peers; of an abstract one `path` begins with `@`. Whose home
    /// directory it is in is left out: `/home/*/…`.
    pub fn unix_listener(path: &str, namespace: Option<u64>) -> String {
        let path = without_user(path);
        match namespace {
            Some(inode) if path.starts_with('@') => format!("{LISTENER}unix:{path}@{inode}"),
            _ => format!("{LISTENER}unix:{path}"),
        }
    }

    /// The path without the name of the user below /home: names of users never stand in an observation.
    pub fn without_user(path: &str) -> String {
        match path.strip_prefix("/home/") {
            None | Some("") => String::from(path),
            Some(rest) => match rest.split_once('/') {
                None => String::from("/home/*"),
                Some((_, below)) => format!("/home/*/{below}"),
            },
        }
    }
}

/// Everything that was read in one pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// By the subject's name ([`subject`]).
    pub subjects: BTreeMap<String, Subject>,
}

/// One thing that facts are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Which run of the unit was seen; absent for subjects that are no unit.
    pub identity: Option<UnitIdentity>,
    /// The facts, by attribute.
    pub facts: BTreeMap<Attribute, Fact>,
}

/// Which run of a unit was read, and whether it stood still while it was read: the same before and after the kernel
/// side, or it was racing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitIdentity {
    /// `InvocationID` in hexadecimal; empty when the unit never ran.
    pub invocation: String,
    /// `MainPID`; 0 when there is none.
    pub main_pid: u32,
    /// Field 22 of `/proc/PID/stat` of the main process, in clock ticks since boot; 0 when there is none.
    pub main_start: u64,
    /// `ActiveState`.
    pub active_state: String,
    /// `SubState`.
    pub sub_state: String,
    /// `ExecMainStartTimestamp` in microseconds of the wall clock; 0 when it never started.
    pub started_usec: u64,
    /// How often the unit was read.
    pub attempts: u8,
    /// False when it changed during every attempt.
    pub steady: bool,
}

/// A unit, as far as the kernel must know of it to find its own objects. systemd names them, and names only: nothing
/// here states what ought to be found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitAsk {
    /// Its name with the suffix, e.g. `dbus.service`.
    pub name: String,
    /// `ControlGroup`, e.g. `/system.slice/dbus.service`; empty when it has none.
    pub control_group: String,
    /// `MainPID`; 0 when there is none.
    pub main_pid: u32,
    /// `ControlPID`; 0 when there is none.
    pub control_pid: u32,
    /// `FragmentPath`, then `DropInPaths`.
    pub unit_files: Vec<String>,
    /// Absolute paths of the directories that systemd makes for the unit.
    pub directories: Vec<String>,
    /// `Listen` of a socket unit: type (`Stream`, `Datagram`, `SequentialPacket`, `FIFO`, `Special`, `Netlink`,
    /// `MessageQueue`) and address, as systemd spells them.
    pub sockets: Vec<(String, String)>,
    /// Paths among the addresses of a socket unit.
    pub socket_paths: Vec<String>,
}

/// One fact and what each witness says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What systemd (or what systemd was configured by) says.
    pub orchestrator: Reading,
    /// What the kernel shows.
    pub kernel: Reading,
    /// What a second interface of the kernel shows of the same fact; [`Reading::NotRead`] where there is none.
    pub second: Reading,
}

/// What came of asking one witness.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reading {
    /// The raw value, in the spelling that [`crate::attribute`] states.
    Value(String),
    /// The witness was asked and has no such object: no file, no process, no property in this state.
    Absent,
    /// The witness could not be read; why, as a short sentence without names of people.
    Unreadable(String),
    /// This kernel, systemd or build cannot show it; why.
    NotSupported(String),
    /// Nobody asks this witness for this attribute: the table says which attribute holds its evidence.
    NotRead,
}

// === impl Reading ===

impl Reading {
    /// The raw value, if there is one.
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }
}

// === impl Fact ===

impl Fact {
    /// A fact that only systemd states; the kernel's evidence stands elsewhere.
    pub fn orchestrator(reading: Reading) -> Self {
        Self { orchestrator: reading, kernel: Reading::NotRead, second: Reading::NotRead }
    }

    /// A fact that only the kernel states.
    pub fn kernel(reading: Reading) -> Self {
        Self { orchestrator: Reading::NotRead, kernel: reading, second: Reading::NotRead }
    }
}

// === impl Observation ===

impl Observation {
    /// Joins what two witnesses saw: of each fact each witness's own columns. Of an identity, the one that is there.
    pub fn join(&mut self, other: Self) {
        for (name, theirs) in other.subjects {
            let ours = self.subjects.entry(name).or_default();
            ours.identity = ours.identity.take().or(theirs.identity);
            for (attribute, fact) in theirs.facts {
                match ours.facts.entry(attribute) {
                    alloc::collections::btree_map::Entry::Vacant(free) => {
                        free.insert(fact);
                    }
                    alloc::collections::btree_map::Entry::Occupied(mut there) => there.get_mut().join(fact),
                }
            }
        }
    }
}

impl Fact {
    fn join(&mut self, other: Self) {
        for (ours, theirs) in [
            (&mut self.orchestrator, other.orchestrator),
            (&mut self.kernel, other.kernel),
            (&mut self.second, other.second),
        ] {
            if *ours == Reading::NotRead {
                *ours = theirs;
            }
        }
    }
}
