//! Both witnesses of a machine with many units: CPU of the observing side, bytes of reports, memory of a collector.
//!
//! The machine is in memory. systemd is a D-Bus server in threads of its own, or in the process above, so that its work
//! is not counted; making the kernel's files is counted, since whoever reads them does it.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use avouch_collect::observe::{Observer, Scope};
use avouch_kernel::Kernel;
use avouch_pairs::{Observation, judge};
use avouch_protocol::{Hash, Message, Observed, Report, ReportHead, Trigger};
use avouch_systemd::{How, Manager, UnitAsk, UnitRef};
use avouch_testkit::{FakeSystemd, fleet};

use crate::measure::{Effort, Spread, Subject, cpu_micros};
use crate::page::Section;
use crate::server::memory;

/// Units of the machines. The goals are of the first.
const UNITS: [usize; 2] = [150, 1_000];

pub(crate) fn measure(effort: Effort) -> Result<Section> {
    let mut section = Section::new("Both witnesses");
    for units in UNITS {
        cpu(&mut section, effort, units)?;
        bytes(&mut section, units)?;
        resident(&mut section, units)?;
    }
    section.note(
        "CPU of the thread that observes, a whole pass over a machine in memory: services with programs of their own, \
         half of them hardened, a third with two processes, a tenth with a network namespace. systemd answers over a \
         socket from other threads, whose CPU is not counted; that of making the kernel's files is. Memory is that of a \
         process that does what a collector does with one pass, the machine in memory among it; systemd is in another \
         process.",
    );
    Ok(section)
}

/// An observer of `systemd` whose configuration files are those of an empty directory.
fn observer(stream: UnixStream, systemd: &FakeSystemd, root: &tempfile::TempDir) -> Result<Observer> {
    let manager = Manager::connect(&How::Stream(stream))?;
    Ok(Observer::new(Some(manager), Kernel::of(Box::new(systemd.kernel()))).rooted(root.path()))
}

fn cpu(section: &mut Section, effort: Effort, units: usize) -> Result<()> {
    let systemd = fleet(units);
    let root = tempfile::tempdir()?;
    let mut whole = observer(systemd.connect()?, &systemd, &root)?;
    let observation = whole.observe(&Scope::default());
    complete(&observation, units)?;
    let mut manager = Manager::connect(&How::Stream(systemd.connect()?))?;
    let listed = manager.units()?;
    let asks = listed.iter().map(|unit| Ok(manager.unit(unit)?.ask)).collect::<Result<Vec<_>>>()?;
    let kernel = Kernel::of(Box::new(systemd.kernel()));
    let subjects = vec![
        Subject::new("one pass", || complete(&whole.observe(&Scope::default()), units)),
        Subject::new("what systemd states of each unit, once", || stated(&mut manager, &listed)),
        Subject::new("what the kernel shows of each unit", || shown(&kernel, &asks)),
        Subject::new("judging the observation", || Ok(judge(&observation, None))),
        Subject::new("writing the whole report", || Ok(Report::whole(&observation, head(1))?.to_cbor())),
        Subject::new("writing a report of no change", || difference(&observation)),
    ];
    for (name, micros) in cpu_micros(effort, subjects)? {
        let (what, millis) = (format!("{units} units: {name}"), micros.map(|micros| micros / 1e3));
        match (units, name.as_str()) {
            (150, "one pass") => section.goal(what, "ms CPU", millis, "≤ 250"),
            _ => section.row(what, "ms CPU", millis),
        }
    }
    Ok(())
}

fn bytes(section: &mut Section, units: usize) -> Result<()> {
    let systemd = fleet(units);
    let root = tempfile::tempdir()?;
    let observation = observer(systemd.connect()?, &systemd, &root)?.observe(&Scope::default());
    let kibibytes = |bytes: Vec<u8>| anyhow::Ok(Spread::once(f64::from(u32::try_from(bytes.len())?) / 1024.0));
    let whole = kibibytes(Report::whole(&observation, head(1))?.to_cbor())?;
    let unchanged = kibibytes(difference(&observation)?)?;
    let rows = [("the whole report", whole, "≤ 60"), ("a report of no change", unchanged, "≤ 2")];
    for (name, value, goal) in rows {
        let what = format!("{units} units: {name}");
        if units == 150 { section.goal(what, "KiB", value, goal) } else { section.row(what, "KiB", value) }
    }
    Ok(())
}

/// Memory of a process that observes once.
fn resident(section: &mut Section, units: usize) -> Result<()> {
    let systemd = fleet(units);
    let stream = OwnedFd::from(systemd.connect()?);
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--observe-once", &units.to_string()]).stdin(Stdio::from(stream)).stderr(Stdio::inherit());
    let output = child.output()?;
    ensure!(output.status.success(), "the observing process failed");
    let text = String::from_utf8(output.stdout)?;
    let mut words = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || words.next().context("two figures")?.context("a figure");
    let (before, most) = (Spread::once(next()?), Spread::once(next()?));
    section.row(format!("{units} units: memory before the pass (VmRSS)"), "MiB", before);
    let what = format!("{units} units: memory at most (VmHWM)");
    if units == 150 {
        section.goal(what, "MiB", most, "≤ 15")
    } else {
        section.row(what, "MiB", most)
    }
    Ok(())
}

/// What the process below does: a collector's one pass over the machine that systemd serves at standard input. Prints
/// VmRSS before and VmHWM after it in MiB.
pub(crate) fn observe_once(units: usize) -> Result<()> {
    let systemd = fleet(units);
    let root = tempfile::tempdir()?;
    let stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let mut observer = observer(stream, &systemd, &root)?;
    let own = std::process::id();
    let before = memory(own, "VmRSS")?;
    let observation = observer.observe(&Scope::default());
    complete(&observation, units)?;
    let bytes = Observed::of(&observation)?.to_cbor();
    ensure!(!bytes.is_empty(), "an observation has bytes");
    println!("{before} {}", memory(own, "VmHWM")?);
    Ok(())
}

fn complete(observation: &Observation, units: usize) -> Result<()> {
    let read = observation.subjects.iter().filter(|(name, subject)| {
        name.starts_with("unit:app") && subject.identity.as_ref().is_some_and(|identity| identity.steady)
    });
    ensure!(read.count() == units, "a unit is missing or was racing");
    Ok(())
}

fn stated(manager: &mut Manager, units: &[UnitRef]) -> Result<usize> {
    units.iter().map(|unit| Ok(manager.unit(unit)?.facts.len())).sum()
}

fn shown(kernel: &Kernel, asks: &[UnitAsk]) -> Result<usize> {
    let pass = kernel.begin();
    Ok(asks.iter().map(|ask| pass.unit(ask).facts.len()).sum())
}

fn difference(observation: &Observation) -> Result<Vec<u8>> {
    Ok(Report::difference(observation, observation, Hash::ZERO, head(2))?.to_cbor())
}

fn head(seq: u64) -> ReportHead {
    ReportHead {
        seq,
        prev: Hash::ZERO,
        trigger: Trigger::Slot,
        started_ms: 86_400_000,
        finished_ms: 86_400_500,
        agent_version: env!("CARGO_PKG_VERSION").into(),
    }
}
