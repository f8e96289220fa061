//! Canonical event logs in JSON and CBOR, turned into the one encoding that is parsed: TLV.
//!
//! Source: TCG Canonical Event Log Format 1.0, sections 5.2 (CBOR) and 5.3 (JSON); systemd writes its userspace log as
//! a JSON text sequence (RFC 7464) of such records. What is written here is read by [`avouch_bootlog::cel`], which
//! checks registers, digest lengths and order.
//!
//! Bounds: at most [`MAX_CEL_BYTES`] and [`MAX_CEL_RECORDS`]; a record nests at most [`MAX_DEPTH`] deep. The TLV form
//! is never longer than the JSON form, and at most eight times the CBOR form.

mod cbor;
mod json;

use core::fmt;

use avouch_bootlog::EventType;
use avouch_bootlog::cel::{CelContent, CelWriter, Management, Register, StateTransition, Systemd};
use avouch_tpm_wire::HashAlg;

/// Largest log that is turned.
pub const MAX_CEL_BYTES: usize = 32 * 1024 * 1024;
/// Most records that are turned.
pub const MAX_CEL_RECORDS: usize = 1 << 20;
/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 16;

/// How a canonical event log is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CelEncoding {
    /// JSON: a text sequence (records behind 0x1E), one record a line, or one array of records.
    Json,
    /// CBOR: one array of records, or records one after the other.
    Cbor,
}

/// Why bytes are not such a log: cut, altered, or of another release of the format.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CelError {
    /// More than [`MAX_CEL_BYTES`] or [`MAX_CEL_RECORDS`].
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The limit.
        wanted: usize,
    },
    /// Not the encoding, or nested too deep.
    Malformed {
        /// Byte of the input.
        offset: usize,
        /// What was wanted there.
        wanted: String,
    },
    /// A record without something that it must have, or with something that it cannot have.
    Record {
        /// Byte of the input where the record begins.
        offset: usize,
        /// Number of the record, from zero.
        number: usize,
        /// What is wrong with it.
        field: &'static str,
    },
}

/// Turns a log into TLV.
///
/// # Errors
/// [`CelError`] at the first record that is not one; nothing of a damaged log is used.
pub fn to_tlv(encoding: CelEncoding, bytes: &[u8]) -> Result<Vec<u8>, CelError> {
    if bytes.len() > MAX_CEL_BYTES {
        return Err(CelError::TooMany { what: "bytes", wanted: MAX_CEL_BYTES });
    }
    match encoding {
        CelEncoding::Json => json::turn(bytes),
        CelEncoding::Cbor => cbor::turn(bytes),
    }
}

/// A record as both encodings give it.
#[derive(Default)]
struct RawRecord {
    pcr: Option<u32>,
    nv_index: Option<u32>,
    digests: Vec<(u16, Vec<u8>)>,
    content: Option<RawContent>,
}

enum RawContent {
    Management(Management),
    PcClient { event_type: u32, data: Vec<u8> },
    ImaTemplate { name: Vec<u8>, data: Vec<u8> },
    Systemd(RawSystemd),
    Other { kind: u8, data: Vec<u8> },
}

#[derive(Default)]
struct RawSystemd {
    string: Vec<u8>,
    event_type: Option<String>,
    timestamp: Option<u64>,
    boot_id: Option<[u8; 16]>,
    nv_name: Option<String>,
}

/// The records so far.
struct Turning {
    writer: CelWriter,
    records: usize,
}

impl Turning {
    fn new() -> Self {
        Self { writer: CelWriter::new(), records: 0 }
    }

    fn push(&mut self, offset: usize, raw: &RawRecord) -> Result<(), CelError> {
        if self.records == MAX_CEL_RECORDS {
            return Err(CelError::TooMany { what: "records", wanted: MAX_CEL_RECORDS });
        }
        let wrong = |field| CelError::Record { offset, number: self.records, field };
        let register = match (raw.pcr, raw.nv_index) {
            (Some(pcr), None) if pcr < avouch_bootlog::PCR_COUNT => Register::Pcr(pcr),
            (None, Some(index)) if index >> 24 == 1 => Register::NvIndex(index),
            _ => return Err(wrong("the register: one PCR of 0 to 23, or one NV index")),
        };
        // The TLV form has one byte for an algorithm; no assigned hash needs more.
        if raw.digests.iter().any(|(alg, _)| *alg > 0xFF) {
            return Err(wrong("the algorithm of a digest"));
        }
        let content = raw.content.as_ref().ok_or_else(|| wrong("the content"))?;
        let digests = raw.digests.iter().map(|(alg, digest)| (*alg, digest.as_slice()));
        self.writer.record(register, digests, &content.borrow());
        self.records = self.records.saturating_add(1);
        Ok(())
    }
}

impl RawContent {
    fn borrow(&self) -> CelContent<'_> {
        match self {
            Self::Management(statement) => CelContent::Management(*statement),
            Self::PcClient { event_type, data } => CelContent::PcClient { event_type: EventType(*event_type), data },
            Self::ImaTemplate { name, data } => CelContent::ImaTemplate { name, data },
            Self::Systemd(raw) => CelContent::Systemd(Systemd {
                string: &raw.string,
                event_type: raw.event_type.as_deref(),
                timestamp: raw.timestamp,
                boot_id: raw.boot_id.as_ref(),
                nv_name: raw.nv_name.as_deref(),
            }),
            Self::Other { kind, data } => CelContent::Other { kind: *kind, data },
        }
    }
}

/// `TPMI_STATE_TRANS`.
fn state_transition(number: u64) -> Option<StateTransition> {
    match number {
        0 => Some(StateTransition::Suspend),
        1 => Some(StateTransition::Hibernate),
        2 => Some(StateTransition::Kexec),
        _ => None,
    }
}

/// An algorithm by the name that systemd and the specification's examples use.
fn algorithm(name: &str) -> Option<u16> {
    let lower = name.strip_prefix("TPM_ALG_").unwrap_or(name).to_ascii_lowercase().replace('_', "");
    let known = [HashAlg::Sha1, HashAlg::Sha256, HashAlg::Sha384, HashAlg::Sha512];
    match known.into_iter().find(|alg| alg.name() == lower) {
        Some(alg) => Some(alg.id()),
        // SM3 and SHA-3 are carried along, not computed (TCG Algorithm Registry).
        None => match lower.as_str() {
            "sm3256" | "sm3" => Some(0x12),
            "sha3256" => Some(0x27),
            "sha3384" => Some(0x28),
            "sha3512" => Some(0x29),
            _ => None,
        },
    }
}

impl fmt::Display for CelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { what, wanted } => {
                write!(f, "the canonical event log has more than {wanted} {what}")
            }
            Self::Malformed { offset, wanted } => write!(f, "canonical event log byte {offset}: {wanted}"),
            Self::Record { offset, number, field } => {
                write!(f, "canonical event log byte {offset}: record {number} is wrong in {field}")
            }
        }
    }
}

impl std::error::Error for CelError {}
