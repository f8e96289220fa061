//! `binary_runtime_measurements` (`ima_measurements_show` in `ima_fs.c`).

use core::iter::FusedIterator;

use avouch_tpm_wire::HashAlg;

use crate::entry::{OLD_NAME_BYTES, is_zero};
use crate::reader::Reader;
use crate::{Body, DigestAlg, Entry, Fault, IMA_PCR, ImaError, TemplateData, body};

/// Longest template name (TCG_EVENT_NAME_LEN_MAX).
pub const MAX_TEMPLATE_NAME: usize = 255;
/// Longest template data. Signatures and certificates take a few KiB, extended attributes at most 64 KiB each.
pub const MAX_TEMPLATE_DATA: usize = 1024 * 1024;

/// What nearly all entries have, most frequent first.
const FREQUENT: [&str; 4] = ["ima-ng", "ima-sig", "ima-buf", "ima"];
/// Highest PCR of a TPM (PC Client Platform TPM Profile, PCRs 0 to 23).
const LAST_PCR: u32 = 23;
/// Bytes of the digest in the old `ima` template.
const OLD_DIGEST_BYTES: usize = 20;

/// Reads a binary list, or the rest of one: `first_index` is the number of entries before it.
///
/// Template hashes in the list are taken to be 20 bytes, as kernels write them; see [`Entries::template_hash`].
pub fn parse_binary(bytes: &[u8], first_index: u64) -> Entries<'_> {
    Entries {
        reader: Reader::new(bytes, 0),
        index: first_index,
        hash_size: HashAlg::Sha1.size(),
        pcr: IMA_PCR,
        other_pcrs: OtherPcrs::Refuse,
        failed: false,
    }
}

/// Entries that a width must read to be taken without reading on.
const CONVINCING: usize = 16;

/// The algorithm of the template hashes in a binary list, found by its width: the list itself does not say it. Kernels
/// before 6.10 write SHA-1 only; later ones also have a file for each bank.
///
/// The width that reads most of the first entries is taken, so a list that is cut inside an entry is no obstacle.
///
/// # Errors
/// [`ImaError`] of the default width when no width reads one entry, so also for an empty list.
pub fn detect_template_hash(bytes: &[u8]) -> Result<HashAlg, ImaError> {
    let read = |alg| {
        // Any PCR will do here: it does not depend on the width.
        let entries = Entries { other_pcrs: OtherPcrs::Keep, ..parse_binary(bytes, 0) }.template_hash(alg);
        entries.take(CONVINCING).map_while(Result::ok).count()
    };
    // `max_by_key` takes the last of equals; SHA-1 comes first and is what kernels write, so it goes last.
    let best = HashAlg::ALL.into_iter().rev().map(|alg| (read(alg), alg)).max_by_key(|(count, _)| *count);
    match best {
        Some((count, alg)) if count > 0 => Ok(alg),
        _ => match parse_binary(bytes, 0).next() {
            Some(Err(error)) => Err(error),
            _ => Err(ImaError { index: 0, offset: 0, fault: Fault::Cut { field: "PCR index", wanted: 4, got: 0 } }),
        },
    }
}

/// What happens to entries of other PCRs than the one that a list is read for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherPcrs {
    /// They end the reading: no replay of this PCR would prove them.
    #[default]
    Refuse,
    /// They are handed out with their own [`Entry::pcr`], to be shown or replayed apart.
    Keep,
}

/// Entries of a list in order. After an error there is nothing more.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    reader: Reader<'a>,
    index: u64,
    hash_size: usize,
    pcr: u32,
    other_pcrs: OtherPcrs,
    failed: bool,
}

impl<'a> Entries<'a> {
    /// The list carries template hashes of this algorithm. A list does not say which, and the kernel writes SHA-1
    /// unless it was changed.
    pub fn template_hash(mut self, alg: HashAlg) -> Self {
        self.hash_size = alg.size();
        self
    }

    /// The list is for another PCR than [`IMA_PCR`] (CONFIG_IMA_MEASURE_PCR_IDX). Entries of any other are refused
    /// unless [`Entries::other_pcrs`] keeps them: no replay of this PCR would prove them.
    pub fn pcr(mut self, pcr: u32) -> Self {
        self.pcr = pcr;
        self
    }

    /// What happens to entries of other PCRs (`pcr=` in an IMA policy).
    pub fn other_pcrs(mut self, other_pcrs: OtherPcrs) -> Self {
        self.other_pcrs = other_pcrs;
        self
    }

    /// First byte that no good entry covers.
    pub fn offset(&self) -> usize {
        self.reader.offset()
    }

    /// Number of the next entry.
    pub fn next_index(&self) -> u64 {
        self.index
    }

    #[inline]
    fn read(&self, reader: &mut Reader<'a>) -> Result<Entry<'a>, Fault> {
        let offset = reader.offset();
        let mut ahead = *reader;
        let pcr = ahead.u32("PCR index")?;
        if pcr.swap_bytes() == self.pcr {
            return Err(Fault::ByteOrder);
        }
        if pcr != self.pcr && (self.other_pcrs == OtherPcrs::Refuse || pcr > LAST_PCR) {
            return Err(Fault::Pcr { wanted: self.pcr, got: pcr });
        }
        *reader = ahead;
        let template_hash = reader.take(self.hash_size, "template hash")?;
        let template = template_name(reader)?;
        let (template_data, body) =
            if template == "ima" { old(reader)? } else { framed(reader, template, is_zero(template_hash))? };
        let end_offset = reader.offset();
        Ok(Entry { index: self.index, pcr, template_hash, template, template_data, offset, end_offset, body })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, ImaError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.reader.rest().is_empty() {
            return None;
        }
        let mut reader = self.reader;
        match self.read(&mut reader) {
            Ok(entry) => {
                self.reader = reader;
                self.index = self.index.saturating_add(1);
                Some(Ok(entry))
            }
            Err(fault) => {
                self.failed = true;
                Some(Err(ImaError { index: self.index, offset: reader.offset(), fault }))
            }
        }
    }
}

impl FusedIterator for Entries<'_> {}

#[inline]
fn template_name<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Fault> {
    let len = reader.length(MAX_TEMPLATE_NAME, "template name")?;
    let mut ahead = *reader;
    let name = ahead.take(len, "template name")?;
    // Names that need no look at every letter.
    if let Some(known) = FREQUENT.iter().find(|known| known.as_bytes() == name) {
        *reader = ahead;
        return Ok(known);
    }
    match core::str::from_utf8(name) {
        Ok(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            *reader = ahead;
            Ok(text)
        }
        _ => Err(Fault::Field { field: "template name", wanted: "printable ASCII", got: len }),
    }
}

type Read<'a> = (TemplateData<'a>, Body<'a>);

#[inline]
fn framed<'a>(reader: &mut Reader<'a>, template: &'a str, violation: bool) -> Result<Read<'a>, Fault> {
    let len = reader.length(MAX_TEMPLATE_DATA, "template data")?;
    let start = reader.offset();
    let data = reader.take(len, "template data")?;
    match body::read(template, Reader::new(data, start), violation) {
        Ok(body) => Ok((TemplateData::Framed(data), body)),
        Err((offset, fault)) => {
            *reader = Reader::new(&[], offset);
            // The data is whole, so a length that does not fit in it is wrong, not cut.
            Err(match fault {
                Fault::Cut { field, wanted, got } => Fault::TooLong { field, wanted: got, got: wanted },
                other => other,
            })
        }
    }
}

/// The `ima` template has no length of its data, no length of the digest and no NUL behind the name.
fn old<'a>(reader: &mut Reader<'a>) -> Result<Read<'a>, Fault> {
    let digest = reader.take(OLD_DIGEST_BYTES, "digest")?;
    let len = reader.length(OLD_NAME_BYTES.saturating_sub(1), "file name")?;
    let path = reader.take(len, "file name")?;
    // The name ends at its first NUL for the kernel; one inside would give two lists the same hash.
    if path.contains(&0) {
        return Err(Fault::Field { field: "file name", wanted: "text without NUL", got: len });
    }
    let body = Body::File { digest_alg: DigestAlg::Sha1, digest, verity: false, path, signature: None, modsig: None };
    Ok((TemplateData::Old { digest, name: path }, body))
}
