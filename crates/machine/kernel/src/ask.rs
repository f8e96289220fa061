//! What the kernel is asked about.

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
