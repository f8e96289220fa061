//! What the TPM signs: the one definition of qualifyingData, and the inputs of the two keyed hashes.

use crate::{Hash, NodeTag};

/// SHA-256 over the concatenation of the parts.
pub type Sha256 = fn(&[&[u8]]) -> Hash;

/// What a TPM signature is made for; a signature for one purpose is worth nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// TPM2_Quote.
    Quote = 1,
    /// TPM2_GetTime.
    GetTime = 2,
    /// TPM2_Certify.
    Certify = 3,
}

impl Purpose {
    fn byte(self) -> u8 {
        match self {
            Self::Quote => 1,
            Self::GetTime => 2,
            Self::Certify => 3,
        }
    }
}

/// `SHA-256("avouch/qd/v1\0" ‖ purpose ‖ SHA-256(challenge bytes) ‖ SHA-256(SPKI of the client key) ‖ report digest)`.
///
/// `challenge` and `client_spki` are the two inner digests; `report` is zero when no report is due.
pub fn qualifying_data(sha256: Sha256, purpose: Purpose, challenge: &Hash, client_spki: &Hash, report: &Hash) -> Hash {
    sha256(&[b"avouch/qd/v1\0", &[purpose.byte()], &challenge.0, &client_spki.0, &report.0])
}

/// What the round secret authenticates to become the server's nonce: node_tag ‖ seq (big-endian).
pub fn server_nonce_input(node: &NodeTag, seq: u64) -> Vec<u8> {
    [node.0.as_slice(), &seq.to_be_bytes()].concat()
}

/// What the opened credential authenticates: it binds token, client key and every public area of the request.
///
/// `request` is SHA-256 of the [`crate::EnrolRequest`] bytes, `challenge` of the [`crate::CredentialChallenge`] bytes.
pub fn enrolment_proof_input(request: &Hash, challenge: &Hash) -> Vec<u8> {
    [b"avouch/activate/v1\0".as_slice(), &request.0, &challenge.0].concat()
}
