//! What `systemctl show` printed of a recorded unit, as the D-Bus values that it was printed from.
//!
//! systemctl spells a property by its type, some by their names, and leaves out what is empty. This is that way back: a
//! property of a type that may be empty and that was not printed is empty, any other is one that systemd 252 does not
//! have.

use std::collections::BTreeMap;
use std::net::IpAddr;

use avouch_pairs::subject;
use zbus::{Array, OwnedVariant, Signature, Structure, Variant};

use super::config::{ALL_CAPABILITIES, INFINITY, empty, owned};
use super::{FakeSystemd, FakeUnit};
use crate::recorded_tree::Snapshot;

/// Capabilities by number, without their prefix (linux/capability.h).
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];
/// `CLONE_NEW*` by the words of systemd.exec(5).
const NAMESPACES: [(&str, u64); 7] = [
    ("cgroup", 0x0200_0000),
    ("ipc", 0x0800_0000),
    ("mnt", 0x0002_0000),
    ("net", 0x4000_0000),
    ("pid", 0x2000_0000),
    ("user", 0x1000_0000),
    ("uts", 0x0400_0000),
];

// === impl FakeSystemd ===

impl FakeSystemd {
    /// A systemd that knows this unit alone, and says of it what was recorded. Which processes the unit has was not, so
    /// it refuses to say that.
    pub fn recorded(name: &str, snapshot: &Snapshot) -> Self {
        let systemd = Self::new();
        let property = |name: &str| snapshot.properties.get(name).cloned().unwrap_or_default();
        let unit = FakeUnit {
            name: name.to_owned(),
            active_state: property("ActiveState"),
            sub_state: property("SubState"),
            recorded: Some(snapshot.properties.clone()),
            ..FakeUnit::default()
        };
        systemd.lock().units = [(name.to_owned(), unit)].into();
        systemd
    }
}

/// A property of a recorded unit; `None` for one that its systemd does not have.
///
/// # Panics
/// On a spelling that no recording has had so far.
pub(super) fn property(shown: &BTreeMap<String, String>, name: &str) -> Option<OwnedVariant> {
    let text = shown.get(name).map(String::as_str);
    let value = match name {
        "MainPID" | "ControlPID" => Variant::U32(text?.parse().expect("a PID")),
        "UID" | "GID" => Variant::U32(if text? == "[not set]" { u32::MAX } else { text?.parse().expect("a number") }),
        "UMask" | "SocketMode" => Variant::U32(u32::from_str_radix(text?, 8).expect("an octal number")),
        _ if name.ends_with("DirectoryMode") => Variant::U32(u32::from_str_radix(text?, 8).expect("an octal number")),
        "OOMScoreAdjust" | "Nice" | "SecureBits" => Variant::I32(text?.parse().expect("a number")),
        "CPUQuotaPerSecUSec" | "CPUQuotaPeriodUSec" => Variant::U64(span(text?)),
        "ExecMainStartTimestamp" => Variant::U64(text.map_or(0, moment)),
        "CapabilityBoundingSet" | "AmbientCapabilities" => Variant::U64(capabilities(text.unwrap_or(""))),
        "RestrictNamespaces" => Variant::U64(namespaces(text?)),
        "MountFlags" => Variant::U64(0),
        "AllowedCPUs" | "AllowedMemoryNodes" => Variant::from(mask(text.unwrap_or(""))),
        "InvocationID" => Variant::from(hexadecimal(text.unwrap_or(""))),
        "AppArmorProfile" | "SELinuxContext" | "SmackProcessLabel" => label(text.unwrap_or("")),
        "SystemCallFilter" | "RestrictAddressFamilies" | "RestrictFileSystems" | "RestrictNetworkInterfaces" => {
            filter(text)
        }
        "ExecStart" => commands(text.unwrap_or("")),
        "DeviceAllow" => pairs(text.unwrap_or(""), |line| line.split_once(' ')),
        "Listen" => pairs(text.unwrap_or(""), |line| {
            let (address, kind) = line.rsplit_once(' ')?;
            Some((kind.trim_matches(['(', ')']), address))
        }),
        "IPAddressAllow" | "IPAddressDeny" => networks(text.unwrap_or("")),
        "SocketBindAllow" | "SocketBindDeny" => nothing(text, "(iiqq)"),
        "BindPaths" | "BindReadOnlyPaths" => nothing(text, "(ssbt)"),
        "TemporaryFileSystem" => nothing(text, "(ss)"),
        _ if name.starts_with("IO") && name.ends_with("Max") => nothing(text, "(st)"),
        _ if is_list(name) => list(text.unwrap_or("")),
        _ if is_text(name) => Variant::from(text.unwrap_or("")),
        _ => plain(text?),
    };
    owned(value)
}

fn is_list(name: &str) -> bool {
    let directories = ["State", "Cache", "Logs", "Runtime", "Configuration"].map(|kind| format!("{kind}Directory"));
    name.ends_with("Paths")
        || name.ends_with("FilterPath")
        || directories.iter().any(|directory| directory == name)
        || matches!(name, "SystemCallArchitectures" | "SupplementaryGroups" | "JoinsNamespaceOf")
}

/// Properties that are text; of [`plain`] ones the value alone does not tell.
fn is_text(name: &str) -> bool {
    const TEXTS: [&str; 25] = [
        "ActiveState",
        "BindIPv6Only",
        "BindToDevice",
        "ControlGroup",
        "DevicePolicy",
        "FragmentPath",
        "FreezerState",
        "Group",
        "Id",
        "KeyringMode",
        "LoadState",
        "NetworkNamespacePath",
        "OOMPolicy",
        "Personality",
        "ProcSubset",
        "ProtectHome",
        "ProtectProc",
        "ProtectSystem",
        "RootDirectory",
        "RootImage",
        "SocketGroup",
        "SocketUser",
        "SubState",
        "Type",
        "User",
    ];
    TEXTS.contains(&name)
}

/// A boolean or a number of 64 bits.
fn plain(text: &str) -> Variant<'static> {
    match text {
        "yes" => Variant::Bool(true),
        "no" => Variant::Bool(false),
        "infinity" | "[not set]" => Variant::U64(INFINITY),
        // Of CPUWeight.
        "idle" => Variant::U64(0),
        number => Variant::U64(number.parse().unwrap_or_else(|_| panic!("{number} is nothing that systemctl prints"))),
    }
}

/// Microseconds of `200ms` or `2.500000s`.
fn span(text: &str) -> u64 {
    if text == "infinity" {
        return INFINITY;
    }
    let end = text.find(|c: char| c.is_ascii_alphabetic()).expect("a unit of time");
    let (number, unit) = text.split_at(end);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let usec = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        other => panic!("{other} is no unit of a recorded time"),
    };
    let part: u64 = format!("{part:0<6}").parse().expect("six digits");
    whole.parse::<u64>().expect("a number") * usec + part * usec / 1_000_000
}

/// Microseconds since the epoch of `Sat 2026-11-21 21:23:18 UTC`: systemctl drops what is below a second.
fn moment(text: &str) -> u64 {
    let words: Vec<&str> = text.split(' ').collect();
    let [_, date, time, "UTC"] = words.as_slice() else { panic!("{text} is no time of a recording") };
    let numbers =
        |text: &str, by: char| -> Vec<i64> { text.split(by).map(|number| number.parse().expect("a number")).collect() };
    let (date, time) = (numbers(date, '-'), numbers(time, ':'));
    // Days since 1970-01-01, of years that begin in March so that the leap day is the last.
    let (year, month) = if date[1] > 2 { (date[0], date[1] - 3) } else { (date[0] - 1, date[1] + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + date[2] - 1 - 719_468;
    let seconds = days * 86_400 + time[0] * 3_600 + time[1] * 60 + time[2];
    u64::try_from(seconds).expect("after 1970") * 1_000_000
}

/// Of a unit that takes none away systemd says all ones, as the recorded `busctl get-property` has it.
fn capabilities(text: &str) -> u64 {
    let bit = |name: &str| {
        let name = name.strip_prefix("cap_").expect("a capability");
        1_u64 << CAPABILITIES.iter().position(|known| *known == name).expect("a capability of Linux 6.1")
    };
    let set = text.split(' ').filter(|name| !name.is_empty()).map(bit).sum();
    if set == ALL_CAPABILITIES { INFINITY } else { set }
}

fn namespaces(text: &str) -> u64 {
    let flag = |word: &str| NAMESPACES.iter().find(|(known, _)| *known == word).expect("a kind of namespace").1;
    match text {
        "no" => INFINITY,
        "yes" => 0,
        words => words.split(' ').map(flag).sum(),
    }
}

/// Bytes of a set of processors or nodes, e.g. `0-1 4`.
fn mask(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for range in text.split([' ', ',']).filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        for number in first.parse::<usize>().expect("a number")..=last.parse().expect("a number") {
            bytes.resize(bytes.len().max(number / 8 + 1), 0);
            bytes[number / 8] |= 1 << (number % 8);
        }
    }
    bytes
}

fn hexadecimal(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(byte).collect()
}

fn structure(first: Variant<'static>, second: Variant<'static>) -> Variant<'static> {
    let fields = Structure::builder().append_field(first).append_field(second);
    Variant::Structure(fields.build().expect("two fields"))
}

/// `(bs)`; a dash means that failure to set the label is no error.
fn label(text: &str) -> Variant<'static> {
    let (optional, label) = text.strip_prefix('-').map_or((false, text), |label| (true, label));
    structure(Variant::Bool(optional), Variant::from(label.to_owned()))
}

/// `(bas)`; systemctl prints a list that refuses nothing as nothing.
fn filter(text: Option<&str>) -> Variant<'static> {
    let text = text.unwrap_or("~");
    let allows = !text.starts_with('~');
    structure(Variant::Bool(allows), list(text.trim_start_matches('~')))
}

fn list(text: &str) -> Variant<'static> {
    let words: Vec<String> = text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    if words.is_empty() { empty("s") } else { Variant::from(words) }
}

/// What no recorded unit sets.
fn nothing(text: Option<&str>, element: &str) -> Variant<'static> {
    assert_eq!(text, None, "no recording has had one of these so far");
    empty(element)
}

fn array(element: &str, items: impl Iterator<Item = Structure<'static>>) -> Variant<'static> {
    let mut array = Array::new(&Signature::try_from(element).expect("a signature"));
    for item in items {
        array.append(Variant::Structure(item)).expect("an item of the array's type");
    }
    Variant::Array(array)
}

/// `a(ss)`, one a line.
fn pairs(text: &str, split: impl Fn(&str) -> Option<(&str, &str)>) -> Variant<'static> {
    let pair = |line| {
        let (first, second) = split(line).expect("two fields");
        let fields = Structure::builder().add_field(first.to_owned()).add_field(second.to_owned());
        fields.build().expect("two fields")
    };
    array("(ss)", text.lines().map(pair))
}

/// `a(iayu)`.
fn networks(text: &str) -> Variant<'static> {
    let network = |text: &str| {
        let (address, prefix) = text.split_once('/').expect("ADDRESS/PREFIX");
        let (family, bytes) = match address.parse().expect("an address") {
            IpAddr::V4(address) => (2_i32, address.octets().to_vec()),
            IpAddr::V6(address) => (10, address.octets().to_vec()),
        };
        let prefix: u32 = prefix.parse().expect("a number of bits");
        Structure::builder().add_field(family).add_field(bytes).add_field(prefix).build().expect("three fields")
    };
    array("(iayu)", text.split(' ').filter(|word| !word.is_empty()).map(network))
}

/// `a(sasbttttuii)`: the paths alone are of use to anybody.
fn commands(text: &str) -> Variant<'static> {
    let command = |line: &str| {
        let path = line.strip_prefix("{ path=").and_then(|rest| rest.split(' ').next()).expect("a path");
        let path = subject::without_user(path);
        let mut fields = Structure::builder().add_field(path.clone()).add_field(vec![path]).add_field(false);
        for _ in 0..4 {
            fields = fields.add_field(0_u64);
        }
        fields.add_field(0_u32).add_field(0_i32).add_field(0_i32).build().expect("ten fields")
    };
    array("(sasbttttuii)", text.lines().map(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_systemctl_are_read_back() {
        assert_eq!((span("200ms"), span("2.500000s"), span("infinity")), (200_000, 2_500_000, INFINITY));
        assert_eq!(moment("Sat 2026-11-21 21:23:18 UTC"), 1_795_296_198_000_000);
        assert_eq!(moment("Thu 1970-01-01 00:00:01 UTC"), 1_000_000);
        assert_eq!(capabilities("cap_net_bind_service"), 0x400);
        assert_eq!(namespaces("cgroup ipc net mnt uts"), 0x4e02_0000);
        assert_eq!(mask("0-1 9"), [3, 2]);
        assert_eq!(hexadecimal("c330"), [0xc3, 0x30]);
    }
}
