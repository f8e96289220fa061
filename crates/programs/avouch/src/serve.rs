//! `avouch serve`.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use avouch_server::{Server, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::arguments::Global;
use crate::settings::configuration;

/// Runs the server until SIGTERM or SIGINT, then lets running requests end.
pub(crate) fn run(global: &Global) -> Result<ExitCode> {
    log_to_stderr(global.json);
    let config = configuration(global)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let running = Server::start(config, Arc::new(SystemClock)).await?;
        tracing::info!(address = %running.local_addr(), "serving");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: running requests may end");
        running.stop().await;
        anyhow::Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

fn log_to_stderr(json: bool) {
    let filter = EnvFilter::try_from_env("AVOUCH_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).with_target(false);
    if json {
        subscriber.json().init();
    } else {
        subscriber.init();
    }
}
