//! What units share in one pass over the machine: read at most once, and only when somebody asks.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use avouch_pairs::Reading;

use crate::Kernel;
use crate::parse::{cgroup, stat::Stat};
use crate::sockets::{Kind, Network, Views};
use crate::source::{Directory, Program, Refusal, Root};

/// Most bytes of an ordinary file of the kernel.
pub(crate) const SMALL: usize = 256 * 1024;
/// Most bytes of a list of mounts, mappings or sockets.
pub(crate) const LARGE: usize = 16 * 1024 * 1024;
/// Most processes of the machine.
pub(crate) const MOST_PROCESSES: usize = 262_144;
/// Most descriptors of one process that are looked at.
const MOST_DESCRIPTORS: usize = 65_536;

/// The kinds of namespaces, by their names in `/proc/PID/ns`.
pub(crate) const NAMESPACES: [&str; 8] = ["mnt", "net", "ipc", "uts", "pid", "user", "cgroup", "time"];

/// One pass over the machine.
pub struct Pass<'k> {
    pub(crate) kernel: &'k Kernel,
    /// Bytes of programs and files that may still be hashed.
    pub(crate) budget: Cell<u64>,
    first: OnceCell<BTreeMap<&'static str, Result<u64, Refusal>>>,
    census: OnceCell<Result<BTreeMap<u32, Seen>, Refusal>>,
    modules: OnceCell<Option<Vec<String>>>,
    programs: RefCell<HashMap<u32, Result<Program, Refusal>>>,
    /// Sockets of PID 1's network namespace.
    views: RefCell<BTreeMap<Kind, Rc<Views>>>,
    /// Paths that something stands over: (path, problem).
    shadowed: RefCell<BTreeSet<(String, String)>>,
}

/// A process, as the census sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its cgroup.
    pub(crate) cgroup: String,
    /// Whether it is a thread of the kernel itself.
    pub(crate) kernel_thread: bool,
    /// PID of its parent.
    pub(crate) parent: u32,
    /// Start in clock ticks since boot.
    pub(crate) start: u64,
}

/// Who holds sockets open.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    /// By inode in sockfs, ascending PIDs.
    pub(crate) by_inode: HashMap<u64, Vec<u32>>,
    /// The first refusal: some holders may be missing.
    pub(crate) refusal: Option<Refusal>,
}

// === impl Pass ===

impl<'k> Pass<'k> {
    pub(crate) fn new(kernel: &'k Kernel, budget: u64) -> Self {
        Self {
            kernel,
            budget: Cell::new(budget),
            first: OnceCell::new(),
            census: OnceCell::new(),
            modules: OnceCell::new(),
            programs: RefCell::default(),
            views: RefCell::default(),
            shadowed: RefCell::default(),
        }
    }

    /// A root of the source.
    pub(crate) fn root(&self, root: Root) -> Result<&'k dyn Directory, Refusal> {
        self.noted(self.kernel.source.root(root))
    }

    /// Keeps what stood over a path for the host's view.
    pub(crate) fn noted<T>(&self, result: Result<T, Refusal>) -> Result<T, Refusal> {
        if let Err(Refusal::Shadowed(path)) = &result {
            let problem = "another file system is mounted over it".to_owned();
            self.shadowed.borrow_mut().insert((path.clone(), problem));
        }
        result
    }

    /// What stood over paths so far.
    pub(crate) fn shadowed(&self) -> BTreeSet<(String, String)> {
        self.shadowed.borrow().clone()
    }

    /// A file below `directory`.
    pub(crate) fn read(&self, directory: &dyn Directory, path: &str, limit: usize) -> Result<Vec<u8>, Refusal> {
        self.noted(directory.read(path, limit))
    }

    /// A small file below a root, as it is stated.
    pub(crate) fn content(&self, root: Root, path: &str) -> Result<String, Refusal> {
        let bytes = self.read(self.root(root)?, path, SMALL)?;
        Ok(crate::reading::content(&bytes))
    }

    /// As [`Pass::content`], as a reading.
    pub(crate) fn file(&self, root: Root, path: &str) -> Reading {
        crate::reading::reading(self.content(root, path))
    }

    /// The directory of a process, held open.
    pub(crate) fn process(&self, pid: u32) -> Result<Box<dyn Directory>, Refusal> {
        match self.noted(self.root(Root::Proc)?.open(&pid.to_string())) {
            // PID 1 does not end: whoever is not shown it may not be shown others either.
            Err(Refusal::Absent) if pid == 1 => {
                Err(Refusal::Failed("/proc does not show PID 1, as where it is mounted with hidepid=".to_owned()))
            }
            Err(Refusal::Absent) => Err(Refusal::Gone),
            opened => opened,
        }
    }

    /// Inode of the namespace of `kind` that PID 1 is in.
    pub(crate) fn first_namespace(&self, kind: &'static str) -> Result<u64, Refusal> {
        let first = self.first.get_or_init(|| {
            let process = self.process(1);
            let inode = |kind: &'static str| match &process {
                Ok(process) => self.namespace(process.as_ref(), kind),
                Err(refusal) => Err(refusal.clone()),
            };
            NAMESPACES.into_iter().map(|kind| (kind, inode(kind))).collect()
        });
        first.get(kind).cloned().unwrap_or(Err(Refusal::Absent))
    }

    /// Inode of the namespace of `kind` that a process or thread is in.
    pub(crate) fn namespace(&self, process: &dyn Directory, kind: &str) -> Result<u64, Refusal> {
        let link = self.noted(process.link(&format!("ns/{kind}")))?;
        let spelled = std::str::from_utf8(&link).ok();
        spelled
            .and_then(|link| link.strip_prefix(kind)?.strip_prefix(":[")?.strip_suffix(']')?.parse().ok())
            .ok_or_else(|| Refusal::Failed("a link of /proc/PID/ns is no KIND:[INODE]".to_owned()))
    }

    /// Every process of the machine by its PID.
    pub(crate) fn census(&self) -> Result<&BTreeMap<u32, Seen>, Refusal> {
        self.census.get_or_init(|| self.counted()).as_ref().map_err(Clone::clone)
    }

    /// The processes of the machine, counted anew.
    pub(crate) fn counted(&self) -> Result<BTreeMap<u32, Seen>, Refusal> {
        let proc = self.root(Root::Proc)?;
        let mut census = BTreeMap::new();
        for entry in self.noted(proc.list("", MOST_PROCESSES))? {
            let Ok(pid) = entry.name.parse::<u32>() else { continue };
            match self.seen(pid) {
                Ok(seen) => {
                    census.insert(pid, seen);
                }
                Err(Refusal::Absent | Refusal::Gone) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(census)
    }

    fn seen(&self, pid: u32) -> Result<Seen, Refusal> {
        let process = self.process(pid)?;
        let stat = Stat::parse(&self.read(process.as_ref(), "stat", SMALL)?)?;
        let cgroup = cgroup::of_process(&self.read(process.as_ref(), "cgroup", SMALL)?)?;
        Ok(Seen { cgroup, kernel_thread: stat.kernel_thread(), parent: stat.parent, start: stat.start })
    }

    /// Who holds which socket open.
    pub(crate) fn holders(&self, census: &BTreeMap<u32, Seen>) -> Holders {
        let mut holders = Holders::default();
        for (pid, _) in census.iter().filter(|(_, seen)| !seen.kernel_thread) {
            match self.hold(*pid, &mut holders.by_inode) {
                Ok(()) | Err(Refusal::Absent | Refusal::Gone) => {}
                Err(refusal) => holders.refusal = holders.refusal.or(Some(refusal)),
            }
        }
        holders
    }

    fn hold(&self, pid: u32, by_inode: &mut HashMap<u64, Vec<u32>>) -> Result<(), Refusal> {
        let process = self.process(pid)?;
        let descriptors = self.noted(process.open("fd"))?;
        for entry in self.noted(descriptors.list("", MOST_DESCRIPTORS))? {
            let link = match self.noted(descriptors.link(&entry.name)) {
                Err(Refusal::Absent | Refusal::Gone) => continue,
                link => link?,
            };
            let socket = link.strip_prefix(b"socket:[").and_then(|rest| rest.strip_suffix(b"]"));
            let inode = socket.and_then(|number| std::str::from_utf8(number).ok()?.parse().ok());
            if let Some(inode) = inode {
                let pids: &mut Vec<u32> = by_inode.entry(inode).or_default();
                if pids.last() != Some(&pid) {
                    pids.push(pid);
                }
            }
        }
        Ok(())
    }

    /// The network namespace that names of listeners leave out: PID 1's; where that cannot be read our own, which then
    /// stands in the view.
    pub(crate) fn first_network(&self) -> Result<Network, Refusal> {
        let Err(refusal) = self.first_namespace("net") else { return Ok(Network { pid: 1, inode: None }) };
        let pid = self.kernel.source.own_pid().ok_or(refusal)?;
        let problem = "it cannot be read: sockets are those of the observer's own network namespace".to_owned();
        self.shadowed.borrow_mut().insert(("/proc/1/ns/net".to_owned(), problem));
        Ok(Network { pid, inode: None })
    }

    /// Sockets of PID 1's network namespace; taken anew where `fresh` says so.
    pub(crate) fn views(&self, kind: Kind, fresh: bool) -> Rc<Views> {
        if !fresh && let Some(taken) = self.views.borrow().get(&kind) {
            return Rc::clone(taken);
        }
        let taken = Rc::new(match self.first_network() {
            Ok(network) => Views::take(self, kind, network),
            Err(refusal) => Views { first: Err(refusal.clone()), second: Err(refusal) },
        });
        self.views.borrow_mut().insert(kind, Rc::clone(&taken));
        taken
    }

    /// Active security modules; `None` where the kernel does not list them.
    pub(crate) fn security_modules(&self) -> Option<&[String]> {
        let listed = self.modules.get_or_init(|| {
            let text = self.content(Root::Security, "lsm").ok()?;
            Some(text.split(',').map(str::to_owned).collect())
        });
        listed.as_deref()
    }

    /// What a BPF program is.
    pub(crate) fn program(&self, id: u32) -> Result<Program, Refusal> {
        let mut programs = self.programs.borrow_mut();
        programs.entry(id).or_insert_with(|| self.kernel.source.program(id)).clone()
    }
}
