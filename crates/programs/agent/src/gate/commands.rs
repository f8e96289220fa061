//! What each command of `gate` does, from its arguments to its exit status.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use avouch_attestor::{AttestAnswer, ErrorAnswer, LocalUrl, Settings, StatusAnswer};
use hyper::Method;
use hyper::body::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use zeroize::Zeroizing;

use super::arguments::{
    AckArgs, AuditCommand, BaselineCommand, CheckConfigArgs, DoorArgs, GateArgs, GateCommand, GateStatusArgs, WaitArgs,
};
use super::client::{Call, CallError, Door};
use super::http::Secret;
use super::wait::Wait;
use super::{GateError, baseline, bundle, key, log, settings, status};
use crate::cli::Exit;
use crate::config::Config;

/// Longest file of a key; one byte more shows that it is none.
pub(super) const MAX_KEY_BYTES: usize = 16 << 10;

/// How long a person waits for an answer; an acknowledgement takes a whole run.
const PATIENCE: Duration = Duration::from_secs(60);

/// A door and what opens it.
struct Opened {
    door: Door,
    token: Option<Zeroizing<String>>,
}

/// Does what `gate …` asks.
///
/// # Errors
/// [`GateError`].
pub fn execute(config: &Config, args: &GateArgs) -> Result<Exit, GateError> {
    let Some(command) = &args.command else {
        return super::serve(config, settings::load(args)?).map(|()| Exit::Done);
    };
    match command {
        GateCommand::Wait(wait) => hold(args, wait),
        GateCommand::Status(status) => show_status(args, status),
        GateCommand::Ack(ack) => acknowledge(args, ack),
        GateCommand::CheckConfig(check) => check_config(args, check),
        GateCommand::Audit(AuditCommand::Verify(verify)) => log::verify(args, verify),
        GateCommand::Baseline(command) => do_baseline(args, command).map(|()| Exit::Done),
        GateCommand::Key(key) => key::execute(args, key).map(|text| say(&text)).map(|()| Exit::Done),
        GateCommand::VerifyBundle(verify) => bundle::verify(verify),
    }
}

fn hold(args: &GateArgs, wait: &WaitArgs) -> Result<Exit, GateError> {
    let Opened { door, token } = open(args, &wait.door)?;
    let wait_for = Wait { door, token, max_age: wait.max_age, timeout: wait.timeout, unit: wait.unit.clone() };
    let held = wait_for.run(|line| eprintln!("avouch-agent: {line}"));
    if wait.json {
        say_json(&json!({ "version": 1, "open": held.is_open(), "why": held.to_string() }))?;
    } else {
        eprintln!("avouch-agent: {}", wait_for.verdict(&held));
    }
    Ok(held.exit())
}

fn show_status(args: &GateArgs, wanted: &GateStatusArgs) -> Result<Exit, GateError> {
    let opened = open(args, &wanted.door)?;
    let status: StatusAnswer = opened.ask(Method::GET, "/api/security/status")?;
    let attest: AttestAnswer = opened.ask(Method::GET, "/api/v1/attest")?;
    if wanted.json {
        let findings = attest.bundle.as_ref().map(|bundle| &bundle.findings);
        say_json(&json!({ "version": 1, "status": status, "findings": findings }))?;
    } else {
        say(&status::text(&status, &attest));
    }
    Ok(status::exit(&status))
}

fn acknowledge(args: &GateArgs, ack: &AckArgs) -> Result<Exit, GateError> {
    let door = DoorArgs { socket: ack.socket.clone(), ..DoorArgs::default() };
    let status: StatusAnswer = open(args, &door)?.ask(Method::POST, "/api/v1/acknowledge")?;
    if ack.json {
        say_json(&json!({ "version": 1, "status": status }))?;
    } else {
        say(&format!("Acknowledged. This machine is {} now.\n", status.attestation_state));
    }
    Ok(status::exit(&status))
}

fn check_config(args: &GateArgs, check: &CheckConfigArgs) -> Result<Exit, GateError> {
    let named = check.file.as_deref().or(args.settings.as_deref());
    let found = match settings::read(named, args.profile) {
        Err(GateError::Settings { path, error }) if check.json => {
            let error = json!({ "line": error.line(), "text": error.to_string() });
            say_json(&json!({ "version": 1, "path": path, "error": error }))?;
            return Ok(Exit::Config);
        }
        found => found?,
    };
    let explained = found.loaded.explain();
    if check.json {
        let warnings = found.loaded.warnings.iter();
        let warnings = warnings.map(|w| json!({ "line": w.line, "key": w.key, "text": w.text })).collect::<Vec<_>>();
        say_json(&json!({ "version": 1, "path": found.path, "warnings": warnings, "keys": explained }))?;
        return Ok(Exit::Done);
    }
    match &found.path {
        Some(path) => say(&format!("{}: the gate takes it\n", path.display())),
        None => say("There is no file; these are the defaults.\n"),
    }
    for warning in &found.loaded.warnings {
        say(&format!("warning: line {}: {}: {}\n", warning.line, warning.key, warning.text));
    }
    for key in explained {
        let source = if key.from_file { "set" } else { "default" };
        say(&format!("\n{} = {} ({source})\n    {}\n", key.key, key.value, key.meaning));
    }
    Ok(Exit::Done)
}

fn do_baseline(args: &GateArgs, command: &BaselineCommand) -> Result<(), GateError> {
    match command {
        BaselineCommand::Create(create) => {
            if let Some(text) = baseline::create(settings::load(args)?.loaded.settings, create)? {
                say(&text);
            }
        }
        BaselineCommand::Sign(sign) => baseline::sign(sign, say)?,
        BaselineCommand::Show(show) => say(&baseline::show(&settings::load(args)?.loaded.settings, show)?),
    }
    Ok(())
}

/// The door that `args` name, else the socket of the settings, else their port.
fn open(args: &GateArgs, wanted: &DoorArgs) -> Result<Opened, GateError> {
    if let Some(path) = &wanted.socket {
        return Ok(Opened { door: Door::Socket(path.clone()), token: None });
    }
    if let Some(url) = &wanted.url {
        let door = LocalUrl::read(url).map(|url| Door::Port(url.at()));
        let door = door.map_err(|why| CallError::Url { url: url.clone(), why })?;
        let token = wanted.token_file.as_deref().map(|path| Secret::read(path, None)).transpose()?;
        return Ok(Opened { door, token: token.map(|token| token.digits().to_owned().into()) });
    }
    let settings: Settings = settings::load(args)?.loaded.settings;
    if let Some(socket) = settings.socket {
        return Ok(Opened { door: Door::Socket(socket.path), token: None });
    }
    let at = settings.listen.ok_or(GateError::NotNamed("way to reach the gate"))?;
    let token = settings::secret(&settings.token_path, settings::credentials().as_deref())?;
    Ok(Opened { door: Door::Port(at), token: token.map(|token| token.digits().to_owned().into()) })
}

impl Opened {
    fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, GateError> {
        let call = Call { method, path, body: None, token: self.token.as_ref() };
        let answer = self.door.call(call, PATIENCE)?;
        if !answer.status.is_success() {
            return Err(GateError::Refused { status: answer.status.as_u16(), error: word_of(&answer.body) });
        }
        serde_json::from_slice(&answer.body).map_err(|error| GateError::Answer(error.to_string()))
    }
}

fn word_of(body: &Bytes) -> String {
    serde_json::from_slice::<ErrorAnswer>(body).map_or_else(|_| "no reason".to_owned(), |answer| answer.error)
}

/// At most one byte more than `most`, by which a longer file is refused.
pub(super) fn read(path: &Path, most: usize) -> Result<Vec<u8>, GateError> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| GateError::Read { path: path.to_owned(), error })
}

/// A closed pipe (`| head`) is the reader's choice, not an error.
pub(super) fn say(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

pub(super) fn say_json(document: &impl Serialize) -> Result<(), GateError> {
    let text = serde_json::to_string_pretty(document).map_err(|error| GateError::Answer(error.to_string()))?;
    say(&(text + "\n"));
    Ok(())
}
