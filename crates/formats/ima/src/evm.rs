//! What single fields of an entry say beside its [`crate::Body`]: appended signatures and the attributes that EVM
//! protects.

use crate::body::digest_ng;
use crate::field::{self, Field, Fields};
use crate::reader::Reader;
use crate::{DigestAlg, Entry, Fault, TemplateData};

/// An appended signature (`d-modsig` and `modsig`): PKCS#7 over the file without that signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modsig<'a> {
    /// The signature, a PKCS#7 SignedData without content, as DER.
    pub pkcs7: &'a [u8],
    /// Algorithm of `digest`.
    pub digest_alg: DigestAlg,
    /// Digest of the file without the signature: what is signed, and what a reference value of a signed module names.
    pub digest: &'a [u8],
}

/// What EVM protects (template `evm-sig`, and custom ones with its fields).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evm<'a> {
    /// Portable `security.evm`, header included; empty when the file had none. See
    /// [`crate::signature::FileSignature::parse`].
    pub signature: &'a [u8],
    /// Owner; `None` when the entry is about no file.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Type and permissions, as in `st_mode`.
    pub mode: Option<u32>,
    names: &'a [u8],
    lengths: &'a [u8],
    values: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Every field with its name in the kernel, e.g. `n-ng`, and its bytes; nothing for an unknown template.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &'a [u8])> + use<'a> {
        raw(self.template, self.template_data).map(|(field, bytes)| (field.id(), bytes))
    }

    /// The appended signature; `None` when the template has no such fields or the file had none.
    ///
    /// # Errors
    /// [`Fault`] when there is a signature and the digest beside it is missing or not of its form.
    pub fn modsig(&self) -> Option<Result<Modsig<'a>, Fault>> {
        let pkcs7 = self.field(Field::Modsig).filter(|bytes| !bytes.is_empty())?;
        let digest = self.field(Field::ModsigDigest).unwrap_or_default();
        let wanted = "a digest of a known algorithm beside an appended signature";
        let missing = Fault::Field { field: "d-modsig", wanted, got: digest.len() };
        Some(
            digest_ng(digest, self.is_violation())
                .and_then(|found| found.ok_or(missing))
                .map(|(digest_alg, digest)| Modsig { pkcs7, digest_alg, digest }),
        )
    }

    /// What EVM protects; `None` when the template has none of its fields.
    ///
    /// # Errors
    /// [`Fault`] when the names, lengths and values of the attributes do not fit each other.
    pub fn evm(&self) -> Option<Result<Evm<'a>, Fault>> {
        let signature = self.field(Field::EvmSignature)?;
        let bytes = |field| self.field(field).unwrap_or_default();
        // Parsing has checked the numbers.
        let number = |field| self.field(field).and_then(|bytes| field::number(field, bytes).ok().flatten());
        let evm = Evm {
            signature,
            uid: number(Field::Uid),
            gid: number(Field::Gid),
            mode: number(Field::Mode),
            names: bytes(Field::XattrNames).strip_suffix(b"\0").unwrap_or_default(),
            lengths: bytes(Field::XattrLengths),
            values: bytes(Field::XattrValues),
        };
        Some(evm.check().map(|()| evm))
    }

    fn field(&self, wanted: Field) -> Option<&'a [u8]> {
        raw(self.template, self.template_data).find(|(field, _)| *field == wanted).map(|(_, bytes)| bytes)
    }
}

fn raw<'a>(template: &'a str, data: TemplateData<'a>) -> impl Iterator<Item = (Field, &'a [u8])> {
    let (fields, data, old) = match data {
        TemplateData::Framed(data) => (Fields::of(template), data, [None, None]),
        TemplateData::Old { digest, name } => {
            (None, [].as_slice(), [Some((Field::OldDigest, digest)), Some((Field::OldName, name))])
        }
    };
    let mut reader = Reader::new(data, 0);
    let framed = fields.into_iter().flatten().map_while(move |field| Some((field, reader.field("field").ok()?)));
    old.into_iter().flatten().chain(framed)
}

impl<'a> Evm<'a> {
    /// The attributes that EVM protects, with their values, in EVM's order.
    pub fn xattrs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut values = self.values;
        let names = self.names.split(|byte| *byte == b'|').filter(|name| !name.is_empty());
        names.zip(self.lengths.as_chunks::<4>().0).map_while(move |(name, len)| {
            let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
            let (value, rest) = values.split_at_checked(len)?;
            values = rest;
            Some((name, value))
        })
    }

    fn check(&self) -> Result<(), Fault> {
        let names = self.names.split(|byte| *byte == b'|').filter(|name| !name.is_empty()).count();
        let (lengths, rest) = self.lengths.as_chunks::<4>();
        let taken: usize = self.xattrs().map(|(_, value)| value.len()).fold(0, usize::saturating_add);
        let fits = lengths.len() == names && rest.is_empty() && self.xattrs().count() == names;
        if fits && taken == self.values.len() {
            return Ok(());
        }
        let wanted = "as many lengths as names, which add up to the values";
        Err(Fault::Field { field: "attributes", wanted, got: self.values.len() })
    }
}
