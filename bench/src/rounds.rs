//! Full rounds: a fleet against `avouch serve`, over mutual TLS, each with two durable commits.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use avouch_crypto::signing::SigningKey;
use avouch_store::SqliteStore;
use avouch_store::contract::specimen::cluster;
use avouch_store::load::Load;

use crate::appraisal::POLICY_FILES;
use crate::fleet::{Connections, Member, attest};
use crate::logs::{FIRST_ENTRIES, LARGE_BOOT_LOG, ROUND_ENTRIES, boot_log, entries, files, ima_list, policy};
use crate::measure::{Effort, Spread, Subject, cpu_micros, percentile, process_cpu};
use crate::page::Section;
use crate::server::{Server, memory};
use crate::tpm::Vendor;
use crate::{disk, handshake, place};

/// Repetitions of full rounds in each kind of connection.
const REPETITIONS: usize = 5;
/// Bytes of evidence with the entries of one round, for the store alone.
const EVIDENCE: usize = 5_600;
/// Rounds of each submitter to the store alone, in one repetition.
const STORE_ROUNDS: u64 = 100;

/// A server and its nodes, enrolled and through their first round.
struct Fleet {
    server: Server,
    members: Vec<Member>,
    enrolment: f64,
    /// Of the node whose evidence made the server read its policy.
    policy: f64,
    first: f64,
}

/// One repetition, as the page shows it.
struct Figures {
    /// Milliseconds of server CPU for each round.
    cpu: f64,
    seen: f64,
    generator: f64,
    challenge: [f64; 2],
    evidence: [f64; 2],
    flushes: Option<f64>,
    written: f64,
}

pub(crate) fn measure(effort: Effort, nodes: usize) -> Result<Section> {
    let folder = place::work_folder()?;
    ensure!(nodes > 1, "a fleet has more than one node");
    let mut fleet = Fleet::start(folder.path(), nodes)?;
    // Caches of both sides, and of the disk.
    attest(&mut fleet.members, effort.repetition() / 2, Connections::Kept)?;
    let kinds =
        [(Connections::Kept, nodes), (Connections::Resumed, nodes), (Connections::Full, nodes), (Connections::Kept, 1)];
    let mut figures: Vec<Vec<Figures>> = kinds.iter().map(|_| Vec::new()).collect();
    for _ in 0..REPETITIONS {
        for ((kind, nodes), figures) in kinds.iter().zip(&mut figures) {
            figures.push(fleet.repeat(effort.repetition(), *kind, folder.path(), *nodes)?);
        }
    }
    let mut section = Section::new("Full rounds through mutual TLS with durable commits");
    for ((kind, nodes), figures) in kinds.iter().zip(&figures) {
        rows(&mut section, *kind, *nodes, figures);
    }
    fleet.single_rows(&mut section)?;
    drop(fleet);
    limits(&mut section, effort, folder.path(), nodes)?;
    notes(&mut section, folder.path());
    Ok(section)
}

impl Fleet {
    fn start(folder: &Path, nodes: usize) -> Result<Self> {
        let vendor = Vendor::new()?;
        let server = Server::start(folder, &vendor.pem())?;
        let boot_log = Arc::new(boot_log(LARGE_BOOT_LOG)?);
        let list = ima_list(&boot_log, FIRST_ENTRIES)?;
        let policy_path = folder.join("policy.json");
        std::fs::write(&policy_path, policy(&boot_log, &list, POLICY_FILES)?)?;
        server.apply(&policy_path)?;
        let token = server.token(nodes)?;
        let (list, stock) = (entries(&list)?, Arc::new(files(POLICY_FILES)?));
        let millis = |cpu: f64, nodes: usize| cpu * 1e3 / f64::from(u32::try_from(nodes).unwrap_or(u32::MAX));
        let before = server.cpu()?;
        let members = (0..nodes).map(|_| Member::enrol(&vendor, &token, &boot_log, &stock));
        let mut members = members.collect::<Result<Vec<_>>>()?;
        let enrolled = server.cpu()?;
        members.iter_mut().for_each(|member| member.measure(&list));
        let (one, others) = members.split_at_mut(1);
        attest(one, Duration::ZERO, Connections::Kept)?;
        let loaded = server.cpu()?;
        attest(others, Duration::ZERO, Connections::Kept)?;
        let first = millis(server.cpu()? - loaded, others.len().max(1));
        let enrolment = millis(enrolled - before, nodes);
        Ok(Self { server, members, enrolment, policy: millis(loaded - enrolled, 1), first })
    }

    /// One repetition with the first `nodes` members.
    fn repeat(&mut self, slice: Duration, kind: Connections, folder: &Path, nodes: usize) -> Result<Figures> {
        let pid = self.server.pid();
        let (cpu, written, flushes) = (self.server.cpu()?, disk::written(pid)?, disk::flushes(folder));
        let own = process_cpu();
        let members = self.members.get_mut(..nodes).context("as many nodes as there are")?;
        let mut seen = attest(members, slice, kind)?;
        let rounds = f64::from(u32::try_from(seen.evidence.len())?);
        let flushed = disk::flushes(folder).zip(flushes).map(|(now, then)| count(now.saturating_sub(then)) / rounds);
        let millis = |values: &mut [Duration]| [0.5, 0.99].map(|share| percentile(values, share).as_secs_f64() * 1e3);
        Ok(Figures {
            cpu: (self.server.cpu()? - cpu) * 1e3 / rounds,
            seen: rounds / seen.elapsed.as_secs_f64(),
            generator: process_cpu().saturating_sub(own).as_secs_f64() * 1e3 / rounds,
            challenge: millis(&mut seen.challenge),
            evidence: millis(&mut seen.evidence),
            flushes: flushed,
            written: count(disk::written(pid)?.saturating_sub(written)) / 1024.0 / rounds,
        })
    }

    fn single_rows(&self, section: &mut Section) -> Result<()> {
        let once = Spread::once;
        let what =
            format!("first round of a node: {FIRST_ENTRIES} IMA entries, boot log of {} KiB", LARGE_BOOT_LOG / 1024);
        section.row(what, "ms server CPU", once(self.first));
        let what = format!("the same of the first node, for which a policy of {POLICY_FILES} files is read");
        section.row(what, "ms server CPU", once(self.policy));
        section.row("enrolment of a node", "ms server CPU", once(self.enrolment));
        section.row("server memory at the end (VmRSS)", "MiB", once(memory(self.server.pid(), "VmRSS")?));
        section.row("server memory at most (VmHWM)", "MiB", once(memory(self.server.pid(), "VmHWM")?));
        Ok(())
    }
}

fn rows(section: &mut Section, kind: Connections, nodes: usize, figures: &[Figures]) {
    let name = match kind {
        Connections::Kept if nodes == 1 => "one node alone, connection kept".into(),
        Connections::Kept => format!("{nodes} nodes, connections kept"),
        Connections::Resumed => format!("{nodes} nodes, new connection each round, TLS resumed"),
        Connections::Full => format!("{nodes} nodes, new connection each round, full handshake"),
    };
    let main = kind == Connections::Kept && nodes > 1;
    let spread = |value: fn(&Figures) -> f64| Spread::of(figures.iter().map(value).collect());
    let cpu = spread(|figures| figures.cpu);
    let two_cores = cpu.map(|millis| 2_000.0 / millis);
    let (what, rate) = (format!("**{name}**: server CPU per round"), "rounds/s that two cores give at this cost");
    if main {
        section.goal(what, "ms", cpu, "≤ 1 ms");
        section.goal(rate, "1/s", two_cores, "≥ 1,000/s");
    } else {
        section.row(what, "ms", cpu);
        section.row(rate, "1/s", two_cores);
    }
    section.row("rounds/s seen, generator on the same cores", "1/s", spread(|figures| figures.seen));
    section.row("the generator's own CPU per round", "ms", spread(|figures| figures.generator));
    section.row("challenge, median", "ms", spread(|figures| figures.challenge[0]));
    section.row("challenge, 99th percentile", "ms", spread(|figures| figures.challenge[1]));
    section.row("evidence, median", "ms", spread(|figures| figures.evidence[0]));
    section.row("evidence, 99th percentile", "ms", spread(|figures| figures.evidence[1]));
    if kind == Connections::Kept {
        section.row("written to the disk per round", "KiB", spread(|figures| figures.written));
        if figures.iter().all(|figures| figures.flushes.is_some()) {
            let flushes = spread(|figures| figures.flushes.unwrap_or_default());
            section.row("flushes of the disk per round, by whomever", "1", flushes);
        }
    }
}

/// What no server could do without, on this machine, now.
fn limits(section: &mut Section, effort: Effort, folder: &Path, nodes: usize) -> Result<()> {
    let key = SigningKey::generate()?;
    let subjects = vec![Subject::new("*signing the receipt alone (Ed25519)*", || Ok(key.sign(&[7; 120])))];
    for (name, micros) in cpu_micros(effort, subjects)? {
        section.row(name, "ms", micros.map(|micros| micros / 1e3));
    }
    let (full, resumed) = handshake::server_micros(effort)?;
    section.row("*a resumed TLS handshake alone*", "ms", resumed.map(|micros| micros / 1e3));
    section.row("*a full mutual TLS handshake alone*", "ms", full.map(|micros| micros / 1e3));
    let (cpu, rate) = store_alone(folder, nodes)?;
    section.row("*the store alone: both changes of a round*", "ms", cpu);
    section.row("*the store alone: durable rounds per second*", "1/s", rate);
    section.row(
        "*single durable SQLite commits, one after the other*",
        "1/s",
        disk::sqlite_commits(folder, effort.repetition())?,
    );
    section.row(
        "*4 KiB appended and flushed, one after the other*",
        "1/s",
        disk::appends(folder, effort.repetition())?,
    );
    Ok(())
}

/// The same changes to the same kind of store without network, TLS, HTTP and judgement: CPU for each round, and rounds
/// per second.
fn store_alone(folder: &Path, nodes: usize) -> Result<(Spread, Spread)> {
    let store = SqliteStore::open(&folder.join("store-alone.db"))?;
    let load = Load { submitters: u64::try_from(nodes)?, rounds: STORE_ROUNDS, evidence_bytes: EVIDENCE };
    let rounds = count(load.submitters * load.rounds);
    let (mut cpu, mut rate) = (Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        let (before, start) = (process_cpu(), Instant::now());
        load.run(&store, &cluster(), &|_, _| ())?;
        cpu.push(process_cpu().saturating_sub(before).as_secs_f64() * 1e3 / rounds);
        rate.push(rounds / start.elapsed().as_secs_f64());
    }
    Ok((Spread::of(cpu), Spread::of(rate)))
}

fn notes(section: &mut Section, folder: &Path) {
    section.note(format!(
        "`avouch serve` as it is shipped, in a process of its own on 127.0.0.1, log to a file, default configuration, \
         data on {}. Simulated nodes, each on its own thread, ask for a challenge and answer it as fast as they \
         can. A round is: challenge (a durable commit), quote by a P-256 key over the server's nonce, evidence with \
         {ROUND_ENTRIES} new IMA entries, verdict under a policy of {POLICY_FILES} files, record and session stored (a \
         durable commit, shared by the requests that wait at the same time), receipt signed. Every counted round ended \
         in a receipt that says pass. {REPETITIONS} repetitions.",
        place::file_system(folder)
    ));
    section.note(
        "CPU is user and system time of the server process, so the generator is not in it. The nodes' TPMs are software \
         inside the generator (no swtpm, which would take the cores), with endorsement certificates of a CA that \
         `ek_roots` names; the server has no switch for measurements. Latencies are those of a machine whose cores are \
         all taken by generator and server together, with every node asking again at once: they show a queue, not a \
         response time at ordinary load, for which see the node alone.",
    );
}

#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
fn count(value: u64) -> f64 {
    value as f64
}
