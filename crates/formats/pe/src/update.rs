//! Signed updates of variables, such as the revocation lists that the UEFI Forum publishes: a time and a PKCS#7
//! signature before the new value (UEFI 2.10 section 8.2.6, EFI_VARIABLE_AUTHENTICATION_2).

use alloc::vec::Vec;
use core::fmt;

use crate::cursor::{Cursor, length};
use crate::siglist::{self, SignatureList};
use crate::{Certificate, Guid, PeError};

/// `EFI_CERT_TYPE_PKCS7_GUID`.
const PKCS7: Guid = Guid::of(0x4AAF_D29D, 0x68DF, 0x49EE, [0x8A, 0xA9, 0x34, 0x7D, 0x37, 0x56, 0x65, 0xA7]);
/// dwLength, wRevision, wCertificateType and CertType.
const HEADER: usize = 24;
const REVISION: u16 = 0x0200;

/// A signed update. The signature is not checked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update<'a> {
    /// When it was signed; firmware takes no update that is older than the last.
    pub time: Time,
    /// The signature, a PKCS#7 SignedData without content.
    pub pkcs7: &'a [u8],
    /// The new value of the variable.
    pub value: &'a [u8],
    value_offset: usize,
}

/// `EFI_TIME` without nanoseconds (UEFI 2.10 section 8.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Year of our era.
    pub year: u16,
    /// Month, 1 to 12; zero in the time of zeros.
    pub month: u8,
    /// Day of the month, 1 to 31; zero in the time of zeros.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 59.
    pub second: u8,
}

// === impl Update ===

impl<'a> Update<'a> {
    /// Reads the header and finds signature and value.
    ///
    /// # Errors
    /// [`PeError`] when it is cut, the time is none, or the signature is of another kind than PKCS#7.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PeError> {
        let mut cursor = Cursor::new(bytes, 0);
        let time = time(&mut cursor)?;
        let offset = cursor.offset();
        let field = "the length of the signature";
        let len = length(cursor.u32(field)?);
        expect(&mut cursor, "the revision of the signature", "0x200", REVISION)?;
        expect(&mut cursor, "the type of the signature", "0xef1", Certificate::GUID)?;
        let at = cursor.offset();
        let kind = cursor.guid("the GUID of the signature's type")?;
        if kind != PKCS7 {
            let [a, b, c, d, ..] = kind.0;
            let (field, wanted) = ("the GUID of the signature's type", "that of PKCS#7");
            return Err(PeError::Value { offset: at, field, wanted, got: u32::from_le_bytes([a, b, c, d]).into() });
        }
        let Some(len) = len.checked_sub(HEADER) else {
            let got = crate::cursor::wide(len);
            return Err(PeError::Value { offset, field, wanted: "at least the 24 bytes of its header", got });
        };
        let pkcs7 = cursor.take(len, "the signature")?;
        Ok(Self { time, pkcs7, value: cursor.rest(), value_offset: cursor.offset() })
    }

    /// The value as signature lists, as an update of PK, KEK, db or dbx has it; errors point into the update.
    ///
    /// # Errors
    /// [`PeError`] when the value is something else.
    pub fn signature_lists(&self) -> Result<Vec<SignatureList<'a>>, PeError> {
        siglist::parse_at(self.value, self.value_offset)
    }
}

// === impl Time ===

impl Time {
    /// The fields as they stand, whatever their values.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        let [low, high, month, day, hour, minute, second, ..] = bytes;
        Self { year: u16::from_le_bytes([low, high]), month, day, hour, minute, second }
    }

    /// True for the time of zeros.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// As ISO 8601 writes it, e.g. `2023-03-14T00:00:00`; updates are dated in UTC.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

/// A time of an update: nanoseconds, time zone and daylight must be zero (UEFI 2.10 section 8.2.2).
fn time(cursor: &mut Cursor<'_>) -> Result<Time, PeError> {
    let offset = cursor.offset();
    let bytes: [u8; 16] = cursor.array("the time of the update")?;
    let time = Time::from_bytes(bytes);
    let (_, rest) = bytes.split_at_checked(7).unwrap_or((&bytes, &[]));
    let in_range = time.month <= 12 && time.day <= 31 && time.hour <= 23 && time.minute <= 59 && time.second <= 59;
    if in_range && rest.iter().all(|byte| *byte == 0) {
        return Ok(time);
    }
    let got = bytes.iter().take(8).rev().fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
    Err(PeError::Value { offset, field: "the time of the update", wanted: "a time in whole seconds of UTC", got })
}

fn expect(cursor: &mut Cursor<'_>, field: &'static str, wanted: &'static str, value: u16) -> Result<(), PeError> {
    let offset = cursor.offset();
    match cursor.u16(field)? {
        got if got == value => Ok(()),
        got => Err(PeError::Value { offset, field, wanted, got: got.into() }),
    }
}
