//! The log, its header and its events.

use alloc::vec::Vec;

use avouch_tpm_wire::{Digest, HashAlg, Hasher};

use crate::cursor::Cursor;
use crate::{EventType, LogError, PcrBank, ReplayError, replay};

/// Most events taken from one log. Real logs hold 20 to 300; boot loaders that measure every command stay below
/// 10,000. An event costs about 100 bytes of memory for 12 bytes of log, so the bound is on events.
pub const MAX_EVENTS: usize = 65_536;
/// Most banks that a header may declare: TPM 2.0 implementations have at most five.
pub const MAX_BANKS: usize = 16;
/// PCRs of a PC Client TPM.
pub const PCR_COUNT: u32 = 24;
/// The PCR index of an event that belongs to no PCR and never extends.
pub const NO_PCR: u32 = 0xFFFF_FFFF;

/// A parsed boot log that borrows its bytes.
#[derive(Clone, Debug)]
pub struct BootLog<'a> {
    format: Format,
    banks: Vec<HashAlg>,
    events: Vec<Event<'a>>,
    padding: Option<Padding>,
    /// `(TPM_ALG_ID, size)` pairs of the header; empty in the SHA-1 form.
    sizes: &'a [u8],
}

/// The two forms of the PFP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `TCG_PCR_EVENT2` after a "Spec ID Event03" header: one digest per bank.
    CryptoAgile,
    /// `TCG_PCClientPCREvent` only: SHA-1 digests, hence no bank that Avouch trusts.
    Sha1,
}

/// Bytes after the last event. Firmware reserves a buffer, and some platforms hand it over whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding {
    /// 0x00 or 0xFF, the same in every byte.
    pub byte: u8,
    /// How many.
    pub len: usize,
}

/// One measured event.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Position in the log, from 0; the "Spec ID Event03" header of a crypto-agile log is event 0.
    pub index: usize,
    /// Byte where the event begins.
    pub offset: usize,
    /// PCR index: 0 to 23, or [`NO_PCR`].
    pub pcr: u32,
    /// What kind of event; not covered by the digest.
    pub event_type: EventType,
    /// One digest per bank that the firmware logged.
    pub digests: Digests<'a>,
    /// The event data. What the digest covers depends on the type and is often not this.
    pub data: &'a [u8],
}

/// The digests of one event, borrowed from the log.
#[derive(Clone, Copy, Debug)]
pub struct Digests<'a> {
    /// `(TPM_ALG_ID, size)` pairs of the header, as they stand in the log; empty in the SHA-1 form.
    sizes: &'a [u8],
    /// `(TPM_ALG_ID, digest)` pairs, checked by the parser; 20 bare bytes in the SHA-1 form.
    bytes: &'a [u8],
}

impl<'a> BootLog<'a> {
    /// Reads a whole log; trailing bytes that are all 0x00 or all 0xFF are padding.
    ///
    /// # Errors
    /// [`LogError`] at the first byte that is not a log; nothing of a log that is cut or malformed is used.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, LogError> {
        let mut cursor = Cursor::new(bytes, 0);
        if bytes.is_empty() || padding(bytes).is_some() {
            return Err(LogError::Empty);
        }
        let first = sha1_event(&mut cursor, 0)?;
        let Some(header) = spec_id_event03(&first) else {
            let (events, padding) = rest(cursor, first, sha1_event)?;
            return Ok(Self { format: Format::Sha1, banks: alloc::vec![HashAlg::Sha1], events, padding, sizes: &[] });
        };
        let sizes = algorithm_sizes(header, &cursor, first.data.len())?;
        let banks = pairs(sizes).filter_map(|(id, _)| HashAlg::from_id(id)).collect();
        let (events, padding) = rest(cursor, first, |cursor, index| agile_event(cursor, index, sizes))?;
        Ok(Self { format: Format::CryptoAgile, banks, events, padding, sizes })
    }

    /// The banks that the log has digests for, in the header's order; banks that Avouch does not compute (SM3) are
    /// left out. A SHA-1 log has SHA-1 only.
    pub fn banks(&self) -> &[HashAlg] {
        &self.banks
    }

    /// The events in order.
    pub fn events(&self) -> &[Event<'a>] {
        &self.events
    }

    /// Which of the two forms.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What follows the last event.
    pub fn padding(&self) -> Option<Padding> {
        self.padding
    }

    pub(crate) fn sizes(&self) -> &'a [u8] {
        self.sizes
    }

    /// Appends an event that came from elsewhere, with the next index.
    pub(crate) fn push(&mut self, event: Event<'a>) {
        let index = self.events.len();
        self.events.push(Event { index, ..event });
    }

    /// Recomputes the PCRs of one bank.
    ///
    /// # Errors
    /// [`ReplayError::NoBank`] when the log has no digests for the bank.
    pub fn replay(&self, alg: HashAlg, hasher: &impl Hasher) -> Result<PcrBank, ReplayError> {
        replay::replay_from(self, alg, hasher, None)
    }

    /// The locality that the firmware says TPM2_Startup came from (PFP section 10.4.5.3); `None` when it says nothing,
    /// which means locality 0. Where the log contradicts itself, replay leaves PCR 0 unknown.
    pub fn startup_locality(&self) -> Option<u8> {
        self.events.iter().find_map(Event::startup_locality)
    }
}

impl<'a> Event<'a> {
    /// The digest in one bank; `None` when the firmware logged none.
    pub fn digest(&self, alg: HashAlg) -> Option<Digest> {
        let (_, bytes) = self.digests.iter().find(|(id, _)| *id == alg.id())?;
        Digest::new(alg, bytes)
    }

    /// True when the event changed its PCR: every type but EV_NO_ACTION, in every PCR that exists.
    pub fn extends(&self) -> bool {
        self.event_type != EventType::NO_ACTION && self.pcr < PCR_COUNT
    }

    /// True when both say the same; where they stand does not matter.
    pub(crate) fn same(&self, other: &Event<'_>) -> bool {
        let one = (self.pcr, self.event_type, self.digests.bytes, self.data);
        one == (other.pcr, other.event_type, other.digests.bytes, other.data)
    }

    pub(crate) fn startup_locality(&self) -> Option<u8> {
        if self.event_type != EventType::NO_ACTION || self.pcr != 0 {
            return None;
        }
        match self.data.strip_prefix(b"StartupLocality\0") {
            Some([locality]) => Some(*locality),
            _ => None,
        }
    }
}

impl<'a> Digests<'a> {
    /// `(TPM_ALG_ID, digest)` in the log's order, including algorithms that Avouch does not compute.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let (sizes, mut left) = (self.sizes, self.bytes);
        core::iter::from_fn(move || {
            if left.is_empty() {
                return None;
            }
            if sizes.is_empty() {
                return Some((HashAlg::Sha1.id(), core::mem::take(&mut left)));
            }
            let (id, tail) = left.split_first_chunk().map(|(id, tail)| (u16::from_le_bytes(*id), tail))?;
            let (_, size) = pairs(sizes).find(|(declared, _)| *declared == id)?;
            let (digest, tail) = tail.split_at_checked(usize::from(size))?;
            left = tail;
            Some((id, digest))
        })
    }
}

/// `TCG_PCClientPCREvent`.
fn sha1_event<'a>(cursor: &mut Cursor<'a>, index: usize) -> Result<Event<'a>, LogError> {
    let offset = cursor.offset();
    let pcr = pcr_index(cursor)?;
    let event_type = EventType(cursor.u32("event type")?);
    let digests = Digests { sizes: &[], bytes: cursor.take(HashAlg::Sha1.size(), "SHA-1 digest")? };
    let data = event_data(cursor)?;
    Ok(Event { index, offset, pcr, event_type, digests, data })
}

/// `TCG_PCR_EVENT2`.
pub(crate) fn agile_event<'a>(cursor: &mut Cursor<'a>, index: usize, sizes: &'a [u8]) -> Result<Event<'a>, LogError> {
    let offset = cursor.offset();
    let pcr = pcr_index(cursor)?;
    let event_type = EventType(cursor.u32("event type")?);
    let digests = Digests { sizes, bytes: digest_values(cursor, sizes)? };
    let data = event_data(cursor)?;
    Ok(Event { index, offset, pcr, event_type, digests, data })
}

fn pcr_index(cursor: &mut Cursor<'_>) -> Result<u32, LogError> {
    let offset = cursor.offset();
    match cursor.u32("PCR index")? {
        pcr if pcr < PCR_COUNT || pcr == NO_PCR => Ok(pcr),
        got => Err(LogError::Pcr { offset, got }),
    }
}

fn event_data<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], LogError> {
    let len = cursor.length("event size")?;
    cursor.take(len, "event data")
}

/// `TPML_DIGEST_VALUES`: checks every digest and gives the pairs as they stand.
fn digest_values<'a>(cursor: &mut Cursor<'a>, sizes: &[u8]) -> Result<&'a [u8], LogError> {
    let offset = cursor.offset();
    let count = cursor.u32("digest count")?;
    let declared = pairs(sizes).count();
    if !usize::try_from(count).is_ok_and(|count| count <= declared) {
        return Err(LogError::TooMany { offset, field: "digests", wanted: declared, got: count.into() });
    }
    let (start, whole) = (cursor.offset(), cursor.rest());
    let mut seen = [None; MAX_BANKS];
    for slot in seen.iter_mut().take(declared).zip(0..count).map(|(slot, _)| slot) {
        let offset = cursor.offset();
        let id = cursor.u16("digest algorithm")?;
        let Some((_, size)) = pairs(sizes).find(|(declared, _)| *declared == id) else {
            return Err(LogError::Algorithm { offset, got: id });
        };
        cursor.take(usize::from(size), "digest")?;
        *slot = Some((id, offset));
    }
    no_duplicate(&seen)?;
    Ok(whole.get(..cursor.offset().saturating_sub(start)).unwrap_or_default())
}

fn no_duplicate(seen: &[Option<(u16, usize)>]) -> Result<(), LogError> {
    for (position, (id, offset)) in seen.iter().flatten().enumerate() {
        if seen.iter().flatten().take(position).any(|(earlier, _)| earlier == id) {
            return Err(LogError::Duplicate { offset: *offset, algorithm: *id });
        }
    }
    Ok(())
}

/// The data of a `TCG_EfiSpecIdEvent` behind its signature, when this is one. Logs of confidential virtual machines
/// carry it under register 1 instead of PCR 0; the event never extends, so its index says nothing.
fn spec_id_event03<'a>(event: &Event<'a>) -> Option<&'a [u8]> {
    if event.event_type != EventType::NO_ACTION {
        return None;
    }
    event.data.strip_prefix(b"Spec ID Event03\0")
}

/// `TCG_EfiSpecIdEvent` (PFP section 10.4.5.1): gives the `(TPM_ALG_ID, size)` pairs as they stand.
fn algorithm_sizes<'a>(header: &'a [u8], after: &Cursor<'_>, data_len: usize) -> Result<&'a [u8], LogError> {
    let signature = data_len.saturating_sub(header.len());
    let start = after.offset().saturating_sub(data_len).saturating_add(signature);
    let mut cursor = Cursor::new(header, start);
    cursor.u32("platform class")?;
    cursor.u32("specification version")?;
    let offset = cursor.offset();
    let count = cursor.u32("number of algorithms")?;
    let count = match usize::try_from(count) {
        Ok(count) if (1..=MAX_BANKS).contains(&count) => count,
        _ => return Err(LogError::TooMany { offset, field: "algorithms", wanted: MAX_BANKS, got: count.into() }),
    };
    let mut table = Cursor::new(cursor.rest(), cursor.offset());
    let sizes = cursor.take(count.saturating_mul(4), "algorithm sizes")?;
    let mut seen = [None; MAX_BANKS];
    for slot in seen.iter_mut().take(count) {
        let offset = table.offset();
        let (id, size) = (table.u16("algorithm")?, table.u16("digest size")?);
        *slot = Some((id, offset));
        if let Some(alg) = HashAlg::from_id(id)
            && alg.size() != usize::from(size)
        {
            let offset = offset.saturating_add(2);
            return Err(LogError::AlgorithmSize { offset, algorithm: id, wanted: alg.size(), got: size });
        }
    }
    no_duplicate(&seen)?;
    let vendor = cursor.u8("vendor information size")?;
    cursor.take(usize::from(vendor), "vendor information")?;
    match cursor.rest().len() {
        0 => Ok(sizes),
        got => Err(LogError::Trailing { offset: cursor.offset(), field: "the Spec ID event", got }),
    }
}

fn pairs(sizes: &[u8]) -> impl Iterator<Item = (u16, u16)> {
    sizes.as_chunks().0.iter().map(|&[a, b, c, d]| (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])))
}

type Read<'a> = (Vec<Event<'a>>, Option<Padding>);

/// Every event behind the first, up to the end or the padding.
fn rest<'a>(
    mut cursor: Cursor<'a>,
    first: Event<'a>,
    mut read: impl FnMut(&mut Cursor<'a>, usize) -> Result<Event<'a>, LogError>,
) -> Result<Read<'a>, LogError> {
    let mut events = alloc::vec![first];
    while !cursor.rest().is_empty() {
        if let Some(padding) = padding(cursor.rest()) {
            return Ok((events, Some(padding)));
        }
        let index = events.len();
        if index == MAX_EVENTS {
            let got = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1);
            return Err(LogError::TooMany { offset: cursor.offset(), field: "events", wanted: MAX_EVENTS, got });
        }
        events.push(read(&mut cursor, index)?);
    }
    Ok((events, None))
}

pub(crate) fn padding(rest: &[u8]) -> Option<Padding> {
    let byte = *rest.first()?;
    let uniform = matches!(byte, 0x00 | 0xFF) && rest.iter().all(|other| *other == byte);
    uniform.then_some(Padding { byte, len: rest.len() })
}
