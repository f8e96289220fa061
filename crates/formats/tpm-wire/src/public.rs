//! TPMT_PUBLIC (TPM 2.0 Part 2, "Public area structures") and the Names that follow from it.

use alloc::vec::Vec;
use core::ops::BitOr;

use crate::key::Key;
use crate::wire::{Reader, Wire, Writer, encode};
use crate::{HashAlg, Hasher, Wanted, WireError};

/// TPM_RH_ENDORSEMENT as it enters a qualified Name.
const ENDORSEMENT: [u8; 4] = 0x4000_000B_u32.to_be_bytes();

/// The public area of an object. What it says is only believed once a TPM has proven the key (credential activation,
/// a signature) and its attributes have been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicArea<'a> {
    // Private, so that every field is known to fit its length prefix and encoding cannot fail.
    pub(crate) name_alg: HashAlg,
    pub(crate) attributes: Attributes,
    pub(crate) auth_policy: &'a [u8],
    pub(crate) key: Key<'a>,
}

impl<'a> PublicArea<'a> {
    /// A public area of these parts.
    ///
    /// # Errors
    /// [`WireError`] when a part is one that [`PublicArea::parse`] would refuse; the offset is in the encoded form.
    pub fn new(
        name_alg: HashAlg,
        attributes: Attributes,
        auth_policy: &'a [u8],
        key: Key<'a>,
    ) -> Result<Self, WireError> {
        let area = Self { name_alg, attributes, auth_policy, key };
        let bytes = encode(&area)?;
        PublicArea::parse(&bytes)?;
        Ok(area)
    }

    /// Reads a TPMT_PUBLIC that fills `bytes`.
    ///
    /// # Errors
    /// [`WireError`]: cut or padded, an algorithm that is not known here, a policy that is not as long as a digest
    /// of the nameAlg, a field longer than any TPM's. An area without nameAlg has no Name and is refused.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        Reader::new(bytes).whole()
    }

    /// Reads a TPM2B_PUBLIC that fills `bytes`: a 16-bit length and then the TPMT_PUBLIC.
    ///
    /// # Errors
    /// As [`PublicArea::parse`]; offsets count from the length.
    pub fn parse_sized(bytes: &'a [u8]) -> Result<Self, WireError> {
        Reader::new(bytes).whole::<SizedPublic<'a>>().map(|sized| sized.0)
    }

    /// As TPM2B_PUBLIC.
    pub fn encode_sized(&self) -> Vec<u8> {
        encode(&SizedPublic(*self)).unwrap_or_default()
    }

    /// As TPMT_PUBLIC; the same bytes that were parsed.
    pub fn encode(&self) -> Vec<u8> {
        // `new` and `parse` let no field in that could be refused here.
        encode(self).unwrap_or_default()
    }

    /// nameAlg.
    pub const fn name_alg(&self) -> HashAlg {
        self.name_alg
    }

    /// objectAttributes.
    pub const fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// authPolicy: empty, or a digest of the nameAlg.
    pub const fn auth_policy(&self) -> &'a [u8] {
        self.auth_policy
    }

    /// Type, parameters and unique field.
    pub const fn key(&self) -> &Key<'a> {
        &self.key
    }

    /// The Name: nameAlg ‖ H(TPMT_PUBLIC) (TPM 2.0 Part 1, "Names").
    pub fn name(&self, hasher: &impl Hasher) -> Vec<u8> {
        prefixed(self.name_alg, hasher, &[&self.encode()])
    }

    /// The qualified Name of an object with this area below the parent with qualified Name `parent`.
    pub fn qualified_name(&self, parent: &[u8], hasher: &impl Hasher) -> Vec<u8> {
        qualified_name(self.name_alg, parent, &self.name(hasher), hasher)
    }

    /// The qualified Name of a primary object of the endorsement hierarchy with this area.
    pub fn endorsement_primary_qualified_name(&self, hasher: &impl Hasher) -> Vec<u8> {
        self.qualified_name(&ENDORSEMENT, hasher)
    }

    /// True when all but the unique field is the same: this key was made from that template.
    pub fn is_made_from(&self, template: &PublicArea<'_>) -> bool {
        self.name_alg == template.name_alg
            && self.attributes == template.attributes
            && self.auth_policy == template.auth_policy
            && self.key.parameters_equal(&template.key)
    }
}

/// `QN = H(QN(parent) ‖ Name)` with the nameAlg of the named object in front; for a primary, the parent is its
/// hierarchy's handle as four bytes (TPM 2.0 Part 1, "Qualified Name").
pub fn qualified_name(name_alg: HashAlg, parent: &[u8], name: &[u8], hasher: &impl Hasher) -> Vec<u8> {
    prefixed(name_alg, hasher, &[parent, name])
}

fn prefixed(alg: HashAlg, hasher: &impl Hasher, parts: &[&[u8]]) -> Vec<u8> {
    [alg.id().to_be_bytes().as_slice(), hasher.hash(alg, parts).as_bytes()].concat()
}

impl<'a> Wire<'a> for PublicArea<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let kind_at = reader.offset();
        let kind = reader.u16()?;
        let name_alg = HashAlg::read(reader)?;
        let attributes = Attributes::read(reader)?;
        let policy_at = reader.offset();
        let auth_policy = reader.sized()?;
        if !auth_policy.is_empty() && auth_policy.len() != name_alg.size() {
            let wanted = Wanted::Exactly(crate::wire::widen(name_alg.size()));
            return Err(WireError { offset: policy_at, wanted, got: crate::wire::widen(auth_policy.len()) });
        }
        let key = Key::read(reader, kind, kind_at)?;
        Ok(Self { name_alg, attributes, auth_policy, key })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u16(self.key.kind());
        self.name_alg.write(writer);
        self.attributes.write(writer);
        writer.sized(self.auth_policy);
        self.key.write(writer);
    }
}

/// TPM2B_PUBLIC: the form in which commands and responses carry a public area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizedPublic<'a>(pub PublicArea<'a>);

impl<'a> Wire<'a> for SizedPublic<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let count = reader.u16()?;
        reader.inner(usize::from(count))?.whole().map(Self)
    }

    fn write(&self, writer: &mut Writer) {
        writer.nested(|inner| self.0.write(inner));
    }
}

/// TPMA_OBJECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes(pub u32);

impl Attributes {
    /// No attribute.
    pub const NONE: Self = Self(0);
    /// The hierarchy of the object cannot change.
    pub const FIXED_TPM: Self = Self(1 << 1);
    /// Saved contexts die with TPM2_Startup(CLEAR).
    pub const ST_CLEAR: Self = Self(1 << 2);
    /// The parent of the object cannot change.
    pub const FIXED_PARENT: Self = Self(1 << 4);
    /// The TPM made the sensitive data itself.
    pub const SENSITIVE_DATA_ORIGIN: Self = Self(1 << 5);
    /// The USER role may use the authorisation value.
    pub const USER_WITH_AUTH: Self = Self(1 << 6);
    /// The ADMIN role needs the policy.
    pub const ADMIN_WITH_POLICY: Self = Self(1 << 7);
    /// The object dies with this firmware.
    pub const FIRMWARE_LIMITED: Self = Self(1 << 8);
    /// The object dies with this firmware's security version number.
    pub const SVN_LIMITED: Self = Self(1 << 9);
    /// Failed authorisations do not count towards the dictionary-attack lockout.
    pub const NO_DA: Self = Self(1 << 10);
    /// Duplication only inside an encrypted group.
    pub const ENCRYPTED_DUPLICATION: Self = Self(1 << 11);
    /// Works only on structures that the TPM knows: an attestation key, a storage key.
    pub const RESTRICTED: Self = Self(1 << 16);
    /// May decrypt.
    pub const DECRYPT: Self = Self(1 << 17);
    /// May sign (or encrypt, for a symmetric key).
    pub const SIGN: Self = Self(1 << 18);
    /// Signs only X.509 certificates (TPM2_CertifyX509).
    pub const X509_SIGN: Self = Self(1 << 19);

    /// Bits that are reserved and must be clear (TPM 2.0 Part 2 version 1.83, table of TPMA_OBJECT).
    const RESERVED: u32 = !0x000F_0FF6;

    /// True when every attribute of `wanted` is set.
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// Both sets.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for Attributes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl<'a> Wire<'a> for Attributes {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let start = reader.offset();
        let bits = reader.u32()?;
        if bits & Self::RESERVED != 0 {
            let wanted = Wanted::Known("set of object attributes");
            return Err(WireError { offset: start, wanted, got: bits.into() });
        }
        Ok(Self(bits))
    }

    fn write(&self, writer: &mut Writer) {
        writer.u32(self.0);
    }
}
