//! V13: running code and process census.

use super::attributes;

attributes! { CODE:
    /// PIDs, ascending, one a line (GetUnitProcesses) | PIDs of cgroup.procs below the unit's cgroup, ascending, one a line.
    PROCESSES = 1301 V13 "processes", "GetUnitProcesses" | "cgroup.procs";
    /// Paths of ExecStart, one a line | of every process readlink of /proc/PID/exe, with ` (deleted)` as the kernel appends it; kernel threads are left out.
    EXE = 1302 V13 "exe", "ExecStart" | "/proc/PID/exe";
    /// SHA-256 of the running executables: lines `PATH<tab>SHA256`, sorted by path.
    EXE_DIGESTS = 1303 V13 "exe.digests", "" | "/proc/PID/exe";
    /// Executable mappings of deleted files, memfds, or files on file systems that are mounted writable without a package's path (/tmp, /var/tmp, /dev/shm, /run): lines `PATH<tab>PID`; `none`.
    EXEC_MAPPINGS = 1304 V13 "exec_mappings", "" | "/proc/PID/maps";
    /// Of the host: processes that answer a signal probe but that /proc does not list, one PID a line; `none`.
    HIDDEN_PROCESSES = 1350 V13 "hidden_processes", "" | "/proc against pidfd_open";
    /// Of the host: user processes in cgroups of no unit: lines `CGROUP<tab>COUNT<tab>EXE`; `none`.
    STRAY_PROCESSES = 1351 V13 "stray_processes", "" | "/proc/*/cgroup";
}
