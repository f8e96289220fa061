//! The socket between talker and collector, and who is at its other end.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use listenfd::ListenFd;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;

use super::LinkError;

/// The listening socket: the one that systemd passes (`LISTEN_FDS`), else a new one at `path` for this user alone.
///
/// # Errors
/// [`LinkError::Bind`], also when another collector listens there.
pub fn listen(path: &Path) -> Result<UnixListener, LinkError> {
    let failed = |error| LinkError::Bind { path: path.into(), error };
    match ListenFd::from_env().take_unix_listener(0).map_err(failed)? {
        Some(listener) => Ok(listener),
        None => bind(path).map_err(failed),
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    }
    match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_left_over(path) => {
            fs::remove_file(path)?;
            only_for_us(path, UnixListener::bind(path)?)
        }
        bound => only_for_us(path, bound?),
    }
}

/// A socket that nobody listens on: a collector was killed. A file that is no socket is nobody's to remove.
fn is_left_over(path: &Path) -> bool {
    let refuses = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err_and(refuses)
}

/// The peer's user is asked at every connection; the mode only keeps others from trying.
fn only_for_us(path: &Path, listener: UnixListener) -> io::Result<UnixListener> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// The user that the other end runs as, from the kernel. Of a listening socket it is the user who listens: systemd's
/// where systemd made the socket, which is root as well.
///
/// # Errors
/// [`LinkError::Peer`] when it is not this process's user.
pub fn peer_uid(stream: impl AsFd) -> Result<u32, LinkError> {
    let wanted = geteuid().as_raw();
    let got = socket_peercred(stream).map_err(io::Error::from)?.uid.as_raw();
    if got == wanted { Ok(got) } else { Err(LinkError::Peer { wanted, got }) }
}
