//! Ways to systemd.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::SystemdError;
use crate::dbus::Connection;

/// systemd's own socket; only root may connect.
const PRIVATE: &str = "/run/systemd/private";
/// The system bus.
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";
/// How long until a full backlog is tried again.
const BACKLOG: Duration = Duration::from_millis(10);

/// How systemd is reached.
#[derive(Debug, Default)]
pub enum How {
    /// systemd's private socket, which leaves the message bus out of the way of trust; else the system bus.
    #[default]
    Auto,
    /// A socket that speaks D-Bus without a bus, like `/run/systemd/private`.
    Private(PathBuf),
    /// The system bus.
    Bus,
    /// A connected stream whose other end speaks D-Bus without a bus.
    Stream(UnixStream),
}

/// Which way was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Private,
    Bus,
}

// === impl How ===

impl How {
    /// Connects and authenticates, each within `deadline`.
    pub(crate) fn open(&self, deadline: Duration) -> Result<(Connection, Via), SystemdError> {
        match self {
            Self::Auto => match private(Path::new(PRIVATE), deadline) {
                Err(SystemdError::Connect { .. } | SystemdError::Refused { .. }) => bus(deadline),
                opened => opened,
            },
            Self::Private(path) => private(path, deadline),
            Self::Bus => bus(deadline),
            Self::Stream(stream) => {
                let failed = |error| SystemdError::Closed { call: "authentication", error };
                let stream = stream.try_clone().map_err(failed)?;
                Ok((Connection::direct(stream, deadline)?, Via::Private))
            }
        }
    }

    /// Whether a second connection can be made.
    pub(crate) const fn again(&self) -> bool {
        !matches!(self, Self::Stream(_))
    }

    /// The same way, for somebody else.
    pub(crate) fn twin(&self) -> std::io::Result<Self> {
        Ok(match self {
            Self::Auto => Self::Auto,
            Self::Private(path) => Self::Private(path.clone()),
            Self::Bus => Self::Bus,
            Self::Stream(stream) => Self::Stream(stream.try_clone()?),
        })
    }
}

// === impl Via ===

impl Via {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Bus => "bus",
        }
    }
}

fn private(path: &Path, deadline: Duration) -> Result<(Connection, Via), SystemdError> {
    Ok((Connection::direct(stream(path, deadline)?, deadline)?, Via::Private))
}

fn bus(deadline: Duration) -> Result<(Connection, Via), SystemdError> {
    Ok((Connection::bus(stream(Path::new(SYSTEM_BUS), deadline)?, deadline)?, Via::Bus))
}

/// A stream to `path`. A peer that accepts nobody has a full backlog, which would block for ever.
fn stream(path: &Path, deadline: Duration) -> Result<UnixStream, SystemdError> {
    let failed = |errno: Errno| SystemdError::Connect { path: path.into(), error: errno.into() };
    let address = SocketAddrUnix::new(path).map_err(failed)?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(failed)?;
    let until = Instant::now() + deadline;
    loop {
        match connect(&socket, &address) {
            Ok(()) => return Ok(socket.into()),
            Err(Errno::AGAIN) if Instant::now() < until => std::thread::sleep(BACKLOG),
            Err(Errno::AGAIN) => return Err(SystemdError::Deadline { call: "connect", deadline }),
            Err(errno) => return Err(failed(errno)),
        }
    }
}
