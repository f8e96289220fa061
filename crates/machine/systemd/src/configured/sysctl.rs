//! `sysctl.d` as systemd-sysctl merges it (sysctl.d(5)).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use avouch_pairs::Reading;

use super::files::merged;
use super::glob::{is_pattern, matches};
use super::is_setting;

/// The most keys that a pattern is taken to mean; a host with 1,000 network interfaces has some thousands.
const MOST: usize = 65_536;
/// The most keys whose setting is stated.
const MOST_SETTINGS: usize = 16_384;

/// The key with dots, and `VALUE<tab>FILE`. Where a file cannot be read, every key that others set is unreadable: the
/// missing file might have the last word on any of them.
pub(super) fn settings(root: &Path) -> BTreeMap<String, Reading> {
    let mut plain: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut patterns: Vec<(String, (String, String))> = Vec::new();
    let mut excluded: BTreeSet<String> = BTreeSet::new();
    let mut refusal = None;
    for file in merged(root, "sysctl.d") {
        let (path, text) = match file {
            Ok(held) => held,
            Err(reason) => {
                refusal = Some(reason);
                continue;
            }
        };
        for line in text.lines().map(str::trim).filter(|line| is_setting(line)) {
            match line.split_once('=') {
                Some((key, value)) => {
                    // A dash before a key means that failure to set it is no error.
                    let key = in_path_form(key.trim().trim_start_matches('-').trim());
                    let setting = (value.trim().to_owned(), path.clone());
                    if is_pattern(&key) {
                        // The last word on a pattern replaces the earlier one, in its later place.
                        patterns.retain(|(pattern, _)| *pattern != key);
                        patterns.push((key, setting));
                    } else {
                        plain.insert(key, setting);
                    }
                }
                // A key after a dash, without a value, is left out of patterns.
                None => {
                    if let Some(key) = line.strip_prefix('-') {
                        excluded.insert(in_path_form(key.trim()));
                    }
                }
            }
        }
    }
    for (pattern, setting) in patterns {
        for key in expand(root, &pattern) {
            // Explicit settings win over patterns; of patterns the later one wins.
            let left_out = excluded.iter().any(|excluded| matches(excluded, &key));
            if !left_out && plain.get(&key).is_none_or(|(_, file)| file.is_empty()) {
                plain.insert(key, setting.clone());
            }
        }
    }
    let stated = |(key, (value, file)): (String, (String, String))| {
        let reading = match &refusal {
            Some(reason) => Reading::Unreadable(reason.clone()),
            None => Reading::Value(format!("{value}\t{file}")),
        };
        (in_dot_form(&key), reading)
    };
    plain.into_iter().take(MOST_SETTINGS).map(stated).collect()
}

/// As below `/proc/sys`. The first separator of a key says which of the two it uses; where it is a dot, a slash stands
/// for a dot within a component.
fn in_path_form(key: &str) -> String {
    match key.find(['.', '/']) {
        Some(at) if key[at..].starts_with('.') => swapped(key),
        _ => key.trim_start_matches('/').to_owned(),
    }
}

fn in_dot_form(path: &str) -> String {
    swapped(path)
}

fn swapped(key: &str) -> String {
    let swap = |character| match character {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    key.chars().map(swap).collect()
}

/// The keys that this kernel has and a pattern means. Only their names are read.
fn expand(root: &Path, pattern: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for component in pattern.split('/') {
        let mut next = Vec::new();
        for before in &found {
            let join = |name: &str| if before.is_empty() { name.to_owned() } else { format!("{before}/{name}") };
            if !is_pattern(component) {
                next.push(join(component));
                continue;
            }
            let Ok(entries) = std::fs::read_dir(root.join("proc/sys").join(before)) else { continue };
            let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
            next.extend(names.filter(|name| matches(component, name)).map(|name| join(&name)));
        }
        next.truncate(MOST);
        found = next;
    }
    found.retain(|key| root.join("proc/sys").join(key).is_file());
    found.sort();
    found
}
