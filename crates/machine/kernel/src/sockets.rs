//! Sockets that wait for peers, by sock_diag and by /proc/net.

use std::collections::{BTreeMap, BTreeSet};

use avouch_pairs::subject;

use crate::Pass;
use crate::parse::net::{Inet, Unix};
use crate::parse::{diag, net};
use crate::pass::LARGE;
use crate::reading::{TRIES, clean};
use crate::source::{DiagFamily, Refusal, Root};

/// Most sockets that are listed of one protocol in one network namespace.
const MOST: usize = 16_384;
/// `TCP_LISTEN`, and `TCP_CLOSE`: of UDP and raw sockets, without a peer.
const LISTEN: u8 = 10;
const UNCONNECTED: u8 = 7;

/// What sockets are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Tcp,
    Udp,
    Raw,
    Unix,
    Packet,
    Vsock,
}

/// A network namespace: a process inside of it, and its inode where it is not PID 1's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Network {
    pub(crate) pid: u32,
    pub(crate) inode: Option<u64>,
}

/// By subject: inode in sockfs and owner of each socket.
pub(crate) type Rows = BTreeMap<String, BTreeSet<(u64, Option<u32>)>>;

/// Two views of the same sockets.
#[derive(Clone, Debug)]
pub(crate) struct Views {
    /// By sock_diag.
    pub(crate) first: Result<Rows, Refusal>,
    /// By /proc/net.
    pub(crate) second: Result<Rows, Refusal>,
}

// === impl Kind ===

impl Kind {
    pub(crate) const ALL: [Self; 6] = [Self::Tcp, Self::Udp, Self::Raw, Self::Unix, Self::Packet, Self::Vsock];

    /// The word in a subject.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Raw => "raw",
            Self::Unix => "unix",
            Self::Packet => "packet",
            Self::Vsock => "vsock",
        }
    }
}

// === impl Views ===

impl Views {
    /// Takes both until they agree. A socket that only one of them shows counts where it does so every time.
    pub(crate) fn take(pass: &Pass<'_>, kind: Kind, network: Network) -> Self {
        let look = || Self { first: by_diag(pass, kind, network), second: by_proc(pass, kind, network) };
        let mut views = look();
        let mut lasting = views.differences();
        for _ in 1..TRIES {
            if lasting.is_empty() {
                break;
            }
            views = look();
            lasting = views.differences().intersection(&lasting).cloned().collect();
        }
        for passing in views.differences().difference(&lasting) {
            for rows in [&mut views.first, &mut views.second].into_iter().flatten() {
                let Some(sockets) = rows.get_mut(&passing.0) else { continue };
                sockets.retain(|(inode, _)| *inode != passing.1);
                if sockets.is_empty() {
                    rows.remove(&passing.0);
                }
            }
        }
        views
    }

    /// (subject, inode) of what only one of them shows.
    fn differences(&self) -> BTreeSet<(String, u64)> {
        let (Ok(first), Ok(second)) = (&self.first, &self.second) else { return BTreeSet::new() };
        let flat = |rows: &Rows| -> BTreeSet<(String, u64)> {
            let sockets = rows.iter().flat_map(|(name, all)| all.iter().map(move |(inode, _)| (name.clone(), *inode)));
            sockets.collect()
        };
        flat(first).symmetric_difference(&flat(second)).cloned().collect()
    }

    /// Whether either view shows the subject.
    pub(crate) fn has(&self, subject: &str) -> Result<bool, Refusal> {
        match (&self.first, &self.second) {
            (Ok(first), Ok(second)) => Ok(first.contains_key(subject) || second.contains_key(subject)),
            (Ok(rows), Err(_)) | (Err(_), Ok(rows)) => Ok(rows.contains_key(subject)),
            (Err(refusal), Err(_)) => Err(refusal.clone()),
        }
    }
}

fn add(rows: &mut Rows, subject: String, inode: u64, uid: Option<u32>) -> Result<(), Refusal> {
    if rows.len() >= MOST {
        return Err(Refusal::TooLong(MOST));
    }
    rows.entry(subject).or_default().insert((inode, uid));
    Ok(())
}

/// An internet socket that waits for peers.
fn add_inet(rows: &mut Rows, kind: Kind, socket: &Inet, network: Network) -> Result<(), Refusal> {
    let waits = match kind {
        Kind::Tcp => socket.state == LISTEN,
        _ => socket.state == UNCONNECTED && socket.remote.port() == 0,
    };
    if !waits {
        return Ok(());
    }
    let subject = subject::inet_listener(kind.word(), socket.local, network.inode);
    add(rows, subject, socket.inode, Some(socket.uid))
}

/// A Unix socket that accepts connections, or takes datagrams under a name that somebody chose.
fn add_unix(rows: &mut Rows, socket: &Unix, network: Network) -> Result<(), Refusal> {
    /// `SOCK_DGRAM`.
    const DATAGRAM: u8 = 2;
    let named = !socket.path.is_empty() && !chosen_by_kernel(&socket.path);
    if !named || !(socket.accepts || socket.kind == DATAGRAM) {
        return Ok(());
    }
    let subject = subject::unix_listener(&clean(socket.path.as_bytes()), network.inode);
    // /proc/net/unix does not tell the owner, so neither view does.
    add(rows, subject, socket.inode, None)
}

/// Names of autobind (unix(7)): five hexadecimal digits.
fn chosen_by_kernel(path: &str) -> bool {
    path.strip_prefix('@').is_some_and(|name| name.len() == 5 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn by_diag(pass: &Pass<'_>, kind: Kind, network: Network) -> Result<Rows, Refusal> {
    let dump = |families: &[DiagFamily]| match pass.kernel.source.sockets(network.pid, families) {
        Err(Refusal::Absent) => Err(Refusal::NotSupported("this kernel has no sock_diag for it".to_owned())),
        dumped => dumped,
    };
    let mut rows = Rows::new();
    let protocol = match kind {
        Kind::Tcp => 6,
        Kind::Udp => 17,
        Kind::Raw => 255,
        Kind::Unix => {
            for answer in dump(&[DiagFamily::Unix])? {
                add_unix(&mut rows, &diag::unix(&answer)?, network)?;
            }
            return Ok(rows);
        }
        Kind::Packet => return Err(Refusal::NotSupported("packet sockets are read from /proc/net alone".to_owned())),
        Kind::Vsock => {
            // Asking would load a module that is not there.
            if !loaded(pass, "vsock") {
                return Ok(rows);
            }
            for answer in dump(&[DiagFamily::Vsock])? {
                let socket = diag::vsock(&answer)?;
                let cid = if socket.cid == u32::MAX { "*".to_owned() } else { socket.cid.to_string() };
                if socket.accepts {
                    let subject = format!("{}vsock:{cid}:{}", subject::LISTENER, socket.port);
                    add(&mut rows, subject, socket.inode, None)?;
                }
            }
            return Ok(rows);
        }
    };
    for answer in dump(&[DiagFamily::Inet(protocol), DiagFamily::Inet6(protocol)])? {
        add_inet(&mut rows, kind, &diag::inet(&answer)?.0, network)?;
    }
    Ok(rows)
}

/// Whether a module is loaded or built in.
pub(crate) fn loaded(pass: &Pass<'_>, module: &str) -> bool {
    pass.root(Root::Sys).is_ok_and(|sys| sys.stat(&format!("module/{module}"), true).is_ok())
}

/// A table of a network namespace; empty where this kernel has no such protocol.
pub(crate) fn table(pass: &Pass<'_>, network: Network, name: &str) -> Result<Option<Vec<u8>>, Refusal> {
    let process = pass.process(network.pid)?;
    match pass.read(process.as_ref(), &format!("net/{name}"), LARGE) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Refusal::Absent) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

fn by_proc(pass: &Pass<'_>, kind: Kind, network: Network) -> Result<Rows, Refusal> {
    let mut rows = Rows::new();
    match kind {
        Kind::Tcp | Kind::Udp | Kind::Raw => {
            let names = [kind.word().to_owned(), format!("{}6", kind.word())];
            for name in names {
                for socket in
                    table(pass, network, &name)?.map(|bytes| net::inet(&bytes)).transpose()?.unwrap_or_default()
                {
                    add_inet(&mut rows, kind, &socket, network)?;
                }
            }
        }
        Kind::Unix => {
            for socket in table(pass, network, "unix")?.map(|bytes| net::unix(&bytes)).transpose()?.unwrap_or_default()
            {
                add_unix(&mut rows, &socket, network)?;
            }
        }
        Kind::Packet => {
            let sockets = table(pass, network, "packet")?.map(|bytes| net::packet(&bytes)).transpose()?;
            for socket in sockets.unwrap_or_default() {
                let interface = if socket.interface == 0 { "*".to_owned() } else { socket.interface.to_string() };
                let place = network.inode.map_or_else(String::new, |inode| format!("@{inode}"));
                let protocol = socket.protocol;
                let subject = format!("{}packet:{interface}:{protocol:#06x}{place}", subject::LISTENER);
                add(&mut rows, subject, socket.inode, Some(socket.uid))?;
            }
        }
        Kind::Vsock => {
            return Err(Refusal::NotSupported("the kernel has no list of vsock sockets in /proc/net".to_owned()));
        }
    }
    Ok(rows)
}
