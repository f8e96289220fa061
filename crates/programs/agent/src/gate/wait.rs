//! `gate wait`: holds a unit back until this machine is attested. For ExecStartPre=, so that what it prints stands in
//! the unit's journal, and its exit status decides whether the unit starts.

use std::fmt;
use std::thread;
use std::time::Duration;

use avouch_attestor::{AttestAnswer, ErrorAnswer, State, VerifyAnswer};
use hyper::{Method, StatusCode};
use zeroize::Zeroizing;

use super::client::{Answer, Call, CallError, Door};
use crate::cli::Exit;
use crate::clock::Moment;

/// Between two questions: a unit starts well within two seconds of the machine's recovery, and four questions a second
/// cost the gate nothing.
const PAUSE: Duration = Duration::from_millis(250);
/// One question may take so long; answering takes no work.
const ANSWER: Duration = Duration::from_secs(5);

/// What is waited for.
#[derive(Debug)]
pub struct Wait {
    /// Where the gate answers.
    pub door: Door,
    /// Goes with the question, where the door asks for it.
    pub token: Option<Zeroizing<String>>,
    /// The oldest attestation that will do.
    pub max_age: Option<Duration>,
    /// Give up after this.
    pub timeout: Duration,
    /// Who waits, for the message.
    pub unit: Option<String>,
}

/// How it stands, as the last answer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Attested.
    Open,
    /// The gate says no: state and failures.
    Closed {
        /// The state that it says.
        state: State,
        /// It was attested, too long ago.
        stale: bool,
        /// What is wrong, for people.
        failures: Vec<String>,
    },
    /// The gate does not speak with this caller.
    Refused(StatusCode),
    /// Nobody answers.
    Silent(String),
}

// === impl Wait ===

impl Wait {
    /// Asks until the machine is attested or the time is over; says in between, once per change, what holds it up.
    pub fn run(&self, mut say: impl FnMut(&str)) -> Held {
        let until = Moment::now().after(self.timeout);
        let mut seen = None;
        loop {
            let held = self.look();
            let left = until.remaining();
            if held == Held::Open {
                return held;
            }
            if left.is_zero() {
                return self.with_reasons(held);
            }
            if seen.as_ref() != Some(&held) {
                seen = Some(held.clone());
                say(&format!("{} waits: {}", self.who(), self.with_reasons(held)));
            }
            thread::sleep(PAUSE.min(left));
        }
    }

    /// The last word to whoever reads the journal.
    pub fn verdict(&self, held: &Held) -> String {
        match held {
            Held::Open => format!("{} may start: this machine is attested", self.who()),
            held => format!(
                "{} may not start: {held}; given up after {} s. To do: {}",
                self.who(),
                self.timeout.as_secs_f32(),
                held.remedy()
            ),
        }
    }

    fn who(&self) -> &str {
        self.unit.as_deref().unwrap_or("the service")
    }

    fn look(&self) -> Held {
        let path = match self.max_age {
            Some(age) => format!("/api/v1/verify?max_age={}", age.as_secs()),
            None => "/api/v1/verify".to_owned(),
        };
        match self.ask(&path) {
            Ok(answer) => Held::of(&answer),
            Err(error) => Held::Silent(error.to_string()),
        }
    }

    /// What failed, in the gate's own words, for `held` to tell.
    fn with_reasons(&self, mut held: Held) -> Held {
        if let Held::Closed { failures, .. } = &mut held
            && let Ok(answer) = self.ask("/api/v1/attest")
            && let Ok(attest) = serde_json::from_slice::<AttestAnswer>(&answer.body)
        {
            *failures = attest.bundle.map(|bundle| bundle.failures).unwrap_or_default();
        }
        held
    }

    fn ask(&self, path: &str) -> Result<Answer, CallError> {
        self.door.call(Call { method: Method::GET, path, body: None, token: self.token.as_ref() }, ANSWER)
    }
}

// === impl Held ===

impl Held {
    fn of(answer: &Answer) -> Self {
        match answer.status {
            StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => {}
            status => return Self::Refused(status),
        }
        let Ok(said) = serde_json::from_slice::<VerifyAnswer>(&answer.body) else {
            // Without a token the gate answers nobody over TCP, and that with 503 as well.
            let error = serde_json::from_slice::<ErrorAnswer>(&answer.body);
            return Self::Silent(error.map_or_else(|_| "what answers is no gate".to_owned(), |answer| answer.error));
        };
        // Both have to say it: a status alone is what any proxy may make up.
        match said {
            VerifyAnswer { verified: true, .. } if answer.status == StatusCode::OK => Self::Open,
            VerifyAnswer { state, stale, .. } => Self::Closed { state, stale, failures: Vec::new() },
        }
    }

    /// Whether the service may start.
    pub fn is_open(&self) -> bool {
        *self == Self::Open
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::Open => "nothing",
            Self::Closed { .. } => "`avouch-agent gate status` names every failure and its remedy",
            Self::Refused(StatusCode::FORBIDDEN) => "name the right token with --token-file, or use the socket",
            Self::Refused(_) => "see the journal of avouch-gate.service",
            Self::Silent(_) => "`systemctl status avouch-gate.service`",
        }
    }

    /// What ExecStartPre= ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Open => Exit::Done,
            Self::Closed { stale: true, .. } | Self::Closed { state: State::Pending, .. } => Exit::Unverifiable,
            Self::Closed { .. } => Exit::Fail,
            Self::Silent(_) => Exit::NoAnswer,
            Self::Refused(_) => Exit::Refused,
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("this machine is attested"),
            Self::Closed { stale: true, .. } => f.write_str("this machine's last attestation is older than it may be"),
            Self::Closed { state, failures, .. } if failures.is_empty() => write!(f, "this machine is {state}"),
            Self::Closed { state, failures, .. } => write!(f, "this machine is {state}: {}", failures.join("; ")),
            Self::Refused(StatusCode::FORBIDDEN) => f.write_str("the gate refuses this caller (403)"),
            Self::Refused(status) => write!(f, "the gate cannot answer ({status})"),
            Self::Silent(why) => write!(f, "the gate is silent: {why}"),
        }
    }
}
