//! What a node answers.

use minicbor::{Decode, Encode};

use crate::cbor::message;
use crate::challenge::Bytes;
use crate::limits::{MAX_CHALLENGE_REQUEST_BYTES, MAX_EVIDENCE_BYTES};
use crate::{Certification, Hash};

/// The answer to a challenge; `POST /v1/evidence`. The same bytes may be sent again at any time and get the same
/// receipt. There is no field for PCR values: the verifier replays the logs against the quoted digest.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Evidence {
    /// Version, [`crate::VERSION`].
    #[n(0)]
    pub v: u64,
    /// Sequence number of the challenge that is answered.
    #[n(1)]
    pub seq: u64,
    /// SHA-256 of the challenge bytes as they came.
    #[n(2)]
    pub challenge: Hash,
    /// TPMS_ATTEST of TPM2_Quote, without the TPM2B length.
    #[n(3)]
    pub quote: Bytes,
    /// TPMT_SIGNATURE over it.
    #[n(4)]
    pub quote_signature: Bytes,
    /// TPMS_ATTEST of TPM2_GetTime; owed in the first round of a boot session.
    #[n(5)]
    pub time: Option<Bytes>,
    /// TPMT_SIGNATURE over it.
    #[n(6)]
    pub time_signature: Option<Bytes>,
    /// The whole boot log as the kernel shows it; owed unless the challenge says it is proven for this session.
    #[n(7)]
    pub boot_log: Option<Bytes>,
    /// The IMA list from the proven offset to its end, read after the quote.
    #[n(8)]
    pub ima: Option<ImaSegment>,
    /// Release of the agent, for people; it decides nothing.
    #[n(9)]
    pub agent_version: String,
    /// SHA-256 of the paired report; zero when no report is due.
    #[n(10)]
    pub report_digest: Hash,
    /// systemd's log of what it measured in userspace (`tpm2-measure.log`), whole and as it was read after the quote;
    /// at most [`crate::MAX_USERSPACE_LOG_BYTES`]. Owed only by who sends it: where it stands, the PCRs must follow it.
    #[n(11)]
    pub userspace_log: Option<Bytes>,
    /// Every report ([`crate::Report`]) of this boot session's chain behind [`crate::Offsets::reports`], oldest first.
    /// They are extended into [`crate::Challenge::chain_pcr`] before the quote; key 10 is the digest of the last.
    #[cbor(n(12), skip_if = "Vec::is_empty")]
    pub reports: Vec<Bytes>,
    /// TPMT_SIGNATURE by the report key over the digest in key 10.
    #[n(13)]
    pub report_signature: Option<Bytes>,
    /// The report key; owed while the challenge holds no report of this boot session, and when the key is another.
    #[n(14)]
    pub report_key: Option<ShownReportKey>,
}

/// The report key as a TPM shows it, certified by the attestation key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ShownReportKey {
    /// TPMT_PUBLIC.
    #[n(0)]
    pub public: Bytes,
    /// TPM2_Certify of the key by the attestation key: qualifyingData with [`crate::Purpose::Certify`] over the message
    /// that is answered, the report digest zero.
    #[n(1)]
    pub certification: Certification,
}

/// A piece of the IMA list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ImaSegment {
    /// Which of the kernel's two spellings.
    #[n(0)]
    pub format: ImaFormat,
    /// Entries before the first one here; must equal what the server holds proven, or zero.
    #[n(1)]
    pub from_count: u64,
    /// The entries.
    #[n(2)]
    pub bytes: Bytes,
}

/// The kernel's two spellings of an IMA list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ImaFormat {
    /// `binary_runtime_measurements`.
    #[n(0)]
    Binary,
    /// `ascii_runtime_measurements`.
    #[n(1)]
    Ascii,
}

/// The agent cannot quote: its attestation key no longer loads under its parent; `POST /v1/key-lost`. It is believed
/// only to the node's own harm: the pass ends, and a new key needs credential activation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct KeyLost {
    /// Version, [`crate::VERSION`].
    #[n(0)]
    pub v: u64,
    /// Sequence number of the open challenge.
    #[n(1)]
    pub seq: u64,
    /// SHA-256 of the challenge bytes.
    #[n(2)]
    pub challenge: Hash,
    /// Response code of TPM2_Load.
    #[n(3)]
    pub tpm_rc: u32,
}

message!(Evidence, "evidence", MAX_EVIDENCE_BYTES);
message!(KeyLost, "key-lost notice", MAX_CHALLENGE_REQUEST_BYTES);
