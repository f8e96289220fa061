//! The key that signs reports: it signs in the boot state that it was made in, and in no other.
//!
//! It is made and shown at enrolment, and kept, wrapped by the TPM, beside the enrolment whose attestation key certifies
//! it. In the round in which it refuses because the boot state is another, the evidence goes unsigned and says so by that;
//! in the next one a new key is made and shown. Whether the new boot state is one to be believed is the server's to judge: it computes the policy
//! that the key must have, and takes no word of the node's for it.

use avouch_protocol::{Certification, Evidence, Hash, Message, Purpose, ShownReportKey, VERSION, qualifying_data};
use avouch_tpm::{AkBlob, AttestationSession, Attested, Error as TpmError, ReportKey, ReportKeyBlob, Transport};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::error::AgentError;
use crate::hash::sha256;
use crate::state::{Enrolment, StateDir, StateLock};

/// Public area, private part and a few fields.
const MAX_KEPT_BYTES: usize = 8 * 1024;

/// A report key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct KeptReportKey {
    /// Version of this file, [`VERSION`].
    #[n(0)]
    pub v: u64,
    /// TPMT_PUBLIC.
    #[n(1)]
    pub public: ByteVec,
    /// TPM2B_PRIVATE, wrapped by the attestation key's parent.
    #[n(2)]
    pub private: ByteVec,
    /// True once evidence that showed it has a receipt.
    #[n(3)]
    pub shown: bool,
    /// True when it refused to sign: the boot state is another.
    #[n(4)]
    pub refused: bool,
}

/// The keys of a machine that is in no cluster.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OwnKeys {
    /// Version of this file, [`VERSION`].
    #[n(0)]
    v: u64,
    /// TPMT_PUBLIC of an attestation key.
    #[n(1)]
    ak_public: ByteVec,
    /// TPM2B_PRIVATE of it.
    #[n(2)]
    ak_private: ByteVec,
    /// TPMT_PUBLIC of its parent.
    #[n(3)]
    parent_public: ByteVec,
    /// TPMT_PUBLIC and TPM2B_PRIVATE of the report key.
    #[n(4)]
    key: Option<(ByteVec, ByteVec)>,
}

/// What a round needs of the report key.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// Where the key is kept.
    pub state: &'a StateDir,
    /// Held while it changes.
    pub lock: &'a StateLock,
    /// Whose attestation key certifies it.
    pub enrolment: &'a Enrolment,
    /// SHA-256 of the challenge.
    pub challenge: Hash,
    /// SHA-256 of the client key.
    pub client_spki: Hash,
    /// The server holds no report of this boot session: the key is owed.
    pub owed: bool,
}

/// A report key as it is shown to a server: its TPMT_PUBLIC, and what the attestation key said of it.
pub(crate) fn shown(public: Vec<u8>, certified: Attested) -> ShownReportKey {
    let certification = Certification { attest: certified.attest.into(), signature: certified.signature.into() };
    ShownReportKey { public: public.into(), certification }
}

// === impl Signing ===

impl Signing<'_> {
    /// Shows the key where it is owed, and signs the newest report with it. A key that refuses is told and not an error:
    /// the round goes on, and the server judges what is missing.
    ///
    /// # Errors
    /// [`AgentError::Tpm`], [`AgentError::State`].
    pub fn sign<T: Transport>(
        &self,
        session: &mut AttestationSession<'_, T>,
        evidence: &mut Evidence,
    ) -> Result<(), AgentError> {
        let mut kept = self.usable(session)?;
        let key = match session.load_report_key(&kept.blob()) {
            Err(TpmError::ReportKeyLost { code }) => {
                tracing::warn!(%code, "the report key does not load any more; a new one is made");
                kept = self.make(session)?;
                session.load_report_key(&kept.blob())?
            }
            loaded => loaded?,
        };
        let done = self.use_key(session, &key, &mut kept, evidence);
        session.release_report_key(key);
        done
    }

    fn use_key<T: Transport>(
        &self,
        session: &mut AttestationSession<'_, T>,
        key: &ReportKey,
        kept: &mut KeptReportKey,
        evidence: &mut Evidence,
    ) -> Result<(), AgentError> {
        if self.owed || !kept.shown {
            evidence.report_key = Some(self.certified(session, key, kept)?);
        }
        if evidence.report_digest == Hash::ZERO {
            return Ok(());
        }
        match session.sign_report(key, &evidence.report_digest.0) {
            Ok(signature) => evidence.report_signature = Some(signature.into()),
            Err(error @ TpmError::OtherBootState { .. }) => {
                tracing::warn!(
                    "REPORT_KEY_REFUSES: {error}; this round's report goes unsigned, the next makes a new key"
                );
                kept.refused = true;
                self.state.keep_report_key(self.lock, self.enrolment, kept)?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn certified<T: Transport>(
        &self,
        session: &mut AttestationSession<'_, T>,
        key: &ReportKey,
        kept: &KeptReportKey,
    ) -> Result<ShownReportKey, AgentError> {
        let qualifying = qualifying_data(sha256, Purpose::Certify, &self.challenge, &self.client_spki, &Hash::ZERO);
        Ok(shown(kept.public.to_vec(), session.certify_report_key(key, &qualifying.0)?))
    }

    /// The kept key, or a new one where there is none or where it refused.
    fn usable<T: Transport>(&self, session: &mut AttestationSession<'_, T>) -> Result<KeptReportKey, AgentError> {
        match self.state.report_key(self.enrolment)?.filter(|kept| !kept.refused) {
            Some(kept) => Ok(kept),
            None => self.make(session),
        }
    }

    fn make<T: Transport>(&self, session: &mut AttestationSession<'_, T>) -> Result<KeptReportKey, AgentError> {
        let blob = session.create_report_key()?;
        let kept = KeptReportKey::new(blob);
        self.state.keep_report_key(self.lock, self.enrolment, &kept)?;
        tracing::info!("a report key is made for this boot state");
        Ok(kept)
    }
}

// === impl KeptReportKey ===

impl KeptReportKey {
    /// A key that was just made.
    pub fn new(blob: ReportKeyBlob) -> Self {
        let ReportKeyBlob { public, private } = blob;
        Self { v: VERSION, public: public.into(), private: private.into(), shown: false, refused: false }
    }

    /// The key as the TPM takes it.
    pub fn blob(&self) -> ReportKeyBlob {
        ReportKeyBlob { public: self.public.to_vec(), private: self.private.to_vec() }
    }
}

// === impl OwnKeys ===

impl OwnKeys {
    /// Around a new attestation key.
    pub fn of(blob: &AkBlob) -> Self {
        let bytes = |bytes: &[u8]| ByteVec::from(bytes.to_vec());
        Self {
            v: VERSION,
            ak_public: bytes(&blob.public),
            ak_private: bytes(&blob.private),
            parent_public: bytes(&blob.parent_public),
            key: None,
        }
    }

    /// The attestation key as the TPM takes it.
    pub fn attestation_key(&self) -> AkBlob {
        AkBlob {
            public: self.ak_public.to_vec(),
            private: self.ak_private.to_vec(),
            parent_public: self.parent_public.to_vec(),
        }
    }

    /// The report key as the TPM takes it.
    pub fn report_key(&self) -> Option<ReportKeyBlob> {
        let (public, private) = self.key.as_ref()?;
        Some(ReportKeyBlob { public: public.to_vec(), private: private.to_vec() })
    }

    /// Makes this the report key.
    pub fn keep(&mut self, key: &ReportKeyBlob) {
        self.key = Some((key.public.clone().into(), key.private.clone().into()));
    }
}

impl Message for OwnKeys {
    const NAME: &'static str = "own keys";
    const MAX_BYTES: usize = MAX_KEPT_BYTES;

    fn version(&self) -> u64 {
        self.v
    }
}

impl Message for KeptReportKey {
    const NAME: &'static str = "kept report key";
    const MAX_BYTES: usize = MAX_KEPT_BYTES;

    fn version(&self) -> u64 {
        self.v
    }
}
