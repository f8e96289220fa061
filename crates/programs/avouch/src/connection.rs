//! An operator's connection to the server: mutual TLS with the operator's certificate, JSON both ways.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use avouch_crypto::ca::{CaCertificate, Identity};
use avouch_crypto::tls::agent_config;
use avouch_https::{Answer, Https};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::arguments::Global;
use crate::settings::configuration;

/// Largest answer taken: a policy of a large root tree, or one node's evidence.
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// A connection with an operator's rights.
pub(crate) struct Connection {
    https: Https,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    what: String,
    remedy: String,
}

impl Connection {
    /// Opens what `global` names, or what the configuration says.
    pub(crate) fn open(global: &Global) -> Result<Self> {
        let config = configuration(global)?;
        let folder = global.credentials.clone().unwrap_or_else(|| config.data_dir.join("operator"));
        let url = global.server.clone().unwrap_or_else(|| config.origin_at(config.listen));
        let certificate = read(&folder, "operator.pem")?;
        let identity = Identity::from_pem(&certificate, &read(&folder, "operator.key")?)
            .with_context(|| format!("operator's certificate in {}", folder.display()))?;
        let ca = CaCertificate::from_pem(&read(&folder, "server-ca.pem")?)
            .with_context(|| format!("server CA in {}", folder.display()))?;
        let tls = agent_config(&[ca.spki_sha256()], Some(&identity))?;
        let agent = concat!("avouch/", env!("CARGO_PKG_VERSION"));
        Ok(Self { https: Https::new(&url, tls, agent, MAX_ANSWER_BYTES) })
    }

    /// Asks for JSON.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = self.https.get(path).with_context(advice)?;
        read_answer(path, &accepted(path, answer)?)
    }

    /// Sends JSON bytes as they are.
    pub(crate) fn post_bytes<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T> {
        let answer = self.https.post(path, "application/json", body).with_context(advice)?;
        read_answer(path, &accepted(path, answer)?)
    }

    /// Sends a value as JSON.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.post_bytes(path, &serde_json::to_vec(body)?)
    }
}

fn read(folder: &Path, name: &str) -> Result<String> {
    let path: PathBuf = folder.join(name);
    fs::read_to_string(&path).map_err(|error| {
        anyhow!(
            "cannot read the operator's credentials at {}: {error}; run this as the server's user, or name a copy with --credentials",
            path.display()
        )
    })
}

fn advice() -> &'static str {
    "the server did not answer; is `avouch serve` running, and is --server its URL?"
}

fn accepted(path: &str, answer: Answer) -> Result<Vec<u8>> {
    if (200..300).contains(&answer.status) {
        return Ok(answer.body);
    }
    match serde_json::from_slice::<Refusal>(&answer.body) {
        Ok(Refusal { code, what, remedy }) => bail!("{what} ({code}) {remedy}"),
        Err(_) => bail!("the server answered {path} with status {} and no explanation", answer.status),
    }
}

fn read_answer<T: DeserializeOwned>(path: &str, body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).with_context(|| {
        format!("the answer to {path} is not what this release expects; are server and CLI of one release?")
    })
}
