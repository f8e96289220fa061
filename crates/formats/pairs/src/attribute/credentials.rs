//! V8: capabilities and credentials, of every thread, from its status.

use super::attributes;

attributes! { CREDENTIALS:
    /// 16 hexadecimal digits | CapBnd.
    CAP_BOUNDING = 801 V8 "cap.bounding", "CapabilityBoundingSet" | "CapBnd";
    /// 16 hexadecimal digits | CapAmb.
    CAP_AMBIENT = 802 V8 "cap.ambient", "AmbientCapabilities" | "CapAmb";
    /// CapEff; second: capget(2), 16 hexadecimal digits.
    CAP_EFFECTIVE = 803 V8 "cap.effective", "" | "CapEff";
    /// CapPrm; second: capget(2).
    CAP_PERMITTED = 804 V8 "cap.permitted", "" | "CapPrm";
    /// CapInh; second: capget(2).
    CAP_INHERITABLE = 805 V8 "cap.inheritable", "" | "CapInh";
    /// Number; 4294967295 = not set | `REAL EFFECTIVE SAVED FS`.
    UID = 806 V8 "uid", "UID" | "Uid";
    /// As [`UID`].
    GID = 807 V8 "gid", "GID" | "Gid";
    /// How many supplementary groups are named | numbers separated by spaces, sorted; empty = none.
    GROUPS = 808 V8 "groups", "SupplementaryGroups" | "Groups";
    /// `yes`/`no`.
    DYNAMIC_USER = 809 V8 "dynamic_user", "DynamicUser" | "";
    /// Whether the unit names a user: `yes`/`no`.
    USER_SET = 810 V8 "user_set", "User" | "";
    /// Of the host: the highest capability that the kernel knows.
    CAP_LAST_CAP = 850 V8 "cap_last_cap", "" | "/proc/sys/kernel/cap_last_cap";
}
