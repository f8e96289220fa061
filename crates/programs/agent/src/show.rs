//! `show --last`: every byte that was sent, with its meaning.

use std::fmt::{self, Display};

use avouch_protocol::{Evidence, Message};

use crate::error::AgentError;
use crate::hash::sha256;
use crate::state::StateDir;

/// The evidence that was last sent.
#[derive(Clone, Debug)]
pub struct LastSent {
    bytes: Vec<u8>,
    evidence: Evidence,
    receipted: bool,
}

// === impl LastSent ===

impl LastSent {
    /// Reads it from the state directory.
    ///
    /// # Errors
    /// [`AgentError::NotEnrolled`], [`AgentError::NothingSent`], [`AgentError::State`].
    pub fn of(state: &StateDir) -> Result<Self, AgentError> {
        let enrolment = state.enrolment()?.ok_or(AgentError::NotEnrolled)?;
        let receipted = state.spool(&enrolment)?.is_none();
        let bytes = state.last_sent(&enrolment)?.ok_or(AgentError::NothingSent)?.evidence.to_vec();
        let evidence = Evidence::from_cbor(&bytes)?;
        Ok(Self { bytes, evidence, receipted })
    }

    /// The message's exact bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Display for LastSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, evidence, receipted } = self;
        let digest = sha256(&[bytes]);
        let state = if *receipted { "the server gave its receipt" } else { "no receipt yet" };
        writeln!(f, "# POST /v1/evidence: {} bytes, SHA-256 {digest}; {state}", bytes.len())?;
        writeln!(f, "# One deterministic CBOR map of these fields and nothing else:")?;
        writeln!(f, "version: {}", evidence.v)?;
        writeln!(f, "seq: {}", evidence.seq)?;
        writeln!(f, "challenge (SHA-256): {}", evidence.challenge)?;
        binary(f, "quote (TPMS_ATTEST)", &evidence.quote)?;
        binary(f, "quote signature (TPMT_SIGNATURE)", &evidence.quote_signature)?;
        optional(f, "time (TPMS_ATTEST)", evidence.time.as_ref().map(|bytes| bytes.as_slice()))?;
        optional(f, "time signature (TPMT_SIGNATURE)", evidence.time_signature.as_ref().map(|bytes| bytes.as_slice()))?;
        optional(f, "boot log", evidence.boot_log.as_ref().map(|bytes| bytes.as_slice()))?;
        match &evidence.ima {
            Some(ima) => {
                writeln!(f, "IMA list: {:?} entries, after the first {}", ima.format, ima.from_count)?;
                binary(f, "IMA entries", &ima.bytes)?;
            }
            None => writeln!(f, "IMA list: not sent")?,
        }
        let userspace = evidence.userspace_log.as_ref().map(|bytes| bytes.as_slice());
        optional(f, "userspace log (tpm2-measure.log)", userspace)?;
        writeln!(f, "agent version: {}", evidence.agent_version)?;
        writeln!(f, "report (SHA-256): {}", evidence.report_digest)?;
        for (number, report) in (1..).zip(&evidence.reports) {
            binary(f, &format!("report {number} of {}", evidence.reports.len()), report)?;
        }
        let signature = evidence.report_signature.as_ref().map(|bytes| bytes.as_slice());
        optional(f, "report signature (TPMT_SIGNATURE)", signature)?;
        match &evidence.report_key {
            Some(key) => {
                binary(f, "report key (TPMT_PUBLIC)", &key.public)?;
                binary(f, "report key's certification (TPMS_ATTEST)", &key.certification.attest)?;
                binary(f, "report key's certification (TPMT_SIGNATURE)", &key.certification.signature)
            }
            None => writeln!(f, "report key: not sent"),
        }
    }
}

fn optional(f: &mut fmt::Formatter<'_>, name: &str, bytes: Option<&[u8]>) -> fmt::Result {
    match bytes {
        Some(bytes) => binary(f, name, bytes),
        None => writeln!(f, "{name}: not sent"),
    }
}

/// Sixteen bytes a line, in hexadecimal and as text: paths in the IMA list can be read by eye.
fn binary(f: &mut fmt::Formatter<'_>, name: &str, bytes: &[u8]) -> fmt::Result {
    writeln!(f, "{name}: {} bytes", bytes.len())?;
    for (line, chunk) in bytes.chunks(16).enumerate() {
        let hex: String = chunk.iter().map(|byte| format!("{byte:02x} ")).collect();
        let text: String =
            chunk.iter().map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' }).collect();
        writeln!(f, "  {:08x}  {hex:<48} {text}", line * 16)?;
    }
    Ok(())
}
