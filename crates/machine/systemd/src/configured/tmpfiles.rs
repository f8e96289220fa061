//! `tmpfiles.d` for paths that somebody asks about (tmpfiles.d(5)).

use std::path::Path;

use avouch_pairs::Reading;

use super::files::{Text, merged, text};
use super::glob::matches;
use super::is_setting;

/// Types whose lines state modes and owners of one path, with the mode that they default to.
const PLAIN: [(char, &str); 9] = [
    ('f', "0644"),
    ('F', "0644"),
    ('w', "-"),
    ('d', "0755"),
    ('D', "0755"),
    ('e', "0755"),
    ('v', "0755"),
    ('q', "0755"),
    ('Q', "0755"),
];
/// Types that state them of every path that a pattern matches, and default to leaving them as they are.
const PATTERNS: [char; 3] = ['z', 'Z', 'm'];

/// Of each path `MODE UID GID`, `-` for what is left as it is; absent where no line names it. Of several lines the first
/// holds, as systemd-tmpfiles has it. Lines whose path has a specifier (`%`) are not followed.
pub(super) fn settings<'p>(root: &Path, paths: &'p [String]) -> Vec<(&'p str, Reading)> {
    if paths.is_empty() {
        return Vec::new();
    }
    let files = merged(root, "tmpfiles.d");
    let stated = |path: &str| {
        for file in &files {
            match file {
                Ok((_, text)) => match text.lines().find_map(|line| setting(root, line, path)) {
                    Some(reading) => return reading,
                    None => continue,
                },
                Err(reason) => return Reading::Unreadable(reason.clone()),
            }
        }
        Reading::Absent
    };
    paths.iter().map(|path| (path.as_str(), stated(path))).collect()
}

/// What one line says of `path`.
fn setting(root: &Path, line: &str, path: &str) -> Option<Reading> {
    let line = line.trim();
    if !is_setting(line) {
        return None;
    }
    let mut fields = line.split_ascii_whitespace();
    let (kind, named) = (fields.next()?.chars().next()?, fields.next()?.trim_matches('"'));
    let default = PLAIN.into_iter().find(|(plain, _)| *plain == kind).map(|(_, mode)| mode);
    let applies = match default {
        Some(_) => named.trim_end_matches('/') == path,
        None => PATTERNS.contains(&kind) && matches(named.trim_end_matches('/'), path),
    };
    if !applies {
        return None;
    }
    let (mode, user, group) = (fields.next(), fields.next(), fields.next());
    let mode = match mode.unwrap_or("-").trim_start_matches(['~', ':']) {
        "-" => default.unwrap_or("-").to_owned(),
        mode => format!("{:0>4}", mode),
    };
    // An owner that is not named is root of what is made, and stays of what is only adjusted.
    let unnamed = if default.is_some_and(|mode| mode != "-") { "0" } else { "-" };
    let owner = |name: Option<&str>, file| match name.unwrap_or("-").trim_start_matches(':') {
        "-" => Ok(unnamed.to_owned()),
        name if name.bytes().all(|byte| byte.is_ascii_digit()) => Ok(name.to_owned()),
        name => number(root, file, name),
    };
    Some(match (owner(user, "/etc/passwd"), owner(group, "/etc/group")) {
        (Ok(user), Ok(group)) => Reading::Value(format!("{mode} {user} {group}")),
        (Err(reason), _) | (_, Err(reason)) => Reading::Unreadable(reason),
    })
}

/// The number of a user or group, from the files alone: the name goes no further.
fn number(root: &Path, file: &str, name: &str) -> Result<String, String> {
    let Text::Of(text) = text(root, file) else { return Err(format!("{file} cannot be read")) };
    let number = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1).map(str::to_owned)).flatten()
    });
    number.ok_or_else(|| format!("an owner that tmpfiles.d names is not in {file}"))
}
