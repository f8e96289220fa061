//! The TCG Canonical Event Log in its TLV encoding: read, replay, write.
//!
//! Source: TCG Canonical Event Log Format 1.0 and 1.1, sections 4 (information model) and 5.1 (TLV). Every field is a
//! type of one byte, a length of four bytes, big-endian, and a value; integers are big-endian in as many bytes as they
//! need. The nesting is fixed and two deep, so there is nothing to recurse into. The JSON and CBOR encodings are turned
//! into this one outside.
//!
//! Memory: a record costs at most 160 bytes besides its input, and is at least 20 bytes long, so a parsed log takes at
//! most nine times its input.

mod content;
mod replay;
mod write;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use avouch_tpm_wire::{Digest, HashAlg};

use crate::cursor::Cursor;
use crate::{LogError, PCR_COUNT};

pub use content::{CelContent, Management, StateTransition, Systemd};
pub use replay::{CelReplay, CelWord};
pub use write::CelWriter;

/// Most records taken from one log: an IMA list of a long-lived machine has a few hundred thousand.
pub const MAX_RECORDS: usize = 1 << 20;

/// Types of the fields of a record.
mod field {
    pub(super) const RECNUM: u8 = 0;
    pub(super) const PCR: u8 = 1;
    pub(super) const NV_INDEX: u8 = 2;
    pub(super) const DIGESTS: u8 = 3;
    /// Google's type for registers of confidential virtual machines; the specification has none.
    pub(super) const CC_REGISTER: u8 = 108;
}

/// A parsed canonical event log that borrows its bytes.
#[derive(Clone, Debug)]
pub struct CelLog<'a> {
    records: Vec<Record<'a>>,
}

/// One record (section 4.2, `TPMS_CEL_EVENT`).
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Sequence number: grows in every register.
    pub number: u64,
    /// Byte where the record begins.
    pub offset: usize,
    /// What was extended.
    pub register: Register,
    /// What was extended with, one digest per bank.
    pub digests: CelDigests<'a>,
    /// What it was about.
    pub content: CelContent<'a>,
}

/// What a record extends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Register {
    /// A PCR, 0 to 23.
    Pcr(u32),
    /// An NV index of the extend type: a TPM's handle (0x01……), or as the specification of this format counts (0x20……).
    NvIndex(u32),
    /// A measurement register of a confidential virtual machine, see [`crate::CcLog`].
    Cc(u32),
}

/// The digests of one record, borrowed and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CelDigests<'a>(&'a [u8]);

impl<'a> CelLog<'a> {
    /// Reads a whole log. Zero bytes are a log without records: whether that is enough is for the caller to say.
    ///
    /// # Errors
    /// [`LogError`] at the first byte that is not a log: a field that is cut, out of place or of the wrong width, a
    /// number that does not grow in its register, more than [`MAX_RECORDS`] records.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, LogError> {
        let mut cursor = Cursor::new(bytes, 0);
        let mut records = Vec::new();
        let mut last: BTreeMap<Register, u64> = BTreeMap::new();
        while !cursor.rest().is_empty() {
            if records.len() == MAX_RECORDS {
                let got = u64::try_from(MAX_RECORDS).unwrap_or(u64::MAX).saturating_add(1);
                return Err(LogError::TooMany { offset: cursor.offset(), field: "records", wanted: MAX_RECORDS, got });
            }
            let record = record(&mut cursor)?;
            let before = last.insert(record.register, record.number);
            if before.is_some_and(|before| before >= record.number) {
                return Err(LogError::Value { offset: record.offset, field: "record number, which must grow" });
            }
            records.push(record);
        }
        Ok(Self { records })
    }

    /// The records in order.
    pub fn records(&self) -> &[Record<'a>] {
        &self.records
    }
}

impl Record<'_> {
    /// The digest in one bank.
    pub fn digest(&self, alg: HashAlg) -> Option<Digest> {
        let (_, bytes) = self.digests.iter().find(|(id, _)| u16::from(*id) == alg.id())?;
        Digest::new(alg, bytes)
    }
}

impl<'a> CelDigests<'a> {
    /// `(low byte of TPM_ALG_ID, digest)` in the record's order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut cursor = Cursor::new(self.0, 0);
        core::iter::from_fn(move || tlv(&mut cursor).ok().map(|field| (field.kind, field.value)))
    }
}

/// One field as it stands.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    kind: u8,
    /// Byte where the value begins.
    offset: usize,
    value: &'a [u8],
}

pub(super) fn tlv<'a>(cursor: &mut Cursor<'a>) -> Result<Field<'a>, LogError> {
    let kind = cursor.u8("field type")?;
    let len = usize::try_from(cursor.u32_be("field length")?).unwrap_or(usize::MAX);
    let offset = cursor.offset();
    Ok(Field { kind, offset, value: cursor.take(len, "field value")? })
}

impl<'a> Field<'a> {
    /// A cursor over the value.
    fn cursor(&self) -> Cursor<'a> {
        Cursor::new(self.value, self.offset)
    }

    /// The value as a big-endian integer of one to eight bytes, at most `max`.
    fn number(&self, field: &'static str, max: u64) -> Result<u64, LogError> {
        let wrong = LogError::Value { offset: self.offset, field };
        if !(1..=8).contains(&self.value.len()) {
            return Err(wrong);
        }
        let number = self.value.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte));
        if number > max { Err(wrong) } else { Ok(number) }
    }
}

fn record<'a>(cursor: &mut Cursor<'a>) -> Result<Record<'a>, LogError> {
    let offset = cursor.offset();
    let number = expect(cursor, field::RECNUM, "record number")?.number("record number", u64::MAX)?;
    let register = register(tlv(cursor)?)?;
    let digests = digests(expect(cursor, field::DIGESTS, "digests")?)?;
    let content = content::parse(tlv(cursor)?)?;
    Ok(Record { number, offset, register, digests, content })
}

fn expect<'a>(cursor: &mut Cursor<'a>, kind: u8, name: &'static str) -> Result<Field<'a>, LogError> {
    let offset = cursor.offset();
    let field = tlv(cursor)?;
    if field.kind == kind { Ok(field) } else { Err(LogError::Value { offset, field: name }) }
}

fn register(field: Field<'_>) -> Result<Register, LogError> {
    const NAME: &str = "register index";
    let wrong = LogError::Value { offset: field.offset, field: NAME };
    let index = u32::try_from(field.number(NAME, u32::MAX.into())?).unwrap_or(u32::MAX);
    match field.kind {
        field::PCR if index < PCR_COUNT => Ok(Register::Pcr(index)),
        field::NV_INDEX if matches!(index >> 24, 0x01 | 0x20) => Ok(Register::NvIndex(index)),
        field::CC_REGISTER if crate::register_name(index).is_some() => Ok(Register::Cc(index)),
        _ => Err(wrong),
    }
}

fn digests(field: Field<'_>) -> Result<CelDigests<'_>, LogError> {
    let mut cursor = field.cursor();
    let mut seen = [false; 256];
    while !cursor.rest().is_empty() {
        let offset = cursor.offset();
        let digest = tlv(&mut cursor)?;
        let algorithm = u16::from(digest.kind);
        if let Some(alg) = HashAlg::from_id(algorithm)
            && alg.size() != digest.value.len()
        {
            return Err(LogError::Value { offset, field: "digest length" });
        }
        if seen.get_mut(usize::from(digest.kind)).is_some_and(|seen| core::mem::replace(seen, true)) {
            return Err(LogError::Duplicate { offset, algorithm });
        }
    }
    Ok(CelDigests(field.value))
}
