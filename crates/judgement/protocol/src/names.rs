//! Names of things: 32-byte hashes and the tag of a node.

use core::fmt;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

/// A SHA-256 value. Thirty-two zero bytes mean "none yet" where a field says so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

/// A node, named by its TPM: HMAC-SHA-256 under the tenant key over the Name of its endorsement key, so that the
/// endorsement key's own hash never leaves the tenant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeTag(pub [u8; 32]);

// === impl Hash ===

impl Hash {
    /// The value that stands for "none yet".
    pub const ZERO: Hash = Hash([0; 32]);

    /// Lower-case hexadecimal, 64 characters.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Reads 64 hexadecimal characters of either case; anything else is `None`.
    pub fn from_hex(text: &str) -> Option<Hash> {
        unhex(text).map(Hash)
    }
}

// === impl NodeTag ===

impl NodeTag {
    /// Lower-case hexadecimal, 64 characters; the form in certificates, URLs and JSON.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Reads 64 hexadecimal characters of either case; anything else is `None`.
    pub fn from_hex(text: &str) -> Option<NodeTag> {
        unhex(text).map(NodeTag)
    }

    /// The first twelve hexadecimal characters: enough for people to tell the nodes of a fleet apart.
    pub fn short(&self) -> String {
        self.to_hex().chars().take(12).collect()
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = core::str::from_utf8(pair).ok().filter(|p| !p.starts_with('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(out)
}

macro_rules! bytes32 {
    ($name:ident) => {
        impl<C> Encode<C> for $name {
            fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                let at = d.position();
                let bytes = d.bytes()?;
                <[u8; 32]>::try_from(bytes)
                    .map($name)
                    .map_err(|_| decode::Error::message("a byte string of 32 bytes was wanted").at(at))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.to_hex())
            }
        }
    };
}

bytes32!(Hash);
bytes32!(NodeTag);
