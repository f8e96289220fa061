//! How values of D-Bus become the raw strings of an observation, as `pairs` states them.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use avouch_pairs::subject::without_user;
use zbus::Variant;

use super::Spelled;

/// Where systemd makes the directories of a service, in the order state, cache, logs, runtime, configuration.
pub(crate) const DIRECTORIES: [(&str, &str); 5] = [
    ("state", "/var/lib"),
    ("cache", "/var/cache"),
    ("logs", "/var/log"),
    ("runtime", "/run"),
    ("configuration", "/etc"),
];
const AF_INET: i32 = 2;
const AF_INET6: i32 = 10;
const TCP: i32 = 6;
const UDP: i32 = 17;

type Values<'a, 'v> = &'a [&'a Variant<'v>];

/// A string as it stands.
pub(super) fn text(values: Values<'_, '_>) -> Option<Spelled> {
    value(clean(string(one(values)?)?))
}

/// A number of any width.
pub(super) fn number(values: Values<'_, '_>) -> Option<Spelled> {
    value(decimal(one(values)?)?)
}

pub(super) fn yes_no(values: Values<'_, '_>) -> Option<Spelled> {
    match one(values)? {
        Variant::Bool(yes) => value(if *yes { "yes" } else { "no" }),
        _ => None,
    }
}

/// A boolean, or the word with which a later systemd says more; of `ProtectHostnameEx` the first of its two.
pub(super) fn yes_no_or_word(values: Values<'_, '_>) -> Option<Spelled> {
    match one(values)? {
        Variant::Bool(_) => yes_no(values),
        Variant::Structure(fields) => value(clean(string(fields.fields().first()?)?)),
        word => value(clean(string(word)?)),
    }
}

/// Items of an array of strings, one a line.
pub(super) fn lines(values: Values<'_, '_>) -> Option<Spelled> {
    value(strings(one(values)?)?.into_iter().map(clean).collect::<Vec<_>>().join("\n"))
}

/// Numbers separated by a tab.
pub(super) fn fields(values: Values<'_, '_>) -> Option<Spelled> {
    value(values.iter().map(|value| decimal(value)).collect::<Option<Vec<_>>>()?.join("\t"))
}

/// `SOFT HARD`.
pub(super) fn pair(values: Values<'_, '_>) -> Option<Spelled> {
    value(values.iter().map(|value| decimal(value)).collect::<Option<Vec<_>>>()?.join(" "))
}

/// Array of pairs of strings: two fields a line.
pub(super) fn pairs(values: Values<'_, '_>) -> Option<Spelled> {
    let rows = rows(one(values)?)?;
    let line =
        |row: &&[Variant<'_>]| Some(format!("{}\t{}", clean(string(row.first()?)?), clean(string(row.get(1)?)?)));
    value(join(rows.iter().map(line))?)
}

/// A mask of CPUs or nodes, its bytes in hexadecimal.
pub(super) fn mask(values: Values<'_, '_>) -> Option<Spelled> {
    value(hexadecimal(&bytes(one(values)?)?))
}

/// A mode, four octal digits.
pub(super) fn octal(values: Values<'_, '_>) -> Option<Spelled> {
    value(mode(one(values)?)?)
}

/// A set of capabilities, 16 hexadecimal digits.
pub(super) fn capabilities(values: Values<'_, '_>) -> Option<Spelled> {
    match one(values)? {
        Variant::U64(set) => value(format!("{set:016x}")),
        _ => None,
    }
}

/// Whether a name is set; the name itself is dropped.
pub(super) fn is_set(values: Values<'_, '_>) -> Option<Spelled> {
    value(if string(one(values)?)?.is_empty() { "no" } else { "yes" })
}

/// Whether one of several names is set.
pub(super) fn any_is_set(values: Values<'_, '_>) -> Option<Spelled> {
    let names: Vec<&str> = values.iter().map(|value| string(value)).collect::<Option<_>>()?;
    value(if names.iter().all(|name| name.is_empty()) { "no" } else { "yes" })
}

/// Two arrays of paths, of programs for what comes in and for what goes out.
pub(super) fn filter_paths(values: Values<'_, '_>) -> Option<Spelled> {
    let mut all = Vec::new();
    for (word, paths) in ["ingress", "egress"].into_iter().zip(values) {
        all.extend(strings(paths)?.into_iter().map(|path| format!("{word}\t{}", clean(path))));
    }
    value(all.join("\n"))
}

/// How many names an array has; the names are dropped.
pub(super) fn how_many(values: Values<'_, '_>) -> Option<Spelled> {
    value(strings(one(values)?)?.len().to_string())
}

/// The unit's cgroup; a unit without one has an empty path.
pub(super) fn cgroup(values: Values<'_, '_>) -> Option<Spelled> {
    match string(one(values)?)? {
        "" => Some(Spelled::Absent),
        path => value(clean(path)),
    }
}

/// `(bas)`: `allow` or `deny`, then what is named.
pub(super) fn filter(values: Values<'_, '_>) -> Option<Spelled> {
    let (allow, names) = flagged_list(one(values)?)?;
    let word = if allow { "allow" } else { "deny" };
    let names = names.into_iter().map(clean);
    value(std::iter::once(word.to_owned()).chain(names).collect::<Vec<_>>().join("\n"))
}

/// As [`filter`]; a list that denies nothing is no filter.
pub(super) fn filter_or_none(values: Values<'_, '_>) -> Option<Spelled> {
    match flagged_list(one(values)?)? {
        (false, names) if names.is_empty() => value(""),
        _ => filter(values),
    }
}

/// `(bs)`: whether failure to set the label is ignored, and the label.
pub(super) fn label(values: Values<'_, '_>) -> Option<Spelled> {
    let Variant::Structure(fields) = one(values)? else { return None };
    let [Variant::Bool(ignored), label] = fields.fields() else { return None };
    match string(label)? {
        "" => value(""),
        label => value(format!("{}\t{}", if *ignored { "optional" } else { "required" }, clean(label))),
    }
}

/// FragmentPath and DropInPaths, one a line; absent for a unit without files.
pub(super) fn files(values: Values<'_, '_>) -> Option<Spelled> {
    let [fragment, drop_ins] = values else { return None };
    let paths = std::iter::once(string(fragment)?).chain(strings(drop_ins)?);
    let all: Vec<String> = paths.filter(|path| !path.is_empty()).map(clean).collect();
    if all.is_empty() { Some(Spelled::Absent) } else { value(all.join("\n")) }
}

/// Paths of `a(sasbttttuii)`; arguments and times are dropped.
pub(super) fn executables(values: Values<'_, '_>) -> Option<Spelled> {
    let rows = rows(one(values)?)?;
    value(join(rows.iter().map(|row| string(row.first()?).map(clean)))?)
}

/// `a(ssbt)`: source, destination, whether a missing source is ignored, flags.
pub(super) fn bind_paths(values: Values<'_, '_>) -> Option<Spelled> {
    let rows = rows(one(values)?)?;
    value(join(rows.iter().map(|row| {
        let [source, destination, Variant::Bool(ignored), ..] = row else { return None };
        let word = if *ignored { "ignore" } else { "must" };
        Some(format!("{}\t{}\t{word}", clean(string(source)?), clean(string(destination)?)))
    }))?)
}

/// The four limits of bandwidth and operations; the device's number is added by whoever may look at it.
pub(super) fn io_max(values: Values<'_, '_>) -> Option<Spelled> {
    let mut all = Vec::new();
    for (word, limits) in ["rbps", "wbps", "riops", "wiops"].into_iter().zip(values) {
        for row in rows(limits)? {
            let path = string(row.first()?)?;
            let number = crate::device::number(path).unwrap_or_else(|| "-".into());
            all.push(format!("{word}\t{}\t{}\t{number}", clean(path), decimal(row.get(1)?)?));
        }
    }
    value(all.join("\n"))
}

/// The policy, then what is allowed.
pub(super) fn devices(values: Values<'_, '_>) -> Option<Spelled> {
    let [policy, allow] = values else { return None };
    let mut all = clean(string(policy)?);
    for row in rows(allow)? {
        let _ = write!(all, "\n{}\t{}", clean(string(row.first()?)?), clean(string(row.get(1)?)?));
    }
    value(all)
}

/// `a(iayu)`, twice: allowed and denied networks.
pub(super) fn addresses(values: Values<'_, '_>) -> Option<Spelled> {
    let mut all = Vec::new();
    for (word, networks) in ["allow", "deny"].into_iter().zip(values) {
        for row in rows(networks)? {
            let [Variant::I32(family), address, Variant::U32(prefix)] = row else { return None };
            all.push(format!("{word}\t{}/{prefix}", address_text(*family, &bytes(address)?)?));
        }
    }
    value(all.join("\n"))
}

/// `a(iiqq)`, twice: family, protocol, how many ports, the first of them; 0 = any.
pub(super) fn binds(values: Values<'_, '_>) -> Option<Spelled> {
    let mut all = Vec::new();
    for (word, rules) in ["allow", "deny"].into_iter().zip(values) {
        for row in rows(rules)? {
            let [Variant::I32(family), Variant::I32(protocol), Variant::U16(count), Variant::U16(first)] = row else {
                return None;
            };
            let family = match *family {
                AF_INET => "ipv4:",
                AF_INET6 => "ipv6:",
                _ => "",
            };
            let protocol = match *protocol {
                TCP => "tcp:",
                UDP => "udp:",
                _ => "",
            };
            let ports = match (*count, *first) {
                (0, _) => "any".to_owned(),
                (1, first) => first.to_string(),
                (count, first) => format!("{first}-{}", u32::from(first) + u32::from(count) - 1),
            };
            all.push(format!("{word}\t{family}{protocol}{ports}"));
        }
    }
    value(all.join("\n"))
}

/// Directories that systemd makes for the unit, by kind.
pub(super) fn own_directories(values: Values<'_, '_>) -> Option<Spelled> {
    let mut all = Vec::new();
    for ((word, _), names) in DIRECTORIES.into_iter().zip(values) {
        all.extend(strings(names)?.into_iter().map(|name| format!("{word}\t{}", clean(name))));
    }
    value(all.join("\n"))
}

/// The same by path, with their modes: five lists of names, then five modes.
pub(super) fn directory_modes(values: Values<'_, '_>) -> Option<Spelled> {
    let (names, modes) = values.split_at_checked(DIRECTORIES.len())?;
    let mut all = Vec::new();
    for (((_, below), names), kind_mode) in DIRECTORIES.into_iter().zip(names).zip(modes) {
        let mode = mode(kind_mode)?;
        all.extend(strings(names)?.into_iter().map(|name| format!("{below}/{}\t{mode}", clean(name))));
    }
    if all.is_empty() { Some(Spelled::Absent) } else { value(all.join("\n")) }
}

/// Of the addresses that are paths, each with the unit's `SocketMode`.
pub(super) fn socket_modes(values: Values<'_, '_>) -> Option<Spelled> {
    let [listen, kind_mode] = values else { return None };
    let mode = mode(kind_mode)?;
    let rows = rows(listen)?;
    let mut all = Vec::new();
    for row in rows {
        let (kind, address) = (string(row.first()?)?, string(row.get(1)?)?);
        if is_path(kind, address) {
            all.push(format!("{}\t{mode}", clean(address)));
        }
    }
    if all.is_empty() { Some(Spelled::Absent) } else { value(all.join("\n")) }
}

/// Whether a `Listen` entry makes a file whose mode is `SocketMode`.
pub(crate) fn is_path(kind: &str, address: &str) -> bool {
    matches!(kind, "Stream" | "Datagram" | "SequentialPacket" | "FIFO") && address.starts_with('/')
}

// === values ===

fn value(text: impl Into<String>) -> Option<Spelled> {
    Some(Spelled::Value(text.into()))
}

/// Text as it may be stated: no control character breaks a line, and whose home directory a path is in is left out.
fn clean(text: &str) -> String {
    let start = text.find(|c| !matches!(c, '-' | '+')).unwrap_or(0);
    let (prefix, rest) = text.split_at(start);
    let mut clean = prefix.to_owned();
    for character in without_user(rest).chars() {
        if character.is_control() {
            let mut buffer = [0; 4];
            for byte in character.encode_utf8(&mut buffer).bytes() {
                let _ = write!(clean, "\\x{byte:02x}");
            }
        } else {
            clean.push(character);
        }
    }
    clean
}

fn one<'a, 'v>(values: Values<'a, 'v>) -> Option<&'a Variant<'v>> {
    match values {
        [one] => Some(one),
        _ => None,
    }
}

/// A string or an object path.
pub(crate) fn string<'a>(value: &'a Variant<'_>) -> Option<&'a str> {
    match value {
        Variant::Str(text) => Some(text.as_str()),
        Variant::ObjectPath(path) => Some(path.as_str()),
        _ => None,
    }
}

/// The items of an array of strings.
pub(crate) fn strings<'a>(value: &'a Variant<'_>) -> Option<Vec<&'a str>> {
    match value {
        Variant::Array(items) => items.inner().iter().map(string).collect(),
        _ => None,
    }
}

/// The fields of each structure of an array.
pub(crate) fn rows<'a, 'v>(value: &'a Variant<'v>) -> Option<Vec<&'a [Variant<'v>]>> {
    let Variant::Array(items) = value else { return None };
    let fields = |item: &'a Variant<'v>| match item {
        Variant::Structure(structure) => Some(structure.fields()),
        _ => None,
    };
    items.inner().iter().map(fields).collect()
}

/// The bytes of an array of bytes.
pub(crate) fn bytes(value: &Variant<'_>) -> Option<Vec<u8>> {
    let Variant::Array(items) = value else { return None };
    let byte = |item: &Variant<'_>| match item {
        Variant::U8(byte) => Some(*byte),
        _ => None,
    };
    items.inner().iter().map(byte).collect()
}

/// Lowercase hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn decimal(value: &Variant<'_>) -> Option<String> {
    Some(match value {
        Variant::U8(number) => number.to_string(),
        Variant::U16(number) => number.to_string(),
        Variant::U32(number) => number.to_string(),
        Variant::U64(number) => number.to_string(),
        Variant::I16(number) => number.to_string(),
        Variant::I32(number) => number.to_string(),
        Variant::I64(number) => number.to_string(),
        _ => return None,
    })
}

fn mode(value: &Variant<'_>) -> Option<String> {
    match value {
        Variant::U32(mode) => Some(format!("{mode:04o}")),
        _ => None,
    }
}

fn flagged_list<'a>(value: &'a Variant<'_>) -> Option<(bool, Vec<&'a str>)> {
    let Variant::Structure(fields) = value else { return None };
    match fields.fields() {
        [Variant::Bool(flag), names] => Some((*flag, strings(names)?)),
        _ => None,
    }
}

fn address_text(family: i32, bytes: &[u8]) -> Option<String> {
    match family {
        AF_INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
        AF_INET6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        _ => None,
    }
}

fn join(lines: impl Iterator<Item = Option<String>>) -> Option<String> {
    Some(lines.collect::<Option<Vec<_>>>()?.join("\n"))
}
