//! The TPM's part of the facts: PCR values, and a quote over them and over all that was read.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use avouch_attestor::{RawQuote, TpmFacts};
use avouch_crypto::sha256;
use avouch_protocol::Hash;
use avouch_tpm::{AttestationSession, Attested, Error as TpmError, Patience, Transport, TransportError};
use avouch_tpm_wire::{Attest, AttestBody, PcrSelection};
use rustix::io::Errno;

use super::key;
use crate::config::TpmAddress;
use crate::error::AgentError;
use crate::tpm::{AnyTpm, open_within};

/// A gate has callers who wait: each command has four seconds, of which most take milliseconds.
const PATIENCE: Patience = Patience {
    first: Duration::from_millis(2),
    longest: Duration::from_millis(500),
    total: Duration::from_secs(4),
    attempts: 32,
};
/// How often PCRs are read anew that were extended between reading and quoting.
const TRIES: usize = 3;

/// Where the TPM is and where its key is kept. Nothing is open between two quotes.
#[derive(Clone, Debug)]
pub(super) struct Quoter {
    /// As the settings name it.
    pub(super) address: String,
    pub(super) state_dir: PathBuf,
}

/// Values of PCRs, bank sha256.
pub(super) type Pcrs = BTreeMap<u8, Hash>;

// === impl Quoter ===

impl Quoter {
    /// A quote over `selection` and over what `over` says for the PCRs that were read; it is asked again where they
    /// changed meanwhile.
    pub(super) fn quote(&self, selection: PcrSelection, over: impl FnMut(&Pcrs) -> [u8; 32]) -> TpmFacts {
        match self.quoted(selection, over) {
            Ok(quote) => TpmFacts::Quoted(quote),
            Err(error) if is_absence(&error) => TpmFacts::Absent { why: error.to_string() },
            Err(error) => TpmFacts::Unavailable { why: self.why(&error) },
        }
    }

    /// TPMT_PUBLIC of the gate's attestation key; it is made at the first call.
    pub(super) fn key(&self) -> Result<Vec<u8>, AgentError> {
        let lock = key::lock(&self.state_dir)?;
        let mut tpm = self.open()?;
        Ok(key::kept(&self.state_dir, &mut tpm, &lock)?.public)
    }

    /// TPMT_PUBLIC of the key that the gate has made, if this TPM has it; none is made.
    pub(super) fn kept_key(&self) -> Result<Option<Vec<u8>>, AgentError> {
        let Some(blob) = key::found(&self.state_dir)? else { return Ok(None) };
        let mut tpm = self.open()?;
        tpm.load_attestation_key(&blob)?;
        Ok(Some(blob.public))
    }

    fn open(&self) -> Result<AnyTpm, AgentError> {
        let unknown = || TransportError::Spec { spec: self.address.clone() };
        open_within(&TpmAddress::of(&self.address).ok_or_else(unknown)?, PATIENCE)
    }

    fn quoted(&self, selection: PcrSelection, mut over: impl FnMut(&Pcrs) -> [u8; 32]) -> Result<RawQuote, AgentError> {
        // A machine without a TPM needs no key, and a directory for it least of all.
        let mut tpm = self.open()?;
        let lock = key::lock(&self.state_dir)?;
        let software = self.is_software(&mut tpm)?;
        let blob = key::kept(&self.state_dir, &mut tpm, &lock)?;
        let mut session = tpm.load_attestation_key(&blob)?;
        let mut pcrs = read(&mut session, selection)?;
        for _ in 1..TRIES {
            let quote = session.quote(selection, &over(&pcrs))?;
            if covers(&quote, &pcrs) {
                return Ok(raw(quote, &blob.public, pcrs, software));
            }
            pcrs = read(&mut session, selection)?;
        }
        // Whoever verifies it says that the values are not those that were signed.
        let quote = session.quote(selection, &over(&pcrs))?;
        Ok(raw(quote, &blob.public, pcrs, software))
    }

    /// A software TPM serves evaluation only, however the kernel came by it.
    fn is_software(&self, tpm: &mut AnyTpm) -> Result<bool, AgentError> {
        let spoken_to = matches!(TpmAddress::of(&self.address), Some(TpmAddress::Software(_)));
        // libtpms, which software TPMs and those of most hypervisors are made of, calls itself `SW   TPM`.
        Ok(spoken_to || tpm.properties()?.vendor.starts_with("SW"))
    }

    fn why(&self, error: &AgentError) -> String {
        match error {
            AgentError::Tpm(TpmError::KeyLost(lost)) => format!(
                "the gate's attestation key is lost: {lost}; if that was meant, remove {}, and the next attestation \
                 makes a new key, which whoever verifies bundles must be told",
                self.state_dir.join(key::NAME).display()
            ),
            AgentError::Tpm(TpmError::Busy { .. }) => error.to_string(),
            error => format!("{error}; {}", error.remedy()),
        }
    }
}

fn read<T: Transport>(session: &mut AttestationSession<'_, T>, selection: PcrSelection) -> Result<Pcrs, AgentError> {
    let mut pcrs = Pcrs::new();
    for (pcr, value) in session.pcr_read(selection)? {
        let (Ok(pcr), Ok(value)) = (u8::try_from(pcr), value.as_bytes().try_into()) else {
            return Err(AgentError::Bank);
        };
        pcrs.insert(pcr, Hash(value));
    }
    Ok(pcrs)
}

/// Whether the quote is over these values; nothing of it is believed by that.
fn covers(quote: &Attested, pcrs: &Pcrs) -> bool {
    let values: Vec<&[u8]> = pcrs.values().map(|value| value.0.as_slice()).collect();
    let parsed = Attest::parse(&quote.attest);
    matches!(parsed.map(|attest| attest.body), Ok(AttestBody::Quote { pcr_digest, .. }) if *pcr_digest == sha256(&values))
}

fn raw(quote: Attested, ak_public: &[u8], pcrs: Pcrs, software: bool) -> RawQuote {
    let Attested { attest, signature } = quote;
    RawQuote { attest, signature, ak_public: ak_public.to_vec(), pcrs, software }
}

/// Whether the error says that this machine has no TPM, as opposed to one that does not answer.
fn is_absence(error: &AgentError) -> bool {
    let AgentError::TpmOpen(TransportError::Open { source, .. }) = error else { return false };
    let none = [Errno::NODEV, Errno::NXIO];
    source.kind() == ErrorKind::NotFound || Errno::from_io_error(source).is_some_and(|errno| none.contains(&errno))
}
