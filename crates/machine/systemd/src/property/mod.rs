//! The allow-list: which properties are read of a unit, and which attribute each fills.
//!
//! What is not in these tables is never asked for; `Environment`, `EnvironmentFiles`, `PassEnvironment`,
//! `LoadCredential`, `SetCredential` and the other commands than `ExecStart` are not in them. Of `ExecStart` the paths
//! are kept, of `User` that there is one, of `SupplementaryGroups` how many; the rest of these answers is dropped where
//! it is decoded.

mod spelling;
mod tables;

use avouch_pairs::Attribute;
pub(crate) use spelling::{DIRECTORIES, bytes, hexadecimal, is_path, rows, string, strings};
pub(crate) use tables::{CGROUP, UNIT};
use tables::{EXEC, SERVICE, SOCKET};
use zbus::Variant;

/// systemd's prefix of interfaces.
const PREFIX: &str = "org.freedesktop.systemd1.";

/// Which of a unit's interfaces has a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum On {
    /// `org.freedesktop.systemd1.Unit`.
    Unit,
    /// The interface of the unit's type.
    Type,
}

/// One attribute and the properties it is made of.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) attribute: Attribute,
    pub(crate) on: On,
    /// All of them are needed, in the order in which `spell` takes them.
    pub(crate) properties: &'static [&'static str],
    /// A later systemd says more in this one, which is then taken instead.
    pub(crate) newer: Option<&'static str>,
    /// The reading; `None` when a value has another type than systemd's interface prescribes.
    pub(crate) spell: fn(&[&Variant<'_>]) -> Option<Spelled>,
}

/// What a property comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spelled {
    Value(String),
    /// systemd has the property and says that there is no such object.
    Absent,
}

/// What kind of unit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Service,
    Socket,
    Scope,
    Slice,
    Mount,
    /// Types that nothing but the common interface is read of.
    Other,
}

// === impl Kind ===

impl Kind {
    /// By the name's suffix.
    pub(crate) fn of(name: &str) -> Self {
        match name.rsplit('.').next() {
            Some("service") => Self::Service,
            Some("socket") => Self::Socket,
            Some("scope") => Self::Scope,
            Some("slice") => Self::Slice,
            Some("mount") => Self::Mount,
            _ => Self::Other,
        }
    }

    /// The interface of the type.
    const fn interface(self) -> &'static str {
        match self {
            Self::Service => "org.freedesktop.systemd1.Service",
            Self::Socket => "org.freedesktop.systemd1.Socket",
            Self::Scope => "org.freedesktop.systemd1.Scope",
            Self::Slice => "org.freedesktop.systemd1.Slice",
            Self::Mount => "org.freedesktop.systemd1.Mount",
            Self::Other => "org.freedesktop.systemd1.Unit",
        }
    }

    /// The tables of the type. Execution settings of sockets and mounts govern commands that end before the unit is
    /// active, so nothing of them could be held against a process.
    pub(crate) fn tables(self) -> impl Iterator<Item = &'static Row> {
        let tables: &[&'static [Row]] = match self {
            Self::Service => &[UNIT, CGROUP, EXEC, SERVICE],
            Self::Socket => &[UNIT, CGROUP, SOCKET],
            Self::Scope | Self::Slice | Self::Mount => &[UNIT, CGROUP],
            Self::Other => &[UNIT],
        };
        tables.iter().copied().flatten()
    }
}

// === impl On ===

impl On {
    pub(crate) const fn interface(self, kind: Kind) -> &'static str {
        match self {
            Self::Unit => "org.freedesktop.systemd1.Unit",
            Self::Type => kind.interface(),
        }
    }
}

/// Every property that may be asked of a unit: the last word of its interface and its name, sorted.
pub fn allowed() -> Vec<(&'static str, &'static str)> {
    let mut all = Vec::new();
    for kind in [Kind::Service, Kind::Socket, Kind::Scope, Kind::Slice, Kind::Mount] {
        for row in kind.tables() {
            let interface = row.on.interface(kind);
            let word = interface.strip_prefix(PREFIX).unwrap_or(interface);
            all.extend(row.properties.iter().chain(&row.newer).map(|name| (word, *name)));
        }
        let identity = crate::manager::identity_properties(kind);
        all.extend(identity.map(|(interface, name)| (interface.strip_prefix(PREFIX).unwrap_or(interface), name)));
    }
    all.sort_unstable();
    all.dedup();
    all
}
