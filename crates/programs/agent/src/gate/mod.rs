//! `avouch-agent gate`: this machine's own verdict, for the services that should start on it or not.
//!
//! Three kinds of threads. One answers ([`http`]); it only reads what was published. One attests ([`runner`]): it reads
//! the machine ([`facts`]), judges, writes the audit line ([`audit`]) and only then publishes through one cell
//! ([`cell`]). The others carry: requests from the edge to the runner, signals, events, reports ([`webhook`]). All of
//! them are started inside the sandbox ([`sandbox`]).
//!
//! Services wait with `gate wait` ([`wait`]). Where the gate is down, they stay closed.

pub mod arguments;
pub mod audit;
mod baseline;
mod bundle;
pub mod cell;
pub mod client;
mod commands;
mod error;
pub mod facts;
pub mod http;
mod key;
mod log;
mod runner;
pub mod sandbox;
mod secrets;
pub mod server;
mod settings;
mod status;
mod sync;
pub mod wait;
pub mod webhook;

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::net::ToSocketAddrs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use avouch_attestor::{Settings, Wanted};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use self::facts::Reader;
use self::http::{Access, Limits, Listeners, Server};
use self::runner::{Desk, Runner};
use self::sandbox::{Enforced, Reach};
use self::secrets::Secrets;
use self::server::ServerSource;
use self::webhook::Webhook;
use crate::collector::Collector;
use crate::config::{Config, TpmAddress};
use crate::service::{follow_events, notify};

pub use commands::execute;
pub use error::GateError;

/// Read for a deployment, for what runs, and for Secure Boot, whatever the settings name.
const PLACES: [&str; 5] = ["/proc", "/sys", "/etc", "/usr/lib", "/ostree"];
/// Says that OSTree booted this machine; nobody replaces it.
const BOOTED: &str = "/run/ostree-booted";
/// Mode of directories that the gate makes where its unit did not.
const DIR_MODE: u32 = 0o750;

/// Runs the gate until SIGTERM or SIGINT. It answers `pending` before its first attestation begins.
fn serve(config: &Config, found: settings::Found) -> Result<(), GateError> {
    let settings = found.loaded.settings;
    warn(&found.loaded.warnings, found.path.as_deref());
    let listeners = Listeners::open(&settings)?;
    let secrets = Secrets::read(&settings);
    let access = access(&settings, &secrets);
    for directory in kept(&settings) {
        // What cannot be made shows in the first run, with its remedy.
        let _ = DirBuilder::new().recursive(true).mode(DIR_MODE).create(directory);
    }
    let reach = reach(config, &settings, settings::credentials().as_deref());
    if let Enforced::Less(why) = sandbox::enter(&reach)? {
        tracing::warn!("the sandbox is not complete: {why}; the unit's own sandbox still holds");
    }
    let hook = settings.webhook.clone();
    let webhook = hook.map(|hook| Webhook::start(hook.url, secrets.report()).map_err(GateError::Start));
    let source = settings.ask_server.then(|| ServerSource::beside(&config.collector));
    let reader = Reader::new(&settings, config.observe.intent.clone());
    let collector = Collector::of_root(&settings.collector);
    let runner = Runner::new(settings, reader, webhook.transpose()?, source);
    let desk = runner.desk();
    follow(&desk, secrets, collector)?;
    let server = Server::start(listeners, access, desk, Limits::default()).map_err(GateError::Start)?;
    notify(&[NotifyState::Ready, NotifyState::Status("pending")]);
    let ended = runner.run(&server);
    notify(&[NotifyState::Stopping]);
    server.stop();
    ended
}

fn warn(warnings: &[avouch_attestor::SettingsWarning], path: Option<&Path>) {
    let Some(path) = path else {
        tracing::warn!("there are no settings: the defaults hold; see `avouch-agent gate check-config`");
        return;
    };
    for warning in warnings {
        tracing::warn!("{}:{}: {}: {}", path.display(), warning.line, warning.key, warning.text);
    }
}

fn access(settings: &Settings, secrets: &Secrets) -> Access {
    let socket = settings.socket.as_ref();
    Access {
        token: secrets.token(),
        uids: socket.map(|socket| socket.uids.clone()).unwrap_or_default(),
        gids: socket.map(|socket| socket.gids.clone()).unwrap_or_default(),
    }
}

/// Directories that the gate writes.
fn kept(settings: &Settings) -> Vec<PathBuf> {
    let log = settings.audit_log_path.parent().map(Path::to_owned);
    log.into_iter().chain([settings.state_dir.clone()]).collect()
}

fn reach(config: &Config, settings: &Settings, credentials: Option<&Path>) -> Reach {
    let baseline = facts::baseline(settings).and_then(Result::ok);
    let wanted = Wanted::of(settings, baseline.as_ref());
    let hook = settings.webhook.as_ref();
    let reported = hook.and_then(|hook| hook.token_path.as_ref());
    let secrets = [&settings.hmac_key_path, &settings.token_path].into_iter().chain(reported);
    let mut read: BTreeSet<PathBuf> = PLACES.iter().map(PathBuf::from).filter(|place| place.is_dir()).collect();
    read.extend(wanted.services.values().map(|service| service.path.clone()));
    read.extend(wanted.policy_files.iter().cloned().chain(wanted.files).chain(wanted.registry_manifest));
    read.extend(settings.baseline.as_ref().map(|baseline| baseline.path.clone()));
    read.extend(secrets.filter_map(|secret| settings::handed(secret, credentials)));
    read.extend(credentials.and_then(renewed).map(Path::to_owned));
    read.extend(config.observe.intent.as_ref().map(|intent| intent.path.clone()));
    read.extend(settings.ask_server.then(|| ServerSource::beside(&config.collector).path().to_owned()));
    let (devices, tcp) = match TpmAddress::of(&settings.tpm) {
        Some(TpmAddress::Device(path)) => (vec![path], None),
        Some(TpmAddress::Software(socket)) => (Vec::new(), tcp_port(&socket)),
        None => (Vec::new(), None),
    };
    let call = hook.map(|hook| hook.url.at().port()).into_iter().chain(tcp).collect();
    Reach { read: read.into_iter().collect(), files: vec![BOOTED.into()], write: kept(settings), devices, call }
}

/// Where systemd puts another directory in the place of this one, when it hands credentials over anew
/// (`RefreshOnReload=`). Only root and the user of a unit can look into that unit's.
fn renewed(credentials: &Path) -> Option<&Path> {
    credentials.parent().filter(|parent| parent.ends_with("credentials"))
}

/// The port of `tcp:HOST:PORT`.
fn tcp_port(socket: &str) -> Option<u16> {
    let mut found = socket.strip_prefix("tcp:")?.to_socket_addrs().ok()?;
    found.next().map(|at| at.port())
}

/// SIGHUP renews the secrets, other signals end the runner; events of the collector make it look again.
fn follow(desk: &Arc<Desk>, secrets: Secrets, collector: Collector) -> Result<(), GateError> {
    let mut signals = Signals::new([SIGHUP, SIGTERM, SIGINT]).map_err(GateError::Start)?;
    let signalled = Arc::clone(desk);
    let catch = move || {
        let mut stopping = false;
        for signal in signals.forever() {
            if signal == SIGHUP {
                secrets.renew();
                signalled.reloaded();
                continue;
            }
            if stopping {
                std::process::exit(0);
            }
            stopping = true;
            signalled.stop();
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(catch).map_err(GateError::Start)?;
    let happening = Arc::clone(desk);
    let happened = move |_| {
        happening.event();
        true
    };
    follow_events(collector, happened).map_err(GateError::Start)
}
