//! Why evidence or an enrolment is not authentic.

use core::fmt;

macro_rules! codes {
    ($( $(#[$doc:meta])* $name:ident = $text:literal, )*) => {
        /// Why something is refused before anything in it is believed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum RejectCode {
            $( $(#[$doc])* $name, )*
        }

        impl RejectCode {
            /// Every code.
            pub const ALL: &'static [RejectCode] = &[$(Self::$name),*];

            /// The code as it stands in JSON, receipts and documents.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// The evidence answers another challenge; most often a retry that came too late.
    ChallengeMismatch = "CHALLENGE_MISMATCH",
    /// The attestation structure does not parse.
    QuoteMalformed = "QUOTE_MALFORMED",
    /// The bytes do not claim to come from inside a TPM: made by hand.
    QuoteMagic = "QUOTE_MAGIC",
    /// A TPM made them, but for something else.
    QuoteType = "QUOTE_TYPE",
    /// The signature structure does not parse.
    SignatureMalformed = "SIGNATURE_MALFORMED",
    /// A signature scheme or hash that is not on the allow-list, or not the key's own.
    SignatureScheme = "SIGNATURE_SCHEME",
    /// The signature is not by this node's attestation key.
    Signature = "SIGNATURE",
    /// The key stands elsewhere in the TPM's hierarchy than the enrolled one.
    QualifiedSigner = "QUALIFIED_SIGNER",
    /// Signed for another challenge, another client key, another purpose or another report: a replay or a relay.
    QualifyingData = "QUALIFYING_DATA",
    /// The signed selection is not exactly the one that was asked for.
    PcrSelection = "PCR_SELECTION",
    /// Fewer TPM resets than already seen: a snapshot, another TPM, or an old quote.
    ResetCountBack = "RESET_COUNT_BACK",
    /// Fewer TPM restarts within the same reset.
    RestartCountBack = "RESTART_COUNT_BACK",
    /// The TPM's clock did not advance within the same reset.
    ClockNotAdvancing = "CLOCK_NOT_ADVANCING",
    /// A public area does not parse, or its algorithms are not on the allow-list.
    KeyMalformed = "KEY_MALFORMED",
    /// The attestation key could sign things that the TPM did not make, or could leave it.
    AkAttributes = "AK_ATTRIBUTES",
    /// The attestation key's parent is not made from the fixed template.
    AkParent = "AK_PARENT",
    /// The attestation key is a primary key, or has another parent than the one shown.
    AkIsPrimary = "AK_IS_PRIMARY",
    /// The endorsement key is not made from a template of the TCG EK Credential Profile.
    EkTemplate = "EK_TEMPLATE",
    /// Something else was certified than the attestation key's parent or, by a cloud's key, the attestation key.
    CertifiedName = "CERTIFIED_NAME",
    /// The report key could sign in states that nobody approved, or could leave the TPM.
    ReportKeyAttributes = "REPORT_KEY_ATTRIBUTES",
}

/// A refusal with the facts that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Machine code.
    pub code: RejectCode,
    /// What was wanted and what came.
    pub detail: String,
}

impl Rejection {
    pub(crate) fn new(code: RejectCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl fmt::Display for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Rejection {}
