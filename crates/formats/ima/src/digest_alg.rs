//! The hash algorithms that a file digest may name.

use core::fmt;

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

impl fmt::Display for DigestAlg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
