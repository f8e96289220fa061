//! `observe`: what systemd says of this machine beside what the kernel does, for whoever is logged in here.
//!
//! No server, no enrolment and no TPM are needed: without a TPM the report is unsigned, and says why.

mod json;
mod look;
mod progress;
mod scope;
mod signing;
mod terminal;
mod text;
mod watch;
mod witnesses;

use std::fs;
use std::io::{self, BufWriter, Write};

use avouch_pairs::{Attribute, Judged, LevelResult, Observation, judge, learn, subject};
use avouch_protocol::intent::IntentFile;
use avouch_protocol::{Hash, Message, Report, ReportHead, Trigger};

use crate::cli::{Exit, ObserveArgs};
use crate::clock::{Moment, rfc3339, wall_clock_ms};
use crate::collector::Witnesses;
use crate::config::Config;
use crate::error::AgentError;
use crate::intent::{Declared, declared};
use crate::state::StateDir;

pub use json::{Document, Parts, SCHEMA, Signature};
pub use look::Look;
pub use scope::Wanted;
pub use terminal::{Detail, View, overall, render};
pub use witnesses::{Live, collect};

const FOR_PEOPLE: &str =
    "Unsigned: this is a look for people; `avouch-agent observe --json` prints the report with the TPM's signature.";

/// One pass over both witnesses, and what it comes to.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What was read.
    pub observation: Observation,
    /// What it comes to.
    pub judged: Judged,
    /// Wall clock in milliseconds since 1970 when the pass began.
    pub started: u64,
    /// Wall clock in milliseconds since 1970 when the pass ended.
    pub finished: u64,
    /// The report's bytes.
    pub report: Vec<u8>,
}

/// A person's look at this machine.
struct Session<'a> {
    config: &'a Config,
    args: &'a ObserveArgs,
    wanted: Wanted,
    intent: Option<Declared>,
    witnesses: &'a mut dyn Witnesses,
    out: &'a mut dyn Write,
}

/// Does what `observe` asks, on the running machine.
///
/// # Errors
/// [`AgentError::Unobservable`] where the kernel cannot be asked at all; else as [`observe`].
pub fn execute(config: &Config, args: &ObserveArgs) -> Result<Exit, AgentError> {
    observe(config, args, &mut Live::open()?, &mut io::stdout().lock())
}

/// Does what `observe` asks, of these witnesses.
///
/// # Errors
/// [`AgentError::Intent`]; [`AgentError::NothingSeen`] where neither witness says anything.
pub fn observe(
    config: &Config,
    args: &ObserveArgs,
    witnesses: &mut dyn Witnesses,
    out: &mut dyn Write,
) -> Result<Exit, AgentError> {
    let intent = if args.learn { None } else { declared(config, args.intent.as_deref())? };
    let wanted = Wanted::of(args, intent.as_ref());
    let mut session = Session { config, args, wanted, intent, witnesses, out };
    if args.learn {
        return session.learn();
    }
    let mut seen = session.look()?;
    session.print(&seen);
    if args.watch {
        seen = watch::follow(&mut session, seen)?;
    }
    Ok(exit(&seen.judged))
}

/// Whether either witness gave the value of any fact.
fn says_anything(observation: &Observation) -> bool {
    let mut facts = observation.subjects.values().flat_map(|subject| subject.facts.values());
    facts.any(|fact| [&fact.orchestrator, &fact.kernel, &fact.second].iter().any(|reading| reading.value().is_some()))
}

/// A person's word for a verdict, as an exit status.
fn exit(judged: &Judged) -> Exit {
    match overall(judged) {
        LevelResult::Pass | LevelResult::NotApplicable => Exit::Done,
        LevelResult::Fail => Exit::Fail,
        LevelResult::Inconclusive | LevelResult::NotEvaluated => Exit::Unverifiable,
    }
}

// === impl Session ===

impl Session<'_> {
    fn look(&mut self) -> Result<Seen, AgentError> {
        let progress = progress::begin("reading what systemd says and what the kernel does");
        let (started, began) = (wall_clock_ms(), Moment::now());
        let observation = self.witnesses.observe(&self.wanted.scope);
        let (finished, ended) = (wall_clock_ms(), Moment::now());
        drop(progress);
        if !says_anything(&observation) {
            return Err(AgentError::NothingSeen);
        }
        let intent = self.intent.as_ref().map(|declared| self.wanted.part_of(&declared.intent));
        let judged = self.wanted.shown(judge(&observation, intent.as_ref()));
        let head = ReportHead {
            seq: 0,
            prev: Hash::ZERO,
            trigger: Trigger::Standalone,
            started_ms: began.milliseconds(),
            finished_ms: ended.milliseconds(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let report = Report::whole(&observation, head)?.to_cbor();
        Ok(Seen { observation, judged, started, finished, report })
    }

    /// An intent that this machine satisfies as it is; only its text goes to standard output.
    fn learn(&mut self) -> Result<Exit, AgentError> {
        let progress = progress::begin("reading what systemd says and what the kernel does");
        let observation = self.witnesses.observe(&self.wanted.scope);
        drop(progress);
        if !says_anything(&observation) {
            return Err(AgentError::NothingSeen);
        }
        let intent = learn(&observation);
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        self.say(&IntentFile::of(&name, &rfc3339(wall_clock_ms()), &intent).to_json());
        let findings = judge(&observation, None).findings.len();
        if findings > 0 {
            eprintln!(
                "avouch-agent: this machine has {findings} findings; what does not agree is not in the intent. \
                 See `avouch-agent observe`."
            );
        }
        Ok(Exit::Done)
    }

    /// A closed pipe (`| head`) is the reader's choice, not an error.
    fn say(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    fn print(&mut self, seen: &Seen) {
        if self.args.json {
            self.print_json(seen);
            return;
        }
        let view = View {
            observation: &seen.observation,
            judged: &seen.judged,
            detail: self.detail(),
            heading: &self.heading(seen),
            signature: Some(FOR_PEOPLE),
        };
        let text = render(&view, Look::of_stdout(self.args.no_color));
        self.say(&text);
    }

    fn detail(&self) -> Detail {
        match self.args {
            ObserveArgs { brief: true, .. } => Detail::Findings,
            args if args.all || !args.units.is_empty() || !args.levels.is_empty() => Detail::Pairs,
            _ => Detail::Subjects,
        }
    }

    fn print_json(&mut self, seen: &Seen) {
        let signature = signing::signature(self.config, &seen.report);
        let node = enrolled_as(self.config);
        let boot_id = boot_id();
        let parts = Parts {
            node_id: node.as_deref(),
            boot_id: &boot_id,
            started: seen.started,
            finished: seen.finished,
            observation: &seen.observation,
            judged: &seen.judged,
            intent: self.intent.as_ref().map(|declared| declared.source.as_str()),
            report: &seen.report,
            signature: signature.as_ref().map_err(String::as_str),
        };
        let mut out = BufWriter::new(&mut *self.out);
        // Writing fails where the reader closed the pipe (`| head`), which is its choice.
        let _ = serde_json::to_writer_pretty(&mut out, &Document::of(&parts));
        let _ = out.write_all(b"\n").and_then(|()| out.flush());
    }

    /// Which machine, when, by which witnesses, beside which intent.
    fn heading(&self, seen: &Seen) -> Vec<String> {
        let uname = rustix::system::uname();
        let (name, release) = (uname.nodename().to_string_lossy(), uname.release().to_string_lossy());
        let took = seen.finished.saturating_sub(seen.started);
        let systemd = match manager(&seen.observation) {
            Some((how, version)) => format!("systemd {version} by its {how} socket"),
            None => "systemd did not answer: only the kernel is seen".to_owned(),
        };
        let intent = match &self.intent {
            Some(declared) => format!("Intent: {}", declared.source),
            None => "Intent: none. What both witnesses agree on may still be wrong (see `--learn`)".to_owned(),
        };
        vec![
            format!("{name}, {}, read in {took} ms", rfc3339(seen.started / 1000 * 1000)),
            format!("Witnesses: {systemd}; kernel {release}"),
            intent,
        ]
    }
}

/// How systemd was asked, and its version.
fn manager(observation: &Observation) -> Option<(&str, &str)> {
    let host = observation.subjects.get(subject::HOST)?;
    host.facts.get(&Attribute::named("manager")?.attribute)?.orchestrator.value()?.split_once('\t')
}

fn enrolled_as(config: &Config) -> Option<String> {
    // Looking must not make a state directory where there is none.
    let state = config.state_dir.exists().then(|| StateDir::open(&config.state_dir).ok())??;
    Some(state.enrolment().ok()??.membership.node_tag.to_hex())
}

fn boot_id() -> String {
    let read = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    read.map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}
