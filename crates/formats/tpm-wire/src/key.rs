//! The part of a public area that depends on its type: TPMU_PUBLIC_PARMS and TPMU_PUBLIC_ID.

use crate::wire::{Reader, Wire, Writer};
use crate::{HashAlg, Wanted, WireError};

const ALG_RSA: u16 = 0x0001;
const ALG_KEYEDHASH: u16 = 0x0008;
const ALG_ECC: u16 = 0x0023;
const ALG_SYMCIPHER: u16 = 0x0025;

const ALG_HMAC: u16 = 0x0005;
const ALG_XOR: u16 = 0x000A;
const ALG_NULL: u16 = 0x0010;

/// RSA-4096.
const MAX_RSA: u16 = 512;
/// P-521.
const MAX_COORDINATE: u16 = 66;
/// SHA-512.
const MAX_DIGEST: u16 = 64;

/// Type, parameters and unique field of a public area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// TPM_ALG_RSA.
    Rsa {
        /// Symmetric cipher of a storage key.
        symmetric: Symmetric,
        /// Scheme; `Null` leaves it to each command.
        scheme: Scheme,
        /// Modulus length.
        bits: u16,
        /// Public exponent; 0 stands for 65537.
        exponent: u32,
        /// Modulus, big-endian; in a template, zeros or nothing.
        modulus: &'a [u8],
    },
    /// TPM_ALG_ECC.
    Ecc {
        /// Symmetric cipher of a storage key.
        symmetric: Symmetric,
        /// Scheme; `Null` leaves it to each command.
        scheme: Scheme,
        /// Curve.
        curve: Curve,
        /// Key derivation of the scheme; in practice always `Null`.
        kdf: Kdf,
        /// Affine x, big-endian; in a template, zeros or nothing.
        x: &'a [u8],
        /// Affine y, big-endian.
        y: &'a [u8],
    },
    /// TPM_ALG_KEYEDHASH: an HMAC key or sealed data.
    KeyedHash {
        /// What the object is for.
        scheme: KeyedHashScheme,
        /// Digest over obfuscation value and sensitive data.
        unique: &'a [u8],
    },
    /// TPM_ALG_SYMCIPHER.
    SymCipher {
        /// Cipher.
        symmetric: Symmetric,
        /// Digest over obfuscation value and sensitive data.
        unique: &'a [u8],
    },
}

/// TPMT_SYM_DEF_OBJECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symmetric {
    /// None.
    Null,
    /// A block cipher.
    Cipher {
        /// TPM_ALG_ID, e.g. 0x0006 = AES.
        alg: u16,
        /// Key length.
        bits: u16,
        /// TPM_ALG_ID of the mode, e.g. 0x0043 = CFB.
        mode: u16,
    },
}

impl Symmetric {
    /// AES-128 in CFB mode: the cipher of the endorsement key templates L-1 and L-2.
    pub const AES_128_CFB: Self = Self::Cipher { alg: 0x0006, bits: 128, mode: 0x0043 };
}

/// TPMT_RSA_SCHEME and TPMT_ECC_SCHEME; which of them a key may have, its type decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Chosen by each command.
    Null,
    /// RSASSA-PKCS1-v1_5.
    RsaSsa(HashAlg),
    /// RSAES-PKCS1-v1_5.
    RsaEs,
    /// RSASSA-PSS.
    RsaPss(HashAlg),
    /// RSAES-OAEP.
    Oaep(HashAlg),
    /// ECDSA.
    Ecdsa(HashAlg),
    /// ECDH.
    Ecdh(HashAlg),
    /// ECDAA, with its commit counter.
    Ecdaa(HashAlg, u16),
    /// SM2.
    Sm2(HashAlg),
    /// EC Schnorr.
    EcSchnorr(HashAlg),
    /// EC MQV.
    EcMqv(HashAlg),
}

/// TPM_ECC_CURVE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Curve(pub u16);

impl Curve {
    /// NIST P-256.
    pub const P256: Self = Self(0x0003);
    /// NIST P-384.
    pub const P384: Self = Self(0x0004);
    /// NIST P-521.
    pub const P521: Self = Self(0x0005);
}

/// TPMT_KDF_SCHEME.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kdf {
    /// None.
    Null,
    /// A derivation function (TPM_ALG_ID) and its hash.
    With(u16, HashAlg),
}

/// TPMT_KEYEDHASH_SCHEME.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyedHashScheme {
    /// Sealed data, or an HMAC key whose scheme each command chooses.
    Null,
    /// HMAC.
    Hmac(HashAlg),
    /// XOR obfuscation: hash and TPM_ALG_ID of the derivation function.
    Xor(HashAlg, u16),
}

impl<'a> Key<'a> {
    /// TPMI_ALG_PUBLIC.
    pub const fn kind(&self) -> u16 {
        match self {
            Self::Rsa { .. } => ALG_RSA,
            Self::Ecc { .. } => ALG_ECC,
            Self::KeyedHash { .. } => ALG_KEYEDHASH,
            Self::SymCipher { .. } => ALG_SYMCIPHER,
        }
    }

    /// True when type and parameters are equal, whatever the unique field says.
    pub(crate) fn parameters_equal(&self, other: &Key<'_>) -> bool {
        self.without_unique() == other.without_unique()
    }

    fn without_unique(&self) -> Key<'static> {
        match *self {
            Self::Rsa { symmetric, scheme, bits, exponent, .. } => {
                Key::Rsa { symmetric, scheme, bits, exponent, modulus: &[] }
            }
            Self::Ecc { symmetric, scheme, curve, kdf, .. } => {
                Key::Ecc { symmetric, scheme, curve, kdf, x: &[], y: &[] }
            }
            Self::KeyedHash { scheme, .. } => Key::KeyedHash { scheme, unique: &[] },
            Self::SymCipher { symmetric, .. } => Key::SymCipher { symmetric, unique: &[] },
        }
    }

    pub(crate) fn read(reader: &mut Reader<'a>, kind: u16, kind_at: usize) -> Result<Self, WireError> {
        match kind {
            ALG_RSA => Ok(Self::Rsa {
                symmetric: Symmetric::read(reader)?,
                scheme: Scheme::read_rsa(reader)?,
                bits: reader.u16()?,
                exponent: reader.u32()?,
                modulus: reader.sized_up_to(MAX_RSA)?,
            }),
            ALG_ECC => Ok(Self::Ecc {
                symmetric: Symmetric::read(reader)?,
                scheme: Scheme::read_ecc(reader)?,
                curve: Curve(reader.u16()?),
                kdf: Kdf::read(reader)?,
                x: reader.sized_up_to(MAX_COORDINATE)?,
                y: reader.sized_up_to(MAX_COORDINATE)?,
            }),
            ALG_KEYEDHASH => {
                Ok(Self::KeyedHash { scheme: KeyedHashScheme::read(reader)?, unique: reader.sized_up_to(MAX_DIGEST)? })
            }
            ALG_SYMCIPHER => {
                Ok(Self::SymCipher { symmetric: Symmetric::read(reader)?, unique: reader.sized_up_to(MAX_DIGEST)? })
            }
            other => Err(WireError { offset: kind_at, wanted: Wanted::Known("object type"), got: other.into() }),
        }
    }

    /// Parameters and unique field; the type stands at the front of the public area.
    pub(crate) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Rsa { symmetric, scheme, bits, exponent, modulus } => {
                symmetric.write(writer);
                scheme.write(writer);
                writer.u16(*bits);
                writer.u32(*exponent);
                writer.sized(modulus);
            }
            Self::Ecc { symmetric, scheme, curve, kdf, x, y } => {
                symmetric.write(writer);
                scheme.write(writer);
                writer.u16(curve.0);
                kdf.write(writer);
                writer.sized(x);
                writer.sized(y);
            }
            Self::KeyedHash { scheme, unique } => {
                scheme.write(writer);
                writer.sized(unique);
            }
            Self::SymCipher { symmetric, unique } => {
                symmetric.write(writer);
                writer.sized(unique);
            }
        }
    }
}

impl<'a> Wire<'a> for Symmetric {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let start = reader.offset();
        match reader.u16()? {
            ALG_NULL => Ok(Self::Null),
            // TDES, AES, SM4, Camellia: each is followed by key length and mode.
            alg @ (0x0003 | 0x0006 | 0x0013 | 0x0026) => {
                Ok(Self::Cipher { alg, bits: reader.u16()?, mode: reader.u16()? })
            }
            other => Err(WireError { offset: start, wanted: Wanted::Known("symmetric cipher"), got: other.into() }),
        }
    }

    fn write(&self, writer: &mut Writer) {
        match *self {
            Self::Null => writer.u16(ALG_NULL),
            Self::Cipher { alg, bits, mode } => [alg, bits, mode].into_iter().for_each(|value| writer.u16(value)),
        }
    }
}

impl Scheme {
    fn read_rsa(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let start = reader.offset();
        match Self::read(reader)? {
            scheme @ (Self::Null | Self::RsaSsa(_) | Self::RsaEs | Self::RsaPss(_) | Self::Oaep(_)) => Ok(scheme),
            other => Err(WireError { offset: start, wanted: Wanted::Known("RSA scheme"), got: other.id().into() }),
        }
    }

    fn read_ecc(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let start = reader.offset();
        match Self::read(reader)? {
            other @ (Self::RsaSsa(_) | Self::RsaEs | Self::RsaPss(_) | Self::Oaep(_)) => {
                Err(WireError { offset: start, wanted: Wanted::Known("ECC scheme"), got: other.id().into() })
            }
            scheme => Ok(scheme),
        }
    }

    fn id(self) -> u16 {
        match self {
            Self::Null => ALG_NULL,
            Self::RsaSsa(_) => 0x0014,
            Self::RsaEs => 0x0015,
            Self::RsaPss(_) => 0x0016,
            Self::Oaep(_) => 0x0017,
            Self::Ecdsa(_) => 0x0018,
            Self::Ecdh(_) => 0x0019,
            Self::Ecdaa(..) => 0x001A,
            Self::Sm2(_) => 0x001B,
            Self::EcSchnorr(_) => 0x001C,
            Self::EcMqv(_) => 0x001D,
        }
    }
}

impl<'a> Wire<'a> for Scheme {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let start = reader.offset();
        match reader.u16()? {
            ALG_NULL => Ok(Self::Null),
            0x0014 => HashAlg::read(reader).map(Self::RsaSsa),
            0x0015 => Ok(Self::RsaEs),
            0x0016 => HashAlg::read(reader).map(Self::RsaPss),
            0x0017 => HashAlg::read(reader).map(Self::Oaep),
            0x0018 => HashAlg::read(reader).map(Self::Ecdsa),
            0x0019 => HashAlg::read(reader).map(Self::Ecdh),
            0x001A => Ok(Self::Ecdaa(HashAlg::read(reader)?, reader.u16()?)),
            0x001B => HashAlg::read(reader).map(Self::Sm2),
            0x001C => HashAlg::read(reader).map(Self::EcSchnorr),
            0x001D => HashAlg::read(reader).map(Self::EcMqv),
            other => Err(WireError { offset: start, wanted: Wanted::Known("scheme"), got: other.into() }),
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.u16(self.id());
        match *self {
            Self::Null | Self::RsaEs => {}
            Self::Ecdaa(hash, count) => {
                hash.write(writer);
                writer.u16(count);
            }
            Self::RsaSsa(hash)
            | Self::RsaPss(hash)
            | Self::Oaep(hash)
            | Self::Ecdsa(hash)
            | Self::Ecdh(hash)
            | Self::Sm2(hash)
            | Self::EcSchnorr(hash)
            | Self::EcMqv(hash) => hash.write(writer),
        }
    }
}

impl<'a> Wire<'a> for Kdf {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let start = reader.offset();
        match reader.u16()? {
            ALG_NULL => Ok(Self::Null),
            // MGF1, KDF1 of SP 800-56A, KDF2, KDF1 of SP 800-108.
            alg @ (0x0007 | 0x0020 | 0x0021 | 0x0022) => HashAlg::read(reader).map(|hash| Self::With(alg, hash)),
            other => Err(WireError { offset: start, wanted: Wanted::Known("key derivation"), got: other.into() }),
        }
    }

    fn write(&self, writer: &mut Writer) {
        match *self {
            Self::Null => writer.u16(ALG_NULL),
            Self::With(alg, hash) => {
                writer.u16(alg);
                hash.write(writer);
            }
        }
    }
}

impl<'a> Wire<'a> for KeyedHashScheme {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let start = reader.offset();
        match reader.u16()? {
            ALG_NULL => Ok(Self::Null),
            ALG_HMAC => HashAlg::read(reader).map(Self::Hmac),
            ALG_XOR => Ok(Self::Xor(HashAlg::read(reader)?, reader.u16()?)),
            other => Err(WireError { offset: start, wanted: Wanted::Known("keyed-hash scheme"), got: other.into() }),
        }
    }

    fn write(&self, writer: &mut Writer) {
        match *self {
            Self::Null => writer.u16(ALG_NULL),
            Self::Hmac(hash) => {
                writer.u16(ALG_HMAC);
                hash.write(writer);
            }
            Self::Xor(hash, kdf) => {
                writer.u16(ALG_XOR);
                hash.write(writer);
                writer.u16(kdf);
            }
        }
    }
}
