//! V4: files of the unit's cgroup and of its ancestors.

use avouch_pairs::{Attribute, Reading, attribute as a};

use crate::parse::cgroup;
use crate::pass::SMALL;
use crate::reading::{Facts, Values, content, put, put_both, reading};
use crate::source::{Directory, Hierarchy, Refusal, Root};
use crate::{Pass, UnitAsk};

/// Files that are stated as they stand.
const FILES: [(Attribute, &str); 11] = [
    (a::MEMORY_MAX, "memory.max"),
    (a::MEMORY_HIGH, "memory.high"),
    (a::MEMORY_LOW, "memory.low"),
    (a::MEMORY_MIN, "memory.min"),
    (a::MEMORY_SWAP_MAX, "memory.swap.max"),
    (a::MEMORY_ZSWAP_MAX, "memory.zswap.max"),
    (a::CPU_MAX, "cpu.max"),
    (a::PIDS_MAX, "pids.max"),
    (a::IO_WEIGHT, "io.weight"),
    (a::IO_MAX, "io.max"),
    (a::MEMORY_OOM_GROUP, "memory.oom.group"),
];
/// Counters of met limits: file, key (cgroup-v2.rst, "Core Interface Files" of each controller), name.
const COUNTERS: [(&str, &str, &str); 4] = [
    ("memory.events", "max", "memory.max"),
    ("memory.events", "oom_kill", "memory.oom_kill"),
    ("pids.events", "max", "pids.max"),
    ("cpu.stat", "nr_throttled", "cpu.throttled"),
];
/// Attributes that are put together from several files.
const COMPOSED: [Attribute; 9] = [
    a::CPU_WEIGHT,
    a::CPUSET_CPUS,
    a::CPUSET_MEMS,
    a::MEMORY_EFFECTIVE,
    a::PIDS_EFFECTIVE,
    a::CPU_EFFECTIVE,
    a::CGROUP_CONTROLLERS,
    a::CGROUP_FREEZE,
    a::CGROUP_ID,
];

pub(super) fn read(pass: &Pass<'_>, ask: &UnitAsk, facts: &mut Facts) {
    match opened(pass, ask) {
        Ok(group) => group.read(ask, facts),
        Err(refusal) => {
            for attribute in FILES.map(|(attribute, _)| attribute).into_iter().chain(COMPOSED) {
                put(facts, attribute, refusal.reading());
            }
        }
    }
}

/// The unit's cgroup and its ancestors below the root, itself first.
struct Group<'p> {
    pass: &'p Pass<'p>,
    path: String,
    own: Box<dyn Directory>,
}

fn opened<'p>(pass: &'p Pass<'p>, ask: &UnitAsk) -> Result<Group<'p>, Refusal> {
    if ask.control_group.is_empty() {
        return Err(Refusal::Absent);
    }
    match pass.kernel.source.hierarchy() {
        Hierarchy::Unified => {}
        Hierarchy::Hybrid | Hierarchy::Legacy => {
            let why = "the controllers of this machine are in cgroup version 1, which is not read; boot with \
                       systemd.unified_cgroup_hierarchy=1";
            return Err(Refusal::NotSupported(why.to_owned()));
        }
    }
    let own = pass.noted(pass.root(Root::Cgroup)?.open(&ask.control_group))?;
    Ok(Group { pass, path: ask.control_group.trim_end_matches('/').to_owned(), own })
}

// === impl Group ===

impl Group<'_> {
    fn read(&self, ask: &UnitAsk, facts: &mut Facts) {
        for (attribute, file) in FILES {
            put(facts, attribute, reading(self.file(file)));
        }
        put(facts, a::CPU_WEIGHT, reading(self.weight()));
        for (attribute, file) in [(a::CPUSET_CPUS, "cpuset.cpus"), (a::CPUSET_MEMS, "cpuset.mems")] {
            let effective = reading(self.file(&format!("{file}.effective")));
            put_both(facts, attribute, reading(self.file(file)), effective);
        }
        put(facts, a::MEMORY_EFFECTIVE, reading(self.effective("memory.max")));
        put(facts, a::PIDS_EFFECTIVE, reading(self.effective("pids.max")));
        put(facts, a::CPU_EFFECTIVE, reading(self.effective_cpu()));
        match self.met() {
            // Most units never meet a limit.
            Ok(met) if met.is_empty() => {}
            met => put(facts, a::LIMITS_MET, reading(met.map(|lines| lines.join("\n")))),
        }
        put(facts, a::CGROUP_CONTROLLERS, reading(self.of_parent("cgroup.subtree_control")));
        put(facts, a::CGROUP_FREEZE, reading(self.freeze()));
        let inode = self.pass.noted(self.own.stat("", true)).map(|stat| stat.inode.to_string());
        put(facts, a::CGROUP_ID, reading(inode));
        let _ = ask;
    }

    fn file(&self, name: &str) -> Result<String, Refusal> {
        Ok(content(&self.pass.read(self.own.as_ref(), name, SMALL)?))
    }

    fn weight(&self) -> Result<String, Refusal> {
        let weight = self.file("cpu.weight")?;
        match self.file("cpu.idle") {
            Ok(idle) => Ok(format!("{weight}\t{idle}")),
            Err(Refusal::Absent) => Ok(format!("{weight}\t")),
            Err(refusal) => Err(refusal),
        }
    }

    fn freeze(&self) -> Result<String, Refusal> {
        let asked = self.file("cgroup.freeze")?;
        let events = self.pass.read(self.own.as_ref(), "cgroup.events", SMALL)?;
        Ok(format!("{asked}\t{}", cgroup::keyed(&events, "frozen")?))
    }

    /// How often limits were met, where they were.
    fn met(&self) -> Result<Vec<String>, Refusal> {
        let mut lines = Vec::new();
        for (file, key, name) in COUNTERS {
            let text = match self.pass.read(self.own.as_ref(), file, SMALL) {
                // The controller is off, or the kernel does not count.
                Err(Refusal::Absent) => continue,
                text => text?,
            };
            match cgroup::keyed(&text, key) {
                // An older kernel counts fewer ways of meeting one.
                Ok("0") | Err(_) => {}
                Ok(count) => lines.push(format!("{name}\t{count}")),
            }
        }
        Ok(lines)
    }

    /// Paths of the cgroup and its ancestors, itself first, without the root: it has no limits.
    fn ancestors(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.path.as_str()), |path| path.rsplit_once('/').map(|(parent, _)| parent))
            .filter(|path| !path.is_empty())
    }

    fn of_parent(&self, name: &str) -> Result<String, Refusal> {
        let Some((parent, _)) = self.path.rsplit_once('/') else { return Err(Refusal::Absent) };
        self.pass.content(Root::Cgroup, &format!("{parent}/{name}"))
    }

    /// `file` of the cgroup and its ancestors where there is one; an absent one does not limit.
    fn each(&self, file: &str) -> Result<Vec<(&str, String)>, Refusal> {
        let mut found = Vec::new();
        for path in self.ancestors() {
            match self.pass.content(Root::Cgroup, &format!("{path}/{file}")) {
                Ok(text) => found.push((path, text)),
                Err(Refusal::Absent) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(found)
    }

    fn effective(&self, file: &str) -> Result<String, Refusal> {
        let mut least: Option<(u64, &str)> = None;
        for (path, text) in self.each(file)? {
            if text == "max" {
                continue;
            }
            let limit = text.parse().map_err(|_| Refusal::Failed(format!("{file} is no number: {text}")))?;
            if least.is_none_or(|(before, _)| limit < before) {
                least = Some((limit, path));
            }
        }
        Ok(least.map_or_else(|| "max\t-".to_owned(), |(limit, path)| format!("{limit}\t{path}")))
    }

    fn effective_cpu(&self) -> Result<String, Refusal> {
        let mut least: Option<((u64, u64), &str)> = None;
        for (path, text) in self.each("cpu.max")? {
            let Some((quota, period)) = text.split_once(' ') else {
                return Err(Refusal::Failed(format!("cpu.max is no quota and period: {text}")));
            };
            if quota == "max" {
                continue;
            }
            let (Ok(quota), Ok(period)) = (quota.parse::<u64>(), period.parse::<u64>()) else {
                return Err(Refusal::Failed(format!("cpu.max is no quota and period: {text}")));
            };
            let product = |a: u64, b: u64| u128::from(a) * u128::from(b);
            if least.is_none_or(|((q, p), _)| product(quota, p) < product(q, period)) {
                least = Some(((quota, period), path));
            }
        }
        Ok(least
            .map_or_else(|| "max 100000\t-".to_owned(), |((quota, period), path)| format!("{quota} {period}\t{path}")))
    }
}

/// Where the main and the control process say that they are.
pub(super) fn read_main(pass: &Pass<'_>, ask: &UnitAsk, facts: &mut Facts) {
    let mut values = Values::default();
    let mut pids = [ask.main_pid, ask.control_pid];
    pids.sort_unstable();
    for pid in pids.into_iter().filter(|pid| *pid != 0) {
        let cgroup = || Ok(cgroup::of_process(&pass.read(pass.process(pid)?.as_ref(), "cgroup", SMALL)?)?);
        values.add(pid, pid == ask.main_pid, cgroup());
    }
    let found: Reading = values.reading();
    put(facts, a::CGROUP_MAIN, found);
}
