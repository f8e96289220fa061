//! Answers of `NETLINK_SOCK_DIAG` (sock_diag(7); INET_DIAG_CGROUP_ID since Linux 5.8).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::net::{Inet, Unix};
use super::netlink::attributes;
use super::{ParseError, bytes_at, u32_at};

/// AF_INET, AF_INET6, AF_UNIX and AF_VSOCK.
const FAMILIES: (u8, u8, u8, u8) = (2, 10, 1, 40);
/// Bytes of `struct inet_diag_msg`.
const INET_HEADER: usize = 72;
/// Bytes of `struct unix_diag_msg`.
const UNIX_HEADER: usize = 16;
/// Bytes of `struct vsock_diag_msg`.
const VSOCK_HEADER: usize = 32;
/// `INET_DIAG_CGROUP_ID`.
const CGROUP_ID: u16 = 21;
/// `TCP_LISTEN`.
const LISTEN: u8 = 10;

/// One vsock socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vsock {
    /// Whether it accepts connections.
    pub accepts: bool,
    /// Context identifier; 4294967295 for any.
    pub cid: u32,
    /// Port.
    pub port: u32,
    /// Inode in sockfs.
    pub inode: u64,
}

/// An internet socket, and the inode of the cgroup that made it where the kernel says so.
///
/// # Errors
/// [`ParseError`].
pub fn inet(bytes: &[u8]) -> Result<(Inet, Option<u64>), ParseError> {
    let [family, state] = bytes_at(bytes, 0)?;
    let address = |port: usize, ip: usize| -> Result<SocketAddr, ParseError> {
        let port = u16::from_be_bytes(bytes_at(bytes, port)?);
        let ip = match family {
            family if family == FAMILIES.0 => IpAddr::V4(Ipv4Addr::from(bytes_at::<4>(bytes, ip)?)),
            family if family == FAMILIES.1 => IpAddr::V6(Ipv6Addr::from(bytes_at::<16>(bytes, ip)?)),
            other => return Err(ParseError::new(0, "an internet family", &other.to_string())),
        };
        Ok(SocketAddr::new(ip, port))
    };
    let socket = Inet {
        local: address(4, 8)?,
        remote: address(6, 24)?,
        state,
        uid: u32_at(bytes, 64)?,
        inode: u64::from(u32_at(bytes, 68)?),
    };
    let mut cgroup = None;
    for (number, value) in attributes(bytes.get(INET_HEADER..).unwrap_or_default())? {
        if number == CGROUP_ID {
            cgroup = Some(u64::from_ne_bytes(bytes_at(value, 0)?));
        }
    }
    Ok((socket, cgroup))
}

/// A Unix socket, spelled as in `/proc/net/unix`.
///
/// # Errors
/// [`ParseError`].
pub fn unix(bytes: &[u8]) -> Result<Unix, ParseError> {
    let [family, kind, state] = bytes_at(bytes, 0)?;
    if family != FAMILIES.2 {
        return Err(ParseError::new(0, "AF_UNIX", &family.to_string()));
    }
    let inode = u64::from(u32_at(bytes, 4)?);
    let rest = bytes.get(UNIX_HEADER..).ok_or_else(|| ParseError::new(bytes.len(), "16 bytes", "the end"))?;
    // UNIX_DIAG_NAME is 0: a path, or a NUL and an abstract name.
    let name = attributes(rest)?.into_iter().find(|(number, _)| *number == 0).map(|(_, value)| value);
    let path = match name {
        None | Some([]) => String::new(),
        Some([0, name @ ..]) => format!("@{}", spelled(name)),
        Some(path) => spelled(path.strip_suffix(&[0]).unwrap_or(path)),
    };
    Ok(Unix { accepts: state == LISTEN, kind, inode, path })
}

/// As the kernel spells a name in `/proc/net/unix`: a NUL inside of it is an `@`.
fn spelled(name: &[u8]) -> String {
    String::from_utf8_lossy(name).replace('\0', "@")
}

/// A vsock socket.
///
/// # Errors
/// [`ParseError`].
pub fn vsock(bytes: &[u8]) -> Result<Vsock, ParseError> {
    let [family, _, state] = bytes_at(bytes, 0)?;
    if family != FAMILIES.3 {
        return Err(ParseError::new(0, "AF_VSOCK", &family.to_string()));
    }
    bytes_at::<VSOCK_HEADER>(bytes, 0)?;
    Ok(Vsock {
        accepts: state == LISTEN,
        cid: u32_at(bytes, 4)?,
        port: u32_at(bytes, 8)?,
        inode: u64::from(u32_at(bytes, 20)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp() -> Vec<u8> {
        let mut bytes = vec![0; INET_HEADER];
        bytes[0] = 2;
        bytes[1] = LISTEN;
        bytes[4..6].copy_from_slice(&31337_u16.to_be_bytes());
        bytes[8..12].copy_from_slice(&[127, 0, 0, 1]);
        bytes[64..68].copy_from_slice(&33_u32.to_ne_bytes());
        bytes[68..72].copy_from_slice(&4711_u32.to_ne_bytes());
        bytes.extend([12, 0, 21, 0]);
        bytes.extend(99_u64.to_ne_bytes());
        bytes
    }

    #[test]
    fn a_listener_and_its_cgroup_are_read() {
        let (socket, cgroup) = inet(&tcp()).unwrap();
        assert_eq!((socket.local, socket.uid, socket.inode), ("127.0.0.1:31337".parse().unwrap(), 33, 4711));
        assert_eq!((socket.state, cgroup), (LISTEN, Some(99)));
    }

    #[test]
    fn names_of_unix_sockets_are_spelled_as_in_proc() {
        let unix_of = |name: &[u8]| {
            let mut bytes = vec![1, 1, LISTEN, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let length = u16::try_from(name.len() + 4).unwrap();
            bytes.extend(length.to_ne_bytes());
            bytes.extend([0, 0]);
            bytes.extend(name);
            unix(&bytes).unwrap().path
        };
        assert_eq!(unix_of(b"/run/x\0"), "/run/x");
        assert_eq!(unix_of(b"\0a\0b"), "@a@b");
        assert_eq!(unix_of(b""), "");
    }

    #[test]
    fn answers_cut_short_anywhere_are_refused() {
        let bytes = tcp();
        for end in (0..bytes.len()).filter(|end| *end != INET_HEADER) {
            assert!(inet(&bytes[..end]).is_err(), "{end}");
        }
        let mut socket = vec![0; VSOCK_HEADER];
        socket[0] = 40;
        socket[8] = 22;
        assert_eq!(vsock(&socket).unwrap().port, 22);
        for end in 0..socket.len() {
            assert!(vsock(&socket[..end]).is_err(), "{end}");
        }
    }
}
