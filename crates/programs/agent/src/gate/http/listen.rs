//! The two sockets.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use avouch_attestor::Settings;
use thiserror::Error;

use crate::collector::bind;

/// Anybody may connect: who they are is asked of the kernel at every connection, and a token counts here as well.
const SOCKET_MODE: u32 = 0o666;

/// Where callers are listened for.
#[derive(Debug, Default)]
pub struct Listeners {
    /// Over TCP, on this machine alone.
    pub tcp: Option<TcpListener>,
    /// Over a Unix socket.
    pub unix: Option<UnixListener>,
}

/// Why nobody can be listened for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The address reaches other machines; token and bundle would travel in the clear.
    #[error("{address} reaches other machines, and the local attestor API is for this one alone")]
    NotLoopback {
        /// The address of the settings.
        address: SocketAddr,
    },
    /// The settings name no socket at all.
    #[error("the settings name neither an address nor a Unix socket")]
    Nowhere,
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {error}")]
    Tcp {
        /// The address of the settings.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// The Unix socket cannot be made.
    #[error("the socket {} cannot be made: {error}", path.display())]
    Unix {
        /// Its path in the settings.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
}

// === impl Listeners ===

impl Listeners {
    /// What the settings name.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn open(settings: &Settings) -> Result<Self, ListenError> {
        let tcp = settings.listen.map(Self::tcp).transpose()?;
        let unix = settings.socket.as_ref().map(|socket| Self::unix(&socket.path)).transpose()?;
        if tcp.is_none() && unix.is_none() {
            return Err(ListenError::Nowhere);
        }
        Ok(Self { tcp, unix })
    }

    /// Listens on `address`, which must be of the loopback interface.
    ///
    /// # Errors
    /// [`ListenError::NotLoopback`], [`ListenError::Tcp`].
    pub fn tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
        if !address.ip().is_loopback() {
            return Err(ListenError::NotLoopback { address });
        }
        TcpListener::bind(address).map_err(|error| ListenError::Tcp { address, error })
    }

    /// Listens at `path`, also where a process that was killed left its socket.
    ///
    /// # Errors
    /// [`ListenError::Unix`].
    pub fn unix(path: &Path) -> Result<UnixListener, ListenError> {
        bind(path, SOCKET_MODE).map_err(|error| ListenError::Unix { path: path.into(), error })
    }
}

// === impl ListenError ===

impl ListenError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotLoopback { .. } => "set `listen` to 127.0.0.1:8505 or [::1]:8505",
            Self::Nowhere => "set `listen`, or `path` in the section `socket`",
            Self::Tcp { .. } => "see with `ss -ltnp` who listens there, or set another `listen`",
            Self::Unix { .. } => {
                "check that no other gate runs, and that the directory exists and belongs to this service \
                 (`RuntimeDirectory=` in its unit)"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_reach_other_machines_are_refused() {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:0.0.0.0]:0"] {
            let refused = Listeners::tcp(address.parse().unwrap());
            assert!(matches!(refused, Err(ListenError::NotLoopback { .. })), "{address}: {refused:?}");
        }
        assert!(Listeners::tcp("127.0.0.1:0".parse().unwrap()).is_ok());
    }

    #[test]
    fn a_socket_that_a_killed_process_left_is_taken_over_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gate.sock");
        drop(Listeners::unix(&path).unwrap());
        let _live = Listeners::unix(&path).unwrap();
        assert!(matches!(Listeners::unix(&path), Err(ListenError::Unix { .. })));
    }
}
