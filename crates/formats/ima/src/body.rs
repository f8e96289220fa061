//! Template data, read by the template's fields.

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
        /// Digest of the file's content; zeros in a violation.
        digest: &'a [u8],
        /// True when `digest` is the file's fs-verity digest instead (templates with `d-ngv2`): it is never equal to
        /// the digest of the content.
        verity: bool,
        /// The path as the kernel saw it, without its NUL; any byte but NUL may be in it. A hint: mount namespaces
        /// choose it.
        path: &'a [u8],
        /// `security.ima` as it was, header included, when the template has the field and the file had one.
        signature: Option<&'a [u8]>,
        /// The appended module signature (PKCS#7), when the template has the field and the file had one.
        modsig: Option<&'a [u8]>,
    },
    /// A buffer: kernel command line of kexec, a key, critical data.
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

/// Fields of a template (`supported_fields` in `ima_template.c`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Digest,
    DigestV2,
    Name,
    Signature,
    Buffer,
    ModsigDigest,
    Modsig,
    /// Any field whose value is not used: ids, modes, extended attributes.
    Other,
    /// `d` and `n` of the old template, only in the field lists that people write themselves.
    Old,
}

/// The built-in templates (`builtin_templates` in `ima_template.c`) but the old `ima`.
pub(crate) fn builtin_fields(template: &str) -> Option<&'static [Field]> {
    use Field::{Buffer, Digest, DigestV2, Modsig, ModsigDigest, Name, Other, Signature};
    Some(match template {
        "ima-sig" => &[Digest, Name, Signature],
        "ima-ng" => &[Digest, Name],
        "ima-buf" => &[Digest, Name, Buffer],
        "ima-ngv2" => &[DigestV2, Name],
        "ima-sigv2" => &[DigestV2, Name, Signature],
        "ima-modsig" => &[Digest, Name, Signature, ModsigDigest, Modsig],
        "evm-sig" => &[Digest, Name, Other, Other, Other, Other, Other, Other, Other],
        _ => return None,
    })
}

fn field_of(id: &str) -> Option<Field> {
    Some(match id {
        "d-ng" => Field::Digest,
        "d-ngv2" => Field::DigestV2,
        "n-ng" => Field::Name,
        "sig" => Field::Signature,
        "buf" => Field::Buffer,
        "d-modsig" => Field::ModsigDigest,
        "modsig" => Field::Modsig,
        "evmsig" | "xattrnames" | "xattrlengths" | "xattrvalues" | "iuid" | "igid" | "imode" => Field::Other,
        "d" | "n" => Field::Old,
        _ => return None,
    })
}

/// Reads framed template data. An unknown template stays [`Body::Unknown`]; a known one must have exactly its fields.
pub(crate) fn read<'a>(template: &str, data: Reader<'a>) -> Result<Body<'a>, (usize, Fault)> {
    let mut parts = Parts::new(data);
    if let Some(fields) = builtin_fields(template) {
        fields.iter().try_for_each(|field| parts.push(*field)).map_err(|fault| (parts.reader.offset(), fault))?;
        return parts.finish();
    }
    if template.split('|').any(|id| field_of(id).is_none()) {
        return Ok(Body::Unknown);
    }
    for field in template.split('|').filter_map(field_of) {
        parts.push(field).map_err(|fault| (parts.reader.offset(), fault))?;
    }
    parts.finish()
}

/// The digest of a `d-ng` field: `algorithm ':' NUL digest`; `None` for an algorithm that is not known.
fn digest_ng(field: &[u8]) -> Result<Option<(DigestAlg, &[u8])>, Fault> {
    let wanted = "an algorithm name, a colon, a NUL and a digest";
    let malformed = Fault::Field { field: "digest", wanted, got: field.len() };
    // The longest name has 11 letters, `streebog512`; the bound keeps the search short.
    let colon = field.iter().take(32).position(|byte| *byte == b':').ok_or(malformed.clone())?;
    let (name, tail) = field.split_at_checked(colon).ok_or(malformed.clone())?;
    let digest = tail.strip_prefix(b":\0").ok_or(malformed)?;
    let Some(alg) = DigestAlg::from_name(name) else { return Ok(None) };
    match digest.len() {
        got if got == alg.size() => Ok(Some((alg, digest))),
        got => Err(Fault::DigestSize { wanted: alg.size(), got }),
    }
}

/// A `n-ng` field: the name and one NUL.
fn name_ng(field: &[u8]) -> Result<&[u8], Fault> {
    match field.split_last() {
        Some((0, name)) if !name.contains(&0) => Ok(name),
        _ => Err(Fault::Field { field: "name", wanted: "text that ends in its only NUL", got: field.len() }),
    }
}

struct Parts<'a> {
    reader: Reader<'a>,
    digest: Option<(DigestAlg, &'a [u8])>,
    verity: bool,
    name: Option<&'a [u8]>,
    signature: Option<&'a [u8]>,
    modsig: Option<&'a [u8]>,
    buffer: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn new(reader: Reader<'a>) -> Self {
        Self { reader, digest: None, verity: false, name: None, signature: None, modsig: None, buffer: None }
    }

    fn push(&mut self, kind: Field) -> Result<(), Fault> {
        let bytes = self.reader.field("template field")?;
        match kind {
            Field::Digest => self.digest = digest_ng(bytes)?,
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
                self.digest = digest_ng(digest)?;
            }
            Field::Name => self.name = Some(name_ng(bytes)?),
            Field::Signature => self.signature = Some(bytes).filter(|bytes| !bytes.is_empty()),
            Field::Modsig => self.modsig = Some(bytes).filter(|bytes| !bytes.is_empty()),
            Field::Buffer => self.buffer = Some(bytes),
            Field::ModsigDigest | Field::Other | Field::Old => {}
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
