//! Units as the cgroup hierarchy alone shows them: for the time when nobody else can name them.

use crate::source::Root;
use crate::{Directory, Kernel};

/// Suffixes of the types of units that have processes or hold other units.
const SUFFIXES: [&str; 5] = [".service", ".scope", ".slice", ".socket", ".mount"];
/// The most cgroups that are walked; a host with 1,000 units has fewer than 2,000.
const MOST: usize = 65_536;
/// How deep; systemd nests slices by the dashes in their names.
const DEEPEST: usize = 32;

// === impl Kernel ===

impl Kernel {
    /// Cgroups that are named like units, with the unit's name, sorted by path. Below a service or a scope nothing is
    /// looked for: what is delegated belongs to it.
    pub fn unit_groups(&self) -> Vec<(String, String)> {
        let mut groups = Vec::new();
        if let Ok(root) = self.source.root(Root::Cgroup) {
            walk(root, "", 0, &mut groups);
        }
        groups.sort();
        groups
    }
}

fn walk(root: &dyn Directory, path: &str, depth: usize, groups: &mut Vec<(String, String)>) {
    let Ok(entries) = root.list(path, MOST) else { return };
    for entry in entries.into_iter().filter(|entry| entry.directory) {
        if groups.len() >= MOST || depth >= DEEPEST {
            return;
        }
        let below = format!("{path}/{}", entry.name);
        if SUFFIXES.iter().any(|suffix| entry.name.ends_with(suffix)) {
            groups.push((below.clone(), entry.name.clone()));
        }
        if !entry.name.ends_with(".service") && !entry.name.ends_with(".scope") {
            walk(root, &below, depth + 1, groups);
        }
    }
}
