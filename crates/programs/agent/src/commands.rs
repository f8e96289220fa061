//! What each command does, from its arguments to its exit status.

use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use avouch_collect::Securityfs;
use avouch_protocol::Status;
use avouch_tpm_wire::PublicArea;
use serde::Serialize;

use crate::agent::{Agent, EnrolAs};
use crate::cli::{Cli, Command, EkArgs, EnrollArgs, Exit, OnceArgs, ShowArgs, StatusArgs};
use crate::collector::Collector;
use crate::config::{Config, TpmAddress};
use crate::error::AgentError;
use crate::intent::declared;
use crate::observe::Wanted;
use crate::reporter::Reporter;
use crate::show::LastSent;
use crate::state::StateDir;
use crate::status::{self, ReceiptReport, StatusReport};
use crate::token::TokenSource;
use crate::{gate, intent, observe, service, tpm};

/// How long a person waits for the service to finish its round.
const PATIENCE: Duration = Duration::from_secs(120);
/// What `once --last` may take: the network goes down right after it.
const LAST_QUOTE: Duration = Duration::from_secs(10);

/// The shape that `once --json` prints on standard output.
#[derive(Debug, Serialize)]
struct OnceReport {
    version: u32,
    receipt: Option<ReceiptReport>,
    error: Option<crate::state::Trouble>,
}

/// Does what `cli` asks.
///
/// # Errors
/// [`AgentError`]; [`AgentError::exit`] is its exit status.
pub fn execute(cli: &Cli) -> Result<Exit, AgentError> {
    let config = Config::load(cli.config.as_deref())?;
    match &cli.command {
        Command::Enroll(args) => enroll(&config, args),
        Command::Once(args) if args.last => within(LAST_QUOTE, config, args.json),
        Command::Once(OnceArgs { json, .. }) => once(&config, *json, PATIENCE),
        Command::Run => run(&config),
        Command::Status(args) => show_status(&config, args),
        Command::Show(args) => show_last(&config, args),
        Command::Ek(args) => show_endorsement_keys(&config, args),
        Command::Observe(args) => observe::execute(&config, args),
        Command::Collect => observe::collect(&config).map(|()| Exit::Done),
        Command::Intent(command) => intent::execute(&config, command),
        Command::Gate(args) => Ok(gate::execute(&config, args)?),
    }
}

fn agent(config: &Config) -> Result<Agent, AgentError> {
    if let TpmAddress::Software(socket) = &config.tpm {
        tracing::warn!("software TPM at {socket}: its keys are files, good for evaluation only");
    }
    let logs = Securityfs::at(&config.securityfs).with_userspace_log(&config.userspace_log);
    Ok(Agent::new(StateDir::open(&config.state_dir)?, logs))
}

/// An agent that makes reports, where the server asks for them.
fn reporting_agent(config: &Config) -> Result<Agent, AgentError> {
    let intent = declared(config, None)?.map(|declared| declared.intent);
    let scope = Wanted::everything(intent.as_ref());
    let reporter = Reporter::new(Collector::at(&config.collector), scope, intent, config.cap.clone());
    if !reporter.is_able() {
        let path = config.collector.display();
        tracing::warn!(
            "no collector at {path}: REPORT not sent; rounds go on without one only while the server asks for none. \
             To do: `systemctl enable --now avouch-collector.socket`"
        );
    }
    Ok(agent(config)?.with_reporter(reporter))
}

fn enroll(config: &Config, args: &EnrollArgs) -> Result<Exit, AgentError> {
    let source = match (&args.token, &args.token_file) {
        (_, Some(path)) => TokenSource::File(path.clone()),
        (Some(text), None) if text == "-" => TokenSource::Stdin,
        (text, None) => TokenSource::Text(text.clone().unwrap_or_default()),
    };
    let token = source.read()?;
    let mut agent = agent(config)?;
    let lock = agent.lock(PATIENCE)?;
    let mut tpm = tpm::open(&config.tpm)?;
    let request = EnrolAs { label: args.label.clone(), ek: args.ek, replace: args.re_enroll };
    let enrolment = agent.enroll(&lock, &mut tpm, token, request)?;
    let membership = &enrolment.membership;
    say(&format!("Enrolled as node {} of {}.\n", membership.node_tag, enrolment.origin));
    say("Next: `systemctl enable --now avouch-agent`, or `avouch-agent once` for a verdict now.\n");
    Ok(Exit::Done)
}

/// The shape of a line of `ek --json`.
#[derive(Debug, Serialize)]
struct EkReport {
    name: String,
    template: &'static str,
    kind: &'static str,
    certificate: bool,
}

fn show_endorsement_keys(config: &Config, args: &EkArgs) -> Result<Exit, AgentError> {
    let agent = agent(config)?;
    let _lock = agent.lock(PATIENCE)?;
    let mut reports = Vec::new();
    for key in tpm::open(&config.tpm)?.endorsement_keys(None)? {
        let input = |source| avouch_tpm::Error::Input { what: "the endorsement key's public area", source };
        let name = PublicArea::parse(&key.public).map_err(input)?.name(&avouch_crypto::Hash);
        reports.push(EkReport {
            name: name.iter().map(|byte| format!("{byte:02x}")).collect(),
            template: key.template.name(),
            kind: key.template.kind(),
            certificate: key.certificate.is_some(),
        });
    }
    if args.json {
        say(&(serde_json::to_string_pretty(&reports).unwrap_or_default() + "\n"));
        return Ok(Exit::Done);
    }
    for EkReport { name, template, kind, certificate } in reports {
        let certificate = if certificate { "with a certificate" } else { "without a certificate" };
        say(&format!("{name} {template} {kind}, {certificate}\n"));
    }
    Ok(Exit::Done)
}

fn once(config: &Config, json: bool, patience: Duration) -> Result<Exit, AgentError> {
    let mut agent = reporting_agent(config)?;
    let lock = agent.lock(patience)?;
    let result = tpm::open(&config.tpm).and_then(|mut tpm| agent.round(&lock, &mut tpm));
    let next_in = result.as_ref().ok().map(|receipt| Duration::from_secs(receipt.next_in()));
    agent.note(&lock, result.as_ref().err(), next_in);
    if json {
        let report = OnceReport {
            version: 1,
            receipt: result.as_ref().ok().map(status::receipt),
            error: result.as_ref().err().map(AgentError::trouble),
        };
        say_json(&report);
    }
    let receipt = result?;
    if !json {
        say(&format!("{}\n", status::receipt(&receipt)));
    }
    Ok(match receipt.message().status {
        Status::Pass => Exit::Done,
        Status::Fail => Exit::Fail,
        Status::Unverifiable => Exit::Unverifiable,
        _ => Exit::Refused,
    })
}

/// The last quote must not hold up a shutdown. A round that is cut off is complete or repeated, as after a kill.
fn within(limit: Duration, config: Config, json: bool) -> Result<Exit, AgentError> {
    let (sender, receiver) = channel();
    let worker = move || {
        // The receiver is gone only when the process is about to end.
        let _ = sender.send(once(&config, json, limit));
    };
    thread::Builder::new().name("last-quote".to_owned()).spawn(worker).map_err(AgentError::Signals)?;
    match receiver.recv_timeout(limit) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            tracing::warn!("no receipt for the last quote within {} seconds", limit.as_secs());
            Ok(Exit::NoAnswer)
        }
    }
}

fn run(config: &Config) -> Result<Exit, AgentError> {
    service::run(&mut reporting_agent(config)?, &config.tpm)?;
    Ok(Exit::Done)
}

fn show_status(config: &Config, args: &StatusArgs) -> Result<Exit, AgentError> {
    let report = StatusReport::of(&StateDir::open(&config.state_dir)?)?;
    if args.json {
        say_json(&report)
    } else {
        say(&report.to_string())
    }
    Ok(Exit::Done)
}

fn show_last(config: &Config, args: &ShowArgs) -> Result<Exit, AgentError> {
    let last = LastSent::of(&StateDir::open(&config.state_dir)?)?;
    if args.raw {
        say_bytes(last.bytes());
    } else {
        say(&last.to_string());
    }
    Ok(Exit::Done)
}

/// A closed pipe (`| head`) is the reader's choice, not an error.
fn say(text: &str) {
    say_bytes(text.as_bytes());
}

fn say_bytes(bytes: &[u8]) {
    let _ = std::io::stdout().lock().write_all(bytes);
}

fn say_json(report: &impl Serialize) {
    match serde_json::to_string_pretty(report) {
        Ok(text) => say(&format!("{text}\n")),
        Err(error) => tracing::error!(%error, "the report cannot be written as JSON"),
    }
}
