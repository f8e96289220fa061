//! The tables, an attribute a line: attribute, properties, how they are spelled.

use avouch_pairs::attribute as a;

use super::spelling as s;
use super::{On, Row};

/// Rows of one interface: `attribute: properties => spelling`, and `or` a later property that says more.
macro_rules! rows {
    ($(#[$doc:meta])* $table:ident on $on:ident: $($attribute:ident: $($property:literal),+ $(; or $newer:literal)? => $spell:path;)*) => {
        $(#[$doc])*
        pub(crate) const $table: &[Row] = &[$(Row {
            attribute: a::$attribute, on: On::$on, properties: &[$($property),+],
            newer: rows!(@newer $($newer)?), spell: $spell,
        }),*];
    };
    (@newer) => { None };
    (@newer $newer:literal) => { Some($newer) };
}

rows! { /// Of every unit.
    UNIT on Unit:
    LOAD_STATE: "LoadState" => s::text;
    UNIT_FRESHNESS: "NeedDaemonReload" => s::yes_no;
    UNIT_FILES: "FragmentPath", "DropInPaths" => s::files;
    JOINS_NAMESPACE_OF: "JoinsNamespaceOf" => s::lines;
    CGROUP_FREEZE: "FreezerState" => s::text;
}

rows! { /// Of every unit that has a cgroup: what `set-property` and a reload may change while the unit runs.
    CGROUP on Type:
    MEMORY_MAX: "MemoryMax" => s::number;
    MEMORY_HIGH: "MemoryHigh" => s::number;
    MEMORY_LOW: "MemoryLow" => s::number;
    MEMORY_MIN: "MemoryMin" => s::number;
    MEMORY_SWAP_MAX: "MemorySwapMax" => s::number;
    MEMORY_ZSWAP_MAX: "MemoryZSwapMax" => s::number;
    CPU_MAX: "CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec" => s::fields;
    CPU_WEIGHT: "CPUWeight" => s::number;
    CPUSET_CPUS: "AllowedCPUs" => s::mask;
    CPUSET_MEMS: "AllowedMemoryNodes" => s::mask;
    PIDS_MAX: "TasksMax" => s::number;
    IO_WEIGHT: "IOWeight" => s::number;
    IO_MAX: "IOReadBandwidthMax", "IOWriteBandwidthMax", "IOReadIOPSMax", "IOWriteIOPSMax" => s::io_max;
    CGROUP_MAIN: "ControlGroup" => s::cgroup;
    CGROUP_ID: "ControlGroupId" => s::number;
    DELEGATE: "Delegate" => s::yes_no;
    DEVICE_POLICY: "DevicePolicy", "DeviceAllow" => s::devices;
    IP_ADDRESS_FILTER: "IPAddressAllow", "IPAddressDeny" => s::addresses;
    IP_FILTER_PATH: "IPIngressFilterPath", "IPEgressFilterPath" => s::filter_paths;
    SOCKET_BIND_FILTER: "SocketBindAllow", "SocketBindDeny" => s::binds;
    RESTRICT_NETWORK_INTERFACES: "RestrictNetworkInterfaces" => s::filter;
}

rows! { /// Of services: how their processes are started.
    EXEC on Type:
    RLIMIT_CPU: "LimitCPUSoft", "LimitCPU" => s::pair;
    RLIMIT_FSIZE: "LimitFSIZESoft", "LimitFSIZE" => s::pair;
    RLIMIT_DATA: "LimitDATASoft", "LimitDATA" => s::pair;
    RLIMIT_STACK: "LimitSTACKSoft", "LimitSTACK" => s::pair;
    RLIMIT_CORE: "LimitCORESoft", "LimitCORE" => s::pair;
    RLIMIT_RSS: "LimitRSSSoft", "LimitRSS" => s::pair;
    RLIMIT_NPROC: "LimitNPROCSoft", "LimitNPROC" => s::pair;
    RLIMIT_NOFILE: "LimitNOFILESoft", "LimitNOFILE" => s::pair;
    RLIMIT_MEMLOCK: "LimitMEMLOCKSoft", "LimitMEMLOCK" => s::pair;
    RLIMIT_AS: "LimitASSoft", "LimitAS" => s::pair;
    RLIMIT_LOCKS: "LimitLOCKSSoft", "LimitLOCKS" => s::pair;
    RLIMIT_SIGPENDING: "LimitSIGPENDINGSoft", "LimitSIGPENDING" => s::pair;
    RLIMIT_MSGQUEUE: "LimitMSGQUEUESoft", "LimitMSGQUEUE" => s::pair;
    RLIMIT_NICE: "LimitNICESoft", "LimitNICE" => s::pair;
    RLIMIT_RTPRIO: "LimitRTPRIOSoft", "LimitRTPRIO" => s::pair;
    RLIMIT_RTTIME: "LimitRTTIMESoft", "LimitRTTIME" => s::pair;
    OOM_SCORE_ADJ: "OOMScoreAdjust" => s::number;
    NICE: "Nice" => s::number;
    NO_NEW_PRIVS: "NoNewPrivileges" => s::yes_no;
    SYSTEM_CALL_FILTER: "SystemCallFilter" => s::filter_or_none;
    SYSTEM_CALL_ARCHITECTURES: "SystemCallArchitectures" => s::lines;
    RESTRICT_ADDRESS_FAMILIES: "RestrictAddressFamilies" => s::filter;
    RESTRICT_NAMESPACES: "RestrictNamespaces" => s::number;
    MEMORY_DENY_WRITE_EXECUTE: "MemoryDenyWriteExecute" => s::yes_no;
    LOCK_PERSONALITY: "LockPersonality" => s::yes_no;
    RESTRICT_REALTIME: "RestrictRealtime" => s::yes_no;
    RESTRICT_SUID_SGID: "RestrictSUIDSGID" => s::yes_no;
    PROTECT_CLOCK: "ProtectClock" => s::yes_no;
    SECURE_BITS: "SecureBits" => s::number;
    UMASK: "UMask" => s::octal;
    KEYRING_MODE: "KeyringMode" => s::text;
    PERSONALITY: "Personality" => s::text;
    RESTRICT_FILE_SYSTEMS: "RestrictFileSystems" => s::filter_or_none;
    PROTECT_SYSTEM: "ProtectSystem" => s::text;
    PROTECT_HOME: "ProtectHome" => s::text;
    READ_ONLY_PATHS: "ReadOnlyPaths" => s::lines;
    READ_WRITE_PATHS: "ReadWritePaths" => s::lines;
    INACCESSIBLE_PATHS: "InaccessiblePaths" => s::lines;
    EXEC_PATHS: "ExecPaths" => s::lines;
    NO_EXEC_PATHS: "NoExecPaths" => s::lines;
    BIND_PATHS: "BindPaths" => s::bind_paths;
    BIND_READ_ONLY_PATHS: "BindReadOnlyPaths" => s::bind_paths;
    TEMPORARY_FILE_SYSTEM: "TemporaryFileSystem" => s::pairs;
    PRIVATE_TMP: "PrivateTmp"; or "PrivateTmpEx" => s::yes_no_or_word;
    PRIVATE_DEVICES: "PrivateDevices" => s::yes_no;
    PROTECT_KERNEL_TUNABLES: "ProtectKernelTunables" => s::yes_no;
    PROTECT_KERNEL_MODULES: "ProtectKernelModules" => s::yes_no;
    PROTECT_KERNEL_LOGS: "ProtectKernelLogs" => s::yes_no;
    PROTECT_CONTROL_GROUPS: "ProtectControlGroups"; or "ProtectControlGroupsEx" => s::yes_no_or_word;
    PROTECT_PROC: "ProtectProc" => s::text;
    PROC_SUBSET: "ProcSubset" => s::text;
    ROOT_DIRECTORY: "RootDirectory" => s::text;
    ROOT_IMAGE: "RootImage" => s::text;
    MOUNT_FLAGS: "MountFlags" => s::number;
    OWN_DIRECTORIES: "StateDirectory", "CacheDirectory", "LogsDirectory", "RuntimeDirectory", "ConfigurationDirectory"
        => s::own_directories;
    DIRECTORY_MODES: "StateDirectory", "CacheDirectory", "LogsDirectory", "RuntimeDirectory", "ConfigurationDirectory",
        "StateDirectoryMode", "CacheDirectoryMode", "LogsDirectoryMode", "RuntimeDirectoryMode",
        "ConfigurationDirectoryMode" => s::directory_modes;
    NS_NET: "PrivateNetwork" => s::yes_no;
    NS_MNT: "PrivateMounts" => s::yes_no;
    NS_IPC: "PrivateIPC" => s::yes_no;
    NS_UTS: "ProtectHostname"; or "ProtectHostnameEx" => s::yes_no_or_word;
    NS_PID: "PrivatePIDs" => s::yes_no_or_word;
    NS_USER: "PrivateUsers"; or "PrivateUsersEx" => s::yes_no_or_word;
    NETWORK_NAMESPACE_PATH: "NetworkNamespacePath" => s::text;
    CAP_BOUNDING: "CapabilityBoundingSet" => s::capabilities;
    CAP_AMBIENT: "AmbientCapabilities" => s::capabilities;
    GROUPS: "SupplementaryGroups" => s::how_many;
    DYNAMIC_USER: "DynamicUser" => s::yes_no;
    USER_SET: "User" => s::is_set;
    APPARMOR_PROFILE: "AppArmorProfile" => s::label;
    SELINUX_CONTEXT: "SELinuxContext" => s::label;
    SMACK_LABEL: "SmackProcessLabel" => s::label;
}

rows! { /// Of services alone.
    SERVICE on Type:
    MEMORY_OOM_GROUP: "OOMPolicy" => s::text;
    UID: "UID" => s::number;
    GID: "GID" => s::number;
    EXE: "ExecStart" => s::executables;
}

rows! { /// Of sockets alone.
    SOCKET on Type:
    LISTEN: "Listen" => s::pairs;
    BIND_IPV6_ONLY: "BindIPv6Only" => s::text;
    BIND_TO_DEVICE: "BindToDevice" => s::text;
    SOCKET_MODE: "Listen", "SocketMode" => s::socket_modes;
    SOCKET_OWNER: "SocketUser", "SocketGroup" => s::any_is_set;
}
