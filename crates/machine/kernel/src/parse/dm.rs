//! Answers of the device-mapper ioctls (linux/dm-ioctl.h, version 4).

use super::{ParseError, bytes_at, c_string, u32_at};

/// Bytes of `struct dm_ioctl`, which every answer begins with.
pub const HEADER: usize = 312;
/// Bytes of `struct dm_target_spec`.
const TARGET: usize = 40;
/// Most targets or names that an answer may list; a device with more is refused.
const MOST: usize = 4096;
/// DM_BUFFER_FULL_FLAG.
const BUFFER_FULL: u32 = 1 << 8;

/// One target of a device: its type and its line of status or table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// First sector and number of sectors, of 512 bytes.
    pub sectors: (u64, u64),
    /// E.g. `verity`.
    pub kind: String,
    /// The rest of the line.
    pub line: String,
}

/// The data behind the header.
fn data(bytes: &[u8]) -> Result<(usize, &[u8]), ParseError> {
    bytes_at::<HEADER>(bytes, 0)?;
    let size = size(u32_at(bytes, 12)?);
    let start = size_at(bytes, 16)?;
    if u32_at(bytes, 28)? & BUFFER_FULL != 0 {
        return Err(ParseError::new(28, "an answer that fitted", "the kernel's sign that it did not"));
    }
    match bytes.get(start..size) {
        Some(data) if start >= HEADER => Ok((start, data)),
        _ => Err(ParseError::new(12, "data inside of the answer", &format!("{start}..{size}"))),
    }
}

fn size(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn size_at(bytes: &[u8], offset: usize) -> Result<usize, ParseError> {
    u32_at(bytes, offset).map(size)
}

/// Names of an answer to DM_LIST_DEVICES with the minor number of each.
///
/// # Errors
/// [`ParseError`].
pub fn names(bytes: &[u8]) -> Result<Vec<(String, u32)>, ParseError> {
    let (start, data) = data(bytes)?;
    let mut names = Vec::new();
    let mut offset = 0;
    loop {
        let device = u64::from_ne_bytes(bytes_at(data, offset)?);
        let next = size_at(data, offset + 8)?;
        // A kernel without devices answers with one empty entry.
        if device == 0 && names.is_empty() {
            return Ok(names);
        }
        let name = c_string(start + offset + 12, data.get(offset + 12..).unwrap_or_default())?;
        names.push((name.to_owned(), minor(device)));
        if next == 0 {
            return Ok(names);
        }
        if next < 13 || names.len() >= MOST {
            return Err(ParseError::new(start + offset, "the next of at most 4096 names", &next.to_string()));
        }
        offset += next;
    }
}

/// The minor number in the kernel's own 64-bit spelling of a device number (huge_encode_dev).
fn minor(device: u64) -> u32 {
    let device = u32::try_from(device & 0xffff_ffff).unwrap_or(u32::MAX);
    (device & 0xff) | ((device >> 12) & 0x000f_ff00)
}

/// Targets of an answer to DM_TABLE_STATUS.
///
/// # Errors
/// [`ParseError`].
pub fn targets(bytes: &[u8]) -> Result<Vec<Target>, ParseError> {
    let (start, data) = data(bytes)?;
    let count = size_at(bytes, 20)?;
    if count > MOST {
        return Err(ParseError::new(20, "at most 4096 targets", &count.to_string()));
    }
    let mut targets = Vec::new();
    let mut offset = 0;
    for _ in 0..count {
        let sectors = (u64::from_ne_bytes(bytes_at(data, offset)?), u64::from_ne_bytes(bytes_at(data, offset + 8)?));
        let next = size_at(data, offset + 20)?;
        let kind: [u8; 16] = bytes_at(data, offset + 24)?;
        let line = c_string(start + offset + TARGET, data.get(offset + TARGET..).unwrap_or_default())?;
        let kind = c_string(start + offset + 24, &kind)?;
        targets.push(Target { sectors, kind: kind.to_owned(), line: line.trim_end().to_owned() });
        // Counted from the first target, unlike in a table that is loaded.
        if next <= offset && targets.len() < count {
            return Err(ParseError::new(start + offset + 20, "a target behind this one", &next.to_string()));
        }
        offset = next;
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(count: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[12..16].copy_from_slice(&u32::try_from(HEADER + data.len()).unwrap().to_ne_bytes());
        bytes[16..20].copy_from_slice(&u32::try_from(HEADER).unwrap().to_ne_bytes());
        bytes[20..24].copy_from_slice(&count.to_ne_bytes());
        bytes.extend(data);
        bytes
    }

    fn two_targets() -> Vec<u8> {
        let target = |next: u32, kind: &[u8], line: &[u8]| {
            let mut bytes = vec![0; TARGET];
            bytes[8..16].copy_from_slice(&64_u64.to_ne_bytes());
            bytes[20..24].copy_from_slice(&next.to_ne_bytes());
            bytes[24..24 + kind.len()].copy_from_slice(kind);
            bytes.extend(line);
            bytes.resize(48, 0);
            bytes
        };
        answer(2, &[target(48, b"verity", b"V\0"), target(96, b"linear", b"8:1 0\0")].concat())
    }

    #[test]
    fn targets_are_counted_from_the_first() {
        let targets = targets(&two_targets()).unwrap();
        assert_eq!((targets[0].kind.as_str(), targets[0].line.as_str()), ("verity", "V"));
        assert_eq!((targets[1].kind.as_str(), targets[1].line.as_str()), ("linear", "8:1 0"));
    }

    #[test]
    fn names_are_counted_from_each() {
        let mut data = Vec::new();
        for (device, next, name) in [(0xfd00_u64, 20_u32, b"root\0\0\0\0"), (0xfd01, 0, b"swap\0\0\0\0")] {
            data.extend(device.to_ne_bytes());
            data.extend(next.to_ne_bytes());
            data.extend(name);
        }
        let bytes = answer(0, &data);
        assert_eq!(names(&bytes).unwrap(), [("root".to_owned(), 0), ("swap".to_owned(), 1)]);
        assert_eq!(names(&answer(0, &[0; 16])).unwrap(), []);
        for end in 0..bytes.len() {
            assert!(names(&bytes[..end]).is_err(), "{end}");
        }
        for next in (1..64_u32).chain([u32::MAX]).filter(|next| *next != 20) {
            let mut changed = bytes.clone();
            changed[HEADER + 8..HEADER + 12].copy_from_slice(&next.to_ne_bytes());
            assert_ne!(names(&changed).ok(), names(&bytes).ok(), "{next}");
        }
    }

    #[test]
    fn targets_cut_short_or_with_other_lengths_are_refused() {
        let bytes = two_targets();
        for end in 0..bytes.len() {
            assert!(targets(&bytes[..end]).is_err(), "{end}");
        }
        for (field, wrong) in [(12, 400_u32), (12, u32::MAX), (16, 0), (16, 400), (20, 3), (20, u32::MAX), (28, 1 << 8)]
        {
            let mut changed = bytes.clone();
            changed[field..field + 4].copy_from_slice(&wrong.to_ne_bytes());
            assert!(targets(&changed).is_err(), "{field} {wrong}");
        }
        for next in [0_u32, 97, u32::MAX] {
            let mut changed = bytes.clone();
            changed[HEADER + 20..HEADER + 24].copy_from_slice(&next.to_ne_bytes());
            assert!(targets(&changed).is_err(), "{next}");
        }
    }
}
