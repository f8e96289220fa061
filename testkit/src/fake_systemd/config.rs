//! What a unit is configured to have, and how systemd says it over D-Bus.

use zbus::{Array, OwnedVariant, Signature, Structure, Variant};

/// Infinity of every number of systemd.
pub(super) const INFINITY: u64 = u64::MAX;
/// The capabilities of Linux 6.1.
pub(super) const ALL_CAPABILITIES: u64 = 0x1ff_ffff_ffff;

/// Settings of a unit; what is not here is systemd's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `MemoryMax` in bytes.
    pub memory_max: u64,
    /// `TasksMax`.
    pub tasks_max: u64,
    /// `CPUQuotaPerSecUSec`.
    pub cpu_quota: u64,
    /// `CPUWeight`.
    pub cpu_weight: u64,
    /// `NoNewPrivileges`.
    pub no_new_privileges: bool,
    /// `CapabilityBoundingSet`.
    pub bounding: u64,
    /// `LimitNOFILE`, soft and hard.
    pub files: (u64, u64),
    /// `OOMScoreAdjust`.
    pub oom_score_adjust: i32,
    /// `PrivateNetwork`.
    pub private_network: bool,
    /// `UMask`.
    pub umask: u32,
    /// `ExecStart`: path and arguments.
    pub exec: Vec<String>,
    /// `Environment`: must never be asked for.
    pub environment: Vec<String>,
    /// `User`.
    pub user: String,
    /// `SupplementaryGroups`.
    pub groups: Vec<String>,
    /// `SetCredential`, names and contents: must never be asked for.
    pub credentials: Vec<(String, String)>,
    /// `Listen` of a socket unit: type and address.
    pub listen: Vec<(String, String)>,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            memory_max: INFINITY,
            tasks_max: 1157,
            cpu_quota: INFINITY,
            cpu_weight: INFINITY,
            no_new_privileges: false,
            bounding: INFINITY,
            files: (1024, 524_288),
            oom_score_adjust: 0,
            private_network: false,
            umask: 0o022,
            exec: vec!["/usr/bin/fake".into()],
            environment: Vec::new(),
            user: String::new(),
            groups: Vec::new(),
            credentials: Vec::new(),
            listen: Vec::new(),
        }
    }
}

impl Config {
    /// A service with limits and privileges taken away.
    pub fn hardened() -> Self {
        Self {
            memory_max: 64 << 20,
            tasks_max: 32,
            cpu_quota: 250_000,
            cpu_weight: 50,
            no_new_privileges: true,
            bounding: 0x400,
            files: (512, 4096),
            oom_score_adjust: 100,
            private_network: true,
            umask: 0o077,
            ..Self::default()
        }
    }

    /// A cgroup property of any unit.
    pub(super) fn cgroup_property(&self, name: &str) -> Option<OwnedVariant> {
        owned(match name {
            "MemoryMax" => Variant::U64(self.memory_max),
            "MemoryHigh" | "MemorySwapMax" | "IOWeight" | "CPUQuotaPeriodUSec" => Variant::U64(INFINITY),
            "MemoryLow" | "MemoryMin" => Variant::U64(0),
            "TasksMax" => Variant::U64(self.tasks_max),
            "CPUQuotaPerSecUSec" => Variant::U64(self.cpu_quota),
            "CPUWeight" => Variant::U64(self.cpu_weight),
            "AllowedCPUs" | "AllowedMemoryNodes" => empty("y"),
            "IOReadBandwidthMax" | "IOWriteBandwidthMax" | "IOReadIOPSMax" | "IOWriteIOPSMax" => empty("(st)"),
            "Delegate" => Variant::Bool(false),
            "DevicePolicy" => Variant::from("auto"),
            "DeviceAllow" => empty("(ss)"),
            "IPAddressAllow" | "IPAddressDeny" => empty("(iayu)"),
            "IPIngressFilterPath" | "IPEgressFilterPath" => empty("s"),
            "SocketBindAllow" | "SocketBindDeny" => empty("(iiqq)"),
            "RestrictNetworkInterfaces" => flagged(false, empty("s")),
            _ => return None,
        })
    }

    /// An execution setting.
    pub(super) fn exec_property(&self, name: &str) -> Option<OwnedVariant> {
        if let Some(limit) = name.strip_prefix("Limit") {
            return owned(Variant::U64(self.limit(limit)?));
        }
        owned(match name {
            "OOMScoreAdjust" => Variant::I32(self.oom_score_adjust),
            "Nice" | "SecureBits" => Variant::I32(0),
            "NoNewPrivileges" => Variant::Bool(self.no_new_privileges),
            "PrivateNetwork" => Variant::Bool(self.private_network),
            "UMask" => Variant::U32(self.umask),
            "CapabilityBoundingSet" => Variant::U64(self.bounding),
            "AmbientCapabilities" | "MountFlags" => Variant::U64(0),
            "RestrictNamespaces" => Variant::U64(INFINITY),
            "KeyringMode" => Variant::from("private"),
            "ProtectSystem" | "ProtectHome" => Variant::from("no"),
            "ProtectProc" => Variant::from("default"),
            "ProcSubset" => Variant::from("all"),
            "Personality" | "RootDirectory" | "RootImage" | "NetworkNamespacePath" => Variant::from(""),
            "User" => Variant::from(self.user.as_str()),
            "SupplementaryGroups" => Variant::from(self.groups.clone()),
            "SetCredential" => return self.credentials_property(),
            "SystemCallFilter" | "RestrictAddressFamilies" | "RestrictFileSystems" => flagged(false, empty("s")),
            "AppArmorProfile" | "SELinuxContext" | "SmackProcessLabel" => flagged(false, Variant::from("")),
            "BindPaths" | "BindReadOnlyPaths" => empty("(ssbt)"),
            "TemporaryFileSystem" => empty("(ss)"),
            "Environment" => Variant::from(self.environment.clone()),
            _ if name.ends_with("DirectoryMode") => Variant::U32(0o755),
            _ if name.ends_with("Paths") || name.ends_with("Directory") => empty("s"),
            "SystemCallArchitectures" => empty("s"),
            "MemoryDenyWriteExecute"
            | "LockPersonality"
            | "RestrictRealtime"
            | "RestrictSUIDSGID"
            | "ProtectClock"
            | "PrivateTmp"
            | "PrivateDevices"
            | "ProtectKernelTunables"
            | "ProtectKernelModules"
            | "ProtectKernelLogs"
            | "ProtectControlGroups"
            | "PrivateMounts"
            | "PrivateIPC"
            | "ProtectHostname"
            | "PrivateUsers"
            | "DynamicUser" => Variant::Bool(false),
            _ => return None,
        })
    }

    /// `ExecStart`, arguments included, as systemd says it: `a(sasbttttuii)`.
    pub(super) fn exec_start(&self) -> Option<OwnedVariant> {
        let path = self.exec.first()?.clone();
        let mut command = Structure::builder().add_field(path).add_field(self.exec.clone()).add_field(false);
        for _ in 0..4 {
            command = command.add_field(0_u64);
        }
        let command = command.add_field(0_u32).add_field(0_i32).add_field(0_i32).build().ok()?;
        let mut commands = Array::new(&Signature::try_from("(sasbttttuii)").ok()?);
        commands.append(Variant::Structure(command)).ok()?;
        owned(Variant::Array(commands))
    }

    /// `Listen`: `a(ss)`.
    pub(super) fn listen_property(&self) -> Option<OwnedVariant> {
        let mut entries = Array::new(&Signature::try_from("(ss)").ok()?);
        for (kind, address) in &self.listen {
            let entry = Structure::builder().add_field(kind.clone()).add_field(address.clone()).build().ok()?;
            entries.append(Variant::Structure(entry)).ok()?;
        }
        owned(Variant::Array(entries))
    }

    /// `SetCredential`: `a(say)`.
    fn credentials_property(&self) -> Option<OwnedVariant> {
        let mut entries = Array::new(&Signature::try_from("(say)").ok()?);
        for (name, content) in &self.credentials {
            let entry = Structure::builder().add_field(name.clone()).add_field(content.clone().into_bytes());
            entries.append(Variant::Structure(entry.build().ok()?)).ok()?;
        }
        owned(Variant::Array(entries))
    }

    fn limit(&self, name: &str) -> Option<u64> {
        let (name, soft) = name.strip_suffix("Soft").map_or((name, false), |name| (name, true));
        let (soft_value, hard) = self.rlimit(name)?;
        Some(if soft { soft_value } else { hard })
    }

    /// Soft and hard value by systemd's name.
    pub(super) fn rlimit(&self, name: &str) -> Option<(u64, u64)> {
        Some(match name {
            "NOFILE" => self.files,
            "CPU" | "FSIZE" | "DATA" | "RSS" | "AS" | "LOCKS" | "RTTIME" => (INFINITY, INFINITY),
            "STACK" => (8 << 20, INFINITY),
            "CORE" => (0, INFINITY),
            "NPROC" | "SIGPENDING" => (7717, 7717),
            "MEMLOCK" => (8 << 20, 8 << 20),
            "MSGQUEUE" => (819_200, 819_200),
            "NICE" | "RTPRIO" => (0, 0),
            _ => return None,
        })
    }
}

pub(super) fn owned(value: Variant<'_>) -> Option<OwnedVariant> {
    value.try_to_owned().ok()
}

pub(super) fn empty(element: &str) -> Variant<'static> {
    Variant::Array(Array::new(&Signature::try_from(element).unwrap_or(Signature::Str)))
}

fn flagged(flag: bool, second: Variant<'static>) -> Variant<'static> {
    let fields = Structure::builder().add_field(flag).append_field(second);
    fields.build().map_or(Variant::Bool(flag), Variant::Structure)
}
