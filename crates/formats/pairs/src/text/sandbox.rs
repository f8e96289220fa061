//! Texts of what a unit is held to.

use super::Text;
use crate::Severity;

pub(super) const MEMORY: Text = Text {
    loss: "systemd states how much memory this service may use, and the kernel does not hold it to that. The service, or malware in it, can use up the machine's memory and take other workloads down with it.",
    remedy: "`systemctl daemon-reload` makes systemd write the files of UNIT's cgroup again. Then find out who wrote to them: root, or a tool that manages cgroups beside systemd.",
    severity: Severity::High,
};

pub(super) const MEMORY_PROTECTION: Text = Text {
    loss: "systemd states that memory of this service is kept for it, and the kernel would take it away under pressure. The service can be starved by its neighbours.",
    remedy: "`systemctl daemon-reload` makes systemd write the files of UNIT's cgroup again. Then find out who wrote to them: root, or a tool that manages cgroups beside systemd.",
    severity: Severity::Medium,
};

pub(super) const CPU: Text = Text {
    loss: "The share of the processors that systemd states for this service is not the share that the kernel gives. It can starve other services, or be starved by them.",
    remedy: "`systemctl daemon-reload` makes systemd write the files of UNIT's cgroup again. Then find out who wrote to them: root, or a tool that manages cgroups beside systemd.",
    severity: Severity::High,
};

pub(super) const TASKS: Text = Text {
    loss: "systemd states how many processes this service may have, and the kernel sets no such bound. A fork bomb in it takes the whole machine down.",
    remedy: "`systemctl daemon-reload` makes systemd write the files of UNIT's cgroup again. Then find out who wrote to them: root, or a tool that manages cgroups beside systemd.",
    severity: Severity::High,
};

pub(super) const IO: Text = Text {
    loss: "The bound on disk traffic that systemd states for this service is not set in the kernel. It can slow down everything that uses the same disk.",
    remedy: "`systemctl daemon-reload` makes systemd write the files of UNIT's cgroup again. Then find out who wrote to them: root, or a tool that manages cgroups beside systemd.",
    severity: Severity::Medium,
};

pub(super) const RLIMIT: Text = Text {
    loss: "A process of this service may use more of a resource than the unit allows. The limit was raised after the start, or the process did not get it.",
    remedy: "`systemctl restart UNIT` starts its processes with the unit's limits. Then find out who called prlimit(2) on them.",
    severity: Severity::Medium,
};

pub(super) const SCHEDULING: Text = Text {
    loss: "A process of this service is favoured over others in a way that its unit does not state: it is killed later when memory runs out, or runs before them.",
    remedy: "`systemctl restart UNIT` sets it again. Then find out who changed it in /proc or by renice.",
    severity: Severity::Medium,
};

pub(super) const CONTROL_GROUP: Text = Text {
    loss: "A process of this service is outside the unit's cgroup. No limit, filter or accounting of the unit applies to it any more, and stopping the unit may leave it running.",
    remedy: "`systemctl restart UNIT` starts it inside its cgroup again. Then find out who wrote its number into another cgroup.procs.",
    severity: Severity::High,
};

pub(super) const FREEZER: Text = Text {
    loss: "systemd says that this service runs, and the kernel has stopped its processes. A frozen guard guards nothing.",
    remedy: "`systemctl thaw UNIT`, or write 0 into cgroup.freeze of its cgroup; then find out who froze it.",
    severity: Severity::High,
};

pub(super) const NO_NEW_PRIVILEGES: Text = Text {
    loss: "The unit says that its processes cannot gain privileges, and a running process can. A set-uid program or a file capability would make an attacker in this service root.",
    remedy: "`systemctl restart UNIT` starts its processes with the setting again. Then find out which process lacked it and how it got there.",
    severity: Severity::High,
};

pub(super) const SECCOMP: Text = Text {
    loss: "The unit restricts which system calls it may use, and the kernel has no such filter for a running process. All of the kernel is open to an attacker in it.",
    remedy: "`systemctl restart UNIT` starts its processes with the setting again. Then find out which process lacked it and how it got there.",
    severity: Severity::High,
};

pub(super) const WRITABLE_CODE: Text = Text {
    loss: "The unit says that no memory may be both written and executed, and a process has such memory. Code that an attacker writes there can run.",
    remedy: "`systemctl restart UNIT`. If the program maps such memory itself (compilers of scripts do), the unit and the program do not fit together.",
    severity: Severity::Medium,
};

pub(super) const UMASK: Text = Text {
    loss: "Files that this service makes are open to more users than its unit states.",
    remedy: "Look at whether the program sets a umask of its own; otherwise `systemctl restart UNIT`.",
    severity: Severity::Low,
};

pub(super) const PROTECT_SYSTEM: Text = Text {
    loss: "systemd says that parts of the file system are read-only for this service, and the kernel lets it write there. An attacker in it can change programs or settings for good.",
    remedy: "`systemctl restart UNIT` makes its mounts again. Then find out who entered its mount namespace and what was written.",
    severity: Severity::High,
};

pub(super) const PROTECT_HOME: Text = Text {
    loss: "systemd says that this service cannot reach homes or other closed paths, and it can. Keys and documents of people can be read or changed by an attacker in it.",
    remedy: "`systemctl restart UNIT` makes its mounts again. Then find out who entered its mount namespace.",
    severity: Severity::High,
};

pub(super) const TEMPORARY: Text = Text {
    loss: "systemd says that this service has temporary folders of its own, and it shares them with others. Files of other programs there can be read, swapped or planted.",
    remedy: "`systemctl restart UNIT` makes its mounts again. Then find out who unmounted the folder.",
    severity: Severity::Medium,
};

pub(super) const DEVICES: Text = Text {
    loss: "systemd says that this service sees few devices, and nothing in the kernel keeps the others from it. Raw disks and memory may be open to an attacker in it.",
    remedy: "`systemctl daemon-reload` attaches the device program of UNIT again, `systemctl restart UNIT` makes its /dev. Then find out who removed it.",
    severity: Severity::High,
};

pub(super) const KERNEL_FILES: Text = Text {
    loss: "systemd says that this service cannot change settings, modules, logs or control groups of the kernel by their files, and the kernel lets it. The limits of every unit could be changed from inside it.",
    remedy: "`systemctl restart UNIT` makes its mounts again. Then find out who entered its mount namespace.",
    severity: Severity::High,
};

pub(super) const PROCESS_VIEW: Text = Text {
    loss: "systemd says that this service sees only its own processes, and /proc shows it others.",
    remedy: "`systemctl restart UNIT` makes its /proc again.",
    severity: Severity::Medium,
};

pub(super) const FILE_VIEW: Text = Text {
    loss: "The file system that this service should see is not the one that it sees.",
    remedy: "`systemctl restart UNIT` makes its mounts again. Then find out who entered its mount namespace.",
    severity: Severity::High,
};

pub(super) const NETWORK_NAMESPACE: Text = Text {
    loss: "The unit says that this service has no network but its own loopback, and it has. It can reach others and be reached by them.",
    remedy: "Remove the device that was moved into it, or `systemctl restart UNIT`. Then find out who moved it there.",
    severity: Severity::High,
};

pub(super) const NAMESPACE: Text = Text {
    loss: "The unit says that this service is apart from the rest of the machine, and a process of it shares what it should not share.",
    remedy: "`systemctl restart UNIT` starts its processes with the setting again. Then find out which process lacked it and how it got there.",
    severity: Severity::Medium,
};

pub(super) const CAPABILITIES: Text = Text {
    loss: "A process of this service holds capabilities that its unit does not give. With them it can do to the machine what the unit was written to rule out.",
    remedy: "`systemctl restart UNIT` starts its processes with the setting again. Then find out which process lacked it and how it got there.",
    severity: Severity::High,
};

pub(super) const IDENTITY: Text = Text {
    loss: "A process of this service runs as another user or group than its unit states. Permissions of files no longer keep it where it belongs.",
    remedy: "`systemctl restart UNIT` starts its processes with the setting again. Then find out which process lacked it and how it got there.",
    severity: Severity::High,
};
