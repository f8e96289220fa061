//! Files of this kernel with every byte changed and every tail cut off: a parser refuses or reads, and never panics.

use avouch_kernel::parse::{cgroup, diag, dm, limits, maps, mountinfo, net, netlink, nftables, stat, status};

/// Reads `bytes` as each of the formats.
fn everything(bytes: &[u8]) -> usize {
    let text = String::from_utf8_lossy(bytes);
    let read = [
        status::Status::parse(bytes).is_ok(),
        stat::Stat::parse(bytes).is_ok(),
        limits::limits(bytes).is_ok(),
        mountinfo::mounts(&text).is_ok(),
        maps::mappings(&text).is_ok(),
        cgroup::of_process(bytes).is_ok(),
        cgroup::processes(bytes).is_ok(),
        cgroup::keyed(bytes, "frozen").is_ok(),
        net::inet(bytes).is_ok(),
        net::unix(bytes).is_ok(),
        net::packet(bytes).is_ok(),
        net::netlink(bytes).is_ok(),
        net::interfaces(bytes).is_ok(),
        netlink::messages(bytes).is_ok(),
        netlink::attributes(bytes).is_ok(),
        nftables::canonical(&[(0x0a06, bytes.to_vec())]).is_ok(),
        diag::inet(bytes).is_ok(),
        diag::unix(bytes).is_ok(),
        diag::vsock(bytes).is_ok(),
        dm::names(bytes).is_ok(),
        dm::targets(bytes).is_ok(),
    ];
    read.into_iter().filter(|read| *read).count()
}

#[test]
fn no_change_of_a_byte_makes_a_parser_panic() {
    let files =
        ["status", "stat", "limits", "mountinfo", "maps", "cgroup", "net/tcp", "net/unix", "net/netlink", "net/dev"];
    for file in files {
        let whole = std::fs::read(format!("/proc/self/{file}")).unwrap();
        assert!(everything(&whole) > 0, "{file} is read by none");
        let mut bytes: Vec<u8> = whole.into_iter().take(1500).collect();
        for at in 0..bytes.len() {
            everything(&bytes[..at]);
            let was = bytes[at];
            for other in [0, b'\n', b' ', b'9', was ^ 0x80] {
                bytes[at] = other;
                everything(&bytes);
            }
            bytes[at] = was;
        }
    }
    // The binary formats, of which lengths and counts are the weak places.
    let mut bytes = vec![0_u8; 400];
    for at in 0..bytes.len() {
        for other in [1, 16, 40, 0x7f, 0xff] {
            bytes[at] = other;
            everything(&bytes);
        }
        if at % 7 == 0 {
            bytes[at] = 0;
        }
    }
}
