//! V2 and V12: device mapper, and the posture of the kernel; of the host unless stated.

use super::attributes;

attributes! { KERNEL:
    /// Of a dm device: root hash on the kernel command line, where one names it | `STATUS<tab>RO<tab>TABLE`: status line of the target (`V`, `C` for verity), 0 or 1 of /sys/block/dm-N/ro, and the table line.
    DM_TABLE = 201 V2 "dm.table", "roothash=, usrhash= of the kernel command line" | "DM_TABLE_STATUS";
    /// Mounts over or below /usr and / that hide what was there: lines `MOUNTPOINT<tab>FSTYPE<tab>SOURCE`; `none`.
    OVERMOUNTS = 202 V2 "overmounts", "" | "mountinfo";
    /// Of a sysctl: the value that systemd-sysctl would set and the file that says so, `VALUE<tab>FILE` | value.
    SYSCTL = 1201 V12 "sysctl", "sysctl.d" | "/proc/sys";
    /// The chosen word: `none`, `integrity`, `confidentiality`; absent without the LSM.
    LOCKDOWN = 1202 V12 "lockdown", "" | "/sys/kernel/security/lockdown";
    /// Modules of modules-load.d, one a line | names in /proc/modules, sorted, one a line; second: those of /sys/module that are live. The third view is the IMA list, in which the verifier judges every module that was loaded.
    MODULES = 1203 V12 "modules", "modules-load.d" | "/proc/modules";
    /// Number.
    TAINTED = 1204 V12 "tainted", "" | "/proc/sys/kernel/tainted";
    /// `LOADED CRASH`.
    KEXEC = 1205 V12 "kexec", "" | "/sys/kernel/kexec_loaded, kexec_crash_loaded";
    /// `Y` or `N`.
    MODULE_SIG_ENFORCE = 1206 V12 "module.sig_enforce", "" | "/sys/module/module/parameters/sig_enforce";
    /// SHA-256 of the command line without its last newline.
    COMMAND_LINE = 1207 V12 "command_line", "" | "/proc/cmdline";
    /// Loaded programs, lines `TYPE<tab>NAME<tab>TAG`, sorted; needs CAP_SYS_ADMIN.
    BPF_PROGRAMS = 1208 V12 "bpf.programs", "" | "BPF_PROG_GET_NEXT_ID";
    /// Probed symbols, one a line, sorted; `none`.
    KPROBES = 1209 V12 "kprobes", "" | "/sys/kernel/debug/kprobes/list";
    /// Traced functions, one a line, sorted; `none`.
    FTRACE = 1210 V12 "ftrace", "" | "/sys/kernel/tracing/enabled_functions";
    /// Lines `NAME<tab>STATE`.
    CPU_VULNERABILITIES = 1211 V12 "cpu_vulnerabilities", "" | "/sys/devices/system/cpu/vulnerabilities";
    /// SHA-256 of the kernel's configuration.
    KERNEL_CONFIG = 1212 V12 "kernel_config", "" | "/proc/config.gz";
    /// systemd's own taint flags, as it spells them; may be empty.
    MANAGER_TAINTED = 1213 V12 "manager.tainted", "Tainted" | "";
}
