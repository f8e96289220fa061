//! UEFI device paths (UEFI 2.10 section 10.3), the nodes that name what was booted.

use alloc::format;
use alloc::string::String;

use crate::text;

/// Most nodes that are shown; real paths have at most about ten.
const MAX_NODES: usize = 32;

/// The path in words, e.g. `PciRoot(0)/Pci(1,2)/HD(1)/\EFI\BOOT\BOOTX64.EFI`; `None` when the bytes are not a path.
pub(crate) fn describe(mut bytes: &[u8]) -> Option<String> {
    let mut out = String::new();
    for _ in 0..MAX_NODES {
        let (&[kind, sub, low, high], tail) = bytes.split_first_chunk()?;
        let body_len = usize::from(u16::from_le_bytes([low, high])).checked_sub(4)?;
        let (body, tail) = tail.split_at_checked(body_len)?;
        if kind == 0x7F {
            return (!out.is_empty()).then_some(out);
        }
        if !out.is_empty() {
            out.push('/');
        }
        push_node(&mut out, kind, sub, body);
        bytes = tail;
    }
    Some(out)
}

fn push_node(out: &mut String, kind: u8, sub: u8, body: &[u8]) {
    let node = match (kind, sub, body) {
        (1, 1, [function, device]) => Some(format!("Pci({device:x},{function:x})")),
        // The EISA identifier of a PCI root bridge, PNP0A03, and of a PCI Express one, PNP0A08.
        (2, 1, [0xD0, 0x41, 0x03 | 0x08, 0x0A, uid @ ..]) => Some(format!("PciRoot({:x})", first_u32(uid))),
        (4, 1, body) => Some(format!("HD({})", first_u32(body))),
        (4, 4, body) => text::utf16(body),
        (4, 6, body) => guid(body).map(|guid| format!("FvFile({guid})")),
        (4, 7, body) => guid(body).map(|guid| format!("Fv({guid})")),
        (3, 24, body) => text::utf8(body).map(|uri| format!("Uri({uri})")),
        (3, 23, body) => Some(format!("NVMe({})", first_u32(body))),
        (3, 11, _) => Some(String::from("Mac")),
        (5, _, body) => text::utf8(body.get(4..).unwrap_or_default()).map(|name| format!("Bios({name})")),
        _ => None,
    };
    match node {
        Some(node) => out.push_str(&node),
        None => out.push_str(&format!("Path({kind},{sub})")),
    }
}

/// A GUID in its usual spelling (UEFI 2.10 appendix A: the first three fields are little-endian).
pub(crate) fn guid(bytes: &[u8]) -> Option<String> {
    let (&[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p], _) = bytes.split_first_chunk()?;
    let (one, two, three) = (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]), u16::from_le_bytes([g, h]));
    Some(format!("{one:08x}-{two:04x}-{three:04x}-{i:02x}{j:02x}-{k:02x}{l:02x}{m:02x}{n:02x}{o:02x}{p:02x}"))
}

fn first_u32(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
