//! Writes into the files of units' cgroups.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};

use super::Trigger;

/// Suffixes of units that have cgroups.
const SUFFIXES: [&str; 5] = [".service", ".scope", ".slice", ".socket", ".mount"];
/// Ends of the names of files that the kernel changes by itself.
const KERNELS_OWN: [&str; 3] = [".events", ".events.local", ".pressure"];
/// The most cgroups that are watched; inotify's own limit for root is 8,192 at least.
const MOST: usize = 8_192;
/// How deep slices may nest.
const DEEPEST: usize = 32;

/// inotify over the cgroup directories of units.
pub(super) struct Groups {
    root: PathBuf,
    notify: OwnedFd,
    /// Units by watch.
    units: BTreeMap<i32, String>,
    watched: BTreeSet<PathBuf>,
}

// === impl Groups ===

impl Groups {
    pub(super) fn below(root: &Path) -> rustix::io::Result<Self> {
        let notify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let mut groups = Self { root: root.into(), notify, units: BTreeMap::new(), watched: BTreeSet::new() };
        // The root must be there; what is below comes and goes.
        add_watch(&groups.notify, root, WatchFlags::ONLYDIR | WatchFlags::DELETE_SELF)?;
        groups.refresh();
        Ok(groups)
    }

    /// Watches cgroups that are new.
    pub(super) fn refresh(&mut self) {
        let mut found = Vec::new();
        walk(&self.root, 0, &mut found);
        for (path, unit) in found {
            if self.watched.contains(&path) {
                continue;
            }
            // One that is gone already needs no watch.
            if let Ok(watch) = add_watch(&self.notify, &path, WatchFlags::MODIFY | WatchFlags::ONLYDIR) {
                self.units.insert(watch, unit);
                self.watched.insert(path);
            }
        }
    }

    /// Units whose files were written.
    pub(super) fn written(&mut self) -> BTreeSet<Trigger> {
        let mut buffer = [const { MaybeUninit::uninit() }; 8192];
        let mut written = BTreeSet::new();
        let mut ended = Vec::new();
        let mut reader = Reader::new(&self.notify, &mut buffer);
        while let Ok(event) = reader.next() {
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                written.insert(Trigger::Everything);
            } else if event.events().contains(ReadFlags::IGNORED) {
                ended.push(event.wd());
            } else if let Some(unit) = self.units.get(&event.wd()) {
                let name = event.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                if !KERNELS_OWN.iter().any(|end| name.ends_with(end)) {
                    written.insert(Trigger::CgroupWritten(unit.clone()));
                }
            }
        }
        for watch in ended {
            if let Some(unit) = self.units.remove(&watch) {
                self.watched.retain(|path| !path.ends_with(&unit));
            }
        }
        written
    }
}

impl AsFd for Groups {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.notify.as_fd()
    }
}

fn walk(path: &Path, depth: usize, found: &mut Vec<(PathBuf, String)>) {
    let Ok(entries) = std::fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        let directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !directory || depth >= DEEPEST || found.len() >= MOST {
            continue;
        }
        let path = entry.path();
        if !name.ends_with(".service") && !name.ends_with(".scope") {
            walk(&path, depth + 1, found);
        }
        if SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
            found.push((path, name));
        }
    }
}
