//! GUIDs of UEFI.

use core::fmt;

/// A GUID as it stands in memory and files (UEFI 2.10 appendix A: the first three fields are little-endian).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// `EFI_GLOBAL_VARIABLE`: SecureBoot, SetupMode, PK, KEK, Boot####.
    pub const GLOBAL_VARIABLE: Self =
        Self::of(0x8BE4_DF61, 0x93CA, 0x11D2, [0xAA, 0x0D, 0x00, 0xE0, 0x98, 0x03, 0x2B, 0x8C]);
    /// `EFI_IMAGE_SECURITY_DATABASE_GUID`: db, dbx, dbt, dbr.
    pub const IMAGE_SECURITY_DATABASE: Self =
        Self::of(0xD719_B2CB, 0x3D3A, 0x4596, [0xA3, 0xBC, 0xDA, 0xD0, 0x0E, 0x67, 0x65, 0x6F]);
    /// `SHIM_LOCK_GUID`: MokList, MokListX, SbatLevel.
    pub const SHIM_LOCK: Self = Self::of(0x605D_AB50, 0xE046, 0x4300, [0xAB, 0xB6, 0x3D, 0xD8, 0x10, 0xDD, 0x8B, 0x23]);

    /// A GUID from its fields.
    pub const fn of(one: u32, two: u16, three: u16, rest: [u8; 8]) -> Self {
        let ([a, b, c, d], [e, f], [g, h]) = (one.to_le_bytes(), two.to_le_bytes(), three.to_le_bytes());
        let [i, j, k, l, m, n, o, p] = rest;
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// Reads the usual spelling, 36 characters in either case.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut digits = [0; 32];
        let mut count: usize = 0;
        if text.len() != 36 {
            return None;
        }
        for (at, byte) in text.bytes().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return None;
                }
                continue;
            }
            *digits.get_mut(count)? = u8::try_from(char::from(byte).to_digit(16)?).ok()?;
            count = count.checked_add(1)?;
        }
        let mut bytes = [0; 16];
        let (pairs, _) = digits.as_chunks::<2>();
        bytes.iter_mut().zip(pairs).for_each(|(byte, [high, low])| *byte = high << 4 | low);
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Some(Self([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]))
    }
}

/// The usual spelling, lower case.
impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f1, g, h, i, j, k, l, m, n, o, p] = self.0;
        write!(f, "{d:02x}{c:02x}{b:02x}{a:02x}-{f1:02x}{e:02x}-{h:02x}{g:02x}-{i:02x}{j:02x}-")?;
        write!(f, "{k:02x}{l:02x}{m:02x}{n:02x}{o:02x}{p:02x}")
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn guid_is_written_as_the_specification_writes_it() {
        let text = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
        assert_eq!(Guid::GLOBAL_VARIABLE.to_string(), text);
        assert_eq!(Guid::from_text(text), Some(Guid::GLOBAL_VARIABLE));
        assert_eq!(Guid::from_text(&text.to_uppercase()), Some(Guid::GLOBAL_VARIABLE));
        assert_eq!(Guid::GLOBAL_VARIABLE.0[..4], [0x61, 0xDF, 0xE4, 0x8B]);
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "8be4df61",
            "8be4df61-93ca-11d2-aa0d-00e098032b8",
            "8be4df61-93ca-11d2-aa0d000e098032b8c",
            "8be4df61-93ca-11d2-aa0d-00e098032b8g",
        ] {
            assert_eq!(Guid::from_text(text), None, "{text}");
        }
    }
}
