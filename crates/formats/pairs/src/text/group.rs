//! Attributes that mean the same to whoever relies on them.

use super::{Text, platform, sandbox};
use crate::Attribute;
use crate::attribute::*;

/// A group of attributes with one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    AppArmor,
    Capabilities,
    Placement,
    Cpu,
    Devices,
    DeviceMapper,
    Evidence,
    FileModes,
    FileView,
    Freezer,
    Freshness,
    Hidden,
    Identity,
    Io,
    KernelFiles,
    KernelState,
    Listener,
    LoadState,
    Lockdown,
    Memory,
    MemoryProtection,
    Modules,
    Namespace,
    NetworkFilter,
    NetworkNamespace,
    NoNewPrivileges,
    Overmounts,
    Path,
    Processes,
    PrivilegedFiles,
    ProcessView,
    Program,
    ProtectHome,
    ProtectSystem,
    Rlimit,
    Scheduling,
    Seccomp,
    SecurityModule,
    SeLinux,
    SocketUnit,
    Stray,
    Sysctl,
    Tasks,
    Temporary,
    Umask,
    UnitFiles,
    View,
    WritableCode,
}

impl Group {
    /// The group of an attribute; [`Group::KernelState`] for what only an intent speaks of.
    pub(crate) fn of(attribute: Attribute) -> Self {
        match attribute {
            DM_TABLE => Self::DeviceMapper,
            OVERMOUNTS => Self::Overmounts,
            MEMORY_MAX | MEMORY_HIGH | MEMORY_SWAP_MAX | MEMORY_ZSWAP_MAX | MEMORY_OOM_GROUP | MEMORY_EFFECTIVE => {
                Self::Memory
            }
            MEMORY_LOW | MEMORY_MIN => Self::MemoryProtection,
            CPU_MAX | CPU_WEIGHT | CPUSET_CPUS | CPUSET_MEMS | CPU_EFFECTIVE => Self::Cpu,
            PIDS_MAX | PIDS_EFFECTIVE | LIMITS_MET => Self::Tasks,
            IO_WEIGHT | IO_MAX => Self::Io,
            OOM_SCORE_ADJ | NICE => Self::Scheduling,
            CGROUP_FREEZE => Self::Freezer,
            CGROUP_MAIN | CGROUP_ID | CGROUP_CONTROLLERS | DELEGATE => Self::Placement,
            NO_NEW_PRIVS => Self::NoNewPrivileges,
            MEMORY_DENY_WRITE_EXECUTE => Self::WritableCode,
            UMASK => Self::Umask,
            PROTECT_SYSTEM | READ_ONLY_PATHS | READ_WRITE_PATHS | BIND_READ_ONLY_PATHS => Self::ProtectSystem,
            PROTECT_HOME | INACCESSIBLE_PATHS => Self::ProtectHome,
            PRIVATE_TMP | TEMPORARY_FILE_SYSTEM => Self::Temporary,
            PRIVATE_DEVICES | DEVICE_POLICY => Self::Devices,
            PROTECT_KERNEL_TUNABLES | PROTECT_KERNEL_MODULES | PROTECT_KERNEL_LOGS | PROTECT_CONTROL_GROUPS => {
                Self::KernelFiles
            }
            PROTECT_PROC | PROC_SUBSET => Self::ProcessView,
            NS_NET | NET_DEVICES | NETWORK_NAMESPACE_PATH => Self::NetworkNamespace,
            UID | GID | GROUPS | DYNAMIC_USER | USER_SET => Self::Identity,
            APPARMOR_PROFILE | APPARMOR_MODE | APPARMOR_PROFILES | APPARMOR_POLICY => Self::AppArmor,
            SELINUX_CONTEXT | SELINUX_ENFORCE | SELINUX_POLICY | SELINUX_SETTINGS => Self::SeLinux,
            SMACK_LABEL | LSM | MAC_HISTORY => Self::SecurityModule,
            LISTENER => Self::Listener,
            LISTEN | BIND_IPV6_ONLY | BIND_TO_DEVICE => Self::SocketUnit,
            IP_ADDRESS_FILTER | IP_FILTER_PATH | SOCKET_BIND_FILTER | RESTRICT_NETWORK_INTERFACES | NFTABLES => {
                Self::NetworkFilter
            }
            DIRECTORY_MODES | SOCKET_MODE | SOCKET_OWNER | LABELLED_MOUNTS => Self::FileModes,
            PRIVILEGED_FILES => Self::PrivilegedFiles,
            UNIT_FILES => Self::UnitFiles,
            PATH => Self::Path,
            SYSCTL => Self::Sysctl,
            LOCKDOWN => Self::Lockdown,
            MODULES | MODULE_SIG_ENFORCE => Self::Modules,
            PROCESSES => Self::Processes,
            EXE | EXE_DIGESTS | EXEC_MAPPINGS => Self::Program,
            HIDDEN_PROCESSES => Self::Hidden,
            STRAY_PROCESSES => Self::Stray,
            UNIT_FRESHNESS => Self::Freshness,
            LOAD_STATE => Self::LoadState,
            VIEW => Self::View,
            other => Self::of_number(other.0),
        }
    }

    /// The rest of each level.
    fn of_number(number: u16) -> Self {
        match number {
            400..=499 => Self::Rlimit,
            500..=599 => Self::Seccomp,
            600..=699 => Self::FileView,
            700..=799 => Self::Namespace,
            800..=899 => Self::Capabilities,
            1400..=1499 => Self::Evidence,
            _ => Self::KernelState,
        }
    }

    pub(crate) const fn text(self) -> &'static Text {
        match self {
            Self::Placement => &sandbox::CONTROL_GROUP,
            Self::Cpu => &sandbox::CPU,
            Self::Devices => &sandbox::DEVICES,
            Self::FileView => &sandbox::FILE_VIEW,
            Self::Freezer => &sandbox::FREEZER,
            Self::Io => &sandbox::IO,
            Self::KernelFiles => &sandbox::KERNEL_FILES,
            Self::Memory => &sandbox::MEMORY,
            Self::MemoryProtection => &sandbox::MEMORY_PROTECTION,
            Self::Namespace => &sandbox::NAMESPACE,
            Self::NetworkNamespace => &sandbox::NETWORK_NAMESPACE,
            Self::NoNewPrivileges => &sandbox::NO_NEW_PRIVILEGES,
            Self::ProcessView => &sandbox::PROCESS_VIEW,
            Self::ProtectHome => &sandbox::PROTECT_HOME,
            Self::ProtectSystem => &sandbox::PROTECT_SYSTEM,
            Self::Rlimit => &sandbox::RLIMIT,
            Self::Scheduling => &sandbox::SCHEDULING,
            Self::Seccomp => &sandbox::SECCOMP,
            Self::Tasks => &sandbox::TASKS,
            Self::Temporary => &sandbox::TEMPORARY,
            Self::Umask => &sandbox::UMASK,
            Self::WritableCode => &sandbox::WRITABLE_CODE,
            Self::Capabilities => &sandbox::CAPABILITIES,
            Self::Identity => &sandbox::IDENTITY,
            Self::AppArmor => &platform::APPARMOR,
            Self::DeviceMapper => &platform::DEVICE_MAPPER,
            Self::Evidence => &platform::EVIDENCE,
            Self::FileModes => &platform::FILE_MODES,
            Self::Freshness => &platform::FRESHNESS,
            Self::Hidden => &platform::HIDDEN,
            Self::KernelState => &platform::KERNEL_STATE,
            Self::Listener => &platform::LISTENER,
            Self::LoadState => &platform::LOAD_STATE,
            Self::Lockdown => &platform::LOCKDOWN,
            Self::Modules => &platform::MODULES,
            Self::NetworkFilter => &platform::NETWORK_FILTER,
            Self::Overmounts => &platform::OVERMOUNTS,
            Self::Path => &platform::PATH,
            Self::PrivilegedFiles => &platform::PRIVILEGED_FILES,
            Self::Processes => &platform::PROCESSES,
            Self::Program => &platform::PROGRAM,
            Self::SecurityModule => &platform::SECURITY_MODULE,
            Self::SeLinux => &platform::SELINUX,
            Self::SocketUnit => &platform::SOCKET_UNIT,
            Self::Stray => &platform::STRAY,
            Self::Sysctl => &platform::SYSCTL,
            Self::UnitFiles => &platform::UNIT_FILES,
            Self::View => &platform::VIEW,
        }
    }
}
