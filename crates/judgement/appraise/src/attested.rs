//! From bytes to a structure that a given key signed for a given purpose.

use avouch_crypto::{AttestationKey, CryptoError};
use avouch_protocol::{Hash, MAX_ATTEST_BYTES, MAX_SIGNATURE_BYTES, Purpose, qualifying_data};
use avouch_tpm_wire::{Attest, AttestBody, HashAlg, Signature, Wanted};

use crate::rejection::{RejectCode, Rejection};

/// The key that must have signed, and where it stands in the hierarchy.
pub(crate) struct Signer<'a> {
    pub(crate) ak: &'a AttestationKey,
    pub(crate) qualified_signer: &'a [u8],
}

/// What the signature must be bound to.
pub(crate) struct Binding {
    pub(crate) purpose: Purpose,
    pub(crate) challenge: Hash,
    pub(crate) client_spki: Hash,
    pub(crate) report: Hash,
}

/// An attestation structure whose signature, signer, purpose and qualifying data were checked, in that order, and the
/// hash of its signature scheme.
pub(crate) struct Attested<'e> {
    pub(crate) attest: Attest<'e>,
    pub(crate) hash: HashAlg,
}

impl<'e> Attested<'e> {
    pub(crate) fn check(
        bytes: &'e [u8],
        signature: &'e [u8],
        signer: &Signer<'_>,
        binding: &Binding,
    ) -> Result<Self, Rejection> {
        let attested = Self::signed(bytes, signature, signer.ak, binding)?;
        check_signer(&attested.attest, signer, binding.purpose)?;
        attested.bound(binding)
    }

    /// The same without a look at where the signer stands in its hierarchy.
    pub(crate) fn check_of_any_place(
        bytes: &'e [u8],
        signature: &'e [u8],
        signer: &AttestationKey,
        binding: &Binding,
    ) -> Result<Self, Rejection> {
        Self::signed(bytes, signature, signer, binding)?.bound(binding)
    }

    fn signed(
        bytes: &'e [u8],
        signature: &'e [u8],
        signer: &AttestationKey,
        binding: &Binding,
    ) -> Result<Self, Rejection> {
        let attest = parse(bytes, binding.purpose)?;
        let hash = verify(bytes, signature, signer)?;
        Ok(Self { attest, hash })
    }

    fn bound(self, binding: &Binding) -> Result<Self, Rejection> {
        let attest = &self.attest;
        let Binding { purpose, challenge, client_spki, report } = binding;
        let wanted = qualifying_data(sha256, *purpose, challenge, client_spki, report);
        if attest.extra_data != wanted.0 {
            let got = crate::text::hex(attest.extra_data);
            let purpose = word(*purpose);
            return Err(Rejection::new(
                RejectCode::QualifyingData,
                format!("the {purpose} was signed over {got}, wanted {wanted}"),
            ));
        }
        Ok(self)
    }
}

fn parse(bytes: &[u8], purpose: Purpose) -> Result<Attest<'_>, Rejection> {
    let name = word(purpose);
    if bytes.len() > MAX_ATTEST_BYTES {
        let detail = format!("the {name} has {} bytes, at most {MAX_ATTEST_BYTES} are taken", bytes.len());
        return Err(Rejection::new(RejectCode::QuoteMalformed, detail));
    }
    let attest = Attest::parse(bytes).map_err(|error| {
        let code = match error.wanted {
            Wanted::Magic => RejectCode::QuoteMagic,
            Wanted::AttestType => RejectCode::QuoteType,
            _ => RejectCode::QuoteMalformed,
        };
        Rejection::new(code, format!("the {name}: {error}"))
    })?;
    let right = matches!(
        (purpose, &attest.body),
        (Purpose::Quote, AttestBody::Quote { .. })
            | (Purpose::GetTime, AttestBody::Time { .. })
            | (Purpose::Certify, AttestBody::Certify { .. })
    );
    if right { Ok(attest) } else { Err(Rejection::new(RejectCode::QuoteType, format!("what came is not a {name}"))) }
}

fn verify(bytes: &[u8], signature: &[u8], ak: &AttestationKey) -> Result<HashAlg, Rejection> {
    if signature.len() > MAX_SIGNATURE_BYTES {
        let detail = format!("{} bytes, at most {MAX_SIGNATURE_BYTES} are taken", signature.len());
        return Err(Rejection::new(RejectCode::SignatureMalformed, detail));
    }
    let parsed = Signature::parse(signature).map_err(|error| {
        let code = match error.wanted {
            Wanted::Known(_) => RejectCode::SignatureScheme,
            _ => RejectCode::SignatureMalformed,
        };
        Rejection::new(code, error.to_string())
    })?;
    ak.verify(bytes, &parsed).map_err(|error| {
        let code = match error {
            CryptoError::OtherScheme | CryptoError::Unsupported { .. } => RejectCode::SignatureScheme,
            CryptoError::SignatureLength { .. } => RejectCode::SignatureMalformed,
            _ => RejectCode::Signature,
        };
        Rejection::new(code, error.to_string())
    })?;
    Ok(parsed.hash())
}

/// A primary key of the same template has another qualified Name, so has a key under another parent: that is how a
/// key that could return after TPM2_Clear is told from one that cannot.
fn check_signer(attest: &Attest<'_>, signer: &Signer<'_>, purpose: Purpose) -> Result<(), Rejection> {
    if attest.qualified_signer == signer.qualified_signer {
        return Ok(());
    }
    let code = match purpose {
        Purpose::Certify => RejectCode::AkIsPrimary,
        Purpose::Quote | Purpose::GetTime => RejectCode::QualifiedSigner,
    };
    let (got, wanted) = (crate::text::hex(attest.qualified_signer), crate::text::hex(signer.qualified_signer));
    Err(Rejection::new(code, format!("the qualified signer is {got}, wanted {wanted}")))
}

fn word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Quote => "quote",
        Purpose::GetTime => "attested time",
        Purpose::Certify => "certification",
    }
}

/// SHA-256 in the shape that the protocol wants.
pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    Hash(avouch_crypto::sha256(parts))
}
