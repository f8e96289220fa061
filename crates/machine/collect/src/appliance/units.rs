//! The programs that the processes of units run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use avouch_kernel::parse::cgroup;
use avouch_systemd::{How, Manager, SystemdError};
use minicbor::{Decode, Encode};
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;

use super::{FileSeen, Found, Look, MAX_ITEMS, too_many};

/// Most processes of one unit.
pub const MAX_PROCESSES: usize = 1024;
/// Deepest nesting of slices, and of cgroups below a unit.
const DEEPEST: usize = 32;
/// Most bytes of one cgroup.procs.
const MAX_LIST_BYTES: u64 = 256 * 1024;
/// What the kernel appends to the path of a program whose file was removed or replaced.
const DELETED: &[u8] = b" (deleted)";

/// A process and its program.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Running {
    /// Its PID.
    #[n(0)]
    pub pid: u32,
    /// Whether systemd calls it the unit's main process; false also where systemd was not asked or did not answer.
    #[n(1)]
    pub main: bool,
    /// Its program, hashed as it runs: by `/proc/PID/exe`, whatever is at its path now.
    #[n(2)]
    pub program: Found<FileSeen>,
    /// Whether the file it runs was removed or replaced since.
    #[n(3)]
    pub deleted: bool,
}

/// What systemd says of a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SystemdsWord {
    /// Its main process. It counts to its unit wherever its cgroup is, so that moving it away does not hide it.
    pub main: Option<u32>,
    /// Whether there is such a unit.
    pub known: bool,
}

/// What a unit's cgroups list.
struct Listed {
    /// PIDs.
    pids: BTreeSet<u32>,
    /// Processes that are in another PID namespace than ours, and of which nothing more can be said.
    foreign: bool,
}

/// What systemd says of each unit; nothing of those that it was not asked about, since it does not answer or hangs.
pub fn words(units: &[String]) -> BTreeMap<String, SystemdsWord> {
    let mut words = BTreeMap::new();
    if units.is_empty() {
        return words;
    }
    let Ok(mut manager) = Manager::connect(&How::Auto) else { return words };
    for unit in units.iter().take(MAX_ITEMS) {
        let word = manager.find(unit).and_then(|found| Ok((manager.identity(&found)?.main_pid, found.load_state)));
        match word {
            Ok((main, load_state)) => {
                let word = SystemdsWord { main: (main != 0).then_some(main), known: load_state != "not-found" };
                words.insert(unit.clone(), word);
            }
            // It is no unit's name.
            Err(SystemdError::Failed { .. }) => {}
            Err(_) => break,
        }
    }
    words
}

// === impl Look ===

impl Look<'_> {
    /// The processes of each unit.
    pub(super) fn units(
        &self,
        units: &[String],
        words: &BTreeMap<String, SystemdsWord>,
    ) -> BTreeMap<String, Found<Vec<Running>>> {
        if units.is_empty() {
            return BTreeMap::new();
        }
        let groups = self.groups(units);
        let each = units.iter().enumerate().map(|(at, unit)| {
            let seen = match &groups {
                _ if at >= MAX_ITEMS => too_many("units", MAX_ITEMS),
                Ok(groups) => match (groups.get(unit), words.get(unit)) {
                    (None, Some(SystemdsWord { known: false, .. })) => Found::Absent,
                    (groups, word) => {
                        let main = word.and_then(|word| word.main);
                        self.unit(groups.map_or(&[], Vec::as_slice), main).into()
                    }
                },
                Err(found) => found.clone(),
            };
            (unit.clone(), seen)
        });
        each.collect()
    }

    /// Cgroups of the units: only slices hold units, so nothing else is walked.
    fn groups(&self, units: &[String]) -> Result<BTreeMap<String, Vec<PathBuf>>, Found<Vec<Running>>> {
        let top = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(|path| self.appliance.of_kernel(path));
        let top = top.into_iter().find(|path| path.join("cgroup.procs").exists()).ok_or_else(|| {
            Found::Failed("there is no unified cgroup hierarchy at /sys/fs/cgroup; mount cgroup2 there".to_owned())
        })?;
        let mut found = BTreeMap::new();
        let wanted: BTreeSet<&str> = units.iter().map(String::as_str).collect();
        walk(&top, &wanted, DEEPEST, &mut found).map_err(|error| Found::refusal("/sys/fs/cgroup", &error))?;
        Ok(found)
    }

    fn unit(&self, groups: &[PathBuf], main: Option<u32>) -> Result<Vec<Running>, Found<Vec<Running>>> {
        let listed = Listed::of(groups, main)?;
        if listed.foreign {
            let why = "processes of the unit are in another PID namespace; attest from the host";
            return Err(Found::Failed(why.to_owned()));
        }
        if listed.pids.len() > MAX_PROCESSES {
            return Err(Found::Failed(format!("the unit has more than {MAX_PROCESSES} processes")));
        }
        let running = listed.pids.iter().filter_map(|pid| self.process(*pid, main == Some(*pid)));
        let mut running: Vec<Running> = running.collect();
        // A process that is not to be seen has ended, unless it is listed still.
        let after = Listed::of(groups, None)?;
        for pid in listed.pids.iter().filter(|pid| after.pids.contains(*pid)) {
            if !running.iter().any(|process| process.pid == *pid) {
                let program = Found::Denied(format!("/proc/{pid} is hidden from this process"));
                running.push(Running { pid: *pid, main: main == Some(*pid), program, deleted: false });
            }
        }
        running.sort_by_key(|process| process.pid);
        Ok(running)
    }

    /// One process; `None` when it ended, or when it has no program (a kernel thread).
    fn process(&self, pid: u32, main: bool) -> Option<Running> {
        let what = format!("/proc/{pid}/exe");
        let directory = self.appliance.of_kernel(&format!("/proc/{pid}"));
        // Held open: of this process, whatever becomes of its number.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&directory, flags, Mode::empty()).ok()?;
        let link = match rustix::fs::readlinkat(&directory, "exe", Vec::new()) {
            Ok(link) => link.into_bytes(),
            Err(Errno::NOENT | Errno::SRCH) => return None,
            Err(error) => {
                return Some(Running { pid, main, program: Found::errno(&what, error), deleted: false });
            }
        };
        let path = String::from_utf8_lossy(link.strip_suffix(DELETED).unwrap_or(&link)).into_owned();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let open = || -> io::Result<OwnedFd> { Ok(rustix::fs::openat(&directory, "exe", flags, Mode::empty())?) };
        let deleted = link.ends_with(DELETED) && open().is_ok_and(|file| !is_named(&link, &file));
        match self.program(&what, &path, open) {
            // It ended meanwhile.
            Err(Found::Absent) => None,
            program => Some(Running { pid, main, program: program.into(), deleted }),
        }
    }
}

/// Whether the file has this very name, of which the kernel's addition is a part.
fn is_named(link: &[u8], file: impl AsFd) -> bool {
    let of = |stat: rustix::fs::Statx| (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino);
    let path = Path::new(std::ffi::OsStr::from_bytes(link));
    let named = rustix::fs::statx(rustix::fs::CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS).map(of);
    let open = rustix::fs::statx(&file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).map(of);
    matches!((named, open), (Ok(named), Ok(open)) if named == open)
}

fn walk(
    group: &Path,
    wanted: &BTreeSet<&str>,
    depth: usize,
    found: &mut BTreeMap<String, Vec<PathBuf>>,
) -> io::Result<()> {
    let entries = match fs::read_dir(group) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if wanted.contains(name.as_str()) {
            found.entry(name.clone()).or_default().push(entry.path());
        }
        if depth > 0 && name.ends_with(".slice") {
            walk(&entry.path(), wanted, depth - 1, found)?;
        }
    }
    Ok(())
}

// === impl Listed ===

impl Listed {
    fn of(groups: &[PathBuf], main: Option<u32>) -> Result<Self, Found<Vec<Running>>> {
        let mut listed = Self { pids: main.into_iter().collect(), foreign: false };
        for group in groups {
            listed.add(group, DEEPEST)?;
        }
        Ok(listed)
    }

    /// Takes the processes of a cgroup and of those below it.
    fn add(&mut self, group: &Path, depth: usize) -> Result<(), Found<Vec<Running>>> {
        let what = group.display().to_string();
        if depth == 0 || self.pids.len() > MAX_PROCESSES {
            return Err(Found::Failed(format!("{what}: more than {MAX_PROCESSES} processes, or nested too deeply")));
        }
        let mut bytes = Vec::new();
        let read =
            File::open(group.join("cgroup.procs")).and_then(|file| file.take(MAX_LIST_BYTES).read_to_end(&mut bytes));
        match read {
            // The cgroup is gone, or it is a threaded one whose processes stand in the one above.
            Err(error)
                if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP)) => {}
            Err(error) => return Err(Found::refusal(&what, &error)),
            Ok(_) => {
                let malformed = |error| Found::Failed(format!("{what}/cgroup.procs: {error}"));
                self.foreign |= bytes.split(|byte| *byte == b'\n').any(|line| line == b"0");
                self.pids.extend(cgroup::processes(&bytes).map_err(malformed)?);
            }
        }
        let Ok(entries) = fs::read_dir(group) else { return Ok(()) };
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            self.add(&entry.path(), depth - 1)?;
        }
        Ok(())
    }
}

// === impl Running ===

impl Running {
    /// Whether every program of a unit's processes was read.
    pub(super) fn all_read(found: &Found<Vec<Running>>) -> bool {
        found.value().is_some_and(|running| running.iter().all(|process| process.program.is_value()))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::appliance::{Appliance, MAX_LOOK_BYTES};

    /// Units as systemd has this word of them; no cgroup lists any process.
    fn seen(word: SystemdsWord) -> Found<Vec<Running>> {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("sys/fs/cgroup")).unwrap();
        fs::write(root.path().join("sys/fs/cgroup/cgroup.procs"), "").unwrap();
        symlink("/proc", root.path().join("proc")).unwrap();
        let appliance = Appliance::at(root.path());
        let look = Look { appliance: &appliance, known: RefCell::default(), left: Cell::new(MAX_LOOK_BYTES) };
        let unit = "one.service".to_owned();
        look.units(std::slice::from_ref(&unit), &BTreeMap::from([(unit.clone(), word)])).remove(&unit).unwrap()
    }

    #[test]
    fn a_main_process_that_was_moved_out_of_its_cgroup_still_counts() {
        let own = std::process::id();
        let seen = seen(SystemdsWord { main: Some(own), known: true });
        let Found::Value(running) = &seen else { panic!("{seen:?}") };
        assert_eq!(running.iter().map(|process| (process.pid, process.main)).collect::<Vec<_>>(), [(own, true)]);
        assert!(running[0].program.is_value() && !running[0].deleted, "{running:?}");
    }

    #[test]
    fn a_unit_that_systemd_does_not_know_is_absent_and_one_that_does_not_run_is_not() {
        assert_eq!(seen(SystemdsWord { main: None, known: false }), Found::Absent);
        assert_eq!(seen(SystemdsWord { main: None, known: true }), Found::Value(vec![]));
    }
}
