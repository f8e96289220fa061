//! V5: security policy of a unit's processes. Of every thread, from `/proc/PID/task/TID/status`, unless stated.

use super::attributes;

attributes! { PROCESS:
    /// `yes`/`no` | 0 or 1.
    NO_NEW_PRIVS = 501 V5 "no_new_privs", "NoNewPrivileges" | "NoNewPrivs";
    /// `MODE FILTERS`, e.g. `2 34`; FILTERS `-` where the kernel does not count (before 5.9). The kernel's evidence for all options that seccomp implements.
    SECCOMP = 502 V5 "seccomp", "" | "Seccomp, Seccomp_filters";
    /// First line `allow` or `deny`, then one system call a line (as systemd expands it); empty = no filter.
    SYSTEM_CALL_FILTER = 503 V5 "system_call_filter", "SystemCallFilter" | "";
    /// One architecture a line; empty = no filter.
    SYSTEM_CALL_ARCHITECTURES = 504 V5 "system_call_architectures", "SystemCallArchitectures" | "";
    /// As [`SYSTEM_CALL_FILTER`], with address families; `deny` alone = no filter.
    RESTRICT_ADDRESS_FAMILIES = 505 V5 "restrict_address_families", "RestrictAddressFamilies" | "";
    /// Mask of CLONE_NEW* that stay allowed; 18446744073709551615 = unrestricted.
    RESTRICT_NAMESPACES = 506 V5 "restrict_namespaces", "RestrictNamespaces" | "";
    /// `yes`/`no` | `w+x` mappings over all processes: `none`, or lines `PATH OR [anonymous]<tab>PID`; read only where seccomp filters exist.
    MEMORY_DENY_WRITE_EXECUTE = 507 V5 "memory_deny_write_execute", "MemoryDenyWriteExecute" | "/proc/PID/maps";
    /// `yes`/`no`.
    LOCK_PERSONALITY = 508 V5 "lock_personality", "LockPersonality" | "";
    /// `yes`/`no`.
    RESTRICT_REALTIME = 509 V5 "restrict_realtime", "RestrictRealtime" | "";
    /// `yes`/`no`.
    RESTRICT_SUID_SGID = 510 V5 "restrict_suid_sgid", "RestrictSUIDSGID" | "";
    /// `yes`/`no`; seccomp and capabilities.
    PROTECT_CLOCK = 511 V5 "protect_clock", "ProtectClock" | "";
    /// Number | not readable of another process: not supported.
    SECURE_BITS = 514 V5 "secure_bits", "SecureBits" | "securebits";
    /// Octal, four digits | of every process, `Umask` as it stands.
    UMASK = 515 V5 "umask", "UMask" | "Umask";
    /// `inherit`, `private`, `shared` | not readable of another process: not supported.
    KEYRING_MODE = 516 V5 "keyring_mode", "KeyringMode" | "keyrings";
    /// Architecture, or empty | of every process, /proc/PID/personality in hexadecimal.
    PERSONALITY = 517 V5 "personality", "Personality" | "/proc/PID/personality";
    /// 0 or 1, of every process.
    CORE_DUMPING = 518 V5 "core_dumping", "" | "CoreDumping";
    /// Of every thread, as it stands.
    SPECULATION_STORE_BYPASS = 519 V5 "speculation_store_bypass", "" | "Speculation_Store_Bypass";
    /// As [`SYSTEM_CALL_FILTER`], with file systems | an LSM program that the kernel does not attribute to units: not supported.
    RESTRICT_FILE_SYSTEMS = 520 V5 "restrict_file_systems", "RestrictFileSystems" | "BPF LSM";
    /// Landlock has no readout per process: not supported.
    LANDLOCK = 521 V5 "landlock", "" | "landlock";
}
