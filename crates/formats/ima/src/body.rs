//! Template data, read by the template's fields.

use crate::field::{self, Field, Fields};
use crate::reader::Reader;
use crate::{DigestAlg, Fault};

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body<'a> {
    /// A file that was executed, mapped, loaded or read.
    File {
        /// Algorithm of the digest.
        digest_alg: DigestAlg,
        /// Digest of the file's content; zeros in a violation, and before kernel 6.0 then 20 of them whatever the
        /// algorithm.
        digest: &'a [u8],
        /// True when `digest` is the file's fs-verity digest instead (templates with `d-ngv2`): it is never equal to
        /// the digest of the content.
        verity: bool,
        /// The path as the kernel saw it, without its NUL; any byte but NUL may be in it. A hint: mount namespaces
        /// choose it.
        path: &'a [u8],
        /// `security.ima` as it was, header included, when the template has the field and the file had one; see
        /// [`crate::signature`]. Where the file had none, a portable `security.evm`.
        signature: Option<&'a [u8]>,
        /// The appended module signature (PKCS#7), when the template has the field and the file had one; see
        /// [`crate::Entry::modsig`].
        modsig: Option<&'a [u8]>,
    },
    /// A buffer: kernel command line of kexec, a key, critical data; see [`crate::critical`].
    Buffer {
        /// Algorithm of the digest.
        digest_alg: DigestAlg,
        /// Digest of the buffer.
        digest: &'a [u8],
        /// Name of the event or keyring, without its NUL.
        name: &'a [u8],
        /// The buffer, or its digest where the kernel records that instead.
        data: &'a [u8],
    },
    /// A template or a digest algorithm that this release cannot read. It replays, and proves nothing more.
    Unknown,
}

/// Reads framed template data. An unknown template stays [`Body::Unknown`]; a known one must have exactly its fields.
#[inline]
pub(crate) fn read<'a>(template: &str, data: Reader<'a>, violation: bool) -> Result<Body<'a>, (usize, Fault)> {
    // The templates of nearly all entries.
    if template == "ima-ng" || template == "ima-sig" {
        let mut reader = data;
        return file(&mut reader, template == "ima-sig", violation).map_err(|fault| (reader.offset(), fault));
    }
    let Some(fields) = Fields::of(template) else { return Ok(Body::Unknown) };
    let mut parts = Parts::new(data, violation);
    for field in fields {
        parts.push(field).map_err(|fault| (parts.reader.offset(), fault))?;
    }
    parts.finish()
}

/// `d-ng`, `n-ng` and, when `signed`, `sig`: the same as [`Parts`] does, without its bookkeeping.
#[inline]
fn file<'a>(reader: &mut Reader<'a>, signed: bool, violation: bool) -> Result<Body<'a>, Fault> {
    const FIELD: &str = "template field";
    let digest = digest_ng(reader.field(FIELD)?, violation)?;
    let path = name_ng(reader.field(FIELD)?)?;
    let signature = if signed { Some(reader.field(FIELD)?).filter(|bytes| !bytes.is_empty()) } else { None };
    match (reader.rest().len(), digest) {
        (0, Some((digest_alg, digest))) => {
            Ok(Body::File { digest_alg, digest, verity: false, path, signature, modsig: None })
        }
        (0, None) => Ok(Body::Unknown),
        (got, _) => Err(Fault::Trailing { got }),
    }
}

/// The digest of a `d-ng` field: `algorithm ':' NUL digest`; `None` for an algorithm that is not known.
#[inline]
pub(crate) fn digest_ng(field: &[u8], violation: bool) -> Result<Option<(DigestAlg, &[u8])>, Fault> {
    // What nearly every entry has.
    if let Some(digest) = field.strip_prefix(b"sha256:\0")
        && digest.len() == DigestAlg::Sha256.size()
    {
        return Ok(Some((DigestAlg::Sha256, digest)));
    }
    named_digest(field, violation)
}

fn named_digest(field: &[u8], violation: bool) -> Result<Option<(DigestAlg, &[u8])>, Fault> {
    let wanted = "an algorithm name, a colon, a NUL and a digest";
    let malformed = Fault::Field { field: "digest", wanted, got: field.len() };
    // The longest name has 11 letters, `streebog512`; the bound keeps the search short.
    let colon = field.iter().take(32).position(|byte| *byte == b':').ok_or(malformed.clone())?;
    let (name, tail) = field.split_at_checked(colon).ok_or(malformed.clone())?;
    let digest = tail.strip_prefix(b":\0").ok_or(malformed)?;
    let Some(alg) = DigestAlg::from_name(name) else { return Ok(None) };
    // Kernels before 6.0 write as many zeros as SHA-1 has bytes into every violation.
    let zeros = violation && digest.len() == DigestAlg::Sha1.size() && digest.iter().all(|byte| *byte == 0);
    match digest.len() {
        got if got == alg.size() || zeros => Ok(Some((alg, digest))),
        got => Err(Fault::DigestSize { wanted: alg.size(), got }),
    }
}

/// A `d` field: a bare SHA-1 or MD5 digest.
fn old_digest(field: &[u8]) -> Result<(DigestAlg, &[u8]), Fault> {
    match field.len() {
        20 => Ok((DigestAlg::Sha1, field)),
        16 => Ok((DigestAlg::Md5, field)),
        got => Err(Fault::DigestSize { wanted: DigestAlg::Sha1.size(), got }),
    }
}

/// A `n-ng` field: the name and one NUL.
#[inline]
fn name_ng(field: &[u8]) -> Result<&[u8], Fault> {
    match field.split_last() {
        Some((0, name)) if !has_nul(name) => Ok(name),
        _ => Err(Fault::Field { field: "name", wanted: "text that ends in its only NUL", got: field.len() }),
    }
}

/// Looks at every byte, sixteen at a time: names are short, and a search that may stop early begins and ends byte by byte.
#[inline]
fn has_nul(name: &[u8]) -> bool {
    name.iter().fold(false, |found, byte| found | (*byte == 0))
}

/// Attribute names with `|` between them and one NUL, or nothing at all.
fn xattr_names(field: &[u8]) -> Result<(), Fault> {
    if field.is_empty() {
        return Ok(());
    }
    match name_ng(field) {
        Ok(_) => Ok(()),
        Err(_) => {
            let wanted = "text that ends in its only NUL";
            Err(Fault::Field { field: "attribute names", wanted, got: field.len() })
        }
    }
}

struct Parts<'a> {
    reader: Reader<'a>,
    violation: bool,
    digest: Option<(DigestAlg, &'a [u8])>,
    verity: bool,
    name: Option<&'a [u8]>,
    signature: Option<&'a [u8]>,
    modsig: Option<&'a [u8]>,
    buffer: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn new(reader: Reader<'a>, violation: bool) -> Self {
        Self { reader, violation, digest: None, verity: false, name: None, signature: None, modsig: None, buffer: None }
    }

    fn push(&mut self, kind: Field) -> Result<(), Fault> {
        let bytes = self.reader.field("template field")?;
        match kind {
            Field::Digest => self.digest = digest_ng(bytes, self.violation)?,
            Field::DigestV2 => {
                let (verity, digest) = match (bytes.strip_prefix(b"ima:"), bytes.strip_prefix(b"verity:")) {
                    (Some(digest), _) => (false, digest),
                    (None, Some(digest)) => (true, digest),
                    (None, None) => {
                        let wanted = "a digest that begins with ima: or verity:";
                        return Err(Fault::Field { field: "digest", wanted, got: bytes.len() });
                    }
                };
                self.verity = verity;
                self.digest = digest_ng(digest, self.violation)?;
            }
            Field::Name => self.name = Some(name_ng(bytes)?),
            Field::Signature => self.signature = Some(bytes).filter(|bytes| !bytes.is_empty()),
            Field::Modsig => self.modsig = Some(bytes).filter(|bytes| !bytes.is_empty()),
            Field::Buffer => self.buffer = Some(bytes),
            // The new fields say more where both are there.
            Field::OldDigest => self.digest = self.digest.or(Some(old_digest(bytes)?)),
            Field::OldName => self.name = self.name.or(Some(name_ng(bytes)?)),
            Field::Uid | Field::Gid | Field::Mode => field::number(kind, bytes).map(|_| ())?,
            Field::XattrNames => xattr_names(bytes)?,
            Field::ModsigDigest | Field::EvmSignature | Field::XattrLengths | Field::XattrValues => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Body<'a>, (usize, Fault)> {
        let got = self.reader.rest().len();
        if got != 0 {
            return Err((self.reader.offset(), Fault::Trailing { got }));
        }
        let (Some((digest_alg, digest)), Some(name)) = (self.digest, self.name) else { return Ok(Body::Unknown) };
        Ok(match self.buffer {
            Some(data) => Body::Buffer { digest_alg, digest, name, data },
            None => {
                let Self { verity, signature, modsig, .. } = self;
                Body::File { digest_alg, digest, verity, path: name, signature, modsig }
            }
        })
    }
}
