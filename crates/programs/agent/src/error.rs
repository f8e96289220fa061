//! Why the agent cannot do what was asked, with a machine code and what to do.

use avouch_collect::CollectError;
use avouch_crypto::client_key::KeyError;
use avouch_crypto::tls::TlsError;
use avouch_kernel::KernelError;
use avouch_protocol::{NodeTag, ReportError, WireError};
use avouch_tpm::TransportError;
use thiserror::Error;

use crate::challenge::ChallengeError;
use crate::cli::Exit;
use crate::collector::LinkError;
use crate::config::ConfigError;
use crate::enrol::EnrolError;
use crate::gate::GateError;
use crate::http::HttpError;
use crate::intent::IntentTrouble;
use crate::receipt::ReceiptError;
use crate::state::{EnrolmentError, StateError, Trouble};
use crate::status::FORK_REMEDY;
use crate::token::TokenSourceError;

/// Everything that can go wrong; each variant is one floor of the agent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AgentError {
    /// There is an enrolment already.
    #[error("this machine is enrolled already, as node {node} of {origin}")]
    AlreadyEnrolled {
        /// The node.
        node: NodeTag,
        /// Its server.
        origin: String,
    },
    /// The TPM has no SHA-256 bank, or gives no value of a PCR in it.
    #[error("the TPM gives no value of the PCR in the SHA-256 bank")]
    Bank,
    /// The challenge must not be answered.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    /// A log cannot be read though it exists.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// First contact failed at a check of this node.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// The stored enrolment cannot be used.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    /// The gate cannot do what was asked.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// No usable answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// There is no intent to judge by, sign or show.
    #[error(transparent)]
    Intent(#[from] IntentTrouble),
    /// No client key can be made.
    #[error("no client key can be made: {0}")]
    Key(KeyError),
    /// The attestation key does not load any more.
    #[error("the attestation key is lost: {lost}; the server knows")]
    KeyLost {
        /// How it shows.
        lost: avouch_tpm::KeyLost,
        /// Seconds until the server wants to hear of this node again.
        next_in: u64,
    },
    /// Talker and collector do not understand each other.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// There is no enrolment.
    #[error("this machine is not enrolled")]
    NotEnrolled,
    /// Nothing that was asked for was seen.
    #[error("nothing of what was asked for could be seen: no such unit, or no fact of it could be read")]
    NothingSeen,
    /// There is no evidence to show.
    #[error("nothing was sent yet")]
    NothingSent,
    /// What the TPM signed cannot be read.
    #[error("the TPM's attestation cannot be read: {0}")]
    Attest(avouch_tpm_wire::WireError),
    /// The answer is no receipt for what was sent.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// An observation does not fit a report, or a stored report cannot be read.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Signals cannot be caught.
    #[error("signals cannot be caught: {0}")]
    Signals(std::io::Error),
    /// State cannot be read or kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// No TLS can be set up from the stored keys and pins.
    #[error("TLS cannot be set up: {0}")]
    Tls(TlsError),
    /// There is no usable token.
    #[error(transparent)]
    Token(#[from] TokenSourceError),
    /// The TPM failed.
    #[error(transparent)]
    Tpm(#[from] avouch_tpm::Error),
    /// The TPM cannot be opened.
    #[error(transparent)]
    TpmOpen(#[from] TransportError),
    /// The kernel cannot be asked.
    #[error(transparent)]
    Unobservable(#[from] KernelError),
    /// A stored message cannot be read.
    #[error(transparent)]
    Wire(#[from] WireError),
}

// === impl AgentError ===

impl AgentError {
    /// The machine code: the server's where it refused, otherwise one of these.
    pub fn code(&self) -> &str {
        match self {
            Self::AlreadyEnrolled { .. } => "ALREADY_ENROLLED",
            Self::Challenge(ChallengeError::Fork { .. }) => "CHAIN_FORK",
            Self::Challenge(_) => "CHALLENGE_REFUSED",
            Self::Collect(_) => "LOG_UNREADABLE",
            Self::Config(_) => "CONFIG",
            Self::Enrol(_) => "ENROLMENT_FAILED",
            Self::Enrolment(_) | Self::Key(_) | Self::Tls(_) => "CLIENT_KEY",
            Self::Gate(error) => error.code(),
            Self::Http(HttpError::Refused(refusal)) => &refusal.code,
            Self::Http(HttpError::Unreachable { .. }) => "SERVER_UNREACHABLE",
            Self::Http(HttpError::Tls { .. }) => "SERVER_NOT_TRUSTED",
            Self::Http(HttpError::Answer { .. }) => "SERVER_ANSWER",
            Self::Intent(_) => "INTENT",
            Self::KeyLost { .. } => "KEY_LOST",
            Self::Link(LinkError::Absent { .. }) => "COLLECTOR_ABSENT",
            Self::Link(_) => "COLLECTOR",
            Self::NotEnrolled => "NOT_ENROLLED",
            Self::NothingSeen => "NOTHING_SEEN",
            Self::NothingSent => "NOTHING_SENT",
            Self::Attest(_) | Self::Bank | Self::Tpm(_) | Self::TpmOpen(_) => "TPM",
            Self::Report(_) => "REPORT",
            Self::Receipt(_) => "RECEIPT_REFUSED",
            Self::Signals(_) => "SIGNALS",
            Self::State(_) | Self::Wire(_) => "STATE",
            Self::Token(_) => "TOKEN",
            Self::Unobservable(_) => "UNOBSERVABLE",
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        let fixed = match self {
            Self::State(error) => return error.remedy(),
            Self::Gate(error) => return error.remedy(),
            Self::Intent(error) => error.remedy(),
            Self::Link(error) => error.remedy(),
            Self::Http(HttpError::Refused(refusal)) => return refusal.remedy.clone(),
            Self::AlreadyEnrolled { .. } => "to replace the enrolment add --re-enroll; the node then gets new keys",
            Self::Challenge(ChallengeError::Fork { .. }) => FORK_REMEDY,
            Self::Challenge(_) => {
                "check that agent and server are of one release and that the server's `origin` is unchanged"
            }
            Self::Collect(_) => "run as root, and check that securityfs is mounted",
            Self::Config(_) => "correct the file; `avouch-agent --help` names the defaults",
            Self::Enrol(_) => "ask the server's operator; if it repeats, enrol with a new token",
            Self::Enrolment(_) | Self::Key(_) | Self::Tls(_) | Self::KeyLost { .. } => {
                "ask for a new token and run `avouch-agent enroll --re-enroll TOKEN`"
            }
            Self::Http(HttpError::Unreachable { .. }) => {
                "nothing, if the server is being restarted: the service tries again; otherwise check name, network and firewall"
            }
            Self::Http(HttpError::Tls { .. }) => {
                "check that the URL leads to the right server; when its CA was replaced, enrol again with a new token"
            }
            Self::Http(HttpError::Answer { .. }) => "check that the URL leads to an Avouch server of the same release",
            Self::NotEnrolled => "ask for a token and run `avouch-agent enroll TOKEN`",
            Self::NothingSeen => "run as root, and check the unit's name with `systemctl list-units --all`",
            Self::NothingSent => "run `avouch-agent once`",
            Self::Bank => "allocate the SHA-256 bank in the firmware's settings of the TPM",
            Self::Report(_) => "report it with the output of `avouch-agent observe --json`",
            Self::Unobservable(_) => "run as root, on the host and not in a container",
            Self::Attest(_) | Self::Tpm(_) | Self::TpmOpen(_) => {
                "check that the TPM is enabled in the firmware, that `tpm` in the configuration names it, and run as root"
            }
            Self::Receipt(_) => {
                "the evidence is kept and sent again; if it repeats, the server or its log key was replaced"
            }
            Self::Signals(_) => "check the sandbox that the agent runs in",
            Self::Token(_) => "copy the token again, whole and on one line",
            Self::Wire(_) => "remove the damaged file; see the state directory",
        };
        fixed.to_owned()
    }

    /// Code, cause and remedy, as status and `once --json` show them.
    pub fn trouble(&self) -> Trouble {
        Trouble { code: self.code().to_owned(), what: self.to_string(), remedy: self.remedy() }
    }

    /// Seconds after which the server says that another try makes sense.
    pub fn retry_in(&self) -> Option<u64> {
        match self {
            Self::Http(HttpError::Refused(refusal)) => refusal.retry_in,
            Self::KeyLost { next_in, .. } => Some(*next_in),
            _ => None,
        }
    }

    /// The exit status that tells it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Http(HttpError::Unreachable { .. } | HttpError::Answer { .. }) => Exit::NoAnswer,
            Self::Gate(error) => error.exit(),
            Self::Http(_) => Exit::Refused,
            Self::NothingSeen | Self::Unobservable(_) => Exit::NoAnswer,
            Self::Config(_) | Self::NotEnrolled => Exit::Config,
            Self::Token(_) => Exit::Usage,
            _ => Exit::Local,
        }
    }
}
