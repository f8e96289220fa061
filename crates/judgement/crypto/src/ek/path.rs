//! The path from a certificate to a root (RFC 5280 section 6), with the quirks of TPM vendors.
//!
//! webpki, which verifies every other path in this crate, refuses what most TPM vendors issue, so this is own; where
//! both take a chain, a test holds them to the same answer.

use super::{EkError, LinkFault, Root};
use crate::certificate::oid::{self, ext, signature};
use crate::certificate::{Fields, text_of, usage};
use crate::{Hash, verify_key::VerifyKey};
use avouch_tpm_wire::{HashAlg, Hasher};

use super::roots::{EkRoots, Held};

/// Most CAs between leaf and root; vendors have two.
const MAX_CAS: usize = 6;
/// Most signatures checked for one leaf: a bundle with many CAs of one name must not cost seconds.
const MAX_SIGNATURES: usize = 64;

/// What the leaf must be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    EndorsementKey,
    AttestationKey,
}

/// Where a certificate came from, which decides whether SHA-1 may hold it: an operator or this crate chose exactly
/// these bytes, so there a collision has no use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Bundle,
    Node,
}

/// Finds and checks a path from `leaf` to one of the roots at `now` (Unix seconds). The leaf's purpose is the caller's.
pub(super) fn find(
    roots: &EkRoots,
    sent: &[Fields<'_>],
    leaf: &Fields<'_>,
    wanted: Wanted,
    now: u64,
) -> Result<Root, EkError> {
    check_dates(leaf, now)?;
    check_extensions(leaf).map_err(|fault| link(leaf, fault))?;
    if leaf.is_ca() {
        return Err(link(leaf, LinkFault::CaAsLeaf));
    }
    let mut climb = Climb { roots, sent, wanted, now, signatures: 0 };
    climb.from(leaf, Origin::Node, 0)
}

struct Climb<'c> {
    roots: &'c EkRoots,
    sent: &'c [Fields<'c>],
    wanted: Wanted,
    now: u64,
    signatures: usize,
}

impl Climb<'_> {
    /// The root above `child`, below whose issuer `below` CAs stand.
    fn from(&mut self, child: &Fields<'_>, origin: Origin, below: usize) -> Result<Root, EkError> {
        let mut refusal = EkError::UnknownIssuer { issuer: text_of(child.issuer) };
        if below > MAX_CAS {
            return Err(link(child, LinkFault::PathLength));
        }
        for held in self.roots.named(child.issuer) {
            // Every certificate of the bundle was decoded when it came in.
            let Ok(issuer) = Fields::decode(&held.der) else { continue };
            match self.step(child, origin, &issuer, Some(held), below) {
                Ok(root) => return Ok(root),
                Err(error) => refusal = worse(refusal, error),
            }
        }
        for issuer in self.sent.iter().filter(|issuer| issuer.subject == child.issuer) {
            match self.step(child, origin, issuer, None, below) {
                Ok(root) => return Ok(root),
                Err(error) => refusal = worse(refusal, error),
            }
        }
        Err(refusal)
    }

    fn step(
        &mut self,
        child: &Fields<'_>,
        origin: Origin,
        issuer: &Fields<'_>,
        held: Option<&Held>,
        below: usize,
    ) -> Result<Root, EkError> {
        self.signatures += 1;
        if self.signatures > MAX_SIGNATURES {
            return Err(link(child, LinkFault::TooManySignatures));
        }
        check_signature(child, origin, issuer).map_err(|fault| link(child, fault))?;
        let anchor = held.filter(|held| held.anchor);
        if let Some(held) = anchor
            && issuer.issuer == issuer.subject
        {
            // Of a self-signed root only name and key count (RFC 5280 section 6.1.1 d).
            return Ok(held.root(issuer));
        }
        check_ca(issuer, self.wanted, below).map_err(|fault| link(issuer, fault))?;
        check_dates(issuer, self.now).map_err(|_| link(issuer, dates(issuer)))?;
        match anchor {
            Some(held) => Ok(held.root(issuer)),
            None => self.from(issuer, if held.is_some() { Origin::Bundle } else { Origin::Node }, below + 1),
        }
    }
}

/// Of two refusals the one that says more: a missing certificate only when nothing else is wrong.
fn worse(kept: EkError, other: EkError) -> EkError {
    match (&kept, &other) {
        (EkError::UnknownIssuer { .. }, _) => other,
        _ => kept,
    }
}

fn link(certificate: &Fields<'_>, fault: LinkFault) -> EkError {
    EkError::Link { subject: text_of(certificate.subject), fault }
}

fn dates(certificate: &Fields<'_>) -> LinkFault {
    let (not_before, not_after) = certificate.validity();
    LinkFault::Time { not_before, not_after }
}

fn check_dates(certificate: &Fields<'_>, now: u64) -> Result<(), EkError> {
    let at = i64::try_from(now).unwrap_or(i64::MAX);
    if (certificate.not_before..=certificate.not_after).contains(&at) {
        return Ok(());
    }
    let (not_before, not_after) = certificate.validity();
    Err(EkError::Time { now, not_before, not_after })
}

/// Critical extensions are all known here, and what cannot be honoured is refused.
fn check_extensions(certificate: &Fields<'_>) -> Result<(), LinkFault> {
    if certificate.extension(ext::NAME_CONSTRAINTS).is_some() {
        return Err(LinkFault::NameConstraints);
    }
    // certificatePolicies restricts nothing where the verifier asks for no policy (RFC 5280 section 6.1.1 c).
    const KNOWN: [&[u8]; 5] = [
        ext::KEY_USAGE,
        ext::SUBJECT_ALT_NAME,
        ext::BASIC_CONSTRAINTS,
        ext::EXTENDED_KEY_USAGE,
        ext::CERTIFICATE_POLICIES,
    ];
    match certificate.extensions.iter().find(|extension| extension.critical && !KNOWN.contains(&extension.oid)) {
        Some(extension) => Err(LinkFault::CriticalExtension { oid: oid::dotted(extension.oid) }),
        None => Ok(()),
    }
}

fn check_ca(issuer: &Fields<'_>, wanted: Wanted, below: usize) -> Result<(), LinkFault> {
    check_extensions(issuer)?;
    let Some(constraints) = issuer.basic_constraints().filter(|constraints| constraints.ca) else {
        return Err(LinkFault::NotCa);
    };
    if constraints.path_length.is_some_and(|longest| below > longest) {
        return Err(LinkFault::PathLength);
    }
    if issuer.key_usage().is_some_and(|bits| bits & usage::KEY_CERT_SIGN == 0) {
        return Err(LinkFault::NotForSigning);
    }
    // Vendors leave the purpose out of intermediates, so it is demanded only where there is one. Google certifies
    // attestation keys under CAs for endorsement keys.
    let serves = |purpose: &[u8]| {
        purpose == oid::ANY_PURPOSE
            || purpose == oid::tcg::EK_PURPOSE
            || (wanted == Wanted::AttestationKey && purpose == oid::tcg::AK_PURPOSE)
    };
    let limited = issuer.extension(ext::EXTENDED_KEY_USAGE).is_some();
    if limited && !issuer.key_purposes().into_iter().any(serves) {
        return Err(LinkFault::Purpose);
    }
    Ok(())
}

fn check_signature(child: &Fields<'_>, origin: Origin, issuer: &Fields<'_>) -> Result<(), LinkFault> {
    let algorithm = child.signature_oid();
    let (hash, kind) = match algorithm {
        signature::RSA_SHA256 => (HashAlg::Sha256, oid::key::RSA),
        signature::RSA_SHA384 => (HashAlg::Sha384, oid::key::RSA),
        signature::RSA_SHA512 => (HashAlg::Sha512, oid::key::RSA),
        signature::ECDSA_SHA256 => (HashAlg::Sha256, oid::key::EC),
        signature::ECDSA_SHA384 => (HashAlg::Sha384, oid::key::EC),
        signature::ECDSA_SHA512 => (HashAlg::Sha512, oid::key::EC),
        signature::RSA_SHA1 if origin == Origin::Bundle => return check_sha1(child, issuer),
        signature::RSA_SHA1 | signature::ECDSA_SHA1 => return Err(LinkFault::Sha1),
        other => return Err(LinkFault::Algorithm { oid: oid::dotted(other) }),
    };
    if issuer.spki.algorithm != kind {
        return Err(LinkFault::Signature);
    }
    let key = VerifyKey::new(&issuer.spki).map_err(LinkFault::IssuerKey)?;
    let digest = Hash.hash(hash, &[child.signed]);
    key.verify(hash, digest.as_bytes(), child.signature).map_err(|_| LinkFault::Signature)
}

/// RSA with SHA-1, for CAs of the bundle alone.
fn check_sha1(child: &Fields<'_>, issuer: &Fields<'_>) -> Result<(), LinkFault> {
    let (modulus, exponent) = issuer.spki.rsa().ok_or(LinkFault::Signature)?;
    let parameters = &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY;
    let key = aws_lc_rs::rsa::PublicKeyComponents { n: modulus, e: exponent };
    key.verify(parameters, child.signed, child.signature).map_err(|_| LinkFault::Signature)
}

/// `child`, a certificate that somebody chose, is signed by `issuer`, a CA for TPM keys.
#[cfg(test)]
pub(super) fn chosen_by_hand(child: &Fields<'_>, issuer: &Fields<'_>) -> bool {
    let root = issuer.issuer == issuer.subject;
    let serves = root || check_ca(issuer, Wanted::EndorsementKey, 0).is_ok();
    serves && check_signature(child, Origin::Bundle, issuer).is_ok()
}
