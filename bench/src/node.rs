//! A simulated machine: a TPM of software, a boot log, and an IMA list that grows.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use avouch_bootlog::BootLog;
use avouch_crypto::Hash as Sha;
use avouch_ima::IMA_PCR;
use avouch_protocol::{
    Challenge, Evidence, Hash, ImaFormat, ImaSegment, Message, NodeTag, Offsets, Purpose, VERSION, qualifying_data,
};
use avouch_tpm_wire::{Digest, Hasher, PcrSelection, extend};

use crate::logs::{BANK, Entry, PCRS, hash};
use crate::tpm::Attester;

/// What a machine answers a challenge with.
pub(crate) struct Machine {
    pub(crate) attester: Attester,
    boot_log: Arc<Vec<u8>>,
    boot: [Option<Digest>; 24],
    value: Digest,
    /// Entries that the verifier has proven.
    proven: u64,
    /// Entries after them.
    pending: Vec<u8>,
    pending_count: u64,
}

impl Machine {
    /// A machine that has booted and measured nothing yet but its boot.
    pub(crate) fn new(attester: Attester, boot_log: &Arc<Vec<u8>>) -> Result<Self> {
        let boot = *BootLog::parse(boot_log)?.replay(BANK, &Sha)?.values();
        Ok(Self {
            attester,
            boot_log: boot_log.clone(),
            boot,
            value: Digest::zero(BANK),
            proven: 0,
            pending: Vec::new(),
            pending_count: 0,
        })
    }

    /// The kernel measures.
    pub(crate) fn measure<'e>(&mut self, entries: impl IntoIterator<Item = &'e Entry>) {
        for entry in entries {
            self.value = extend(&Sha, &self.value, &entry.digest);
            self.pending.extend_from_slice(&entry.bytes);
            self.pending_count += 1;
        }
    }

    /// The verifier has proven all that it was sent.
    pub(crate) fn proven(&mut self) {
        self.proven += std::mem::take(&mut self.pending_count);
        self.pending.clear();
    }

    /// Evidence for these challenge bytes, sent with the client key of this digest.
    pub(crate) fn answer(&mut self, challenge_bytes: &[u8], client_spki: &Hash) -> Result<Evidence> {
        let challenge = Challenge::from_cbor(challenge_bytes)?;
        ensure!(challenge.offsets.ima_count == self.proven, "the verifier asks from entry {:?}", challenge.offsets);
        let digest = hash(&[challenge_bytes]);
        let qualifying = |purpose| qualifying_data(hash, purpose, &digest, client_spki, &Hash::ZERO).0;
        let selection = PcrSelection { bank: BANK, mask: challenge.pcr_mask };
        let pcr_digest = self.pcr_digest(selection)?;
        let quote = self.attester.quote(&qualifying(Purpose::Quote), selection, &pcr_digest)?;
        let first = challenge.offsets.reset_count.is_none();
        let time = first.then(|| self.attester.time(&qualifying(Purpose::GetTime))).transpose()?;
        let (time, time_signature) = time.map(|time| (time.attest.into(), time.signature.into())).unzip();
        let ima = ImaSegment { format: ImaFormat::Binary, from_count: self.proven, bytes: self.pending.clone().into() };
        Ok(Evidence {
            v: VERSION,
            seq: challenge.seq,
            challenge: digest,
            quote: quote.attest.into(),
            quote_signature: quote.signature.into(),
            time,
            time_signature,
            boot_log: first.then(|| self.boot_log.to_vec().into()),
            ima: Some(ima),
            agent_version: "0.1.0".into(),
            report_digest: Hash::ZERO,
            userspace_log: None,
            reports: Vec::new(),
            report_signature: None,
            report_key: None,
        })
    }

    fn pcr_digest(&self, selection: PcrSelection) -> Result<Digest> {
        let value = |pcr: u32| match pcr {
            IMA_PCR => Some(self.value),
            _ => usize::try_from(pcr).ok().and_then(|pcr| *self.boot.get(pcr)?),
        };
        let values: Option<Vec<Digest>> = selection.pcrs().map(value).collect();
        let values = values.context("the boot log tells every selected PCR")?;
        let parts: Vec<&[u8]> = values.iter().map(Digest::as_bytes).collect();
        Ok(Sha.hash(BANK, &parts))
    }
}

/// A challenge as a server would make it, for measurements without one.
pub(crate) fn challenge(seq: u64, policy_ref: Hash, offsets: Offsets) -> Challenge {
    Challenge {
        v: VERSION,
        origin: "https://verifier.example:8443".into(),
        node_tag: NodeTag([1; 32]),
        round: 5_900_000 + seq,
        seq,
        prev: hash(&[b"prev"]),
        base: Hash::ZERO,
        server_nonce: hash(&[&seq.to_be_bytes()]),
        pcr_bank: PCRS.bank,
        pcr_mask: PCRS.mask,
        policy_ref,
        offsets,
        deadline: 2_000_000_000,
        chain_pcr: None,
        cap_pcr: None,
    }
}
