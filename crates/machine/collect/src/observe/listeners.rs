//! Which sockets systemd was told to open, in the names that the kernel's listeners have.

use std::net::SocketAddr;

use avouch_pairs::{Fact, Observation, Reading, attribute, subject};
use avouch_systemd::UnitAsk;

/// VMADDR_CID_ANY.
const ANY_CID: &str = "4294967295";

/// A subject for each socket that a unit's `Listen` names, with the units, types and addresses that name it.
pub(super) fn declared(asks: &[UnitAsk]) -> Observation {
    let mut observation = Observation::default();
    for ask in asks {
        for (kind, address) in &ask.sockets {
            let Some(name) = listener(kind, address) else { continue };
            let line = format!("{}\t{kind}\t{address}", ask.name);
            let subject = observation.subjects.entry(name).or_default();
            let free = Fact::orchestrator(Reading::Value(String::new()));
            let fact = subject.facts.entry(attribute::LISTENER).or_insert(free);
            if let Reading::Value(lines) = &mut fact.orchestrator {
                if !lines.is_empty() {
                    lines.push('\n');
                }
                lines.push_str(&line);
            }
        }
    }
    observation
}

/// The listener that a `Listen` entry opens; `None` for what is no socket (FIFO, Special, MessageQueue), is not listed
/// by sock_diag's listeners (Netlink), or is spelled in no known way.
fn listener(kind: &str, address: &str) -> Option<String> {
    let protocol = match kind {
        "Stream" => "tcp",
        "Datagram" => "udp",
        // Of internet sockets systemd makes SCTP of it, which has no listeners here.
        "SequentialPacket" => "",
        _ => return None,
    };
    if address.starts_with(['/', '@']) {
        return Some(subject::unix_listener(address, None));
    }
    if let Some(rest) = address.strip_prefix("vsock:") {
        let (cid, port) = rest.rsplit_once(':')?;
        let cid = if cid.is_empty() || cid == ANY_CID { "*" } else { cid };
        return Some(format!("{}vsock:{cid}:{port}", subject::LISTENER));
    }
    if protocol.is_empty() {
        return None;
    }
    let address = internet(address)?;
    Some(subject::inet_listener(protocol, address, None))
}

/// `ADDRESS:PORT`, `[ADDRESS]:PORT` with or without a zone, or a port alone, which is the dual-stack `[::]`.
fn internet(address: &str) -> Option<SocketAddr> {
    if let Ok(port) = address.parse::<u16>() {
        return Some(SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), port));
    }
    let without_zone = match (address.find('%'), address.find(']')) {
        (Some(zone), Some(end)) if zone < end => format!("{}{}", address.get(..zone)?, address.get(end..)?),
        _ => address.to_owned(),
    };
    // A zone may also stand behind the port.
    let plain = match without_zone.rsplit_once('%') {
        Some((plain, _)) => plain,
        None => &without_zone,
    };
    plain.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::listener;

    #[test]
    fn listen_entries_are_named_as_the_kernels_listeners() {
        let cases = [
            (("Stream", "[::]:22"), Some("listener:tcp:[::]:22")),
            (("Stream", "22"), Some("listener:tcp:[::]:22")),
            (("Stream", "0.0.0.0:22"), Some("listener:tcp:0.0.0.0:22")),
            (("Datagram", "127.0.0.1:53"), Some("listener:udp:127.0.0.1:53")),
            (("Stream", "[fe80::1%eth0]:80"), Some("listener:tcp:[fe80::1]:80")),
            (("Stream", "[fe80::1]:80%eth0"), Some("listener:tcp:[fe80::1]:80")),
            (("Stream", "/run/dbus/system_bus_socket"), Some("listener:unix:/run/dbus/system_bus_socket")),
            (("SequentialPacket", "/run/udev/control"), Some("listener:unix:/run/udev/control")),
            (("Stream", "@ISCSIADM"), Some("listener:unix:@ISCSIADM")),
            (("Stream", "vsock:4294967295:22"), Some("listener:vsock:*:22")),
            (("Stream", "vsock::22"), Some("listener:vsock:*:22")),
            (("Stream", "vsock:2:22"), Some("listener:vsock:2:22")),
            (("SequentialPacket", "127.0.0.1:5"), None),
            (("FIFO", "/run/initctl"), None),
            (("Netlink", "kobject-uevent 1"), None),
            (("Stream", "70000"), None),
            (("Stream", ""), None),
        ];
        for ((kind, address), name) in cases {
            assert_eq!(listener(kind, address).as_deref(), name, "{kind} {address}");
        }
    }
}
