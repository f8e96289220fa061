//! SHA-256 in the shape that the protocol's definitions take.

use avouch_protocol::Hash;

/// SHA-256 over the concatenation of the parts.
pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    Hash(avouch_crypto::sha256(parts))
}
