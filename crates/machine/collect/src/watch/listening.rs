//! Sockets that listen, compared with those of before.

use std::collections::BTreeSet;

/// Tables of internet sockets, each with the state that a socket without a peer is in.
const TABLES: [(&str, &str); 4] = [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")];
/// Flag of a Unix socket that takes connections (SO_ACCEPTCON).
const ACCEPTS: u32 = 0x1_0000;

/// The sockets that listened when they were last looked at.
pub(super) struct Listening {
    before: BTreeSet<String>,
}

// === impl Listening ===

impl Listening {
    pub(super) fn now() -> Self {
        Self { before: sockets() }
    }

    /// Whether others listen than at the last look.
    pub(super) fn changed(&mut self) -> bool {
        let now = sockets();
        let changed = now != self.before;
        self.before = now;
        changed
    }
}

/// In this process's network namespace; what cannot be read is empty, and the slots find it.
fn sockets() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let read = |table: &str| std::fs::read_to_string(format!("/proc/self/net/{table}")).unwrap_or_default();
    for (table, state) in TABLES {
        all.extend(internet(&read(table), state).map(|address| format!("{table} {address}")));
    }
    all.extend(local(&read("unix")).map(|path| format!("unix {path}")));
    all
}

/// Local addresses in `state`; of udp only of sockets without a peer.
fn internet<'t>(text: &'t str, state: &'t str) -> impl Iterator<Item = &'t str> {
    text.lines().skip(1).filter_map(move |line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (address, _, shown) = (fields.next()?, fields.next()?, fields.next()?);
        (shown == state).then_some(address)
    })
}

/// Paths of sockets that take connections.
fn local(text: &str) -> impl Iterator<Item = &str> {
    text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(3);
        let flags = u32::from_str_radix(fields.next()?, 16).ok()?;
        let path = fields.nth(3)?;
        (flags & ACCEPTS != 0).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::{Listening, internet, local};

    #[test]
    fn only_sockets_without_a_peer_count() {
        let tcp = "  sl  local_address rem_address   st tx_queue\n\
                   0: 00000000:0016 00000000:0000 0A 00000000:00000000\n\
                   1: 0100007F:0016 0100007F:9999 01 00000000:00000000\n\n x\n";
        assert_eq!(internet(tcp, "0A").collect::<Vec<_>>(), ["00000000:0016"]);
        let unix = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01 20 /run/a\n\
                    0000000000000000: 00000002 00000000 00000000 0002 01 21 /run/b\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01 22\n";
        assert_eq!(local(unix).collect::<Vec<_>>(), ["/run/a"]);
    }

    #[test]
    fn a_new_listener_is_a_change_and_an_old_one_is_none() {
        let mut listening = Listening::now();
        let address = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = listener.local_addr().expect("its address");
            let hex = format!("0100007F:{:04X}", address.port());
            assert!(listening.changed());
            assert!(listening.before.iter().any(|line| line.ends_with(&hex)));
            hex
        };
        assert!(listening.changed());
        assert!(!listening.before.iter().any(|line| line.ends_with(&address)));
    }
}
