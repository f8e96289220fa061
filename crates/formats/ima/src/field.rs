//! Templates and their fields (`builtin_templates` and `supported_fields` in `ima_template.c`).

use crate::Fault;

/// A field of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Digest,
    DigestV2,
    Name,
    Signature,
    Buffer,
    ModsigDigest,
    Modsig,
    EvmSignature,
    XattrNames,
    XattrLengths,
    XattrValues,
    Uid,
    Gid,
    Mode,
    /// `d` and `n`: the old template's, in the field lists that people write themselves.
    OldDigest,
    OldName,
}

/// How a field stands in an ASCII list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// `[kind:]algorithm:hexadecimal`.
    Digest,
    /// Hexadecimal.
    Hex,
    /// As it is, up to its NUL.
    Text,
    /// A decimal number of this many bytes.
    Number(usize),
}

impl Field {
    const ALL: [Self; 16] = [
        Self::Digest,
        Self::DigestV2,
        Self::Name,
        Self::Signature,
        Self::Buffer,
        Self::ModsigDigest,
        Self::Modsig,
        Self::EvmSignature,
        Self::XattrNames,
        Self::XattrLengths,
        Self::XattrValues,
        Self::Uid,
        Self::Gid,
        Self::Mode,
        Self::OldDigest,
        Self::OldName,
    ];

    /// The kernel's name.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Digest => "d-ng",
            Self::DigestV2 => "d-ngv2",
            Self::Name => "n-ng",
            Self::Signature => "sig",
            Self::Buffer => "buf",
            Self::ModsigDigest => "d-modsig",
            Self::Modsig => "modsig",
            Self::EvmSignature => "evmsig",
            Self::XattrNames => "xattrnames",
            Self::XattrLengths => "xattrlengths",
            Self::XattrValues => "xattrvalues",
            Self::Uid => "iuid",
            Self::Gid => "igid",
            Self::Mode => "imode",
            Self::OldDigest => "d",
            Self::OldName => "n",
        }
    }

    pub(crate) fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.id() == id)
    }

    pub(crate) const fn is_name(self) -> bool {
        matches!(self, Self::Name | Self::OldName)
    }

    pub(crate) const fn spelling(self) -> Spelling {
        match self {
            Self::Digest | Self::DigestV2 | Self::ModsigDigest => Spelling::Digest,
            Self::Name | Self::OldName | Self::XattrNames => Spelling::Text,
            Self::Uid | Self::Gid => Spelling::Number(4),
            Self::Mode => Spelling::Number(2),
            Self::Signature
            | Self::Buffer
            | Self::Modsig
            | Self::EvmSignature
            | Self::XattrLengths
            | Self::XattrValues
            | Self::OldDigest => Spelling::Hex,
        }
    }
}

/// The fields of a template, in order.
#[derive(Clone, Debug)]
pub(crate) enum Fields<'a> {
    Builtin(core::iter::Copied<core::slice::Iter<'static, Field>>),
    /// A field list that somebody wrote (`ima_template_fmt=`); its text is the template's name.
    Custom(core::str::Split<'a, char>),
}

impl<'a> Fields<'a> {
    /// `None` for a template or a field that is not known, and for the old `ima`, which has no framed fields.
    pub(crate) fn of(template: &'a str) -> Option<Self> {
        if let Some(fields) = builtin(template) {
            return Some(Self::Builtin(fields.iter().copied()));
        }
        let ids = template.split('|');
        ids.clone().all(|id| Field::from_id(id).is_some()).then_some(Self::Custom(ids))
    }
}

impl Iterator for Fields<'_> {
    type Item = Field;

    fn next(&mut self) -> Option<Field> {
        match self {
            Self::Builtin(fields) => fields.next(),
            Self::Custom(ids) => ids.next().and_then(Field::from_id),
        }
    }
}

/// The built-in templates but the old `ima`.
fn builtin(template: &str) -> Option<&'static [Field]> {
    use Field::{
        Buffer, Digest, DigestV2, EvmSignature, Gid, Mode, Modsig, ModsigDigest, Name, Signature, Uid, XattrLengths,
        XattrNames, XattrValues,
    };
    Some(match template {
        "ima-sig" => &[Digest, Name, Signature],
        "ima-ng" => &[Digest, Name],
        "ima-buf" => &[Digest, Name, Buffer],
        "ima-ngv2" => &[DigestV2, Name],
        "ima-sigv2" => &[DigestV2, Name, Signature],
        "ima-modsig" => &[Digest, Name, Signature, ModsigDigest, Modsig],
        "evm-sig" => &[Digest, Name, EvmSignature, XattrNames, XattrLengths, XattrValues, Uid, Gid, Mode],
        _ => return None,
    })
}

/// A number field: little-endian, or empty where there was no file to ask.
pub(crate) fn number(field: Field, bytes: &[u8]) -> Result<Option<u32>, Fault> {
    let wanted = "a little-endian number of the field's size";
    match (field.spelling(), bytes) {
        (_, []) => Ok(None),
        (Spelling::Number(4), &[a, b, c, d]) => Ok(Some(u32::from_le_bytes([a, b, c, d]))),
        (Spelling::Number(2), &[a, b]) => Ok(Some(u32::from(u16::from_le_bytes([a, b])))),
        _ => Err(Fault::Field { field: field.id(), wanted, got: bytes.len() }),
    }
}
