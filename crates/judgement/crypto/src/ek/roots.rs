//! The roots that may vouch for TPMs.

use avouch_tpm_wire::PublicArea;
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::path::{self, Wanted};
use super::{EkError, EkIdentity, Root, RootSource, bundle, identity, nv, weak};
use crate::certificate::oid::tcg;
use crate::certificate::{CertificateError, DECRYPTS, Fields, text_of};
use crate::hash::sha256;

/// The largest vendor collections hold a few hundred certificates.
const MAX_BUNDLE: usize = 4_096;

/// The certificates of the TPM vendors that an operator trusts.
#[derive(Default)]
pub struct EkRoots {
    held: Vec<Held>,
}

/// A certificate of the bundle.
pub(super) struct Held {
    pub(super) der: Vec<u8>,
    /// The Name in DER.
    subject: Vec<u8>,
    /// It is trusted by itself; every other one only helps to build paths.
    pub(super) anchor: bool,
    source: RootSource,
}

impl EkRoots {
    /// Reads a PEM bundle. A certificate whose issuer is its subject becomes a root; every other one only helps to
    /// build paths and is trusted for nothing by itself.
    ///
    /// # Errors
    /// [`EkError::Bundle`], [`EkError::NoRoots`].
    pub fn from_pem(bundle: &str) -> Result<Self, EkError> {
        let roots = Self::default().with(bundle)?;
        if roots.is_empty() { Err(EkError::NoRoots) } else { Ok(roots) }
    }

    /// The vendor CAs that come with Avouch ([`super::bundle`]).
    pub fn bundled() -> Self {
        let mut roots = Self::default();
        for certificate in bundle::certificates() {
            // A test reads every one of them, so none is left out here.
            let source = RootSource::Bundled { vendor: certificate.vendor };
            let _ = roots.add(certificate.der, certificate.pinned, source);
        }
        roots
    }

    /// These and the certificates of a PEM bundle, as [`EkRoots::from_pem`] reads it. A bundle of intermediates alone
    /// is welcome here.
    ///
    /// # Errors
    /// [`EkError::Bundle`].
    pub fn with(mut self, bundle: &str) -> Result<Self, EkError> {
        for (index, item) in CertificateDer::pem_slice_iter(bundle.as_bytes()).take(MAX_BUNDLE).enumerate() {
            let der = item.map_err(|_| EkError::Bundle { index, error: CertificateError::Pem })?;
            self.add(der.to_vec(), false, RootSource::Given).map_err(|error| EkError::Bundle { index, error })?;
        }
        Ok(self)
    }

    /// How many roots there are.
    pub fn len(&self) -> usize {
        self.held.iter().filter(|held| held.anchor).count()
    }

    /// True when nothing could ever be trusted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks that `certificate`, the contents of the NV index (filling and TCG header allowed), chains to a root at
    /// `now` (Unix seconds), is for an endorsement key, and that this key is `ek_public` and not known to be weak.
    ///
    /// It says that the vendor made a TPM with this key; that the node has it, credential activation shows.
    ///
    /// # Errors
    /// [`EkError`].
    pub fn verify(&self, certificate: &[u8], ek_public: &PublicArea<'_>, now: u64) -> Result<EkIdentity, EkError> {
        self.verify_with(certificate, &[], ek_public, now)
    }

    /// As [`EkRoots::verify`], with CA certificates that the node sent along (Intel keeps them in NV), each in DER:
    /// they help to build the path and are trusted for nothing.
    ///
    /// # Errors
    /// [`EkError`].
    pub fn verify_with(
        &self,
        certificate: &[u8],
        sent: &[&[u8]],
        ek_public: &PublicArea<'_>,
        now: u64,
    ) -> Result<EkIdentity, EkError> {
        let (fields, der) = nv::unwrap(certificate)?;
        let sent: Vec<CertificateDer<'_>> = sent.iter().map(|der| CertificateDer::from(*der)).collect();
        let root = self.path(&fields, &sent, Wanted::EndorsementKey, now)?;
        if !fields.has_purpose(tcg::EK_PURPOSE) {
            return Err(EkError::Purpose);
        }
        // Google's AK certificates carry the purpose of an EK certificate; an endorsement key decrypts or agrees.
        let decrypts = fields.key_usage().is_none_or(|bits| bits & DECRYPTS != 0);
        if !decrypts || fields.has_purpose(tcg::AK_PURPOSE) {
            return Err(EkError::SigningKey);
        }
        identity::same_key(&fields, ek_public)?;
        weak::check(ek_public.key())?;
        Ok(EkIdentity::read(&fields, der, root))
    }

    /// The root that an endorsement certificate chains to at `now` (Unix seconds), whoever has its key: for people who
    /// look at a certificate. First contact wants [`EkRoots::verify`].
    ///
    /// # Errors
    /// [`EkError`].
    pub fn root_of(&self, certificate: &[u8], now: u64) -> Result<Root, EkError> {
        let (fields, _) = nv::unwrap(certificate)?;
        self.path(&fields, &[], Wanted::EndorsementKey, now)
    }

    /// The path from a certificate to a root.
    pub(crate) fn path(
        &self,
        fields: &Fields<'_>,
        sent: &[CertificateDer<'_>],
        wanted: Wanted,
        now: u64,
    ) -> Result<Root, EkError> {
        let sent: Result<Vec<Fields<'_>>, _> = sent.iter().map(|der| Fields::decode(der)).collect();
        path::find(self, &sent.map_err(EkError::Certificate)?, fields, wanted, now)
    }

    /// The certificates with this subject (a Name in DER), roots first.
    pub(super) fn named(&self, subject: &[u8]) -> impl Iterator<Item = &Held> {
        let of = move |anchor| self.held.iter().filter(move |held| held.anchor == anchor && held.subject == subject);
        of(true).chain(of(false))
    }

    fn add(&mut self, der: Vec<u8>, pinned: bool, source: RootSource) -> Result<(), CertificateError> {
        let fields = Fields::decode(&der)?;
        let (subject, anchor) = (fields.subject.to_vec(), pinned || fields.issuer == fields.subject);
        if !self.held.iter().any(|held| held.der == der && held.anchor == anchor) {
            self.held.push(Held { der, subject, anchor, source });
        }
        Ok(())
    }
}

impl Held {
    pub(super) fn root(&self, fields: &Fields<'_>) -> Root {
        Root {
            subject: text_of(fields.subject),
            sha256: sha256(&[&self.der]),
            not_after: fields.validity().1,
            source: self.source,
        }
    }
}

impl core::fmt::Debug for EkRoots {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let anchors = self.len();
        f.debug_struct("EkRoots").field("anchors", &anchors).field("others", &(self.held.len() - anchors)).finish()
    }
}
