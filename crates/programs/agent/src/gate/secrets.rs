//! Secrets that the gate holds while it runs, and how they are exchanged for new ones without a restart.
//!
//! The HMAC key is none of them: every attestation reads it from its file.

use std::path::{Path, PathBuf};

use avouch_attestor::{SecretPath, Settings};

use super::http::{Secret, SharedSecret};
use super::settings;

/// What callers show, and what is shown to whoever takes reports.
#[derive(Clone, Debug)]
pub(super) struct Secrets {
    token: Held,
    report: Option<Held>,
    hmac_key: SecretPath,
    credentials: Option<PathBuf>,
}

/// A secret and where it is read anew.
#[derive(Clone, Debug)]
struct Held {
    what: &'static str,
    at: SecretPath,
    secret: SharedSecret,
}

// === impl Secrets ===

impl Secrets {
    /// Reads what the settings name. What cannot be used is told, with its remedy, and is none.
    pub(super) fn read(settings: &Settings) -> Self {
        let credentials = settings::credentials();
        let held = |what, at: &SecretPath| Held {
            what,
            at: at.clone(),
            secret: first(what, at, credentials.as_deref()).into(),
        };
        let token = held("token", &settings.token_path);
        if token.secret.current().is_none() && settings.listen.is_some() {
            tracing::error!(
                "there is no token ({}): over TCP everything but /health is answered with 503; to do: \
                 `avouch-agent gate key token -o /etc/avouch/gate/token`, and restart the gate",
                settings.token_path
            );
        }
        let report = settings.webhook.as_ref().and_then(|hook| hook.token_path.as_ref());
        let report = report.map(|at| held("token for reports of failures", at));
        if let Some(report) = report.as_ref().filter(|report| report.secret.current().is_none()) {
            tracing::warn!("there is no token for reports of failures ({}): they are sent without one", report.at);
        }
        Self { token, report, hmac_key: settings.hmac_key_path.clone(), credentials }
    }

    /// What callers over TCP show.
    pub(super) fn token(&self) -> SharedSecret {
        self.token.secret.clone()
    }

    /// What is shown to whoever takes reports of failures.
    pub(super) fn report(&self) -> SharedSecret {
        self.report.as_ref().map(|report| report.secret.clone()).unwrap_or_default()
    }

    /// Reads them all anew. One that cannot be used changes nothing: the one from before goes on, and that is told.
    pub(super) fn renew(&self) {
        for held in [Some(&self.token), self.report.as_ref()].into_iter().flatten() {
            held.renew(self.credentials.as_deref());
        }
        match settings::secret(&self.hmac_key, self.credentials.as_deref()) {
            Ok(Some(_)) => tracing::info!("the HMAC key is read for the next attestation"),
            Ok(None) => tracing::error!("there is no HMAC key ({}): bundles will be unsigned", self.hmac_key),
            Err(error) => tracing::error!("{error}; bundles will be unsigned; to do: {}", error.remedy()),
        }
    }
}

// === impl Held ===

impl Held {
    fn renew(&self, credentials: Option<&Path>) {
        let (what, at) = (self.what, &self.at);
        match settings::secret(at, credentials) {
            Ok(Some(new)) if self.secret.current().is_some_and(|old| old.is(new.digits().as_bytes())) => {
                tracing::info!("the {what} is the same as before ({at})");
            }
            Ok(Some(new)) => {
                self.secret.renew(new);
                tracing::info!("the {what} was read anew ({at}); the one from before holds no longer");
            }
            Ok(None) => tracing::error!("the {what} is gone ({at}); the one from before goes on"),
            Err(error) => {
                tracing::error!("{error}; the {what} from before goes on; to do: {}", error.remedy());
            }
        }
    }
}

fn first(what: &str, at: &SecretPath, credentials: Option<&Path>) -> Option<Secret> {
    settings::secret(at, credentials)
        .map_err(|error| tracing::error!("the {what}: {error}; to do: {}", error.remedy()))
        .unwrap_or_default()
}
