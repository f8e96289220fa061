//! `/proc/net/{tcp,tcp6,udp,udp6,raw,raw6,unix,packet,netlink,dev}` (proc_pid_net(5)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{ParseError, hexadecimal, lines, lossy, number, text};

/// One row of an internet table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Inet {
    /// Address and port; of a raw socket the port is its protocol.
    pub local: SocketAddr,
    /// The peer; unspecified and 0 where there is none.
    pub remote: SocketAddr,
    /// `TCP_*` state number: 10 listens, 7 is unconnected.
    pub state: u8,
    /// Owner of the socket.
    pub uid: u32,
    /// Inode in sockfs; 0 where no file holds it any more.
    pub inode: u64,
}

/// One row of `unix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unix {
    /// Whether it accepts connections (`__SO_ACCEPTCON`).
    pub accepts: bool,
    /// `SOCK_*` number: 1 stream, 2 datagram, 5 sequential packets.
    pub kind: u8,
    /// Inode in sockfs.
    pub inode: u64,
    /// Bound path, `@` first for an abstract one; empty where it is not bound.
    pub path: String,
}

/// One row of `packet`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Ethernet protocol number.
    pub protocol: u16,
    /// Index of the interface; 0 for all.
    pub interface: u32,
    /// Owner of the socket.
    pub uid: u32,
    /// Inode in sockfs.
    pub inode: u64,
}

/// One row of `netlink`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Netlink {
    /// `NETLINK_*` number.
    pub protocol: u32,
    /// The first 32 multicast groups, as a mask.
    pub groups: u32,
    /// Inode in sockfs; 0 for sockets of the kernel.
    pub inode: u64,
}

/// The rows of a table below its heading.
fn rows(text: &str) -> impl Iterator<Item = (usize, &str)> {
    lines(text).skip(1)
}

/// Rows of `tcp`, `tcp6`, `udp`, `udp6`, `raw` or `raw6`.
///
/// # Errors
/// [`ParseError`].
pub fn inet(bytes: &[u8]) -> Result<Vec<Inet>, ParseError> {
    rows(text(bytes)?).map(|(offset, line)| inet_row(offset, line)).collect()
}

fn inet_row(offset: usize, line: &str) -> Result<Inet, ParseError> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let word =
        |index: usize| words.get(index).copied().ok_or_else(|| ParseError::new(offset, "ten columns or more", line));
    let state = hexadecimal(offset, word(3)?)?;
    Ok(Inet {
        local: address(offset, word(1)?)?,
        remote: address(offset, word(2)?)?,
        state: u8::try_from(state).map_err(|_| ParseError::new(offset, "a state", line))?,
        uid: number(offset, word(7)?)?,
        inode: number(offset, word(9)?)?,
    })
}

/// `HHHHHHHH:PPPP`: words of the address in the machine's byte order, the port as a number.
fn address(offset: usize, word: &str) -> Result<SocketAddr, ParseError> {
    let wrong = || ParseError::new(offset, "ADDRESS:PORT in hexadecimal", word);
    let (host, port) = word.split_once(':').ok_or_else(wrong)?;
    let port = hexadecimal(offset, port).ok().and_then(|port| u16::try_from(port).ok()).ok_or_else(wrong)?;
    let mut octets = Vec::with_capacity(16);
    for start in (0..host.len()).step_by(8) {
        let group = host.get(start..start + 8).ok_or_else(wrong)?;
        let group = u32::try_from(hexadecimal(offset, group)?).map_err(|_| wrong())?;
        octets.extend(group.to_ne_bytes());
    }
    let ip = match (<[u8; 4]>::try_from(octets.as_slice()), <[u8; 16]>::try_from(octets.as_slice())) {
        (Ok(four), _) => IpAddr::V4(Ipv4Addr::from(four)),
        (_, Ok(sixteen)) => IpAddr::V6(Ipv6Addr::from(sixteen)),
        _ => return Err(wrong()),
    };
    Ok(SocketAddr::new(ip, port))
}

/// Rows of `unix`.
///
/// # Errors
/// [`ParseError`].
pub fn unix(bytes: &[u8]) -> Result<Vec<Unix>, ParseError> {
    let mut sockets: Vec<Unix> = Vec::new();
    for (offset, line) in rows(&lossy(bytes)?) {
        match sockets.last_mut() {
            // Anybody may bind a name with a newline in it, and the kernel writes it as it is.
            Some(before) if !begins_row(line) && !before.path.is_empty() => {
                before.path.push('\n');
                before.path.push_str(line);
            }
            _ => sockets.push(unix_row(offset, line)?),
        }
    }
    Ok(sockets)
}

/// Whether a line begins with an address and a colon.
fn begins_row(line: &str) -> bool {
    let address = line.split_once(": ").map_or("", |(address, _)| address);
    matches!(address.len(), 8 | 16) && address.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `__SO_ACCEPTCON` of the kernel's net.h.
const ACCEPTS: u64 = 0x0001_0000;

fn unix_row(offset: usize, line: &str) -> Result<Unix, ParseError> {
    let wrong = || ParseError::new(offset, "seven columns and a path", line);
    let mut rest = line;
    let mut word = || {
        let trimmed = rest.trim_start_matches(' ');
        let (word, behind) = trimmed.split_once(' ').unwrap_or((trimmed, ""));
        rest = behind;
        if word.is_empty() { Err(wrong()) } else { Ok(word) }
    };
    let (_, _, _) = (word()?, word()?, word()?);
    let (flags, kind, _, inode) = (word()?, word()?, word()?, word()?);
    Ok(Unix {
        accepts: hexadecimal(offset, flags)? & ACCEPTS != 0,
        kind: u8::try_from(hexadecimal(offset, kind)?).map_err(|_| wrong())?,
        inode: number(offset, inode)?,
        path: rest.to_owned(),
    })
}

/// Rows of `packet`.
///
/// # Errors
/// [`ParseError`].
pub fn packet(bytes: &[u8]) -> Result<Vec<Packet>, ParseError> {
    let row = |(offset, line): (usize, &str)| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, _, _, protocol, interface, _, _, uid, inode, ..] = words.as_slice() else {
            return Err(ParseError::new(offset, "nine columns", line));
        };
        let protocol = u16::try_from(hexadecimal(offset, protocol)?);
        Ok(Packet {
            protocol: protocol.map_err(|_| ParseError::new(offset, "a protocol", line))?,
            interface: number(offset, interface)?,
            uid: number(offset, uid)?,
            inode: number(offset, inode)?,
        })
    };
    rows(text(bytes)?).map(row).collect()
}

/// Rows of `netlink`.
///
/// # Errors
/// [`ParseError`].
pub fn netlink(bytes: &[u8]) -> Result<Vec<Netlink>, ParseError> {
    let row = |(offset, line): (usize, &str)| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, protocol, _, groups, .., inode] = words.as_slice() else {
            return Err(ParseError::new(offset, "five columns or more", line));
        };
        let groups = u32::try_from(hexadecimal(offset, groups)?);
        Ok(Netlink {
            protocol: number(offset, protocol)?,
            groups: groups.map_err(|_| ParseError::new(offset, "a mask of groups", line))?,
            inode: number(offset, inode)?,
        })
    };
    rows(text(bytes)?).map(row).collect()
}

/// Names of the interfaces in `dev`, sorted.
///
/// # Errors
/// [`ParseError`].
pub fn interfaces(bytes: &[u8]) -> Result<Vec<String>, ParseError> {
    let text = text(bytes)?;
    if !text.starts_with("Inter-|") {
        return Err(ParseError::new(0, "the heading", text));
    }
    let name = |(offset, line): (usize, &str)| match line.rsplit_once(':') {
        Some((name, counters)) if counters.split_ascii_whitespace().count() == 16 => Ok(name.trim().to_owned()),
        _ => Err(ParseError::new(offset, "a name and sixteen counters", line)),
    };
    let mut names = lines(text).skip(2).map(name).collect::<Result<Vec<_>, _>>()?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &[u8] =
        b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 4711 1 0 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
";
    const TCP6: &[u8] = b"  sl  local_address remote_address st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 4713 1
";
    const UNIX: &[u8] = b"Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01  8961 /run/a b.sock
0000000000000000: 00000003 00000000 00000000 0001 03 17482
0000000000000000: 00000002 00000000 00000000 0002 01 17483 @/org/x
";
    const DEV: &[u8] = b"Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
veth1:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
";

    #[cfg(target_endian = "little")]
    #[test]
    fn rows_of_the_internet_tables_are_read() {
        let tcp = inet(TCP).unwrap();
        assert_eq!((tcp[0].local, tcp[0].uid, tcp[0].inode), ("127.0.0.1:8080".parse().unwrap(), 33, 4711));
        assert_eq!((tcp[1].local, tcp[1].state), ("0.0.0.0:22".parse().unwrap(), 10));
        assert_eq!(inet(TCP6).unwrap()[0].local, "[::1]:80".parse().unwrap());
    }

    #[test]
    fn unix_rows_keep_spaces_of_a_path_and_know_unbound_ones() {
        let rows = unix(UNIX).unwrap();
        assert_eq!((rows[0].accepts, rows[0].kind, rows[0].path.as_str()), (true, 1, "/run/a b.sock"));
        assert_eq!((rows[1].inode, rows[1].path.as_str()), (17482, ""));
        assert_eq!((rows[2].kind, rows[2].path.as_str()), (2, "@/org/x"));
        let broken = [UNIX, b"and its second line\n"].concat();
        assert_eq!(unix(&broken).unwrap()[2].path, "@/org/x\nand its second line");
    }

    #[test]
    fn other_tables_are_read() {
        let packets = b"sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n0000000000000000 3      3    0003   2     1 0      0      9001\n";
        assert_eq!(packet(packets).unwrap(), [Packet { protocol: 3, interface: 2, uid: 0, inode: 9001 }]);
        let table = b"sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n0000000000000000 15  312        00000002 0        0        0     2        0        12345   \n";
        assert_eq!(netlink(table).unwrap(), [Netlink { protocol: 15, groups: 2, inode: 12345 }]);
        assert_eq!(interfaces(DEV).unwrap(), ["lo", "veth1"]);
    }

    #[test]
    fn tables_cut_short_within_a_line_are_refused() {
        for end in 0..TCP.len() {
            assert_eq!(inet(&TCP[..end]).is_ok(), TCP[..end].ends_with(b"\n"), "{end}");
        }
        for end in 0..UNIX.len() {
            assert_eq!(unix(&UNIX[..end]).is_ok(), UNIX[..end].ends_with(b"\n"), "{end}");
        }
        for end in 0..DEV.len() {
            assert_eq!(interfaces(&DEV[..end]).is_ok(), DEV[..end].ends_with(b"\n"), "{end}");
        }
    }
}
