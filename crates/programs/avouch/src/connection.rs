//! An operator's connection to the server: mutual TLS with the operator's certificate, JSON both ways.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use avouch_crypto::ca::{CaCertificate, Identity};
use avouch_crypto::tls::agent_config;
use avouch_https::{Answer, Https, HttpsError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::arguments::Global;
use crate::failure::Failure;
use crate::settings::configuration;

/// Largest answer taken: a policy of a large root tree, or one node's evidence.
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// A connection with an operator's rights.
pub(crate) struct Connection {
    https: Https,
}

impl Connection {
    /// Opens what `global` names, or what the configuration says.
    pub(crate) fn open(global: &Global) -> Result<Self, Failure> {
        let config = configuration(global)?;
        let folder = global.credentials.clone().unwrap_or_else(|| config.data_dir.join("operator"));
        let url = global.server.clone().unwrap_or_else(|| config.origin_at(config.listen));
        let identity = Identity::from_pem(&read(&folder, "operator.pem")?, &read(&folder, "operator.key")?)
            .map_err(|error| damaged(&folder, "operator.pem with operator.key", error))?;
        let ca = CaCertificate::from_pem(&read(&folder, "server-ca.pem")?)
            .map_err(|error| damaged(&folder, "server-ca.pem", error))?;
        let tls = agent_config(&[ca.spki_sha256()], Some(&identity))
            .map_err(|error| damaged(&folder, "operator.pem with operator.key", error))?;
        let user_agent = concat!("avouch/", env!("CARGO_PKG_VERSION"));
        Ok(Self { https: Https::new(&url, tls, user_agent, MAX_ANSWER_BYTES) })
    }

    /// Asks for the exact bytes of an answer.
    pub(crate) fn get_bytes(&self, path: &str) -> Result<Vec<u8>, Failure> {
        accepted(path, self.https.get(path))
    }

    /// Asks for JSON.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        value(path, &self.get_bytes(path)?)
    }

    /// Sends JSON bytes as they are.
    pub(crate) fn post_bytes<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T, Failure> {
        value(path, &accepted(path, self.https.post(path, "application/json", body))?)
    }

    /// Sends a value as JSON.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::new("INTERNAL", error, ""))?;
        self.post_bytes(path, &body)
    }
}

fn read(folder: &Path, name: &str) -> Result<String, Failure> {
    let path = folder.join(name);
    fs::read_to_string(&path).map_err(|error| {
        let what = format!("cannot read the operator's credentials, {}: {error}", path.display());
        let remedy = "Run this as the server's user, or copy the directory and name it with --credentials. The first \
                      start of `avouch serve` makes it.";
        Failure::new("CREDENTIALS", what, remedy)
    })
}

fn damaged(folder: &Path, files: &str, error: impl Display) -> Failure {
    let what = format!("{files} in {} cannot be used: {error}", folder.display());
    Failure::new("CREDENTIALS", what, "Copy them again from `operator` in the server's data directory.")
}

fn accepted(path: &str, answer: Result<Answer, HttpsError>) -> Result<Vec<u8>, Failure> {
    let answer = answer.map_err(unanswered)?;
    if (200..300).contains(&answer.status) {
        return Ok(answer.body);
    }
    Err(serde_json::from_slice(&answer.body).unwrap_or_else(|_| {
        let what = format!("the server answered {path} with status {} and no explanation", answer.status);
        Failure::new("SERVER_ANSWER", what, "Check that --server is the URL of an Avouch server.")
    }))
}

fn unanswered(error: HttpsError) -> Failure {
    match error {
        HttpsError::Tls { .. } => {
            let remedy = "Check that --server is the right URL, under a name that the server's certificate carries \
                          (`origin` and `names`), and that --credentials come from its data directory.";
            Failure::new("SERVER_NOT_TRUSTED", error, remedy)
        }
        HttpsError::Unreachable { .. } => {
            let remedy =
                "Check that `avouch serve` runs, and that --server or `origin` in the configuration is its URL.";
            Failure::new("SERVER_UNREACHABLE", error, remedy)
        }
    }
}

fn value<T: DeserializeOwned>(path: &str, body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| unexpected(path, error))
}

/// `text` as one segment of a URL's path: a label may hold characters that a path may not.
pub(crate) fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let written = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(written).collect()
}

/// The server sent something that this release does not know.
pub(crate) fn unexpected(path: &str, error: impl Display) -> Failure {
    let what = format!("the answer to {path} is not what this release expects: {error}");
    Failure::new("SERVER_ANSWER", what, "Use server and command line of one release.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_leave_its_place_in_the_path() {
        assert_eq!(segment("web-1"), "web-1");
        assert_eq!(segment("../a b?é"), "..%2Fa%20b%3F%C3%A9");
    }
}
