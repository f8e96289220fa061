//! The hash algorithms that a file digest may name.

use core::fmt;

use avouch_tpm_wire::HashAlg;

macro_rules! algorithms {
    ($($variant:ident, $name:literal, $size:literal;)*) => {
        /// Algorithm of a file or buffer digest, by the kernel's names (`crypto/hash_info.c`). Wider than
        /// [`avouch_tpm_wire::HashAlg`]: these are compared with reference values, never computed here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum DigestAlg { $(#[doc = concat!("`", $name, "`.")] $variant,)* }

        impl DigestAlg {
            /// The kernel's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Bytes in a digest.
            pub const fn size(self) -> usize {
                match self { $(Self::$variant => $size,)* }
            }

            /// The algorithm with this kernel name.
            pub fn from_name(name: &[u8]) -> Option<Self> {
                $(if name == $name.as_bytes() { return Some(Self::$variant); })*
                None
            }
        }
    };
}

// The first two are what lists hold in practice, so they are compared first.
algorithms! {
    Sha256, "sha256", 32;
    Sha1, "sha1", 20;
    Sha512, "sha512", 64;
    Sha384, "sha384", 48;
    Md5, "md5", 16;
    Md4, "md4", 16;
    Rmd128, "rmd128", 16;
    Rmd160, "rmd160", 20;
    Rmd256, "rmd256", 32;
    Rmd320, "rmd320", 40;
    Sha224, "sha224", 28;
    Wp256, "wp256", 32;
    Wp384, "wp384", 48;
    Wp512, "wp512", 64;
    Tgr128, "tgr128", 16;
    Tgr160, "tgr160", 20;
    Tgr192, "tgr192", 24;
    Sm3, "sm3", 32;
    Sm3_256, "sm3-256", 32;
    Streebog256, "streebog256", 32;
    Streebog512, "streebog512", 64;
    Sha3_256, "sha3-256", 32;
    Sha3_384, "sha3-384", 48;
    Sha3_512, "sha3-512", 64;
}

/// `enum hash_algo` (`include/uapi/linux/hash_info.h`), as it stands in `security.ima`.
const BY_ID: [DigestAlg; 23] = [
    DigestAlg::Md4,
    DigestAlg::Md5,
    DigestAlg::Sha1,
    DigestAlg::Rmd160,
    DigestAlg::Sha256,
    DigestAlg::Sha384,
    DigestAlg::Sha512,
    DigestAlg::Sha224,
    DigestAlg::Rmd128,
    DigestAlg::Rmd256,
    DigestAlg::Rmd320,
    DigestAlg::Wp256,
    DigestAlg::Wp384,
    DigestAlg::Wp512,
    DigestAlg::Tgr128,
    DigestAlg::Tgr160,
    DigestAlg::Tgr192,
    DigestAlg::Sm3,
    DigestAlg::Streebog256,
    DigestAlg::Streebog512,
    DigestAlg::Sha3_256,
    DigestAlg::Sha3_384,
    DigestAlg::Sha3_512,
];

impl DigestAlg {
    /// The algorithm with this number in the kernel's `enum hash_algo`.
    pub fn from_id(id: u8) -> Option<Self> {
        BY_ID.get(usize::from(id)).copied()
    }

    /// The number in the kernel's `enum hash_algo`. `sm3` and `sm3-256` are one algorithm under two names.
    pub fn id(self) -> Option<u8> {
        let named = if self == Self::Sm3_256 { Self::Sm3 } else { self };
        BY_ID.iter().position(|alg| *alg == named).and_then(|id| u8::try_from(id).ok())
    }

    /// The same algorithm as one that is computed here; `None` for all others.
    pub const fn hash_alg(self) -> Option<HashAlg> {
        match self {
            Self::Sha1 => Some(HashAlg::Sha1),
            Self::Sha256 => Some(HashAlg::Sha256),
            Self::Sha384 => Some(HashAlg::Sha384),
            Self::Sha512 => Some(HashAlg::Sha512),
            _ => None,
        }
    }
}

impl fmt::Display for DigestAlg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
