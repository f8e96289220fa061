//! Why the gate cannot do what was asked.

use std::io;
use std::path::PathBuf;

use avouch_attestor::{BaselineError, BundleError, SettingsError};
use avouch_crypto::client_key::KeyError;
use thiserror::Error;

use super::client::CallError;
use super::http::{ListenError, SecretError};
use super::sandbox::SandboxError;
use crate::cli::Exit;
use crate::error::AgentError;

/// Everything that can go wrong with the gate's commands. What goes wrong in a run is a failure in its bundle.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GateError {
    /// What answers does not speak the local attestor API.
    #[error("what the gate answered cannot be used: {0}")]
    Answer(String),
    /// A baseline cannot be used.
    #[error("the baseline {}: {error}", path.display())]
    Baseline {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: BaselineError,
    },
    /// Bytes that should be a bundle are none.
    #[error("{} is no bundle: {error}", path.display())]
    Bundle {
        /// Which file.
        path: PathBuf,
        /// Where, and what is wrong there.
        error: BundleError,
    },
    /// The gate gives no answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A person said no.
    #[error("not signed: the answer was not yes")]
    Declined,
    /// A private key cannot be used.
    #[error("{} holds no usable Ed25519 key: {error}", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// A file holds no key of the kind that is wanted.
    #[error("{} cannot be used as a key: {why}", path.display())]
    KeyFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Nobody can be listened for.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Neither the command line nor the settings name it.
    #[error("neither the command line nor the settings name a {0}")]
    NotNamed(&'static str),
    /// The thread that answers ended.
    #[error("the thread that answers callers ended")]
    NotAnswering,
    /// The gate has made no attestation key yet.
    #[error("there is no attestation key in {}: no gate has attested here with a TPM", state_dir.display())]
    NoTpmKey {
        /// Where it would be.
        state_dir: PathBuf,
    },
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// The gate refuses.
    #[error("the gate answered {status}: {error}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its word.
        error: String,
    },
    /// No sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A secret cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The settings are wrong.
    #[error("the settings {}: {error}", path.display())]
    Settings {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        error: SettingsError,
    },
    /// The system gives no thread or no signals.
    #[error("the system does not let the gate start: {0}")]
    Start(io::Error),
    /// The TPM, or what is kept of its key, cannot be used.
    #[error(transparent)]
    Tpm(Box<AgentError>),
    /// A file cannot be written, or is there already.
    #[error("{} cannot be written: {error}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
}

// === impl GateError ===

impl GateError {
    /// The machine code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Answer(_) => "GATE_ANSWER",
            Self::Baseline { .. } => "BASELINE",
            Self::Bundle { .. } => "BUNDLE",
            Self::Call(_) => "GATE_SILENT",
            Self::Declined => "DECLINED",
            Self::Key { .. } | Self::KeyFile { .. } | Self::NoTpmKey { .. } | Self::Secret(_) => "KEY",
            Self::Listen(_) => "LISTEN",
            Self::NotAnswering | Self::Start(_) => "START",
            Self::NotNamed(_) | Self::Settings { .. } => "SETTINGS",
            Self::Read { .. } => "READ",
            Self::Refused { .. } => "GATE_REFUSED",
            Self::Sandbox(_) => "SANDBOX",
            Self::Tpm(_) => "TPM",
            Self::Write { .. } => "WRITE",
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        let fixed = match self {
            Self::Secret(error) => return error.remedy(),
            Self::Tpm(error) => return error.remedy(),
            Self::Listen(error) => error.remedy(),
            Self::Bundle { .. } => "save what `POST /api/v1/refresh` answers, or one line of the audit log, as it is",
            Self::KeyFile { .. } => {
                "for the TPM's key take what `avouch-agent gate key tpm` prints on that machine, for the HMAC key its file"
            }
            Self::NoTpmKey { .. } => "start the gate; it makes the key at its first attestation",
            Self::Answer(_) => "check that --socket or --url leads to a gate of the same release",
            Self::Baseline { .. } => "mend it and sign it again: `avouch-agent gate baseline sign`",
            Self::Call(CallError::Url { .. }) => {
                "only http:// on this machine is called, e.g. http://127.0.0.1:8505; put a relay on this machine before anything else"
            }
            Self::Call(_) => {
                "`systemctl status avouch-gate.service`; run as root or as a user whom `socket.uids` lists"
            }
            Self::Declined => "mend what is wrong in the file, then sign it",
            Self::Key { .. } => "make a key with `avouch-agent gate key baseline -o FILE`",
            Self::NotNamed(_) => {
                "name it on the command line, or in the settings; `avouch-agent gate check-config` lists them"
            }
            Self::NotAnswering => "nothing: systemd starts the gate again; see the lines before this one",
            Self::Read { .. } => "check the path, and run as a user who may read it",
            Self::Refused { status: 403, .. } => "run as root over the gate's socket, or name the right --token-file",
            Self::Refused { status: 409, .. } => "nothing: no failure is latched",
            Self::Refused { status: 429, .. } => "wait a few seconds: attestations have a rate",
            Self::Refused { .. } => "see the journal of avouch-gate.service",
            Self::Sandbox(_) => {
                "check that the kernel has seccomp (CONFIG_SECCOMP_FILTER) and that the unit allows landlock(7)"
            }
            Self::Settings { .. } => "correct the file; `avouch-agent gate check-config FILE` explains every key",
            Self::Start(_) => "check the limits of the unit (TasksMax=, LimitNOFILE=)",
            Self::Write { .. } => "choose a path that is writable, and for a key one that does not exist yet",
        };
        fixed.to_owned()
    }

    /// The exit status that tells it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Call(CallError::Url { .. }) => Exit::Config,
            Self::Answer(_) | Self::Call(_) => Exit::NoAnswer,
            Self::Refused { .. } => Exit::Refused,
            Self::Tpm(error) => error.exit(),
            Self::NotNamed(_) | Self::Settings { .. } | Self::Listen(ListenError::Nowhere) => Exit::Config,
            Self::Listen(ListenError::NotLoopback { .. }) => Exit::Config,
            _ => Exit::Local,
        }
    }
}
