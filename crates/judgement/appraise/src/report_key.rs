//! The report key: certified by the attestation key, made from the one template, and bound to the boot state that the
//! verifier itself computes.

use avouch_crypto::Hash as Sha;
use avouch_protocol::{Hash, Purpose, ShownReportKey};
use avouch_tpm_wire::templates::{REPORT_KEY_PCRS, report_key};
use avouch_tpm_wire::{AttestBody, Attributes, Digest, HashAlg, PublicArea, pcr_policy};

use crate::attested::{Attested, Binding, Signer};
use crate::code::FindingCode;
use crate::enrolment::NodeKeys;
use crate::quote::AuthenticQuote;
use crate::rejection::{RejectCode, Rejection};
use crate::replay::boot_value;
use crate::session::BootProof;

/// A report key whose certification holds: the TPM that quotes has it. What it is and when it signs is not said yet.
#[derive(Clone, Debug)]
pub(crate) struct CertifiedKey(Vec<u8>);

/// Why a report key that was shown is not taken.
#[derive(Clone, Debug)]
pub(crate) struct KeyFault {
    pub(crate) code: FindingCode,
    pub(crate) detail: String,
}

/// Checks that the attestation key certified exactly this key, for this message and this client key.
pub(crate) fn certified(
    shown: &ShownReportKey,
    signer: &Signer<'_>,
    challenge: Hash,
    client_spki: Hash,
) -> Result<CertifiedKey, Rejection> {
    let area = PublicArea::parse(&shown.public)
        .map_err(|error| Rejection::new(RejectCode::KeyMalformed, format!("the report key's public area: {error}")))?;
    let binding = Binding { purpose: Purpose::Certify, challenge, client_spki, report: Hash::ZERO };
    let certification = &shown.certification;
    let attested = Attested::check(&certification.attest, &certification.signature, signer, &binding)?;
    let AttestBody::Certify { name, .. } = attested.attest.body else {
        return Err(Rejection::new(RejectCode::QuoteType, "what came is not a certification"));
    };
    let wanted = area.name(&Sha);
    if name != wanted {
        let (got, wanted) = (crate::text::hex(name), crate::text::hex(&wanted));
        let detail = format!("the certified object is {got}, wanted the report key {wanted}");
        return Err(Rejection::new(RejectCode::CertifiedName, detail));
    }
    Ok(CertifiedKey(shown.public.to_vec()))
}

/// Checks form and policy of the key that came with the quote; `None` where none
/// came, or the quote does not show PCRs 0, 2, 4, 7 and 12 in bank sha256. The answer is its TPMT_PUBLIC.
pub(crate) fn check(quote: &AuthenticQuote, boot: &BootProof) -> Option<Result<Vec<u8>, KeyFault>> {
    let certified = match quote.report_key.as_ref()? {
        Ok(certified) => certified,
        Err(detail) => {
            let code = FindingCode::ReportKeyCertification;
            return Some(Err(KeyFault { code, detail: detail.clone() }));
        }
    };
    let fault = |code, detail: String| Some(Err(KeyFault { code, detail }));
    if let Err(detail) = form(&certified.0) {
        return fault(FindingCode::ReportKeyAttributes, detail);
    }
    // A quote that does not show the boot state cannot say for which one the key is.
    let policy = boot_policy(quote, boot)?;
    let made = PublicArea::parse(&certified.0).is_ok_and(|area| area.is_made_from(&report_key(&policy)));
    if !made {
        let wanted = crate::text::hex(&policy);
        let detail = format!("the key signs in another boot state than the proven one, whose policy is {wanted}");
        return fault(FindingCode::ReportKeyPolicy, detail);
    }
    Some(Ok(certified.0.clone()))
}

/// The policy of the boot state that the boot log tells of.
fn boot_policy(quote: &AuthenticQuote, boot: &BootProof) -> Option<[u8; 32]> {
    let selected =
        quote.selection.bank == HashAlg::Sha256 && quote.selection.mask & REPORT_KEY_PCRS.mask == REPORT_KEY_PCRS.mask;
    let values: Option<Vec<Digest>> = REPORT_KEY_PCRS.pcrs().map(|pcr| boot_value(boot, pcr)).collect();
    let policy = pcr_policy(&Sha, HashAlg::Sha256, REPORT_KEY_PCRS, &values.filter(|_| selected)?);
    policy.as_bytes().try_into().ok()
}

/// Everything of the template but the policy, whose length alone is told.
fn form(public: &[u8]) -> Result<(), String> {
    let area = PublicArea::parse(public).map_err(|error| error.to_string())?;
    let policy = <&[u8; 32]>::try_from(area.auth_policy());
    let policy = policy.map_err(|_| "the report key has no policy, so it signs in every boot state".to_owned())?;
    if area.attributes().contains(Attributes::USER_WITH_AUTH) {
        return Err("userWithAuth is set: the report key signs with an empty password whatever the PCRs say".into());
    }
    if !area.is_made_from(&report_key(policy)) {
        let attributes = area.attributes().0;
        return Err(format!("the report key, with attributes {attributes:#010x}, is not made from the template"));
    }
    Ok(())
}

// === impl NodeKeys ===

impl NodeKeys {
    /// Checks a report key that is shown at enrolment: certified by this attestation key for the same message as its
    /// parent, and of the form of the one template. Which boot state it is bound to shows when the boot log is proven.
    ///
    /// `challenge` is the bytes of the [`avouch_protocol::CredentialChallenge`] as they were sent; `client_spki` is
    /// SHA-256 of the client key's SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`RejectCode::ReportKeyAttributes`], [`RejectCode::CertifiedName`], and the codes of a quote's checks.
    pub fn check_report_key(
        &self,
        shown: &ShownReportKey,
        challenge: &[u8],
        client_spki: &Hash,
    ) -> Result<(), Rejection> {
        form(&shown.public).map_err(|detail| Rejection::new(RejectCode::ReportKeyAttributes, detail))?;
        let signer = Signer { ak: self.ak(), qualified_signer: self.qualified_signer() };
        certified(shown, &signer, crate::attested::sha256(&[challenge]), *client_spki).map(|_| ())
    }
}
