//! The local attestor API as services ask it: at a fixed rate, while the machine is attested again and again.

use std::fs::{self, File, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use avouch_testkit::{Factory, Swtpm, skip_without_swtpm};

use crate::caller::{Caller, Seen, ask_at};
use crate::measure::{Effort, Spread, percentile};
use crate::page::Section;
use crate::place;
use crate::server::{cpu, memory, program};

/// Requests per second, and the connections that share them.
const RATE: u32 = 2_000;
const CONNECTIONS: u32 = 8;
/// Repetitions of the load.
const REPETITIONS: usize = 5;
/// Attestations on request whose CPU is measured: as many as may follow each other at once.
const ATTESTATIONS: usize = 4;
/// Starts of the service.
const STARTS: usize = 7;
/// Services and the size of the program of each.
const SERVICES: usize = 20;
const PROGRAM_BYTES: usize = 8 * 1024 * 1024;
/// The secrets of this run; nothing outside of it knows them.
const SECRET: &str = "5ecd0e5ecd0e5ecd0e5ecd0e5ecd0e5ecd0e5ecd0e5ecd0e5ecd0e5ecd0e0123";
/// Longest wait for the service to answer, and for it to be attested.
const START: Duration = Duration::from_secs(20);

/// A running gate; it is ended when this is dropped.
struct Gate {
    child: Child,
    address: SocketAddr,
}

/// Where it runs.
struct Place<'a> {
    program: PathBuf,
    folder: &'a Path,
    settings: PathBuf,
    address: SocketAddr,
}

pub(crate) fn measure(effort: Effort) -> Result<Section> {
    let mut section = Section::new("The local attestor");
    let folder = place::work_folder()?;
    let factory = skip_without_swtpm()?;
    let tpm = factory.as_ref().map(|factory: &Factory| factory.start(0)).transpose()?;
    let place = Place::new(folder.path(), tpm.as_ref())?;
    starts(&place, &mut section)?;
    let gate = place.start()?.0;
    gate.until_attested()?;
    attestations(&gate, &mut section)?;
    load(&gate, effort, &mut section)?;
    section.goal("memory after the load (VmRSS)", "MiB", Spread::once(memory(gate.child.id(), "VmRSS")?), "≤ 12 MiB");
    section.row("memory at most (VmHWM)", "MiB", Spread::once(memory(gate.child.id(), "VmHWM")?));
    section.note(format!(
        "`avouch-agent gate` as it is shipped, in a process of its own on 127.0.0.1, log to a file, {}, {SERVICES} \
         services whose programs have {} MiB each, audit log on {}. The generator is this process: {CONNECTIONS} \
         connections that are kept, the bearer token in every request, {RATE} requests a second at fixed times. A time \
         is counted from when its request was due, unless the generator itself slept too long; another connection asks \
         for attestations without a pause, which the service grants at its own rate. Every counted answer was 200.",
        tpm.as_ref().map_or("no TPM (swtpm is not installed)", |_| "a software TPM (swtpm)"),
        PROGRAM_BYTES / 1024 / 1024,
        place::file_system(folder.path()),
    ));
    Ok(section)
}

/// From exec to the first answer.
fn starts(place: &Place<'_>, section: &mut Section) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        times.push(place.start()?.1.as_secs_f64() * 1e3);
    }
    section.goal("from exec to the first answer", "ms", Spread::of(times), "≤ 100 ms");
    Ok(())
}

fn attestations(gate: &Gate, section: &mut Section) -> Result<()> {
    let (mut caller, mut spent, mut waited) = (gate.caller()?, Vec::new(), Vec::new());
    for _ in 0..ATTESTATIONS {
        let (before, begun) = (cpu(gate.child.id())?, Instant::now());
        ensure!(caller.ask("POST", "/api/v1/refresh", SECRET)? == 200, "a refresh was refused");
        waited.push(begun.elapsed().as_secs_f64() * 1e3);
        spent.push((cpu(gate.child.id())? - before) * 1e3);
    }
    let what = format!("a full attestation of {SERVICES} services, CPU (in steps of 10 ms)");
    section.goal(what, "ms", Spread::of(spent), "≤ 300 ms");
    section.row("the same on request, as its caller waits", "ms", Spread::of(waited));
    Ok(())
}

fn load(gate: &Gate, effort: Effort, section: &mut Section) -> Result<()> {
    let (mut middle, mut late, mut most) = (Vec::new(), Vec::new(), Vec::new());
    let (mut rates, mut cost, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        let before = cpu(gate.child.id())?;
        let (mut seen, refreshed) = gate.repeat(effort.repetition())?;
        let count = f64::from(u32::try_from(seen.times.len())?);
        let millis = |share, times: &mut Vec<Duration>| percentile(times, share).as_secs_f64() * 1e3;
        middle.push(millis(0.5, &mut seen.times));
        late.push(millis(0.99, &mut seen.times));
        most.push(millis(1.0, &mut seen.times));
        rates.push(count / seen.elapsed.as_secs_f64());
        cost.push((cpu(gate.child.id())? - before) * 1e6 / count);
        runs.push(f64::from(refreshed));
    }
    let what = format!("**/api/v1/verify at {RATE} requests/s**, 99th percentile");
    section.goal(what, "ms", Spread::of(late), "< 1 ms");
    section.row("the same, median", "ms", Spread::of(middle));
    section.row("the same, slowest", "ms", Spread::of(most));
    section.row("requests/s that were answered", "1/s", Spread::of(rates));
    section.row("CPU of the service per request, attestations meanwhile counted in", "µs", Spread::of(cost));
    section.row("attestations on request meanwhile", "1", Spread::of(runs));
    Ok(())
}

// === impl Gate ===

impl Gate {
    fn caller(&self) -> Result<Caller> {
        Caller::connect(self.address)
    }

    fn until_attested(&self) -> Result<()> {
        let (mut caller, deadline) = (self.caller()?, Instant::now() + START);
        while caller.ask("GET", "/api/v1/verify", SECRET)? != 200 {
            ensure!(Instant::now() < deadline, "the gate is not attested: see its log");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// What the generator saw, and the attestations that were made meanwhile.
    fn repeat(&self, slice: Duration) -> Result<(Seen, u32)> {
        let done = AtomicBool::new(false);
        let callers: Vec<_> = (0..CONNECTIONS).map(|_| self.caller()).collect::<Result<_>>()?;
        thread::scope(|scope| {
            let refreshing = scope.spawn(|| self.refresh_until(&done));
            let seen = ask_at(RATE, slice, callers, "/api/v1/verify", SECRET);
            done.store(true, Ordering::Relaxed);
            let Ok(refreshed) = refreshing.join() else { bail!("the thread that refreshes panicked") };
            Ok((seen?, refreshed?))
        })
    }

    fn refresh_until(&self, done: &AtomicBool) -> Result<u32> {
        let (mut caller, mut runs) = (self.caller()?, 0);
        while !done.load(Ordering::Relaxed) {
            if caller.ask("POST", "/api/v1/refresh", SECRET)? == 200 {
                runs += 1;
            }
        }
        Ok(runs)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// === impl Place ===

impl<'a> Place<'a> {
    fn new(folder: &'a Path, tpm: Option<&Swtpm>) -> Result<Self> {
        let program = program("avouch-agent", "avouch-agent")?;
        // Free now; if another program takes it meanwhile, the gate says so.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        for name in ["hmac-key", "token"] {
            fs::write(folder.join(name), SECRET)?;
            fs::set_permissions(folder.join(name), Permissions::from_mode(0o400))?;
        }
        let settings = folder.join("gate.toml");
        fs::write(&settings, text(folder, address, tpm)?)?;
        Ok(Self { program, folder, settings, address })
    }

    /// A gate, and how long it took until it answered.
    fn start(&self) -> Result<(Gate, Duration)> {
        let log = File::create(self.folder.join("gate.log"))?;
        let mut command = Command::new(&self.program);
        command.args(["gate", "--settings"]).arg(&self.settings).stdout(log.try_clone()?).stderr(log);
        let begun = Instant::now();
        let mut gate = Gate { child: command.spawn()?, address: self.address };
        loop {
            if let Ok(mut caller) = gate.caller() {
                ensure!(caller.ask("GET", "/health", SECRET)? == 200, "/health is not answered with 200");
                return Ok((gate, begun.elapsed()));
            }
            if let Some(status) = gate.child.try_wait()? {
                let log = fs::read_to_string(self.folder.join("gate.log")).unwrap_or_default();
                bail!("avouch-agent gate ended with {status}:\n{log}");
            }
            ensure!(begun.elapsed() < START, "avouch-agent gate does not answer");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The settings: services that are files of this run, and nothing of this machine.
fn text(folder: &Path, address: SocketAddr, tpm: Option<&Swtpm>) -> Result<String> {
    let at = |name: &str| folder.join(name).display().to_string();
    let mut text = format!(
        "hmac_key_path = '{}'\ntoken_path = '{}'\naudit_log_path = '{}'\nstate_dir = '{}'\nlisten = '{address}'\n\
         policy_files = []\nrequire_tpm = {}\n",
        at("hmac-key"),
        at("token"),
        at("logs/gate-audit.jsonl"),
        at("state"),
        tpm.is_some(),
    );
    if let Some(tpm) = tpm {
        text += &format!("tpm = '{}'\n", tpm.transport());
    }
    text += &format!("[socket]\npath = '{}'\n", at("gate.sock"));
    text += "[service_binaries]\n";
    for number in 0..SERVICES {
        let path = folder.join(format!("service-{number}"));
        let byte = u8::try_from(number).context("few services")?;
        fs::write(&path, vec![byte; PROGRAM_BYTES])?;
        text += &format!("service-{number} = '{}'\n", path.display());
    }
    Ok(text)
}
