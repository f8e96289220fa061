//! V10: which of a socket unit's addresses the kernel has.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use avouch_pairs::{attribute as a, subject};

use crate::parse::net;
use crate::reading::{Facts, clean, listed, path, put, reading};
use crate::sockets::{Kind, table};
use crate::source::{Refusal, Root};
use crate::{Pass, UnitAsk};

/// `NETLINK_*` by the words of systemd.socket(5).
const NETLINKS: [(&str, u32); 5] =
    [("route", 0), ("audit", 9), ("kobject-uevent", 15), ("generic", 16), ("netfilter", 12)];
/// `S_IFMT` and `S_IFIFO`.
const KIND: u32 = 0o170_000;
const FIFO: u32 = 0o010_000;

pub(super) fn read(pass: &Pass<'_>, ask: &UnitAsk, facts: &mut Facts) {
    if ask.sockets.is_empty() {
        return;
    }
    let mut lines = Vec::new();
    let mut refused = None;
    for (kind, address) in &ask.sockets {
        match has(pass, kind, address) {
            Ok(true) => lines.push(format!("{kind}\t{}", path(address.as_bytes()))),
            Ok(false) => {}
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    put(facts, a::LISTEN, reading(refused.map_or(Ok(listed(lines)), Err)));
}

fn has(pass: &Pass<'_>, kind: &str, address: &str) -> Result<bool, Refusal> {
    match kind {
        "Stream" | "Datagram" | "SequentialPacket" => socket(pass, kind, address),
        "FIFO" => file(pass, address, |mode| mode & KIND == FIFO),
        "Special" => file(pass, address, |_| true),
        "MessageQueue" => file(pass, &format!("/dev/mqueue{address}"), |_| true),
        "Netlink" => has_netlink(pass, address),
        other => Err(Refusal::NotSupported(format!("sockets of type {} are not looked up", clean(other.as_bytes())))),
    }
}

fn file(pass: &Pass<'_>, path: &str, is: fn(u32) -> bool) -> Result<bool, Refusal> {
    match pass.noted(pass.root(Root::Host)?.stat(path, true)) {
        Ok(stat) => Ok(is(stat.mode)),
        Err(Refusal::Absent) => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

/// A missing one is looked for again: the views of this pass may be older than the unit.
fn socket(pass: &Pass<'_>, kind: &str, address: &str) -> Result<bool, Refusal> {
    let (kind, subject) = named(kind, address)?;
    Ok(pass.views(kind, false).has(&subject)? || pass.views(kind, true).has(&subject)?)
}

fn named(kind: &str, address: &str) -> Result<(Kind, String), Refusal> {
    if address.starts_with(['/', '@']) {
        return Ok((Kind::Unix, subject::unix_listener(&clean(address.as_bytes()), None)));
    }
    if let Some(place) = address.strip_prefix("vsock:") {
        let place = place.strip_prefix("4294967295:").map_or_else(|| place.to_owned(), |port| format!("*:{port}"));
        let place = place.strip_prefix(':').map_or_else(|| place.clone(), |port| format!("*:{port}"));
        return Ok((Kind::Vsock, format!("{}vsock:{place}", subject::LISTENER)));
    }
    let kind = match kind {
        "Stream" => Kind::Tcp,
        "Datagram" => Kind::Udp,
        _ => return Err(Refusal::NotSupported("sockets of SCTP are not looked up".to_owned())),
    };
    let parsed = internet(address)
        .ok_or_else(|| Refusal::NotSupported(format!("no address of a socket: {}", clean(address.as_bytes()))))?;
    Ok((kind, subject::inet_listener(kind.word(), parsed, None)))
}

/// `ADDRESS:PORT`, `[ADDRESS%SCOPE]:PORT` or `PORT` alone, as systemd spells it.
fn internet(address: &str) -> Option<SocketAddr> {
    if let Ok(port) = address.parse() {
        return Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port));
    }
    let scopeless = match (address.find('%'), address.find(']')) {
        (Some(start), Some(end)) if start < end => {
            format!("{}{}", address.get(..start)?, address.get(end..)?)
        }
        (Some(start), None) => address.get(..start)?.to_owned(),
        _ => address.to_owned(),
    };
    scopeless.parse().ok()
}

/// `FAMILY GROUPS`, groups as a mask of which all must be joined.
fn has_netlink(pass: &Pass<'_>, address: &str) -> Result<bool, Refusal> {
    let unknown = || Refusal::NotSupported(format!("no netlink address: {}", clean(address.as_bytes())));
    let (family, groups) = address.split_once(' ').unwrap_or((address, "0"));
    let by_word = NETLINKS.iter().find(|(word, _)| *word == family).map(|(_, number)| *number);
    let protocol = by_word.or_else(|| family.parse().ok()).ok_or_else(unknown)?;
    let groups: u32 = groups.parse().map_err(|_| unknown())?;
    let bytes = table(pass, pass.first_network()?, "netlink")?.ok_or(Refusal::Absent)?;
    let joined =
        |socket: &net::Netlink| socket.protocol == protocol && socket.inode != 0 && socket.groups & groups == groups;
    Ok(net::netlink(&bytes)?.iter().any(joined))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_under_the_subject_of_their_listener() {
        let subject = |kind, address| named(kind, address).unwrap().1;
        assert_eq!(subject("Stream", "[::]:22"), "listener:tcp:[::]:22");
        assert_eq!(subject("Stream", "22"), "listener:tcp:[::]:22");
        assert_eq!(subject("Datagram", "127.0.0.1:69"), "listener:udp:127.0.0.1:69");
        assert_eq!(subject("Stream", "[fe80::1%eth0]:80"), "listener:tcp:[fe80::1]:80");
        assert_eq!(subject("SequentialPacket", "/run/udev/control"), "listener:unix:/run/udev/control");
        assert_eq!(subject("Stream", "vsock:4294967295:22"), "listener:vsock:*:22");
        assert!(named("Stream", "nonsense").is_err());
    }
}
