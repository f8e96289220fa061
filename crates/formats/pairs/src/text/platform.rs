//! Texts of the machine, of what listens and of what runs.

use super::Text;
use crate::Severity;

pub(super) const APPARMOR: Text = Text {
    loss: "The AppArmor profile that the unit states is not enforced on a running process. An attacker in it is limited by ordinary permissions alone.",
    remedy: "Load the profile (`apparmor_parser -r` on its file; `aa-enforce` if it only complains), then `systemctl restart UNIT`. Then find out who unloaded or relaxed it.",
    severity: Severity::High,
};

pub(super) const SELINUX: Text = Text {
    loss: "SELinux does not enforce what it was configured to enforce. Mandatory rules are logged or not applied at all, and an attacker is limited by ordinary permissions alone.",
    remedy: "`setenforce 1`, and restart services that were started meanwhile. Look in the audit log for who changed it.",
    severity: Severity::High,
};

pub(super) const SECURITY_MODULE: Text = Text {
    loss: "A security module that was configured at boot is not active, or its label is not on a process. Its rules protect nothing.",
    remedy: "Check `lsm=` on the kernel command line and that the kernel has the module, then restart the machine.",
    severity: Severity::High,
};

pub(super) const DEVICE_MAPPER: Text = Text {
    loss: "The image that is in use is not the one that was signed, or blocks of it were changed. Any program on it may be another one.",
    remedy: "Take the machine out of service and install the signed image again.",
    severity: Severity::Critical,
};

pub(super) const OVERMOUNTS: Text = Text {
    loss: "Something is mounted over the system's own files, so programs come from there and not from the image that was checked.",
    remedy: "Find the mount with `findmnt` and remove it, unless it is an extension that you installed.",
    severity: Severity::High,
};

pub(super) const LISTENER: Text = Text {
    loss: "Something accepts connections that no unit and no intent declares, or from more addresses than declared. It may be a back door, and data can leave by it.",
    remedy: "Find the process with `ss -lntup` and stop it, or declare the listener UNIT in the intent if it is meant.",
    severity: Severity::High,
};

pub(super) const SOCKET_UNIT: Text = Text {
    loss: "A socket that this unit should listen on does not exist in the kernel. Its service cannot be reached, or something else answers in its place.",
    remedy: "`systemctl restart UNIT`.",
    severity: Severity::Medium,
};

pub(super) const NETWORK_FILTER: Text = Text {
    loss: "The unit restricts which addresses, ports or interfaces it may use, and the kernel has no such program on its cgroup. It can talk to anybody.",
    remedy: "`systemctl daemon-reload` attaches the programs of UNIT again. Then find out who detached them.",
    severity: Severity::High,
};

pub(super) const FILE_MODES: Text = Text {
    loss: "A folder or socket is open to more users than stated. Others on this machine can read or change what belongs to the service.",
    remedy: "Set the mode that the unit of UNIT states with `chmod`, or `systemctl restart UNIT`; then look at what changed it.",
    severity: Severity::Medium,
};

pub(super) const UNIT_FILES: Text = Text {
    loss: "Somebody other than root can write a file of this unit, and so run any program as root at its next start.",
    remedy: "`systemctl cat UNIT` shows the files: give them to root with mode 0644, and check their content.",
    severity: Severity::High,
};

pub(super) const PRIVILEGED_FILES: Text = Text {
    loss: "Anybody on this machine can write a program that others run, root among them.",
    remedy: "Take the permission away with `chmod o-w`, compare the file with its package (`dpkg --verify`, `rpm -V`), and find out who wrote to it.",
    severity: Severity::Critical,
};

pub(super) const PATH: Text = Text {
    loss: "A protected path is not as it was approved.",
    remedy: "Compare UNIT with the approved state and restore it, or approve the change.",
    severity: Severity::High,
};

pub(super) const SYSCTL: Text = Text {
    loss: "The kernel does not have the value that systemd was configured to set at boot. What the value guards is open, or works in another way than approved.",
    remedy: "`sysctl --system` sets the configured values again. Then find out who changed it.",
    severity: Severity::Medium,
};

pub(super) const LOCKDOWN: Text = Text {
    loss: "Root can change the running kernel although this machine was approved with a locked one. Nothing that the kernel reports after that can be relied upon.",
    remedy: "Boot with `lockdown=` as approved, or with Secure Boot on; lockdown cannot be lowered without a restart, so look at what was booted.",
    severity: Severity::Critical,
};

pub(super) const MODULES: Text = Text {
    loss: "Code runs in the kernel that was not approved, or unsigned code may be loaded. It can falsify everything else in this report.",
    remedy: "Find where the module comes from (`modinfo`), remove it, and restart the machine.",
    severity: Severity::High,
};

pub(super) const KERNEL_STATE: Text = Text {
    loss: "The kernel is not in the state that was approved.",
    remedy: "Find out what changed it; a restart brings the approved state back where it is set at boot.",
    severity: Severity::Medium,
};

pub(super) const PROCESSES: Text = Text {
    loss: "systemd and the kernel name different processes for this unit. One runs where nobody looks after it, or has been moved out of its limits.",
    remedy: "`systemctl status UNIT` and the unit's cgroup.procs show both lists; `systemctl restart UNIT` makes them one.",
    severity: Severity::High,
};

pub(super) const PROGRAM: Text = Text {
    loss: "A process of this unit runs code that is not an installed file. It is not the program that was approved.",
    remedy: "Keep a copy of /proc/PID/exe for examination, then `systemctl restart UNIT`.",
    severity: Severity::High,
};

pub(super) const HIDDEN: Text = Text {
    loss: "A process answers signals and is not listed in /proc. Something in the kernel hides it.",
    remedy: "Isolate the machine, keep its memory and disk for examination, and install it anew.",
    severity: Severity::Critical,
};

pub(super) const STRAY: Text = Text {
    loss: "Programs run in cgroups that belong to no unit. No limit and no supervision of systemd applies to them.",
    remedy: "Find them with `systemd-cgls` and stop them, or start them as units.",
    severity: Severity::High,
};

pub(super) const FRESHNESS: Text = Text {
    loss: "Files of the unit on disk are not what systemd loaded.",
    remedy: "`systemctl daemon-reload`, then `systemctl restart UNIT`.",
    severity: Severity::Medium,
};

pub(super) const LOAD_STATE: Text = Text {
    loss: "systemd could not take in the unit as it is written, so settings in it are not in force.",
    remedy: "`systemd-analyze verify UNIT` names the line; mend it, then `systemctl daemon-reload`.",
    severity: Severity::Medium,
};

pub(super) const EVIDENCE: Text = Text {
    loss: "It cannot be shown that the observer itself saw what it reports.",
    remedy: "Look at how the agent was started, and that systemd answers it.",
    severity: Severity::High,
};

pub(super) const VIEW: Text = Text {
    loss: "Something stands over the files that the kernel's side is read from. What is read there was made up by somebody, and other facts may be as well.",
    remedy: "`findmnt` shows the mount: remove it, and treat the machine as taken over until it is explained.",
    severity: Severity::Critical,
};
