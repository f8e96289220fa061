//! V14: can the two witnesses be believed.

use super::attributes;

attributes! { EVIDENCE:
    /// `yes`/`no` | the newest by modification time of the unit's files and of the folders for its drop-ins, `USEC<tab>PATH`; a folder's path ends with `/`.
    UNIT_FRESHNESS = 1401 V14 "unit_freshness", "NeedDaemonReload" | "modification times";
    /// `loaded`, `not-found`, `bad-setting`, `error`, `masked`; a unit that systemd could not read as written.
    LOAD_STATE = 1402 V14 "load_state", "LoadState" | "";
    /// Of the host: SHA-256 of the observing program.
    AGENT_EXE = 1450 V14 "agent.exe", "" | "/proc/self/exe";
    /// Of the host: SHA-256 of PID 1's program.
    MANAGER_EXE = 1451 V14 "manager.exe", "" | "/proc/1/exe";
    /// Of the host: how systemd was asked (`private` or `bus`) and its version, `HOW<tab>VERSION`; unreadable where it did not answer.
    MANAGER = 1452 V14 "manager", "D-Bus" | "";
    /// Of the host: what stands over the files that witnesses are read from: lines `PATH<tab>PROBLEM`; `none`. Problems: another file system's magic number, a mount inside, another mount namespace than PID 1's.
    VIEW = 1453 V14 "view", "" | "fstatfs, openat2";
    /// Of the host: kind of cgroup hierarchy: `unified`, `hybrid`, `legacy`.
    CGROUP_HIERARCHY = 1454 V14 "cgroup_hierarchy", "" | "fstatfs";
    /// Of the host: `none`, or what container manager this machine seems to be inside of.
    CONTAINER = 1455 V14 "container", "" | "/proc/1/environ is not read; /run/systemd/container";
}
