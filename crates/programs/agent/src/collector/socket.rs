//! The sockets of a collector, and who is at their other ends.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use listenfd::ListenFd;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;

use super::LinkError;

/// The peer's user is asked at every connection; the mode only keeps others from trying.
const OWN_MODE: u32 = 0o600;

/// Who may be at the other end of a connection, by what the kernel says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// This process's user.
    OwnUser,
    /// This process's user, and root.
    Root,
    /// This process's user, root, and processes of this group.
    Group(u32),
}

/// The listening socket: the first one that systemd passes (`LISTEN_FDS`), else a new one at `path` for this user
/// alone.
///
/// # Errors
/// [`LinkError::Bind`], also when another collector listens there.
pub fn listen(path: &Path) -> Result<UnixListener, LinkError> {
    let failed = |error| LinkError::Bind { path: path.into(), error };
    match ListenFd::from_env().take_unix_listener(0).map_err(failed)? {
        Some(listener) => Ok(listener),
        None => bind(path, OWN_MODE).map_err(failed),
    }
}

/// Every listening socket with who may connect: that at `path` for this user alone, which is made when systemd passes
/// none, and every other one that systemd passes for the group that the socket's file has there.
///
/// # Errors
/// [`LinkError::Bind`].
pub fn listen_everywhere(path: &Path) -> Result<Vec<(UnixListener, Peers)>, LinkError> {
    let failed = |error| LinkError::Bind { path: path.into(), error };
    let mut passed = ListenFd::from_env();
    let mut doors = Vec::new();
    for at in 0..passed.len() {
        if let Some(listener) = passed.take_unix_listener(at).map_err(failed)? {
            let peers = peers(&listener, path).map_err(failed)?;
            doors.push((listener, peers));
        }
    }
    if doors.iter().all(|(_, peers)| *peers != Peers::OwnUser) {
        doors.push((bind(path, OWN_MODE).map_err(failed)?, Peers::OwnUser));
    }
    Ok(doors)
}

fn peers(listener: &UnixListener, own: &Path) -> io::Result<Peers> {
    let address = listener.local_addr()?;
    match address.as_pathname() {
        Some(path) if path != own => Ok(Peers::Group(fs::metadata(path)?.gid())),
        _ => Ok(Peers::OwnUser),
    }
}

/// A new socket at `path` with `mode`, also where a process that was killed left its own.
pub(crate) fn bind(path: &Path, mode: u32) -> io::Result<UnixListener> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    }
    match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_left_over(path) => {
            fs::remove_file(path)?;
            with_mode(path, mode, UnixListener::bind(path)?)
        }
        bound => with_mode(path, mode, bound?),
    }
}

/// A socket that nobody listens on: a collector was killed. A file that is no socket is nobody's to remove.
fn is_left_over(path: &Path) -> bool {
    let refuses = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err_and(refuses)
}

fn with_mode(path: &Path, mode: u32, listener: UnixListener) -> io::Result<UnixListener> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

/// The user that the other end runs as, from the kernel. Of a listening socket it is the user who listens: systemd's
/// where systemd made the socket, which is root as well.
///
/// # Errors
/// [`LinkError::Peer`] when it is not this process's user.
pub fn peer_uid(stream: impl AsFd) -> Result<u32, LinkError> {
    Peers::OwnUser.check(stream).map(|()| geteuid().as_raw())
}

// === impl Peers ===

impl Peers {
    /// Asks the kernel who the other end is. Of a group only a process's own (effective) one counts: supplementary
    /// ones are not told with it.
    ///
    /// # Errors
    /// [`LinkError::Peer`], [`LinkError::PeerGroup`] when it is nobody of these.
    pub fn check(self, stream: impl AsFd) -> Result<(), LinkError> {
        let other = socket_peercred(stream).map_err(io::Error::from)?;
        let (uid, gid) = (other.uid.as_raw(), other.gid.as_raw());
        let own = geteuid().as_raw();
        match self {
            _ if uid == own => Ok(()),
            Self::Root | Self::Group(_) if uid == 0 => Ok(()),
            Self::Group(group) if gid == group => Ok(()),
            Self::Group(wanted) => Err(LinkError::PeerGroup { wanted, got: gid }),
            Self::OwnUser => Err(LinkError::Peer { wanted: own, got: uid }),
            Self::Root => Err(LinkError::Peer { wanted: 0, got: uid }),
        }
    }
}
