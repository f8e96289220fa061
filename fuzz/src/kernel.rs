//! What the kernel writes: its text files by one target, its binary answers by another. The first byte says which format
//! the rest is, so that small parsers share the mutations of one target.

use avouch_kernel::parse::{
    ParseError, cgroup, diag, dm, limits, maps, mountinfo, net, netlink, nftables, stat::Stat, status::Status,
};

use crate::recorded_tree;

/// Reads the rest of an input, and holds what was read to the parser's promises.
type Parser = fn(&[u8]) -> Result<(), ParseError>;

/// A file of /proc or of the cgroup hierarchy.
pub fn kernel_text(data: &[u8]) -> bool {
    chosen(&TEXTS, data)
}

/// An answer of netlink or of device mapper.
pub fn kernel_binary(data: &[u8]) -> bool {
    chosen(&ANSWERS, data)
}

fn chosen(parsers: &[(&str, Parser)], data: &[u8]) -> bool {
    let Some((choice, rest)) = data.split_first() else { return false };
    let (_, parser) = parsers[usize::from(*choice) % parsers.len()];
    match parser(rest) {
        Ok(()) => true,
        Err(error) => {
            assert!(!error.got.chars().any(char::is_control), "a refusal is safe to print");
            false
        }
    }
}

/// By the file that it is the format of.
const TEXTS: [(&str, Parser); 13] = [
    ("status", |bytes| {
        let status = Status::parse(bytes)?;
        assert!(status.capability_sets().iter().all(|set| !set.contains('\n')), "a value is one line");
        Ok(())
    }),
    ("stat", |bytes| {
        let stat = Stat::parse(bytes)?;
        assert_eq!(stat.kernel_thread(), stat.flags & 0x0020_0000 != 0);
        Ok(())
    }),
    ("limits", |bytes| {
        let limits = limits::limits(bytes)?;
        assert!(limits.iter().all(|limit| limit.split(' ').count() == 2), "a soft and a hard limit");
        Ok(())
    }),
    ("mountinfo", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let mounts = mountinfo::mounts(&text)?;
        assert_eq!(mounts.len(), text.split('\n').count() - 1, "a mount a line");
        assert!(mounts.iter().all(|mount| mount.point.starts_with('/')));
        Ok(())
    }),
    ("maps", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        assert!(maps::mappings(&text)?.iter().all(|mapping| !mapping.name.contains('\n')));
        Ok(())
    }),
    ("cgroup", |bytes| {
        assert!(cgroup::of_process(bytes)?.starts_with('/'));
        Ok(())
    }),
    ("cgroup.procs", |bytes| {
        let pids = cgroup::processes(bytes)?;
        assert!(pids.is_sorted() && !pids.contains(&0));
        Ok(())
    }),
    ("cgroup.events", |bytes| {
        assert!(!cgroup::keyed(bytes, "frozen")?.contains('\n'));
        Ok(())
    }),
    ("net/tcp", |bytes| {
        assert!(net::inet(bytes)?.len() < rows(bytes));
        Ok(())
    }),
    ("net/unix", |bytes| {
        assert!(net::unix(bytes)?.len() < rows(bytes));
        Ok(())
    }),
    ("net/packet", |bytes| net::packet(bytes).map(drop)),
    ("net/netlink", |bytes| net::netlink(bytes).map(drop)),
    ("net/dev", |bytes| {
        assert!(net::interfaces(bytes)?.is_sorted());
        Ok(())
    }),
];

/// By what was asked.
const ANSWERS: [(&str, Parser); 7] = [
    ("netlink", |bytes| {
        let messages = netlink::messages(bytes)?;
        assert!(messages.iter().map(|message| message.payload.len()).sum::<usize>() <= bytes.len());
        let _ = messages.iter().map(|message| netlink::errno(message.payload)).max();
        Ok(())
    }),
    ("nf_tables", |bytes| {
        let messages = netlink::messages(bytes)?;
        let ruleset: Vec<_> = messages.iter().map(|message| (message.kind, message.payload.to_vec())).collect();
        assert!(nftables::canonical(&ruleset)?.len() <= 4 * bytes.len(), "a ruleset does not grow");
        Ok(())
    }),
    ("inet_diag", |bytes| diag::inet(bytes).map(drop)),
    ("unix_diag", |bytes| diag::unix(bytes).map(drop)),
    ("vsock_diag", |bytes| diag::vsock(bytes).map(drop)),
    ("dm names", |bytes| {
        assert!(dm::names(bytes)?.len() <= 4096);
        Ok(())
    }),
    ("dm targets", |bytes| {
        assert!(dm::targets(bytes)?.len() <= 4096);
        Ok(())
    }),
];

fn rows(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count()
}

/// Files of the recorded machine, of each kind the first few that differ; of what was not recorded a line as Debian 12
/// writes it.
pub(crate) fn texts() -> Vec<Vec<u8>> {
    const EACH: usize = 4;
    const OTHERS: [(&str, &str); 4] = [
        (
            "maps",
            "55d7c0000000-55d7c0002000 r-xp 00002000 08:01 1234                       /usr/bin/a b (deleted)\n\
             7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n",
        ),
        (
            "net/unix",
            "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0000000075ff7d64: 00000002 00000000 00010000 0001 01 12034 /run/t-sock.sock\n",
        ),
        (
            "net/packet",
            "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n\
             0000000000000000 3      3    0003   2     1 0      0      9001\n",
        ),
        (
            "net/netlink",
            "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n\
             0000000000000000 15  312        00000002 0        0        0     2        0        12345   \n",
        ),
    ];
    let recorded = recorded_tree::files();
    let mut seeds = Vec::new();
    for (choice, (kind, _)) in (0..).zip(&TEXTS) {
        let of_kind = recorded.iter().filter(|(path, _)| path.ends_with(&format!("/{kind}")));
        let mut found: Vec<&[u8]> = of_kind.map(|(_, content)| content.as_slice()).collect();
        found.extend(OTHERS.iter().filter(|(other, _)| other == kind).map(|(_, line)| line.as_bytes()));
        found.sort_unstable();
        found.dedup();
        assert!(!found.is_empty(), "no file of the kind {kind}");
        seeds.extend(found.iter().step_by(found.len().div_ceil(EACH)).map(|content| [&[choice], *content].concat()));
    }
    seeds
}

/// Answers as the kernel's headers lay them out.
pub(crate) fn answers() -> Vec<Vec<u8>> {
    let mut socket = vec![0; 72];
    socket[..2].copy_from_slice(&[2, 10]);
    socket[4..6].copy_from_slice(&7777_u16.to_be_bytes());
    socket[8..12].copy_from_slice(&[127, 0, 0, 1]);
    socket.extend(attribute(21, &99_u64.to_ne_bytes()));
    let mut six = socket.clone();
    six[0] = 10;
    let named = [vec![1, 1, 10, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], attribute(0, b"/run/x\0")].concat();
    let mut vsock = vec![0; 32];
    vsock[0] = 40;
    vsock[2] = 10;
    let done = message(3, &[0; 4]);
    let by_choice: [(u8, Vec<Vec<u8>>); 7] = [
        (
            0,
            vec![
                [message(20, &socket), message(20, &named), done.clone()].concat(),
                message(2, &(-1_i32).to_ne_bytes()),
            ],
        ),
        (1, vec![[ruleset(), done].concat()]),
        (2, vec![socket, six]),
        (3, vec![named]),
        (4, vec![vsock]),
        (5, vec![names()]),
        (6, vec![targets()]),
    ];
    by_choice
        .into_iter()
        .flat_map(|(choice, all)| all.into_iter().map(move |answer| [vec![choice], answer].concat()))
        .collect()
}

/// struct nlmsghdr and what follows it.
fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(16 + payload.len()).expect("a short message").to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend([2, 0, 1, 0, 0, 0, 9, 0, 0, 0]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// struct nlattr and its value.
fn attribute(number: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(value.len() + 4).expect("a short attribute").to_ne_bytes().to_vec();
    bytes.extend(number.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A table, a chain and a rule with a counter and a verdict.
fn ruleset() -> Vec<u8> {
    let generation = vec![1, 0, 0, 7];
    let expression = |name: &[u8], data: &[u8]| attribute(1, &[attribute(1, name), attribute(2, data)].concat());
    let expressions = [expression(b"counter\0", &[0; 8]), expression(b"immediate\0", &[0, 0, 0, 1])].concat();
    let table = [generation.clone(), attribute(1, b"filter\0"), attribute(4, &[0; 8])].concat();
    let chain =
        [generation.clone(), attribute(1, b"filter\0"), attribute(3, b"input\0"), attribute(5, &[0; 4])].concat();
    let rule = [generation, attribute(1, b"filter\0"), attribute(3, &[0; 8]), attribute(4, &expressions)].concat();
    [message(0x0a00, &table), message(0x0a03, &chain), message(0x0a06, &rule)].concat()
}

/// struct dm_ioctl before `data`.
fn mapped(count: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; dm::HEADER];
    let size = u32::try_from(dm::HEADER + data.len()).expect("a short answer");
    for (at, field) in [(0, 4), (12, size), (16, 312), (20, count)] {
        bytes[at..at + 4].copy_from_slice(&u32::to_ne_bytes(field));
    }
    bytes.extend(data);
    bytes
}

fn names() -> Vec<u8> {
    let entry = |device: u64, next: u32, name: &[u8]| {
        [&device.to_ne_bytes()[..], &next.to_ne_bytes(), name, &[0; 4][..]].concat()
    };
    mapped(0, &[entry(0xfd00, 20, b"root"), entry(0xfd01, 0, b"swap")].concat())
}

fn targets() -> Vec<u8> {
    let target = |next: u32, kind: &[u8], line: &[u8]| {
        let mut bytes = vec![0; 40];
        bytes[20..24].copy_from_slice(&next.to_ne_bytes());
        bytes[24..24 + kind.len()].copy_from_slice(kind);
        bytes.extend(line);
        bytes.resize(48, 0);
        bytes
    };
    mapped(2, &[target(48, b"verity", b"V\0"), target(96, b"linear", b"8:1 0\0")].concat())
}
