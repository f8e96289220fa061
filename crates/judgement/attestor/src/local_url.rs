//! URLs that are called: HTTP on this machine alone. A token and a bundle go with a call, and nothing hides them on the
//! way, so the way must not leave the machine.

use core::fmt;
use core::net::SocketAddr;

/// Longest URL that is taken.
const MAX_URL_BYTES: usize = 2_000;

/// `http://HOST[:PORT][/PATH]` where HOST is an address of this machine's loopback, or `localhost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalUrl {
    at: SocketAddr,
    path: String,
}

/// Why a URL is not called. Most often somebody meant a machine elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalUrlError {
    /// More than [`MAX_URL_BYTES`].
    TooLong,
    /// `https://`: what is called is on this machine, where nobody listens in.
    Https,
    /// Something else in front of the host.
    Scheme,
    /// No address and port where they should be; no name is looked up.
    Host,
    /// An address of another machine.
    Elsewhere,
    /// Blanks, control characters or letters beyond ASCII.
    Path,
}

// === impl LocalUrl ===

impl LocalUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`LocalUrlError`].
    pub fn read(url: &str) -> Result<Self, LocalUrlError> {
        if url.len() > MAX_URL_BYTES {
            return Err(LocalUrlError::TooLong);
        }
        let rest = url.strip_prefix("http://").ok_or(if url.starts_with("https://") {
            LocalUrlError::Https
        } else {
            LocalUrlError::Scheme
        })?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let with_port = if authority.ends_with(']') || !authority.contains(':') { ":80" } else { "" };
        let host = format!("{authority}{with_port}").replacen("localhost:", "127.0.0.1:", 1);
        let at: SocketAddr = host.parse().map_err(|_| LocalUrlError::Host)?;
        if !at.ip().is_loopback() {
            return Err(LocalUrlError::Elsewhere);
        }
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic());
        if plain { Ok(Self { at, path: path.to_owned() }) } else { Err(LocalUrlError::Path) }
    }

    /// Address and port.
    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// What is asked for, from the first slash on.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for LocalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.at, self.path)
    }
}

// === impl LocalUrlError ===

impl fmt::Display for LocalUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "it is longer than 2000 bytes",
            Self::Https => "it begins with https://, and only http:// on this machine is called",
            Self::Scheme => "it must begin with http://",
            Self::Host => "the host must be an address of this machine, or localhost: no name is looked up",
            Self::Elsewhere => "only this machine is called: 127.0.0.1 or [::1]",
            Self::Path => "the path has odd characters",
        })
    }
}

impl std::error::Error for LocalUrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_called() {
        let read = |url| LocalUrl::read(url).map(|url| (url.at().to_string(), url.path().to_owned()));
        assert_eq!(read("http://127.0.0.1:8515/a/b?c"), Ok(("127.0.0.1:8515".into(), "/a/b?c".into())));
        assert_eq!(read("http://localhost:8505"), Ok(("127.0.0.1:8505".into(), "/".into())));
        assert_eq!(read("http://localhost/x"), Ok(("127.0.0.1:80".into(), "/x".into())));
        assert_eq!(read("http://[::1]/x"), Ok(("[::1]:80".into(), "/x".into())));
        for (url, why) in [
            ("https://127.0.0.1/", LocalUrlError::Https),
            ("ftp://127.0.0.1/", LocalUrlError::Scheme),
            ("127.0.0.1:8505", LocalUrlError::Scheme),
            ("http://10.0.0.1/", LocalUrlError::Elsewhere),
            ("http://[::ffff:10.0.0.1]/", LocalUrlError::Elsewhere),
            ("http://localhost.example/", LocalUrlError::Host),
            ("http://user@127.0.0.1/", LocalUrlError::Host),
            ("http://127.0.0.1@evil.example/", LocalUrlError::Host),
            ("http://127.0.0.1:99999/", LocalUrlError::Host),
            ("http://127.0.0.1:80?x", LocalUrlError::Host),
            ("http://", LocalUrlError::Host),
            ("http://127.0.0.1:8505/a b", LocalUrlError::Path),
            (&format!("http://127.0.0.1/{}", "a".repeat(MAX_URL_BYTES)), LocalUrlError::TooLong),
        ] {
            assert_eq!(LocalUrl::read(url), Err(why), "{url}");
        }
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for url in ["http://localhost/x", "http://[::1]:8515", "http://127.0.0.1:1/a?b#c"] {
            let read = LocalUrl::read(url).unwrap();
            assert_eq!(LocalUrl::read(&read.to_string()), Ok(read));
        }
    }
}
