//! A node that makes reports: what it keeps of them, and evidence that carries them.

use anyhow::{Context, Result};
use avouch_agent::build_reported_evidence;
use avouch_agent::challenge::CheckedChallenge;
use avouch_agent::reporter::Reported;
use avouch_crypto::sha256;
use avouch_pairs::Observation;
use avouch_protocol::{
    Certification, Evidence, Hash, Message, Purpose, Report, ReportHead, ShownReportKey, Trigger, qualifying_data,
};
use avouch_tpm::ReportKeyBlob;
use avouch_tpm_wire::{Digest, HashAlg};

use crate::{Machine, Node};

/// The reports of a machine's boot session and the key that signs them. Tests drop, swap and forge what stands here.
#[derive(Clone, Debug, Default)]
pub struct Reports {
    /// Bytes of every report, in the order of the chain PCR.
    pub chain: Vec<Vec<u8>>,
    /// The key; made when it is first needed.
    pub key: Option<ReportKeyBlob>,
    newest: Option<Observation>,
}

fn digest(bytes: &[u8]) -> Hash {
    Hash(sha256(&[bytes]))
}

impl Reports {
    /// Makes a report of this observation, a difference to the one before where there is one, and extends it.
    ///
    /// # Errors
    /// When the report is too large, or the TPM fails.
    pub fn extend(&mut self, machine: &Machine, pcr: u8, observation: &Observation) -> Result<()> {
        let prev = self.chain.last().map_or(Hash::ZERO, |report| digest(report));
        let head = ReportHead {
            seq: u64::try_from(self.chain.len())? + 1,
            prev,
            trigger: Trigger::Slot,
            started_ms: 1,
            finished_ms: 2,
            agent_version: "0.1.0".into(),
        };
        let report = match &self.newest {
            Some(base) => Report::difference(observation, base, prev, head)?,
            None => Report::whole(observation, head)?,
        };
        let bytes = report.to_cbor();
        let event = Digest::new(HashAlg::Sha256, &digest(&bytes).0).context("a digest has 32 bytes")?;
        machine.tpm()?.pcr_extend(pcr, &[event])?;
        self.chain.push(bytes);
        self.newest = Some(observation.clone());
        Ok(())
    }

    /// What a reboot leaves: the key.
    pub fn reboot(&mut self) {
        self.chain.clear();
        self.newest = None;
    }
}

impl Node {
    /// Answers a challenge as an agent with reports does: a report of `observation` where one is due, all that the
    /// server does not hold, the newest one signed, and the key while it is owed.
    ///
    /// # Errors
    /// When the TPM or a log fails.
    pub fn answer_reporting(
        &self,
        machine: &Machine,
        challenge: &CheckedChallenge,
        reports: &mut Reports,
        observation: &Observation,
    ) -> Result<Evidence> {
        if let Some(pcr) = challenge.message().chain_pcr {
            reports.extend(machine, pcr, observation)?;
        }
        self.answer_chained(machine, challenge, reports)
    }

    /// The same without a new report.
    ///
    /// # Errors
    /// As [`Node::answer_reporting`].
    pub fn answer_chained(
        &self,
        machine: &Machine,
        challenge: &CheckedChallenge,
        reports: &mut Reports,
    ) -> Result<Evidence> {
        let mut tpm = machine.tpm()?;
        let offsets = challenge.offsets();
        let same = offsets.reset_count == Some(tpm.clock()?.reset_count);
        let held = if same { usize::try_from(offsets.reports)? } else { 0 };
        let sent = reports.chain.get(held..).unwrap_or_default().to_vec();
        let newest = reports.chain.last().map_or(Hash::ZERO, |report| digest(report));
        let client_spki = self.enrolment.client_spki()?;
        let mut session = tpm.load_attestation_key(&self.enrolment.ak_blob())?;
        let reported = Reported { reports: sent, digest: newest };
        let mut evidence =
            build_reported_evidence(&mut session, challenge, &client_spki, &machine.securityfs(), reported)?;
        let blob = match &reports.key {
            Some(blob) => blob.clone(),
            None => session.create_report_key()?,
        };
        reports.key = Some(blob.clone());
        let key = session.load_report_key(&blob)?;
        if held == 0 {
            let purpose = Purpose::Certify;
            let hash = |parts: &[&[u8]]| Hash(sha256(parts));
            let qualifying = qualifying_data(hash, purpose, &challenge.digest(), &client_spki, &Hash::ZERO);
            let certified = session.certify_report_key(&key, &qualifying.0)?;
            let certification =
                Certification { attest: certified.attest.into(), signature: certified.signature.into() };
            evidence.report_key = Some(ShownReportKey { public: blob.public.into(), certification });
        }
        if newest != Hash::ZERO {
            evidence.report_signature = Some(session.sign_report(&key, &newest.0)?.into());
        }
        Ok(evidence)
    }
}
