//! The runtime state bundle: what one run measured and came to, in thirteen documented fields and newer ones beside.

use std::collections::{BTreeMap, BTreeSet};

use avouch_protocol::Hash;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::canonical::canonical;
use crate::facts::{Facts, FileDigest, Reading, ServiceFacts};
use crate::failure::{Failure, FailureCode};
use crate::quote::{QuoteRefusal, VerifiedQuote, qualifying_data};
use crate::state::{Assurance, AssuranceMode, State};
use crate::time::rfc3339;
use crate::trigger::Trigger;

/// In place of a digest or text that could not be read, or that this machine does not have.
const UNAVAILABLE: &str = "unavailable";
/// In place of the digest of a binary that is not there.
const MISSING: &str = "missing";

/// One run of the attestor. The first thirteen fields are the documented core, in its order; whoever knows only those
/// reads every bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// When the run began, RFC 3339.
    pub timestamp: String,
    /// What it came to.
    pub state: State,
    /// What was measured of the boot.
    pub boot_measurements: BootMeasurements,
    /// SHA-256 over the stable fields of the booted deployment, or `unavailable`.
    pub deployment_digest: String,
    /// By service: SHA-256 of its binary on disk, `missing` or `unavailable`.
    pub service_digests: BTreeMap<String, String>,
    /// SHA-256 over all policy files ([`crate::PolicyDigest`]), or `unavailable`.
    pub policy_digest: String,
    /// SHA-256 of the registry manifest, or `unavailable`.
    pub registry_manifest_hash: String,
    /// The kernel's command line, or `unavailable`.
    pub kernel_cmdline: String,
    /// `none [integrity] confidentiality`, the one in force in brackets; or `unavailable`.
    pub kernel_lockdown: String,
    /// Whether a TPM is there.
    pub tpm_available: bool,
    /// Whether its quote over this run holds.
    pub tpm_quote_verified: bool,
    /// What failed, for people; absent where nothing did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// HMAC-SHA-256 over everything else here, or `unsigned`.
    pub bundle_hmac: String,

    /// Whose word the state is.
    pub assurance: Assurance,
    /// What the evidence rests on.
    pub assurance_mode: AssuranceMode,
    /// Whether a quote holds and no expected PCR differs.
    pub evidence_verified: bool,
    /// The nonce of the run, 64 hexadecimal digits.
    pub request_nonce: String,
    /// Whether the deployment is that of the baseline.
    pub deployment_verified: bool,
    /// Of the baseline's source, 40 hexadecimal digits; empty where it names none.
    pub release_source_commit: String,
    /// Whether a signed baseline was there and nothing differs from it.
    pub release_baseline_verified: bool,
    /// Whether PCRs are expected and all of them have the quoted values.
    pub tpm_measurements_verified: bool,
    /// SHA-256 of the attestation key's TPMT_PUBLIC; empty without a verified quote.
    pub tpm_ak_public_key_sha256: String,
    /// `sha256:0,2,4,7`; empty without a verified quote.
    pub tpm_quote_pcr_selection: String,
    /// [`Bundle::failures`] by code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Failure>,
    /// Failures that are listed neither here nor there, since there are too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures_omitted: u64,
    /// By service: SHA-256 of every program that its processes run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub running_programs: BTreeMap<String, BTreeSet<String>>,
    /// The TPM's signature, for third parties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<QuoteEvidence>,
    /// Who acknowledged an earlier failure before this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
    /// What made the run begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// The bundle's number in the audit log, from 1; absent where the log did not take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// SHA-256 of the log's line before it; 64 zeros for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<String>,
}

/// What was measured of the boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootMeasurements {
    /// On, by every witness that could be read, of which there is at least one.
    pub secure_boot_enabled: bool,
    /// By index: `0x` and 64 hexadecimal digits, bank sha256; absent where none was quoted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pcr_values: BTreeMap<String, String>,
    /// RFC 3339.
    pub measured_at: String,
}

/// A quote, as it can be checked elsewhere: by [`Bundle::verify_quote`], or by other tools with the qualifyingData.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteEvidence {
    /// TPMS_ATTEST, base64.
    pub attest: String,
    /// TPMT_SIGNATURE, base64.
    pub signature: String,
    /// TPMT_PUBLIC of the attestation key, base64.
    pub ak_public: String,
    /// What the TPM was given to sign beside the PCRs, hexadecimal.
    pub qualifying_data: String,
}

/// The bytes of a bundle's quote and what it is to cover; nothing of it is believed yet.
pub(crate) struct Evidence {
    pub(crate) attest: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) ak_public: Vec<u8>,
    pub(crate) pcrs: BTreeMap<u8, Hash>,
    pub(crate) nonce: Hash,
}

/// Somebody has seen a failure and dealt with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// RFC 3339.
    pub at: String,
    /// Who, as the attestor knows them: a user's number, a name.
    pub by: String,
}

/// The part of a bundle that the TPM signs through the qualifyingData: what was measured, not what it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Measured {
    measured_at: String,
    secure_boot_enabled: bool,
    deployment_digest: String,
    service_digests: BTreeMap<String, String>,
    running_programs: BTreeMap<String, BTreeSet<String>>,
    policy_digest: String,
    registry_manifest_hash: String,
    kernel_cmdline: String,
    kernel_lockdown: String,
}

// === impl Bundle ===

impl Bundle {
    /// The JSON that is published, logged and signed.
    pub fn to_json(&self) -> String {
        // Texts, numbers and maps with text keys always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The fields as a JSON object.
    pub(crate) fn object(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            // As above.
            _ => Map::new(),
        }
    }

    /// Checks the TPM's quote over this bundle's nonce, PCR values and measurements, without any secret. The caller
    /// still has to know whose key [`VerifiedQuote::ak_sha256`] is, and that the nonce is the one it asked with.
    ///
    /// # Errors
    /// [`QuoteRefusal`].
    pub fn verify_quote(&self) -> Result<VerifiedQuote, QuoteRefusal> {
        let evidence = self.evidence()?;
        let over = qualifying_data(&evidence.nonce, &self.measured());
        VerifiedQuote::check(&evidence.attest, &evidence.signature, &evidence.ak_public, &evidence.pcrs, &over)
    }

    /// The bytes of the quote.
    pub(crate) fn evidence(&self) -> Result<Evidence, QuoteRefusal> {
        let quote = self.quote.as_ref().ok_or(QuoteRefusal::Evidence("the whole"))?;
        let decoded = |part, text: &str| BASE64.decode(text.as_bytes()).map_err(|_| QuoteRefusal::Evidence(part));
        let nonce = Hash::from_hex(&self.request_nonce).ok_or(QuoteRefusal::Evidence("the nonce"))?;
        let pcr = |(index, value): (&String, &String)| {
            let value = value.strip_prefix("0x").and_then(Hash::from_hex)?;
            Some((index.parse::<u8>().ok()?, value))
        };
        let pcrs: Option<BTreeMap<u8, Hash>> = self.boot_measurements.pcr_values.iter().map(pcr).collect();
        Ok(Evidence {
            attest: decoded("the attestation", &quote.attest)?,
            signature: decoded("the signature", &quote.signature)?,
            ak_public: decoded("the key", &quote.ak_public)?,
            pcrs: pcrs.ok_or(QuoteRefusal::Evidence("a PCR value"))?,
            nonce,
        })
    }

    /// Codes of what failed, in the order of [`Bundle::findings`].
    pub fn codes(&self) -> Vec<FailureCode> {
        self.findings.iter().map(|finding| finding.code).collect()
    }

    /// How many checks did not pass.
    pub fn failure_count(&self) -> usize {
        self.findings.len().saturating_add(usize::try_from(self.failures_omitted).unwrap_or(usize::MAX))
    }

    pub(crate) fn measured(&self) -> Measured {
        Measured {
            measured_at: self.boot_measurements.measured_at.clone(),
            secure_boot_enabled: self.boot_measurements.secure_boot_enabled,
            deployment_digest: self.deployment_digest.clone(),
            service_digests: self.service_digests.clone(),
            running_programs: self.running_programs.clone(),
            policy_digest: self.policy_digest.clone(),
            registry_manifest_hash: self.registry_manifest_hash.clone(),
            kernel_cmdline: self.kernel_cmdline.clone(),
            kernel_lockdown: self.kernel_lockdown.clone(),
        }
    }

    /// A bundle of these measurements in which nothing is verified, found or signed yet.
    pub(crate) fn of(measured: Measured, nonce: &Hash) -> Self {
        Self {
            timestamp: measured.measured_at.clone(),
            state: State::Pending,
            boot_measurements: BootMeasurements {
                secure_boot_enabled: measured.secure_boot_enabled,
                pcr_values: BTreeMap::new(),
                measured_at: measured.measured_at,
            },
            deployment_digest: measured.deployment_digest,
            service_digests: measured.service_digests,
            policy_digest: measured.policy_digest,
            registry_manifest_hash: measured.registry_manifest_hash,
            kernel_cmdline: measured.kernel_cmdline,
            kernel_lockdown: measured.kernel_lockdown,
            tpm_available: false,
            tpm_quote_verified: false,
            failures: Vec::new(),
            bundle_hmac: crate::hmac::UNSIGNED.into(),
            assurance: Assurance::Local,
            assurance_mode: AssuranceMode::Software,
            evidence_verified: false,
            request_nonce: nonce.to_hex(),
            deployment_verified: false,
            release_source_commit: String::new(),
            release_baseline_verified: false,
            tpm_measurements_verified: false,
            tpm_ak_public_key_sha256: String::new(),
            tpm_quote_pcr_selection: String::new(),
            findings: Vec::new(),
            failures_omitted: 0,
            running_programs: measured.running_programs,
            quote: None,
            acknowledged: None,
            trigger: None,
            seq: None,
            prev: None,
        }
    }
}

// === impl Measured ===

impl Measured {
    pub(crate) fn of(facts: &Facts) -> Self {
        let services = || facts.services.iter();
        Self {
            measured_at: rfc3339(facts.taken_at.unix_ms),
            secure_boot_enabled: facts.secure_boot.enabled(),
            deployment_digest: hex_or(facts.deployment.value().map(|deployment| deployment.digest), UNAVAILABLE),
            service_digests: services().map(|(name, service)| (name.clone(), on_disk(&service.on_disk))).collect(),
            running_programs: services()
                .map(|(name, service)| (name.clone(), running(service)))
                .filter(|(_, programs)| !programs.is_empty())
                .collect(),
            policy_digest: hex_or(facts.policy_digest.value().copied(), UNAVAILABLE),
            registry_manifest_hash: hex_or(facts.registry.value().map(|file| file.sha256), UNAVAILABLE),
            kernel_cmdline: text_or(&facts.cmdline),
            kernel_lockdown: text_or(&facts.lockdown),
        }
    }

    /// What is hashed.
    pub(crate) fn canonical(&self) -> String {
        // Texts, flags and maps with text keys always serialise.
        serde_json::to_value(self).map(|value| canonical(&value)).unwrap_or_default()
    }
}

fn hex_or(digest: Option<Hash>, otherwise: &str) -> String {
    digest.map_or_else(|| otherwise.to_owned(), |digest| digest.to_hex())
}

fn text_or(reading: &Reading<String>) -> String {
    reading.value().cloned().unwrap_or_else(|| UNAVAILABLE.into())
}

fn on_disk(reading: &Reading<FileDigest>) -> String {
    match reading {
        Reading::Value(file) => file.sha256.to_hex(),
        Reading::Absent => MISSING.into(),
        Reading::Unreadable(_) => UNAVAILABLE.into(),
    }
}

fn running(service: &ServiceFacts) -> BTreeSet<String> {
    let processes = service.running.value().map(Vec::as_slice).unwrap_or_default();
    processes.iter().map(|process| hex_or(process.sha256.value().copied(), UNAVAILABLE)).collect()
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
