//! A process, as procfs shows it.

use std::fmt::Write as _;

use super::config::{ALL_CAPABILITIES, Config, INFINITY};

/// Inode of the namespaces of PID 1.
pub(super) const HOST_NAMESPACE: u64 = 4_026_531_840;
/// What comes after standard input, output and error.
const FIRST_DESCRIPTOR: usize = 3;
/// systemd's names of the rlimits by `RLIMIT_*` number, with procfs's name and unit.
pub(super) const RLIMITS: [(&str, &str, &str); 16] = [
    ("CPU", "Max cpu time", "seconds"),
    ("FSIZE", "Max file size", "bytes"),
    ("DATA", "Max data size", "bytes"),
    ("STACK", "Max stack size", "bytes"),
    ("CORE", "Max core file size", "bytes"),
    ("RSS", "Max resident set", "bytes"),
    ("NPROC", "Max processes", "processes"),
    ("NOFILE", "Max open files", "files"),
    ("MEMLOCK", "Max locked memory", "bytes"),
    ("AS", "Max address space", "bytes"),
    ("LOCKS", "Max file locks", "locks"),
    ("SIGPENDING", "Max pending signals", "signals"),
    ("MSGQUEUE", "Max msgqueue size", "bytes"),
    ("NICE", "Max nice priority", ""),
    ("RTPRIO", "Max realtime priority", ""),
    ("RTTIME", "Max realtime timeout", "us"),
];

/// A process with one thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeProcess {
    /// Its number.
    pub pid: u32,
    /// Field 22 of its stat.
    pub start: u64,
    /// Its cgroup.
    pub cgroup: String,
    /// Its program.
    pub exe: String,
    /// What it was started with.
    pub config: Config,
    /// Whether it runs its own program yet; before that it is a fork of systemd with all of systemd's privileges.
    pub executed: bool,
    /// `NoNewPrivs`.
    pub no_new_privs: bool,
    /// `CapBnd`, and `CapEff` and `CapPrm` of a process of root.
    pub bounding: u64,
    /// What capget(2) says is effective, where it is not what `CapEff` says: a kernel that was made to lie.
    pub capget: Option<u64>,
    /// Its listening TCP sockets on 0.0.0.0: inode and port. Their descriptors are numbered from 3.
    pub listening: Vec<(u64, u16)>,
}

// === impl FakeProcess ===

impl FakeProcess {
    /// Just forked by PID 1.
    pub(super) fn forked(pid: u32, start: u64, cgroup: &str, config: &Config) -> Self {
        Self {
            pid,
            start,
            cgroup: cgroup.into(),
            exe: "/usr/lib/systemd/systemd".into(),
            config: Config::default(),
            executed: false,
            no_new_privs: false,
            bounding: ALL_CAPABILITIES,
            capget: None,
            listening: Vec::new(),
        }
        .configured(config)
    }

    fn configured(self, config: &Config) -> Self {
        Self { config: Config { exec: config.exec.clone(), ..self.config }, ..self }
    }

    /// Gave up what `config` takes away, and runs its program.
    pub(super) fn execute(&mut self, config: &Config) {
        self.config = config.clone();
        self.exe = config.exec.first().cloned().unwrap_or_default();
        self.executed = true;
        self.no_new_privs = config.no_new_privileges;
        self.bounding = config.bounding & ALL_CAPABILITIES;
    }

    /// A file of `/proc/PID`.
    pub(super) fn file(&self, path: &str) -> Option<String> {
        Some(match path {
            "status" => self.status(),
            "stat" => self.stat(),
            "limits" => self.limits(),
            "cgroup" => format!("0::{}\n", self.cgroup),
            "oom_score_adj" => format!("{}\n", self.config.oom_score_adjust),
            "personality" => "00000000\n".into(),
            "attr/apparmor/current" | "attr/current" => "unconfined\n".into(),
            "maps" => format!("55d0c0000000-55d0c0001000 r-xp 00000000 fd:00 1234 {}\n", self.exe),
            "mountinfo" => "22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n".into(),
            "uid_map" | "gid_map" => "         0          0 4294967295\n".into(),
            "net/dev" => net_dev(self.config.private_network),
            // Nobody may read these two: whoever does finds what the test put there.
            "environ" => self.config.environment.iter().map(|entry| format!("{entry}\0")).collect(),
            "cmdline" => self.config.exec.iter().map(|word| format!("{word}\0")).collect(),
            _ => return None,
        })
    }

    /// A link of `/proc/PID`.
    pub(super) fn link(&self, path: &str) -> Option<String> {
        if let Some(kind) = path.strip_prefix("ns/") {
            let private = kind == "net" && self.config.private_network;
            let inode = if private { HOST_NAMESPACE + u64::from(self.pid) } else { HOST_NAMESPACE };
            return Some(format!("{kind}:[{inode}]"));
        }
        match path {
            "exe" => Some(self.exe.clone()),
            "root" => Some("/".into()),
            path => {
                let number: usize = path.strip_prefix("fd/")?.parse().ok()?;
                let (inode, _) = self.listening.get(number.checked_sub(FIRST_DESCRIPTOR)?)?;
                Some(format!("socket:[{inode}]"))
            }
        }
    }

    /// Names in its `fd`.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = String> {
        (FIRST_DESCRIPTOR..FIRST_DESCRIPTOR + self.listening.len()).map(|number| number.to_string())
    }

    /// Soft and hard value of `RLIMIT_*` number `resource`.
    pub(super) fn rlimit(&self, resource: u32) -> Option<(u64, u64)> {
        let (name, ..) = RLIMITS.get(usize::try_from(resource).ok()?)?;
        self.config.rlimit(name)
    }

    fn status(&self) -> String {
        let name = self.exe.rsplit('/').next().unwrap_or_default();
        let (pid, umask, bounding) = (self.pid, self.config.umask, self.bounding);
        let privileges = u8::from(self.no_new_privs);
        format!(
            "Name:\t{name}\nUmask:\t{umask:04o}\nState:\tS (sleeping)\nTgid:\t{pid}\nNgid:\t0\nPid:\t{pid}\nPPid:\t1\n\
             TracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t64\nGroups:\t \nNStgid:\t{pid}\nNSpid:\t{pid}\n\
             VmPeak:\t    5000 kB\nCoreDumping:\t0\nTHP_enabled:\t1\nThreads:\t1\nSigQ:\t0/7717\n\
             CapInh:\t0000000000000000\nCapPrm:\t{bounding:016x}\nCapEff:\t{bounding:016x}\nCapBnd:\t{bounding:016x}\n\
             CapAmb:\t0000000000000000\nNoNewPrivs:\t{privileges}\nSeccomp:\t0\nSeccomp_filters:\t0\n\
             Speculation_Store_Bypass:\tthread vulnerable\nCpus_allowed:\t3\nMems_allowed:\t1\n\
             voluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t1\n"
        )
    }

    fn stat(&self) -> String {
        let name = self.exe.rsplit('/').next().unwrap_or_default();
        let before = "S 1 1 1 0 -1 4194560 100 0 0 0 1 1 0 0 20 0 1 0";
        format!(
            "{} ({name}) {before} {} 5120000 300 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n",
            self.pid, self.start
        )
    }

    fn limits(&self) -> String {
        let spelled = |value: u64| if value == INFINITY { "unlimited".to_owned() } else { value.to_string() };
        let mut text = format!("{:<26}{:<21}{:<21}{:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
        for (name, shown, unit) in RLIMITS {
            let (soft, hard) = self.config.rlimit(name).unwrap_or_default();
            let _ = writeln!(text, "{shown:<26}{:<21}{:<21}{unit:<10}", spelled(soft), spelled(hard));
        }
        text
    }
}

/// `net/tcp` of whoever is in a network namespace with these processes.
pub(super) fn net_tcp<'p>(processes: impl Iterator<Item = &'p FakeProcess>) -> String {
    let mut text =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n".to_owned();
    for (number, (inode, port)) in processes.flat_map(|process| &process.listening).enumerate() {
        let _ = writeln!(
            text,
            "{number:4}: 00000000:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 \
             {inode} 1 0000000000000000 100 0 0 10 0"
        );
    }
    text
}

fn net_dev(private: bool) -> String {
    let mut text = "Inter-|   Receive |  Transmit\n face |bytes packets|bytes packets\n    lo: 0 0 0 0\n".to_owned();
    if !private {
        text.push_str("  eth0: 0 0 0 0\n");
    }
    text
}
