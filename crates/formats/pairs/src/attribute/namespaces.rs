//! V7: namespaces. Of every thread `host INODE` or `private INODE`, by comparing with PID 1's; second: the same by
//! statx of what the link leads to.

use super::attributes;

attributes! { NAMESPACES:
    /// `yes`/`no` | of every thread.
    NS_NET = 701 V7 "ns.net", "PrivateNetwork" | "/proc/PID/ns/net";
    /// Network interfaces in the main process's network namespace, one a line, sorted; read only where that is private.
    NET_DEVICES = 702 V7 "net.devices", "" | "/proc/PID/net/dev";
    /// `yes`/`no` | of every thread.
    NS_MNT = 703 V7 "ns.mnt", "PrivateMounts" | "/proc/PID/ns/mnt";
    /// `yes`/`no` | of every thread.
    NS_IPC = 704 V7 "ns.ipc", "PrivateIPC" | "/proc/PID/ns/ipc";
    /// `yes`/`no`, or `private` on newer systemd | of every thread.
    NS_UTS = 705 V7 "ns.uts", "ProtectHostname" | "/proc/PID/ns/uts";
    /// `yes`/`no` | of every thread.
    NS_PID = 706 V7 "ns.pid", "PrivatePIDs" | "/proc/PID/ns/pid";
    /// `yes`/`no`, or `self`, `identity`, `full` on newer systemd | of every thread.
    NS_USER = 707 V7 "ns.user", "PrivateUsers" | "/proc/PID/ns/user";
    /// Of the main process: lines `uid|gid<tab>INSIDE OUTSIDE LENGTH` and `setgroups<tab>allow|deny`; read only where the user namespace is private.
    ID_MAPS = 708 V7 "id_maps", "" | "/proc/PID/uid_map, gid_map, setgroups";
    /// Of every thread.
    NS_CGROUP = 709 V7 "ns.cgroup", "" | "/proc/PID/ns/cgroup";
    /// Of every thread.
    NS_TIME = 710 V7 "ns.time", "" | "/proc/PID/ns/time";
    /// Path, or empty.
    NETWORK_NAMESPACE_PATH = 711 V7 "network_namespace_path", "NetworkNamespacePath" | "";
    /// Units, one a line.
    JOINS_NAMESPACE_OF = 712 V7 "joins_namespace_of", "JoinsNamespaceOf" | "";
    /// Of the host: namespaces in which only processes of no unit are: lines `TYPE INODE<tab>CGROUP`; `none`.
    NS_UNMANAGED = 750 V7 "ns.unmanaged", "" | "/proc/*/ns";
}
