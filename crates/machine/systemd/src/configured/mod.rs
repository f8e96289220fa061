//! What systemd and its helpers apply at boot, from files alone.

mod files;
mod glob;
mod sysctl;
mod tmpfiles;

use std::path::Path;

use avouch_pairs::{Attribute, Fact, Observation, Reading, attribute, subject};

use files::{Text, merged, text};

/// Names that systemd's generators give to the dm-verity devices of these words of the command line.
const VERITY: [(&str, &str); 2] = [("roothash", "root"), ("usrhash", "usr")];

/// The configuration that systemd and its helpers apply at boot, read from the files below `root`, as the orchestrator
/// column of the host, of sysctls, of dm devices and of the `paths` that were asked for. Of the kernel command line
/// single words are taken and the rest is dropped.
pub fn configured(root: &Path, paths: &[String]) -> Observation {
    let mut observation = Observation::default();
    let mut put = |subject: &str, attribute: Attribute, reading: Reading| {
        let subject = observation.subjects.entry(subject.into()).or_default();
        subject.facts.insert(attribute, Fact::orchestrator(reading));
    };
    for (key, reading) in sysctl::settings(root) {
        put(&format!("{}{key}", subject::SYSCTL), attribute::SYSCTL, reading);
    }
    put(subject::HOST, attribute::MODULES, modules(root));
    for (attribute, key) in [(attribute::SELINUX_ENFORCE, "SELINUX"), (attribute::SELINUX_POLICY, "SELINUXTYPE")] {
        put(subject::HOST, attribute, selinux(root, key));
    }
    for (attribute, word) in [(attribute::LSM, "lsm"), (attribute::APPARMOR_MODE, "apparmor")] {
        put(subject::HOST, attribute, command_line(root, word));
    }
    for (word, device) in VERITY {
        match command_line(root, word) {
            Reading::Absent => {}
            stated => put(&format!("{}{device}", subject::DM), attribute::DM_TABLE, stated),
        }
    }
    for (path, reading) in tmpfiles::settings(root, paths) {
        put(&format!("{}{}", subject::PATH, subject::without_user(path)), attribute::PATH, reading);
    }
    observation
}

/// `modules-load.d` (modules-load.d(5)), and `modules-load=` of the command line; one a line, sorted.
fn modules(root: &Path) -> Reading {
    let mut names = Vec::new();
    for file in merged(root, "modules-load.d") {
        match file {
            Ok((_, text)) => {
                names.extend(text.lines().map(str::trim).filter(|line| is_setting(line)).map(str::to_owned))
            }
            Err(reason) => return Reading::Unreadable(reason),
        }
    }
    for word in ["modules-load", "modules_load"] {
        if let Reading::Value(list) = command_line(root, word) {
            names.extend(list.split(',').map(str::to_owned));
        }
    }
    names.sort();
    names.dedup();
    if names.is_empty() { Reading::Absent } else { Reading::Value(names.join("\n")) }
}

/// A key of `/etc/selinux/config`; the last assignment holds.
fn selinux(root: &Path, key: &str) -> Reading {
    let text = match text(root, "/etc/selinux/config") {
        Text::Of(text) => text,
        Text::Absent => return Reading::Absent,
        Text::Unreadable(reason) => return Reading::Unreadable(reason),
    };
    let mut values =
        text.lines().map(str::trim).filter(|line| is_setting(line)).filter_map(|line| line.split_once('='));
    let last = values.rfind(|(name, _)| name.trim() == key);
    last.map_or(Reading::Absent, |(_, value)| Reading::Value(value.trim().into()))
}

/// The value of one word of the kernel command line, the last where it stands more than once.
fn command_line(root: &Path, word: &str) -> Reading {
    let text = match text(root, "/proc/cmdline") {
        Text::Of(text) => text,
        Text::Absent => return Reading::Absent,
        Text::Unreadable(reason) => return Reading::Unreadable(reason),
    };
    let value = |item: &str| item.strip_prefix(word)?.strip_prefix('=').map(str::to_owned);
    let found = text.split_ascii_whitespace().rev().find_map(value);
    found.map_or(Reading::Absent, |value| Reading::Value(value.trim_matches('"').into()))
}

fn is_setting(line: &str) -> bool {
    !line.is_empty() && !line.starts_with(['#', ';'])
}
