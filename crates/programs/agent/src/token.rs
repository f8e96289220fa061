//! Where an enrolment token comes from.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use avouch_protocol::{EnrolmentToken, MAX_ENROL_BYTES, TokenError};
use thiserror::Error;

/// A token is read from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// The text itself.
    Text(String),
    /// A file that holds it.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// Why there is no token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenSourceError {
    /// It cannot be read.
    #[error("the enrolment token cannot be read from {from}: {error}")]
    Read {
        /// Where it was to come from.
        from: String,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// What was read is not a token.
    #[error("{0}")]
    Token(TokenError),
    /// The token names a server in a way that the agent does not connect to.
    #[error("the enrolment token names the server {origin:?}; only https:// URLs without a path are called")]
    Origin {
        /// The URL.
        origin: String,
    },
    /// The token pins no CA key, or more than the two that a rotation needs.
    #[error("the enrolment token pins {count} server CA keys; one or two are taken")]
    Pins {
        /// How many.
        count: usize,
    },
}

// === impl TokenSource ===

impl TokenSource {
    /// Reads and decodes the token. Its signature is the server's to check: the agent does not know the owner key,
    /// and believes the token because a person gave it.
    ///
    /// # Errors
    /// [`TokenSourceError`].
    pub fn read(&self) -> Result<EnrolmentToken, TokenSourceError> {
        let text = match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => fs::File::open(path).and_then(bounded),
            Self::Stdin => bounded(io::stdin().lock()),
        };
        let text = text.map_err(|error| TokenSourceError::Read { from: self.describe(), error })?;
        let token = EnrolmentToken::from_text(&text).map_err(TokenSourceError::Token)?;
        check(&token)?;
        Ok(token)
    }

    fn describe(&self) -> String {
        match self {
            Self::Text(_) => "the command line".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "standard input".to_owned(),
        }
    }
}

/// Checks what the agent will rely on.
pub(crate) fn check(token: &EnrolmentToken) -> Result<(), TokenSourceError> {
    let host = token.origin.strip_prefix("https://").unwrap_or_default();
    if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) {
        return Err(TokenSourceError::Origin { origin: token.origin.clone() });
    }
    match token.server_ca_pins.len() {
        1 | 2 => Ok(()),
        count => Err(TokenSourceError::Pins { count }),
    }
}

fn bounded(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    // Base64 adds a third; anything longer cannot be a token.
    from.take(2 * u64::try_from(MAX_ENROL_BYTES).unwrap_or(u64::MAX)).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use avouch_protocol::{Hash, NodeProfile, VERSION};

    use super::*;

    fn token(origin: &str, pins: usize) -> EnrolmentToken {
        EnrolmentToken {
            v: VERSION,
            id: Hash([1; 32]),
            origin: origin.into(),
            server_ca_pins: vec![Hash([2; 32]); pins],
            log_key: Hash([3; 32]),
            witness_policy: String::new(),
            profile: NodeProfile::EkCert,
            uses: 1,
            expires: 1,
            signature: vec![4; 64].into(),
        }
    }

    fn read(text: &str) -> Result<EnrolmentToken, TokenSourceError> {
        TokenSource::Text(text.into()).read()
    }

    #[test]
    fn a_token_is_read_from_text_and_file_alike() {
        let token = token("https://a.example:8443", 2);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("  {}\n", token.to_text())).unwrap();
        assert_eq!(TokenSource::File(file.path().into()).read().unwrap(), token);
        assert_eq!(read(&token.to_text()).unwrap(), token);
    }

    #[test]
    fn a_damaged_token_tells_where() {
        let text = token("https://a.example", 1).to_text();
        assert!(matches!(read("hello"), Err(TokenSourceError::Token(TokenError::Prefix))));
        let cut = &text[..text.len() - 5];
        assert!(matches!(read(cut), Err(TokenSourceError::Token(_))));
        let wrapped = format!("{} {}", &text[..40], &text[40..]);
        assert!(matches!(read(&wrapped), Err(TokenSourceError::Token(TokenError::Encoding { offset: 26 }))));
        assert!(matches!(TokenSource::File("/no/such".into()).read(), Err(TokenSourceError::Read { .. })));
    }

    #[test]
    fn a_token_that_names_no_https_server_is_refused() {
        for origin in ["http://a", "https://", "https://a/path", "ftp://a", "", "https://u@a"] {
            let text = token(origin, 1).to_text();
            assert!(matches!(read(&text), Err(TokenSourceError::Origin { .. })), "{origin}");
        }
    }

    #[test]
    fn a_token_without_pins_is_refused() {
        for pins in [0, 3] {
            let text = token("https://a", pins).to_text();
            assert!(matches!(read(&text), Err(TokenSourceError::Pins { .. })));
        }
    }
}
