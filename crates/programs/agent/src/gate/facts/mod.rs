//! Everything that the gate appraises, read in one pass.
//!
//! ```text
//! Settings, Baseline ─▶ Reader::read ─┬ Appliance     files, programs, IMA list, deployment, as far as we may read
//!                                     ├ Collector     what we may not read; the levels
//!                                     └ TPM           last: its quote covers all of the above
//! ```
//!
//! The gate runs without root and without capabilities. What it cannot read it asks of the collector, where there is
//! one; what nobody could read is in the [`Facts`] as unreadable, with what to do about it.

mod key;
mod levels;
mod machine;
mod quote;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use avouch_attestor::{
    Baseline, BaselineError, Facts, Moment, Reading, SecureBoot, ServerWord, Settings, SignedBaseline, TpmFacts, Wanted,
};
use avouch_collect::appliance::{Appliance, BootLogSeen};
use avouch_protocol::Hash;

use crate::clock;
use crate::collector::Collector;
use crate::config::PinnedIntent;
use crate::error::AgentError;

use self::machine::Look;
use self::quote::{Pcrs, Quoter};

/// Longest signed baseline that is read: the base64 of what the attestor takes at most.
const MAX_BASELINE_BYTES: u64 = 48 << 20;

/// Reads facts. Nothing is open between two passes.
#[derive(Clone, Debug)]
pub struct Reader {
    settings: Settings,
    intent: Option<PinnedIntent>,
    appliance: Appliance,
    collector: Collector,
    quoter: Quoter,
}

/// What a pass is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The caller's nonce; an own random one where there is none.
    pub nonce: Option<Hash>,
    /// What the server says of this machine, where it was asked. The quote covers it.
    pub server: Option<ServerWord>,
}

// === impl Reader ===

impl Reader {
    /// Of the running machine. `intent` is the signed one of the agent's configuration, by which levels are judged.
    pub fn new(settings: &Settings, intent: Option<PinnedIntent>) -> Self {
        Self::over(settings, intent, Appliance::running())
    }

    /// The same over another root, e.g. a mounted image.
    pub fn over(settings: &Settings, intent: Option<PinnedIntent>, appliance: Appliance) -> Self {
        let quoter = Quoter { address: settings.tpm.clone(), state_dir: settings.state_dir.clone() };
        let collector = Collector::of_root(&settings.collector);
        Self { settings: settings.clone(), intent, appliance, collector, quoter }
    }

    /// One pass over the machine. It cannot fail: what could not be read says so.
    ///
    /// Blocks as long as hashing takes, and for a collector or a TPM that does not answer within their own bounds.
    pub fn read(&self, request: Request, baseline: Option<&Baseline>) -> Facts {
        let taken_at = now();
        let wanted = Wanted::of(&self.settings, baseline);
        let look = Look::of(&self.appliance, &self.collector, &wanted);
        let mut facts = Facts {
            taken_at,
            nonce: request.nonce.unwrap_or_else(|| Hash(avouch_crypto::random())),
            secure_boot: SecureBoot {
                variable: look.reading(Some(&self.appliance.secure_boot())),
                log: Reading::Absent,
            },
            deployment: look.deployment(wanted.deployment),
            services: look.services(&wanted),
            policy_files: look.policy_files(&wanted),
            policy_digest: look.policy_digest(&wanted),
            files: wanted.files.iter().map(|path| (path.clone(), look.file(path))).collect(),
            registry: wanted.registry_manifest.as_deref().map_or(Reading::Absent, |path| look.file(path)),
            cmdline: look.reading(Some(&self.appliance.command_line())),
            lockdown: look.reading(Some(&self.appliance.lockdown())),
            levels: self.levels(&wanted),
            server: request.server,
            tpm: TpmFacts::Absent { why: "it was not asked yet".to_owned() },
        };
        let boot_log: Reading<BootLogSeen> = look.reading(look.seen.boot_log.as_ref());
        let tpm = self.quoter.quote(wanted.pcrs, |pcrs| {
            facts.secure_boot.log = proven(&boot_log, pcrs);
            facts.qualifying_data()
        });
        if !matches!(tpm, TpmFacts::Quoted(_)) {
            facts.secure_boot.log = unproven(boot_log);
        }
        facts.tpm = tpm;
        facts
    }

    /// TPMT_PUBLIC of the gate's attestation key; it is made at the first call.
    ///
    /// # Errors
    /// [`AgentError::TpmOpen`], [`AgentError::Tpm`], [`AgentError::State`].
    pub fn key(&self) -> Result<Vec<u8>, AgentError> {
        self.quoter.key()
    }
}

/// TPMT_PUBLIC of the attestation key that the gate of these settings has made, which the TPM just showed that it has;
/// `None` where no gate has made one yet.
///
/// # Errors
/// [`AgentError::TpmOpen`], [`AgentError::Tpm`], [`AgentError::State`].
pub fn kept_key(settings: &Settings) -> Result<Option<Vec<u8>>, AgentError> {
    Quoter { address: settings.tpm.clone(), state_dir: settings.state_dir.clone() }.kept_key()
}

/// What the boot log says, where the TPM's PCR 7 is what the log comes to: anybody could have written the log.
fn proven(log: &Reading<BootLogSeen>, pcrs: &Pcrs) -> Reading<bool> {
    match (log, pcrs.get(&7)) {
        (Reading::Value(seen), Some(pcr7)) if seen.pcr7 == *pcr7 => Reading::Value(seen.secure_boot),
        (Reading::Value(_), Some(_)) => Reading::Unreadable(
            "the boot log does not come to the value that PCR 7 has; restart the machine, and if this stays somebody \
             extended PCR 7 or writes the log"
                .to_owned(),
        ),
        (Reading::Value(_), None) => unproven(log.clone()),
        (log, _) => log.clone().map(|seen| seen.secure_boot),
    }
}

/// The log alone, which proves nothing.
fn unproven(log: Reading<BootLogSeen>) -> Reading<bool> {
    match log {
        Reading::Value(_) => Reading::Unreadable(
            "there is a boot log, and no TPM whose PCR 7 it could be held against; see why the TPM gave no quote"
                .to_owned(),
        ),
        log => log.map(|seen| seen.secure_boot),
    }
}

/// The baseline that the settings pin; `None` when they pin none.
pub fn baseline(settings: &Settings) -> Option<Result<Baseline, BaselineError>> {
    let pinned = settings.baseline.as_ref()?;
    let opened = baseline_bytes(&pinned.path).and_then(|bytes| SignedBaseline::from_json(&bytes)?.open(&pinned.key));
    Some(opened)
}

fn baseline_bytes(path: &Path) -> Result<Vec<u8>, BaselineError> {
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => BaselineError::Missing,
        _ => BaselineError::Unreadable(format!(
            "{} cannot be read: {error}; let the gate's user read it: it holds no secret",
            path.display()
        )),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_BASELINE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// Both clocks, read together.
pub fn now() -> Moment {
    Moment { unix_ms: clock::wall_clock_ms(), boot_ms: clock::Moment::now().milliseconds() }
}
