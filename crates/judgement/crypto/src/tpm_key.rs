//! Public keys as a TPM holds them, checked against the allow-list.

use avouch_tpm_wire::{Curve, Key};
use aws_lc_rs::rsa::PublicKeyComponents;

use crate::CryptoError;
use crate::certificate::oid;

/// The only public exponent on the allow-list; a TPM writes it as zero (TPM 2.0 Part 2, TPMS_RSA_PARMS).
const F4: u32 = 65_537;
const F4_BYTES: [u8; 3] = [1, 0, 1];

/// A public key in the form that the library takes.
pub(crate) enum PublicKey<'a> {
    /// Exactly 2048, 3072 or 4096 bits, exponent 65537.
    Rsa(PublicKeyComponents<&'a [u8]>),
    /// An uncompressed point (SEC 1 section 2.3.3); whether it lies on the curve, its user finds out.
    Ec(EcCurve, Vec<u8>),
}

/// The curves on the allow-list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EcCurve {
    P256,
    P384,
    P521,
}

impl EcCurve {
    /// The curve with this OID (content bytes).
    pub(crate) fn from_oid(named: &[u8]) -> Option<Self> {
        match named {
            oid::curve::P256 => Some(Self::P256),
            oid::curve::P384 => Some(Self::P384),
            oid::curve::P521 => Some(Self::P521),
            _ => None,
        }
    }

    /// Bytes in a coordinate, and in r and s of a signature.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl<'a> PublicKey<'a> {
    /// The key in a public area.
    pub(crate) fn of(key: &Key<'a>) -> Result<Self, CryptoError> {
        match *key {
            Key::Rsa { bits, exponent, modulus, .. } => Self::rsa(bits, exponent, modulus),
            Key::Ecc { curve, x, y, .. } => Self::ec(curve, x, y),
            _ => Err(CryptoError::Unsupported { property: "type", got: key.kind().into() }),
        }
    }

    fn rsa(bits: u16, exponent: u32, modulus: &'a [u8]) -> Result<Self, CryptoError> {
        if !matches!(bits, 2048 | 3072 | 4096) {
            return Err(CryptoError::Unsupported { property: "modulus length", got: bits.into() });
        }
        if exponent != 0 && exponent != F4 {
            return Err(CryptoError::Unsupported { property: "public exponent", got: exponent.into() });
        }
        let full_length = modulus.first().is_some_and(|byte| byte & 0x80 != 0);
        if !full_length || modulus.len() != usize::from(bits / 8) {
            return Err(CryptoError::MalformedKey);
        }
        Ok(Self::Rsa(PublicKeyComponents { n: modulus, e: &F4_BYTES }))
    }

    fn ec(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, CryptoError> {
        let curve = match curve {
            Curve::P256 => EcCurve::P256,
            Curve::P384 => EcCurve::P384,
            Curve::P521 => EcCurve::P521,
            Curve(other) => return Err(CryptoError::Unsupported { property: "curve", got: other.into() }),
        };
        let mut point = vec![0x04];
        for coordinate in [x, y] {
            extend_padded(&mut point, coordinate, curve.size()).ok_or(CryptoError::MalformedKey)?;
        }
        Ok(Self::Ec(curve, point))
    }
}

/// Appends a big-endian integer as `size` bytes; `None` when it is empty or longer.
///
/// TPMs differ in whether they leave out leading zeros.
pub(crate) fn extend_padded(out: &mut Vec<u8>, integer: &[u8], size: usize) -> Option<()> {
    let padding = size.checked_sub(integer.len()).filter(|_| !integer.is_empty())?;
    out.extend(core::iter::repeat_n(0, padding));
    out.extend_from_slice(integer);
    Some(())
}
