//! One entry of a list.

use avouch_tpm_wire::{Digest, HashAlg, Hasher};

use crate::Body;

/// The PCR that IMA extends unless the kernel was built otherwise (CONFIG_IMA_MEASURE_PCR_IDX).
pub const IMA_PCR: u32 = 10;

/// Bytes of the name field in the template hash of the old `ima` template (IMA_EVENT_NAME_LEN_MAX + 1).
pub(crate) const OLD_NAME_BYTES: usize = 256;
static ZEROS: [u8; OLD_NAME_BYTES] = [0; OLD_NAME_BYTES];

/// One entry, borrowed from its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Position in the whole list, from 0; `boot_aggregate` is 0.
    pub index: u64,
    /// PCR that the entry extended: the one that the list is read for, unless [`crate::OtherPcrs::Keep`] was asked for.
    pub pcr: u32,
    /// The hash that the list carries. Only good to tell a violation: replay recomputes it.
    pub template_hash: &'a [u8],
    /// Name of the template, e.g. `ima-sig`; a custom format is its field list, e.g. `d-ng|n-ng|iuid`.
    pub template: &'a str,
    /// What the template hash covers.
    pub template_data: TemplateData<'a>,
    /// First byte of the entry in what was parsed.
    pub offset: usize,
    /// First byte after it.
    pub end_offset: usize,
    /// The template data, read.
    pub body: Body<'a>,
}

/// The bytes that a template hash covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateData<'a> {
    /// Every template but `ima`: the fields with their lengths, as they stand in the binary list.
    Framed(&'a [u8]),
    /// The `ima` template: the bare digest, then the name padded with zeros to 256 bytes.
    Old {
        /// SHA-1 or MD5 digest, 20 bytes.
        digest: &'a [u8],
        /// The name without its NUL, at most 255 bytes.
        name: &'a [u8],
    },
}

impl Entry<'_> {
    /// True when the kernel could not give a meaningful measurement (open writers, or time of measure is not time of
    /// use): the list carries an all-zero template hash and the PCR was extended with ones.
    #[inline]
    pub fn is_violation(&self) -> bool {
        is_zero(self.template_hash)
    }

    /// True for the entry that a list begins with after a boot. A list that begins with another one was trimmed, is the
    /// rest of one, or was handed over by kexec from a kernel that left its beginning out.
    pub fn is_boot_aggregate(&self) -> bool {
        matches!(self.body, Body::File { path: b"boot_aggregate", .. })
    }

    /// What the entry extended a PCR of this bank with, recomputed. Ones for a violation.
    #[inline]
    pub fn event_digest(&self, alg: HashAlg, hasher: &impl Hasher) -> Digest {
        if self.is_violation() { Digest::ones(alg) } else { self.template_data.hash(alg, hasher) }
    }
}

/// The mark of a violation, in any width.
#[inline]
pub(crate) fn is_zero(template_hash: &[u8]) -> bool {
    template_hash.iter().all(|byte| *byte == 0)
}

impl<'a> TemplateData<'a> {
    /// The template hash in any algorithm (`ima_calc_field_array_hash_tfm`).
    #[inline]
    pub fn hash(&self, alg: HashAlg, hasher: &impl Hasher) -> Digest {
        match *self {
            Self::Framed(data) => hasher.hash(alg, &[data]),
            Self::Old { .. } => hasher.hash(alg, &self.parts()),
        }
    }

    /// The covered bytes in pieces, to be hashed one after the other.
    #[inline]
    pub fn parts(&self) -> [&'a [u8]; 3] {
        match *self {
            Self::Framed(data) => [data, &[], &[]],
            Self::Old { digest, name } => {
                let padding = OLD_NAME_BYTES.saturating_sub(name.len());
                [digest, name, ZEROS.get(..padding).unwrap_or(&ZEROS)]
            }
        }
    }
}
