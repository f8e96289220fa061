//! Numbers and lists as both witnesses spell them.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// How systemd spells infinity on D-Bus.
pub(crate) const INFINITY: u64 = u64::MAX;

/// A quantity of either witness: decimal, `max`, `unlimited` or `infinity`.
pub(crate) fn quantity(raw: &str) -> Option<u64> {
    match raw.trim() {
        "max" | "unlimited" | "infinity" => Some(INFINITY),
        digits => digits.parse().ok(),
    }
}

/// The normal form of a quantity.
pub(crate) fn spelled(value: u64) -> String {
    if value == INFINITY { "infinity".to_owned() } else { value.to_string() }
}

/// A list of the kernel such as `0-1,4`; `None` where it is none. Ranges are cut at [`MAX_MEMBER`].
pub(crate) fn members(list: &str) -> Option<BTreeSet<u32>> {
    let mut members = BTreeSet::new();
    for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        members.extend(first..=last.min(MAX_MEMBER));
    }
    Some(members)
}

/// More processors than any kernel is built for: a list cannot make this crate allocate more.
const MAX_MEMBER: u32 = 16_383;

/// A mask of systemd, bytes in hexadecimal with the lowest member in the first byte's lowest bit.
pub(crate) fn mask_members(mask: &str) -> Option<BTreeSet<u32>> {
    if !mask.is_ascii() || !mask.len().is_multiple_of(2) {
        return None;
    }
    let mut members = BTreeSet::new();
    for (index, byte) in mask.as_bytes().chunks(2).enumerate() {
        let byte = u8::from_str_radix(core::str::from_utf8(byte).ok()?, 16).ok()?;
        let base = u32::try_from(index).ok()?.checked_mul(8)?;
        members.extend((0..8).filter(|bit| byte >> bit & 1 == 1).filter_map(|bit| base.checked_add(bit)));
    }
    Some(members)
}

/// The normal form of a list of numbers: ranges joined by commas; empty where it is empty.
pub(crate) fn ranges(members: &BTreeSet<u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &member in members {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(member) => *last = member,
            _ => runs.push((member, member)),
        }
    }
    let spelled = |(first, last): &(u32, u32)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    runs.iter().map(spelled).collect::<Vec<_>>().join(",")
}

/// Lines of a reading on one line, for people: items parted by `; `, fields by a space.
pub(crate) fn lines(raw: &str) -> String {
    let mut line = String::with_capacity(raw.len());
    for (index, item) in raw.lines().enumerate() {
        if index > 0 {
            line.push_str("; ");
        }
        line.extend(item.chars().map(|letter| if letter == '\t' { ' ' } else { letter }));
    }
    line
}

/// Octal digits of a mode.
pub(crate) fn mode(raw: &str) -> Option<u32> {
    u32::from_str_radix(raw.trim(), 8).ok()
}
