//! V4: resource limits of a unit. Kernel files are those of the unit's own cgroup.

use super::attributes;

attributes! { LIMITS:
    /// `MemoryMax` in bytes, 18446744073709551615 = infinity | bytes or `max`; an absent file means that the controller is off.
    MEMORY_MAX = 401 V4 "memory.max", "MemoryMax" | "memory.max";
    /// As [`MEMORY_MAX`].
    MEMORY_HIGH = 402 V4 "memory.high", "MemoryHigh" | "memory.high";
    /// As [`MEMORY_MAX`]; 0 = none.
    MEMORY_LOW = 403 V4 "memory.low", "MemoryLow" | "memory.low";
    /// As [`MEMORY_LOW`].
    MEMORY_MIN = 404 V4 "memory.min", "MemoryMin" | "memory.min";
    /// As [`MEMORY_MAX`].
    MEMORY_SWAP_MAX = 405 V4 "memory.swap.max", "MemorySwapMax" | "memory.swap.max";
    /// As [`MEMORY_MAX`].
    MEMORY_ZSWAP_MAX = 406 V4 "memory.zswap.max", "MemoryZSwapMax" | "memory.zswap.max";
    /// `QUOTA<tab>PERIOD` in microseconds: CPUQuotaPerSecUSec and CPUQuotaPeriodUSec, infinity as in [`MEMORY_MAX`] | `QUOTA PERIOD`, quota may be `max`.
    CPU_MAX = 407 V4 "cpu.max", "CPUQuotaPerSecUSec, CPUQuotaPeriodUSec" | "cpu.max";
    /// 1 to 10000, 0 = idle, infinity = not set | `WEIGHT<tab>IDLE` of cpu.weight and cpu.idle; IDLE empty where the kernel has no such file.
    CPU_WEIGHT = 408 V4 "cpu.weight", "CPUWeight" | "cpu.weight, cpu.idle";
    /// Mask as bytes in hexadecimal, lowest CPU first (byte 0 bit 0); empty = all | list such as `0-1,4`; second: cpuset.cpus.effective.
    CPUSET_CPUS = 409 V4 "cpuset.cpus", "AllowedCPUs" | "cpuset.cpus";
    /// As [`CPUSET_CPUS`].
    CPUSET_MEMS = 410 V4 "cpuset.mems", "AllowedMemoryNodes" | "cpuset.mems";
    /// Number or infinity | number or `max`.
    PIDS_MAX = 411 V4 "pids.max", "TasksMax" | "pids.max";
    /// As [`CPU_WEIGHT`] without idle | content of io.weight (`default 100` and lines per device).
    IO_WEIGHT = 412 V4 "io.weight", "IOWeight" | "io.weight";
    /// Lines `rbps|wbps|riops|wiops<tab>PATH<tab>VALUE<tab>MAJOR:MINOR` | content of io.max.
    IO_MAX = 413 V4 "io.max", "IOReadBandwidthMax, IOWriteBandwidthMax, IOReadIOPSMax, IOWriteIOPSMax" | "io.max";
    /// `stop`, `continue` or `kill` | 0 or 1.
    MEMORY_OOM_GROUP = 414 V4 "memory.oom.group", "OOMPolicy" | "memory.oom.group";
    /// `LIMIT<tab>CGROUP`: the smallest memory.max of the unit's cgroup and its ancestors, `max` where none limits, and the cgroup that sets it.
    MEMORY_EFFECTIVE = 430 V4 "memory.effective", "" | "memory.max of the cgroup and its ancestors";
    /// As [`MEMORY_EFFECTIVE`] for pids.max.
    PIDS_EFFECTIVE = 431 V4 "pids.effective", "" | "pids.max of the cgroup and its ancestors";
    /// As [`MEMORY_EFFECTIVE`] for the smallest ratio in cpu.max, spelled as in cpu.max.
    CPU_EFFECTIVE = 432 V4 "cpu.effective", "" | "cpu.max of the cgroup and its ancestors";
    /// How often limits were met since the cgroup was made: lines `memory.max|memory.oom_kill|pids.max|cpu.throttled<tab>COUNT` of those that were; read only where one was.
    LIMITS_MET = 433 V4 "limits.met", "" | "memory.events, pids.events, cpu.stat";
    /// All rlimits: `SOFT HARD`, decimal, infinity as in [`MEMORY_MAX`] | of every process `SOFT HARD`, decimal or `unlimited` (/proc/PID/limits); second: the same by prlimit(2).
    RLIMIT_CPU = 440 V4 "rlimit.cpu", "LimitCPU" | "/proc/PID/limits";
    /// As [`RLIMIT_CPU`].
    RLIMIT_FSIZE = 441 V4 "rlimit.fsize", "LimitFSIZE" | "/proc/PID/limits";
    /// As [`RLIMIT_CPU`].
    RLIMIT_DATA = 442 V4 "rlimit.data", "LimitDATA" | "/proc/PID/limits";
    /// As [`RLIMIT_CPU`].
    RLIMIT_STACK = 443 V4 "rlimit.stack", "LimitSTACK" | "/proc/PID/limits";
    /// As [`RLIMIT_CPU`].
    RLIMIT_CORE = 444 V4 "rlimit.core", "LimitCORE" | "/proc/PID/limits";
    /// As [`RLIMIT_CPU`].
    RLIMIT_RSS = 445 V4 "rlimit.rss", "LimitRSS" | "/proc/PID/limits";
    /// As [`RLIMIT_CPU`].
    RLIMIT_NPROC = 446 V4 "rlimit.nproc", "LimitNPROC" | "/proc/PID/limits";
    /// As [`RLIMIT_CPU`].
    RLIMIT_NOFILE = 447 V4 "rlimit.nofile", "LimitNOFILE" | "/proc/PID/limits";
    /// As [`RLIMIT_CPU`].
    RLIMIT_MEMLOCK = 448 V4 "rlimit.memlock", "LimitMEMLOCK" | "/proc/PID/limits";
    /// As [`RLIMIT_CPU`].
    RLIMIT_AS = 449 V4 "rlimit.as", "LimitAS" | "/proc/PID/limits";
    /// As [`RLIMIT_CPU`].
    RLIMIT_LOCKS = 450 V4 "rlimit.locks", "LimitLOCKS" | "/proc/PID/limits";
    /// As [`RLIMIT_CPU`].
    RLIMIT_SIGPENDING = 451 V4 "rlimit.sigpending", "LimitSIGPENDING" | "/proc/PID/limits";
    /// As [`RLIMIT_CPU`].
    RLIMIT_MSGQUEUE = 452 V4 "rlimit.msgqueue", "LimitMSGQUEUE" | "/proc/PID/limits";
    /// As [`RLIMIT_CPU`].
    RLIMIT_NICE = 453 V4 "rlimit.nice", "LimitNICE" | "/proc/PID/limits";
    /// As [`RLIMIT_CPU`].
    RLIMIT_RTPRIO = 454 V4 "rlimit.rtprio", "LimitRTPRIO" | "/proc/PID/limits";
    /// As [`RLIMIT_CPU`].
    RLIMIT_RTTIME = 455 V4 "rlimit.rttime", "LimitRTTIME" | "/proc/PID/limits";
    /// −1000 to 1000 | of every process.
    OOM_SCORE_ADJ = 456 V4 "oom_score_adj", "OOMScoreAdjust" | "/proc/PID/oom_score_adj";
    /// −20 to 19 | of every process, field 19 of stat.
    NICE = 457 V4 "nice", "Nice" | "/proc/PID/stat";
    /// `ControlGroup` | `/proc/PID/cgroup` of the main process, and of the control process where there is one, as every process's value.
    CGROUP_MAIN = 458 V4 "cgroup.main", "ControlGroup" | "/proc/PID/cgroup of MainPID";
    /// `ControlGroupId`; 0 or absent before systemd 252 | inode number of the cgroup's directory.
    CGROUP_ID = 459 V4 "cgroup.id", "ControlGroupId" | "inode of the cgroup";
    /// The parent's cgroup.subtree_control.
    CGROUP_CONTROLLERS = 460 V4 "cgroup.controllers", "" | "cgroup.subtree_control of the parent";
    /// `running`, `frozen`, `freezing`, `thawing` | `FREEZE<tab>FROZEN`: cgroup.freeze, and `frozen` of cgroup.events.
    CGROUP_FREEZE = 461 V4 "cgroup.freeze", "FreezerState" | "cgroup.freeze, cgroup.events";
    /// `yes` or `no`; decides whether a child cgroup may differ.
    DELEGATE = 462 V4 "delegate", "Delegate" | "";
}
