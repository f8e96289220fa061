//! What happens between two observations.
//!
//! Four sources: systemd's signals, writes into the files of units' cgroups (inotify: a write through the file system
//! is seen, whoever made it; the kernel's own changes and a write through another mount namespace's cgroupfs are not
//! all), uevents of modules, and every ten seconds the sockets that listen. They only say when to look: what is found
//! then is read from the witnesses as ever, and what no source saw is found in the next slot.

mod groups;
mod listening;
mod modules;

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use avouch_systemd::{Change, Changes, How};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use groups::Groups;
use listening::Listening;
use modules::Modules;

/// The most triggers that are kept apart.
const MOST: usize = 256;
/// How often the listening sockets are compared, and new cgroups are looked for.
const INTERVAL: Duration = Duration::from_secs(10);
/// At most one answer in this time, so that a busy machine is not observed all the time.
const QUIET: Duration = Duration::from_secs(1);

/// Why to observe before the next slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// systemd says that this unit came, went or changed.
    UnitChanged(String),
    /// Somebody wrote into a file of this unit's cgroup.
    CgroupWritten(String),
    /// A socket listens that did not before, or no longer does.
    Listener,
    /// A kernel module was loaded or unloaded.
    Module,
    /// More happened than was kept apart, or a source of events ended: observe everything.
    Everything,
}

/// Waits for triggers. What cannot be watched on this machine is said in [`Watch::blind`] and left to the slots.
pub struct Watch {
    how: How,
    changes: Option<Changes>,
    groups: Option<Groups>,
    modules: Option<Modules>,
    listening: Listening,
    blind: Vec<String>,
    pending: BTreeSet<Trigger>,
    /// When sources are looked at that do not speak up.
    scan: Instant,
    /// When the next answer may be given.
    quiet: Instant,
}

// === impl Watch ===

impl Watch {
    /// Begins to watch what can be watched.
    pub fn start(how: How) -> Self {
        let unified = Path::new("/sys/fs/cgroup");
        let hybrid = Path::new("/sys/fs/cgroup/unified");
        Self::over(how, if hybrid.is_dir() { hybrid } else { unified })
    }

    /// As [`Watch::start`], with the cgroups below `groups`.
    pub fn over(how: How, groups: &Path) -> Self {
        let mut blind = Vec::new();
        let changes = kept(Changes::subscribe(&how), "changes of units", &mut blind);
        let groups = kept(Groups::below(groups), "writes into cgroups", &mut blind);
        let modules = kept(Modules::open(), "modules", &mut blind);
        let now = Instant::now();
        let listening = Listening::now();
        let (pending, scan, quiet) = (BTreeSet::new(), now + INTERVAL, now);
        Self { how, changes, groups, modules, listening, blind, pending, scan, quiet }
    }

    /// What cannot be watched here, and why; for people.
    pub fn blind(&self) -> &[String] {
        &self.blind
    }

    /// What happened, without repetitions and at most once a second; empty when nothing did within `wait`.
    pub fn next(&mut self, wait: Duration) -> Vec<Trigger> {
        let until = Instant::now() + wait;
        loop {
            let now = Instant::now();
            if !self.pending.is_empty() && now >= self.quiet {
                self.quiet = now + QUIET;
                return std::mem::take(&mut self.pending).into_iter().collect();
            }
            if now >= until {
                return Vec::new();
            }
            let wake = if self.pending.is_empty() { self.scan } else { self.quiet.min(self.scan) };
            self.pause(wake.min(until).saturating_duration_since(now));
            self.gather();
        }
    }

    /// Waits until a source speaks up.
    fn pause(&self, longest: Duration) {
        let sources = [
            self.changes.as_ref().map(AsFd::as_fd),
            self.groups.as_ref().map(AsFd::as_fd),
            self.modules.as_ref().map(AsFd::as_fd),
        ];
        let mut sources: Vec<PollFd<'_>> =
            sources.into_iter().flatten().map(|source| PollFd::from_borrowed_fd(source, PollFlags::IN)).collect();
        let timeout = Timespec {
            tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
            // A wait of no time would spin.
            tv_nsec: i64::from(longest.subsec_nanos().max(1_000_000)),
        };
        // An interrupted wait is a short one.
        let _ = poll(&mut sources, Some(&timeout));
    }

    /// Takes what every source has.
    fn gather(&mut self) {
        if let Some(changes) = &mut self.changes {
            match changes.next(Duration::from_millis(1)) {
                Ok(seen) => seen.into_iter().for_each(|change| {
                    self.add(match change {
                        Change::Unit(unit) => Trigger::UnitChanged(unit),
                        Change::Reloading => Trigger::Everything,
                    })
                }),
                Err(_) => {
                    self.changes = None;
                    self.add(Trigger::Everything);
                }
            }
        }
        let written = self.groups.as_mut().map(Groups::written).unwrap_or_default();
        written.into_iter().for_each(|trigger| self.add(trigger));
        if self.modules.as_mut().is_some_and(Modules::changed) {
            self.add(Trigger::Module);
        }
        if Instant::now() >= self.scan {
            self.scan = Instant::now() + INTERVAL;
            self.look();
        }
    }

    /// Sources that do not speak up, and those that ended.
    fn look(&mut self) {
        if self.listening.changed() {
            self.add(Trigger::Listener);
        }
        if let Some(groups) = &mut self.groups {
            groups.refresh();
        }
        if self.changes.is_none() {
            self.changes = Changes::subscribe(&self.how).ok();
            if self.changes.is_some() {
                self.add(Trigger::Everything);
            }
        }
    }

    fn add(&mut self, trigger: Trigger) {
        if trigger == Trigger::Everything || self.pending.len() >= MOST {
            self.pending = [Trigger::Everything].into();
        } else if !self.pending.contains(&Trigger::Everything) {
            self.pending.insert(trigger);
        }
    }
}

/// A source, or the reason why there is none.
fn kept<T, E: std::fmt::Display>(source: Result<T, E>, what: &str, blind: &mut Vec<String>) -> Option<T> {
    source.map_err(|error| blind.push(format!("{what} cannot be watched: {error}"))).ok()
}
