//! V9: mandatory access control.

use super::attributes;

attributes! { MAC:
    /// `required|optional<tab>PROFILE`; empty = none | of every process `PROFILE (MODE)` or `unconfined`, from attr/apparmor/current, else attr/current.
    APPARMOR_PROFILE = 901 V9 "apparmor.profile", "AppArmorProfile" | "/proc/PID/attr/apparmor/current";
    /// As [`APPARMOR_PROFILE`] with a context | of every process.
    SELINUX_CONTEXT = 902 V9 "selinux.context", "SELinuxContext" | "/proc/PID/attr/current";
    /// As [`APPARMOR_PROFILE`] with a label | of every process.
    SMACK_LABEL = 903 V9 "smack.label", "SmackProcessLabel" | "/proc/PID/attr/smack/current";
    /// Of the host: `lsm=` of the kernel command line; absent where there is none | active modules, as the kernel lists them.
    LSM = 950 V9 "lsm", "lsm= of the kernel command line" | "/sys/kernel/security/lsm";
    /// Of the host: `SELINUX=` of /etc/selinux/config | 0 or 1; absent where SELinux is not active.
    SELINUX_ENFORCE = 951 V9 "selinux.enforce", "/etc/selinux/config" | "/sys/fs/selinux/enforce";
    /// Of the host: `SELINUXTYPE=` | `VERSION<tab>SHA256` of the loaded policy.
    SELINUX_POLICY = 952 V9 "selinux.policy", "/etc/selinux/config" | "/sys/fs/selinux/policyvers, policy";
    /// Of the host: `apparmor=` of the kernel command line | `ENABLED<tab>MODE` of the module's parameters.
    APPARMOR_MODE = 953 V9 "apparmor.mode", "apparmor= of the kernel command line" | "/sys/module/apparmor/parameters";
    /// Of the host: `NAME (MODE)` of each loaded profile, sorted; `none` | second: the same from the policy directory.
    APPARMOR_PROFILES = 954 V9 "apparmor.profiles", "" | "/sys/kernel/security/apparmor/profiles";
    /// Of the host: lines `mls|deny_unknown|checkreqprot<tab>VALUE` and `booleans<tab>COUNT SHA256`, of their sorted lines `NAME VALUE PENDING`.
    SELINUX_SETTINGS = 955 V9 "selinux.settings", "" | "/sys/fs/selinux/mls, deny_unknown, checkreqprot, booleans";
    /// Of the host: `COUNT SHA256` of the loaded profiles, of their sorted lines `NAME DIGEST`; DIGEST as the kernel has it.
    APPARMOR_POLICY = 956 V9 "apparmor.policy", "" | "/sys/kernel/security/apparmor/policy/profiles";
    /// Of the host: what was enforced between two looks; the kernel tells it to its audit log alone.
    MAC_HISTORY = 957 V9 "mac.history", "" | "audit records MAC_STATUS, MAC_POLICY_LOAD";
}
