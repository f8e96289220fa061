//! `avouch serve`.

use std::fmt::Display;
use std::io::stderr;
use std::sync::Arc;

use avouch_server::{Server, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::arguments::Global;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::configuration;
use crate::terminal;

/// Variable with the log's filter, e.g. `debug` or `avouch_server=debug`.
const LOG: &str = "AVOUCH_LOG";

/// Runs the server until SIGTERM or SIGINT, then lets requests that have begun end.
pub(crate) fn run(global: &Global) -> Result<Output, Failure> {
    log_to_stderr(global.json)?;
    let config = configuration(global)?;
    let runtime = tokio::runtime::Runtime::new().map_err(not_started)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(not_started)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(not_started)?;
        let running = Server::start(config, Arc::new(SystemClock)).await.map_err(not_started)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests that have begun may end");
        running.stop().await;
        Ok(Output::default())
    })
}

fn not_started(error: impl Display) -> Failure {
    Failure::new("NOT_STARTED", error, "Put that right and start the server again.")
}

fn log_to_stderr(json: bool) -> Result<(), Failure> {
    let filter = match std::env::var(LOG) {
        Ok(text) => EnvFilter::try_new(&text).map_err(|error| {
            let what = format!("{LOG} is {text:?}, which is no filter: {error}");
            Failure::new("USAGE", what, "Set it to error, warn, info, debug or trace, or do not set it.")
        })?,
        Err(_) => EnvFilter::new("info"),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(stderr)
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(terminal::colour(&stderr()));
    if json {
        subscriber.json().init();
    } else {
        subscriber.init();
    }
    Ok(())
}
