//! V6: the file system as a unit sees it. The kernel's evidence for every option is [`MOUNTS`] unless stated.

use super::attributes;

attributes! { FILESYSTEM:
    /// `host` where the main process is in PID 1's mount namespace; else one mount a line in mountinfo's order: `MOUNTPOINT<tab>ro|rw[,OPTION…]<tab>FSTYPE<tab>ROOT`. Options are those of the mount (field 6) among ro rw nosuid nodev noexec, and of proc's super options hidepid= and subset=.
    MOUNTS = 601 V6 "mounts", "" | "/proc/PID/mountinfo";
    /// `no`, `yes`, `full`, `strict`.
    PROTECT_SYSTEM = 602 V6 "protect_system", "ProtectSystem" | "";
    /// `no`, `yes`, `read-only`, `tmpfs`.
    PROTECT_HOME = 603 V6 "protect_home", "ProtectHome" | "";
    /// One path a line, with systemd's prefixes `-` and `+`.
    READ_ONLY_PATHS = 604 V6 "read_only_paths", "ReadOnlyPaths" | "";
    /// As [`READ_ONLY_PATHS`].
    READ_WRITE_PATHS = 605 V6 "read_write_paths", "ReadWritePaths" | "";
    /// As [`READ_ONLY_PATHS`].
    INACCESSIBLE_PATHS = 606 V6 "inaccessible_paths", "InaccessiblePaths" | "";
    /// As [`READ_ONLY_PATHS`].
    EXEC_PATHS = 607 V6 "exec_paths", "ExecPaths" | "";
    /// As [`READ_ONLY_PATHS`].
    NO_EXEC_PATHS = 608 V6 "no_exec_paths", "NoExecPaths" | "";
    /// Lines `SOURCE<tab>DESTINATION<tab>ignore|must`.
    BIND_PATHS = 609 V6 "bind_paths", "BindPaths" | "";
    /// As [`BIND_PATHS`].
    BIND_READ_ONLY_PATHS = 610 V6 "bind_read_only_paths", "BindReadOnlyPaths" | "";
    /// Lines `PATH<tab>OPTIONS`.
    TEMPORARY_FILE_SYSTEM = 611 V6 "temporary_file_system", "TemporaryFileSystem" | "";
    /// `yes`/`no`, or `disconnected` on newer systemd.
    PRIVATE_TMP = 612 V6 "private_tmp", "PrivateTmp" | "";
    /// `yes`/`no`.
    PRIVATE_DEVICES = 613 V6 "private_devices", "PrivateDevices" | "";
    /// `yes`/`no`.
    PROTECT_KERNEL_TUNABLES = 614 V6 "protect_kernel_tunables", "ProtectKernelTunables" | "";
    /// `yes`/`no`.
    PROTECT_KERNEL_MODULES = 615 V6 "protect_kernel_modules", "ProtectKernelModules" | "";
    /// `yes`/`no`.
    PROTECT_KERNEL_LOGS = 616 V6 "protect_kernel_logs", "ProtectKernelLogs" | "";
    /// `yes`/`no`, or `private`, `strict` on newer systemd.
    PROTECT_CONTROL_GROUPS = 617 V6 "protect_control_groups", "ProtectControlGroups" | "";
    /// `default`, `noaccess`, `invisible`, `ptraceable`.
    PROTECT_PROC = 618 V6 "protect_proc", "ProtectProc" | "";
    /// `all`, `pid`.
    PROC_SUBSET = 619 V6 "proc_subset", "ProcSubset" | "";
    /// Path, or empty | readlink of /proc/PID/root of every process.
    ROOT_DIRECTORY = 620 V6 "root_directory", "RootDirectory" | "/proc/PID/root";
    /// Path, or empty.
    ROOT_IMAGE = 621 V6 "root_image", "RootImage" | "";
    /// Propagation as a number of MS_* flags.
    MOUNT_FLAGS = 622 V6 "mount_flags", "MountFlags" | "";
    /// First line `auto`, `closed`, `strict`; then lines `DEVICE<tab>PERMISSIONS` | device programs attached to the cgroup, one tag a line; `none`.
    DEVICE_POLICY = 623 V6 "device_policy", "DevicePolicy, DeviceAllow" | "BPF_CGROUP_DEVICE of the cgroup";
    /// Directories that systemd makes and leaves writable: lines `state|cache|logs|runtime|configuration<tab>NAME`.
    OWN_DIRECTORIES = 624 V6 "own_directories", "StateDirectory, CacheDirectory, LogsDirectory, RuntimeDirectory, ConfigurationDirectory" | "";
    /// Of the host: those of the paths that `ProtectHome=`, `ProtectKernelModules=` and `ProtectKernelLogs=` shut and that do not exist, one a line; `none`. systemd passes over them.
    ABSENT_PATHS = 650 V6 "absent_paths", "" | "statx of /home, /root, /run/user, /usr/lib/modules, /proc/kmsg, /dev/kmsg";
}
