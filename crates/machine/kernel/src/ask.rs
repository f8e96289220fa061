//! What the kernel is asked about.

/// A unit, as far as the kernel must know of it to find its own objects. Only names: nothing here states what ought to
/// be found.
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

/// The machine as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostAsk {
    /// Keys with dots, e.g. `kernel.kptr_restrict`; a slash inside a component is what systemd-sysctl writes a dot as.
    pub sysctls: Vec<String>,
    /// Absolute paths that the intent names.
    pub paths: Vec<String>,
    /// Every loaded unit with a cgroup: (cgroup, unit). A service or scope owns the cgroups below its own, a slice does
    /// not. Empty where nobody knows the units: then owners are named by their cgroup and strays cannot be told.
    pub unit_groups: Vec<(String, String)>,
    /// Names of `listener:` subjects that ought to exist: those that the kernel does not have are answered as absent.
    pub listeners: Vec<String>,
}
