//! TPMT_SIGNATURE (TPM 2.0 Part 2, "Signature structures"): the three schemes that Avouch verifies.

use alloc::vec::Vec;

use crate::wire::{Reader, Wire, Writer, encode};
use crate::{HashAlg, Wanted, WireError};

const ALG_RSASSA: u16 = 0x0014;
const ALG_RSAPSS: u16 = 0x0016;
const ALG_ECDSA: u16 = 0x0018;

/// RSA-4096.
const MAX_RSA: u16 = 512;
/// P-521.
const MAX_COORDINATE: u16 = 66;

/// A signature as a TPM returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature<'a> {
    /// RSASSA-PKCS1-v1_5.
    RsaSsa {
        /// Hash of the signed bytes.
        hash: HashAlg,
        /// As long as the modulus.
        signature: &'a [u8],
    },
    /// RSASSA-PSS.
    RsaPss {
        /// Hash of the signed bytes.
        hash: HashAlg,
        /// As long as the modulus.
        signature: &'a [u8],
    },
    /// ECDSA; a TPM may leave out leading zero bytes of `r` and `s`.
    Ecdsa {
        /// Hash of the signed bytes.
        hash: HashAlg,
        /// r, big-endian.
        r: &'a [u8],
        /// s, big-endian.
        s: &'a [u8],
    },
}

impl<'a> Signature<'a> {
    /// Reads a TPMT_SIGNATURE that fills `bytes`.
    ///
    /// # Errors
    /// [`WireError`]; a scheme that is not verified here is refused by its identifier.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        Reader::new(bytes).whole()
    }

    /// As TPMT_SIGNATURE.
    ///
    /// # Errors
    /// [`WireError`] when a field is too long for its length prefix.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        encode(self)
    }

    /// The hash over which the signature was made.
    pub fn hash(&self) -> HashAlg {
        match *self {
            Self::RsaSsa { hash, .. } | Self::RsaPss { hash, .. } | Self::Ecdsa { hash, .. } => hash,
        }
    }
}

impl<'a> Wire<'a> for Signature<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let start = reader.offset();
        let scheme = reader.u16()?;
        match scheme {
            ALG_RSASSA => Ok(Self::RsaSsa { hash: HashAlg::read(reader)?, signature: reader.sized_up_to(MAX_RSA)? }),
            ALG_RSAPSS => Ok(Self::RsaPss { hash: HashAlg::read(reader)?, signature: reader.sized_up_to(MAX_RSA)? }),
            ALG_ECDSA => Ok(Self::Ecdsa {
                hash: HashAlg::read(reader)?,
                r: reader.sized_up_to(MAX_COORDINATE)?,
                s: reader.sized_up_to(MAX_COORDINATE)?,
            }),
            other => Err(WireError { offset: start, wanted: Wanted::Known("signature scheme"), got: other.into() }),
        }
    }

    fn write(&self, writer: &mut Writer) {
        let (scheme, hash, signature, second) = match *self {
            Self::RsaSsa { hash, signature } => (ALG_RSASSA, hash, signature, None),
            Self::RsaPss { hash, signature } => (ALG_RSAPSS, hash, signature, None),
            Self::Ecdsa { hash, r, s } => (ALG_ECDSA, hash, r, Some(s)),
        };
        writer.u16(scheme);
        hash.write(writer);
        writer.sized(signature);
        if let Some(second) = second {
            writer.sized(second);
        }
    }
}
