//! Hash algorithms, digests, and the one door through which this crate and its users hash.

/// A hash algorithm that Avouch computes (TCG Algorithm Registry, TPM_ALG_ID).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlg {
    /// TPM_ALG_SHA1, kept only to read logs; nothing is trusted through it.
    Sha1,
    /// TPM_ALG_SHA256.
    Sha256,
    /// TPM_ALG_SHA384.
    Sha384,
    /// TPM_ALG_SHA512.
    Sha512,
}

impl HashAlg {
    /// Every algorithm, in the order of their identifiers.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The TPM_ALG_ID.
    pub const fn id(self) -> u16 {
        match self {
            Self::Sha1 => 0x0004,
            Self::Sha256 => 0x000B,
            Self::Sha384 => 0x000C,
            Self::Sha512 => 0x000D,
        }
    }

    /// The algorithm with this TPM_ALG_ID; `None` for one that is not computed here.
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            0x0004 => Some(Self::Sha1),
            0x000B => Some(Self::Sha256),
            0x000C => Some(Self::Sha384),
            0x000D => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Bytes in a digest.
    pub const fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The name that the kernel and tpm2-tools use, e.g. `sha256`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// The algorithm with this [`HashAlg::name`], lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name() == name)
    }
}

impl core::fmt::Display for HashAlg {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// A digest that knows its algorithm; two digests of different algorithms are never equal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    alg: HashAlg,
    // Zero beyond `alg.size()`, so that the derived comparisons compare the digest alone.
    bytes: [u8; 64],
}

impl Digest {
    /// A digest of `alg`; `None` unless `bytes` has exactly its size.
    #[inline]
    pub fn new(alg: HashAlg, bytes: &[u8]) -> Option<Self> {
        let mut digest = Self::zero(alg);
        let room = digest.bytes.get_mut(..alg.size())?;
        if room.len() != bytes.len() {
            return None;
        }
        room.copy_from_slice(bytes);
        Some(digest)
    }

    /// A SHA-256 digest.
    #[inline]
    pub const fn sha256(digest: [u8; 32]) -> Self {
        let mut bytes = [0; 64];
        if let Some(room) = bytes.first_chunk_mut() {
            *room = digest;
        }
        Self { alg: HashAlg::Sha256, bytes }
    }

    /// All bytes zero: a static PCR after TPM2_Startup(CLEAR).
    #[inline]
    pub const fn zero(alg: HashAlg) -> Self {
        Self { alg, bytes: [0; 64] }
    }

    /// All bytes 0xFF: what IMA extends for a violation, and a dynamic PCR before a dynamic launch.
    pub fn ones(alg: HashAlg) -> Self {
        let mut digest = Self::zero(alg);
        digest.bytes.iter_mut().take(alg.size()).for_each(|byte| *byte = 0xFF);
        digest
    }

    /// The algorithm.
    pub const fn alg(&self) -> HashAlg {
        self.alg
    }

    /// The digest, as many bytes as the algorithm has.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        // `size` is at most 64, so the whole array is never the answer for a shorter algorithm.
        self.bytes.get(..self.alg.size()).unwrap_or(&self.bytes)
    }

    /// True when every byte is zero.
    pub fn is_zero(&self) -> bool {
        self.as_bytes().iter().all(|byte| *byte == 0)
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Lower-case hexadecimal without the algorithm.
impl core::fmt::Display for Digest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl core::fmt::Debug for Digest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}:{self}", self.alg)
    }
}

/// Something that can hash; the formats have no cryptography of their own.
pub trait Hasher {
    /// `alg` over the concatenation of `parts`.
    ///
    /// The answer must be a digest of `alg`.
    fn hash(&self, alg: HashAlg, parts: &[&[u8]]) -> Digest;
}

impl<H: Hasher + ?Sized> Hasher for &H {
    fn hash(&self, alg: HashAlg, parts: &[&[u8]]) -> Digest {
        (**self).hash(alg, parts)
    }
}

/// TPM2_PCR_Extend: `H(pcr ‖ event)` in the PCR's bank (TPM 2.0 Part 1, "Extend of a PCR").
#[inline]
pub fn extend(hasher: &impl Hasher, pcr: &Digest, event: &Digest) -> Digest {
    hasher.hash(pcr.alg(), &[pcr.as_bytes(), event.as_bytes()])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn identifiers_and_names_lead_back_to_their_algorithm() {
        for alg in HashAlg::ALL {
            assert_eq!(HashAlg::from_id(alg.id()), Some(alg));
            assert_eq!(HashAlg::from_name(alg.name()), Some(alg));
        }
        assert_eq!(HashAlg::from_id(0x0027), None);
        assert_eq!(HashAlg::from_name("SHA256"), None);
    }

    #[test]
    fn digest_of_another_size_is_refused() {
        assert_eq!(Digest::new(HashAlg::Sha256, &[0; 20]), None);
        assert_eq!(Digest::new(HashAlg::Sha256, &[0; 33]), None);
        assert_eq!(Digest::new(HashAlg::Sha1, &[7; 20]).unwrap().as_bytes(), [7; 20]);
    }

    #[test]
    fn digests_of_different_algorithms_differ() {
        assert_ne!(Digest::zero(HashAlg::Sha1), Digest::zero(HashAlg::Sha256));
        assert_eq!(Digest::ones(HashAlg::Sha1).as_bytes(), [0xFF; 20]);
        assert_eq!(Digest::zero(HashAlg::Sha1).to_string().len(), 40);
        assert!(format!("{:?}", Digest::zero(HashAlg::Sha384)).starts_with("sha384:00"));
    }
}
