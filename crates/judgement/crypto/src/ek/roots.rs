//! The roots that may vouch for TPMs, and the path from a certificate to one of them.

use core::time::Duration;

use avouch_tpm_wire::PublicArea;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime, pem::PemObject};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::{EkError, EkIdentity, identity, nv};
use crate::certificate::{CertificateError, Fields};

/// tcg-kp-EKCertificate, 2.23.133.8.1, as OID content bytes (TCG EK Credential Profile, section 3.2.16).
const EK_PURPOSE: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x01];
/// The largest vendor collections hold a few hundred certificates.
const MAX_BUNDLE: usize = 4_096;

/// The certificates of the TPM vendors that an operator trusts.
pub struct EkRoots {
    anchors: Vec<TrustAnchor<'static>>,
    intermediates: Vec<CertificateDer<'static>>,
}

impl EkRoots {
    /// Reads a PEM bundle. A certificate whose issuer is its subject becomes a root; every other one only helps to
    /// build paths and is trusted for nothing by itself.
    ///
    /// # Errors
    /// [`EkError::Bundle`], [`EkError::NoRoots`].
    pub fn from_pem(bundle: &str) -> Result<Self, EkError> {
        let mut roots = Self { anchors: Vec::new(), intermediates: Vec::new() };
        for (index, item) in CertificateDer::pem_slice_iter(bundle.as_bytes()).take(MAX_BUNDLE).enumerate() {
            let der = item.map_err(|_| EkError::Bundle { index, error: CertificateError::Pem })?;
            roots.add(der).map_err(|error| EkError::Bundle { index, error })?;
        }
        if roots.anchors.is_empty() { Err(EkError::NoRoots) } else { Ok(roots) }
    }

    /// How many roots there are.
    pub fn len(&self) -> usize {
        self.anchors.len()
    }

    /// Never: [`EkRoots::from_pem`] refuses a bundle without roots.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// Checks that `certificate`, the contents of the NV index (filling and TCG header allowed), chains to a root at
    /// `now` (Unix seconds), is for an endorsement key, and that this key is `ek_public`.
    ///
    /// It says that the vendor made a TPM with this key; that the node has it, credential activation shows.
    ///
    /// # Errors
    /// [`EkError`].
    pub fn verify(&self, certificate: &[u8], ek_public: &PublicArea<'_>, now: u64) -> Result<EkIdentity, EkError> {
        let (fields, der) = nv::unwrap(certificate)?;
        self.path(&fields, der, now)?;
        if !fields.key_purposes().iter().any(|purpose| purpose == EK_PURPOSE) {
            return Err(EkError::Purpose);
        }
        identity::same_key(&fields, ek_public)?;
        Ok(EkIdentity::read(&fields, der))
    }

    fn add(&mut self, der: CertificateDer<'static>) -> Result<(), CertificateError> {
        let fields = Fields::decode(&der)?;
        let certificate = fields.inner().tbs_certificate();
        if certificate.issuer() == certificate.subject() {
            let anchor = anchor_from_trusted_cert(&der).map_err(|_| CertificateError::Der { offset: None })?;
            self.anchors.push(anchor.to_owned());
        } else {
            self.intermediates.push(der);
        }
        Ok(())
    }

    fn path(&self, fields: &Fields, der: &[u8], now: u64) -> Result<(), EkError> {
        let der = CertificateDer::from(der);
        let leaf = EndEntityCert::try_from(&der).map_err(EkError::Path)?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(now));
        // `required` would demand the EK purpose of the intermediates too, which no vendor's have; the leaf's is
        // checked by the caller.
        let usage = KeyUsage::required_if_present(EK_PURPOSE);
        leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &self.anchors, &self.intermediates, time, usage, None, None)
            .map(|_| ())
            .map_err(|error| refusal(error, fields, now))
    }
}

impl core::fmt::Debug for EkRoots {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EkRoots")
            .field("anchors", &self.anchors.len())
            .field("intermediates", &self.intermediates.len())
            .finish()
    }
}

fn refusal(error: webpki::Error, fields: &Fields, now: u64) -> EkError {
    let (not_before, not_after) = fields.validity();
    match error {
        webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. }
            if now < not_before || now > not_after =>
        {
            EkError::Time { now, not_before, not_after }
        }
        webpki::Error::UnknownIssuer => {
            EkError::UnknownIssuer { issuer: fields.inner().tbs_certificate().issuer().to_string() }
        }
        webpki::Error::RequiredEkuNotFoundContext(_) => EkError::Purpose,
        other => EkError::Path(other),
    }
}
