//! Netlink dumps: sockets of a network namespace, and the nftables ruleset.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, sockopt};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{Live, refused};
use crate::parse::netlink::{DONE, ERROR, INTERRUPTED, errno, messages};
use crate::source::{DiagFamily, Directory, Refusal};

/// Most answers of one dump.
const MOST: usize = 65_536;
/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;
/// How long the kernel may take for a part of an answer; it answers at once or never.
const PATIENCE: Duration = Duration::from_secs(2);

/// Payloads of dumps of sockets in the network namespace of process `pid`.
pub(super) fn sockets(proc: &Live, pid: u32, families: &[DiagFamily]) -> Result<Vec<Vec<u8>>, Refusal> {
    let socket = inside(proc, pid, netlink::SOCK_DIAG)?;
    let mut all = Vec::new();
    for family in families {
        let dumped = dump(&socket, BY_FAMILY, &request(*family))?;
        all.extend(dumped.into_iter().map(|(_, payload)| payload));
    }
    Ok(all)
}

/// A netlink socket in the network namespace of process `pid`.
fn inside(proc: &Live, pid: u32, protocol: Protocol) -> Result<OwnedFd, Refusal> {
    let link = format!("{pid}/ns/net");
    if proc.link(&link)? == proc.link("self/ns/net")? { opened(protocol) } else { elsewhere(proc, &link, protocol) }
}

/// A socket made in another network namespace stays there; the thread that went there ends.
fn elsewhere(proc: &Live, link: &str, protocol: Protocol) -> Result<OwnedFd, Refusal> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let namespace = rustix::fs::openat(proc.descriptor(), link, flags, rustix::fs::Mode::empty())
        .map_err(|error| proc.refusal(link, error))?;
    let made = std::thread::scope(|scope| {
        let moved = scope.spawn(|| {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .map_err(|error| refused(&error.into(), "CAP_SYS_ADMIN"))?;
            opened(protocol)
        });
        moved.join()
    });
    match made {
        Ok(made) => made,
        Err(_) => Err(Refusal::Failed("the thread that enters network namespaces ended early".to_owned())),
    }
}

fn opened(protocol: Protocol) -> Result<OwnedFd, Refusal> {
    let made = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol))
        .and_then(|socket| {
            sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
            Ok(socket)
        });
    made.map_err(|error| match error {
        Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT => {
            Refusal::NotSupported("this kernel has no such netlink".to_owned())
        }
        error => refused(&error.into(), "CAP_NET_ADMIN"),
    })
}

/// `struct inet_diag_req_v2`, `unix_diag_req` or `vsock_diag_req`.
fn request(family: DiagFamily) -> Vec<u8> {
    /// `TCP_LISTEN` and `TCP_CLOSE` as bits: who waits for peers, and who is bound without one.
    const WAITING: u32 = 1 << 10 | 1 << 7;
    let inet = |family: u8, protocol: u8| {
        let mut bytes = vec![family, protocol, 0, 0];
        bytes.extend(WAITING.to_ne_bytes());
        bytes.resize(56, 0);
        bytes
    };
    match family {
        DiagFamily::Inet(protocol) => inet(2, protocol),
        DiagFamily::Inet6(protocol) => inet(10, protocol),
        DiagFamily::Unix => {
            // All states, and UDIAG_SHOW_NAME.
            let mut bytes = vec![1, 0, 0, 0];
            bytes.extend(u32::MAX.to_ne_bytes());
            bytes.extend([0; 4]);
            bytes.extend(1_u32.to_ne_bytes());
            bytes.extend([0xff; 8]);
            bytes
        }
        DiagFamily::Vsock => {
            let mut bytes = vec![40, 0, 0, 0];
            bytes.extend(u32::MAX.to_ne_bytes());
            bytes.resize(24, 0);
            bytes
        }
    }
}

/// Kind and payload of each answer.
type Answers = Vec<(u16, Vec<u8>)>;

/// One dump.
fn dump(socket: &OwnedFd, kind: u16, payload: &[u8]) -> Result<Answers, Refusal> {
    // A table that changes while it is dumped may leave rows out; the kernel says so, and is asked again.
    for _ in 0..4 {
        if let Some(answers) = dumped_once(socket, kind, payload)? {
            return Ok(answers);
        }
    }
    Err(Refusal::Failed("the table changed during every dump".to_owned()))
}

fn dumped_once(socket: &OwnedFd, kind: u16, payload: &[u8]) -> Result<Option<Answers>, Refusal> {
    send(socket, kind, payload)?;
    let mut answers = Vec::new();
    let mut steady = true;
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        let (_, length) = rustix::net::recv(socket, &mut buffer[..], RecvFlags::TRUNC).map_err(broken)?;
        let datagram = buffer.get(..length).ok_or(Refusal::TooLong(buffer.len()))?;
        for message in messages(datagram).map_err(|error| Refusal::Failed(error.to_string()))? {
            steady &= message.flags & INTERRUPTED == 0;
            match message.kind {
                DONE | ERROR => match errno(message.payload) {
                    0 => return Ok(steady.then_some(answers)),
                    code => return Err(refused(&std::io::Error::from_raw_os_error(code), "CAP_NET_ADMIN")),
                },
                kind if answers.len() < MOST => answers.push((kind, message.payload.to_vec())),
                _ => return Err(Refusal::TooLong(MOST)),
            }
        }
    }
}

fn send(socket: &OwnedFd, kind: u16, payload: &[u8]) -> Result<(), Refusal> {
    let length = u32::try_from(crate::parse::netlink::HEADER + payload.len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(DUMP.to_ne_bytes());
    bytes.extend(1_u32.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend(payload);
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(socket, &bytes, SendFlags::empty(), &kernel).map_err(broken)?;
    Ok(())
}

fn broken(error: Errno) -> Refusal {
    match error {
        Errno::AGAIN => Refusal::Failed("the kernel did not answer within two seconds".to_owned()),
        error => refused(&error.into(), "CAP_NET_ADMIN"),
    }
}

/// `NFNL_SUBSYS_NFTABLES << 8`, and the messages that dump tables, chains, rules, sets and stateful objects: what a
/// set holds is asked for by the set's name and may be gigabytes, so it is not part of the dump.
const NFTABLES: [u16; 5] = [0x0a01, 0x0a04, 0x0a07, 0x0a0a, 0x0a13];

/// The ruleset of PID 1's network namespace.
pub(super) fn nftables(proc: &Live) -> Result<Answers, Refusal> {
    let socket = inside(proc, 1, netlink::NETFILTER)?;
    let mut ruleset = Vec::new();
    for kind in NFTABLES {
        // struct nfgenmsg: any family, version 0, resource 0.
        ruleset.extend(dump(&socket, kind, &[0, 0, 0, 0])?);
    }
    Ok(ruleset)
}
