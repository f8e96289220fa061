//! The local attestor: a machine that judges itself, so that its services start only where they should.
//!
//! ```text
//! Facts + Settings + Baseline ─▶ appraise ─▶ Appraisal ─▶ Machine::prepare ─▶ Prepared { Bundle, audit line }
//!                                                                                │ only after the line is on disk
//!                                                                                ▼
//!                                                          Machine::publish ─▶ Standing ─▶ answers, when asked
//! ```
//!
//! Nothing here reads a machine, a clock or a file: facts, times and keys are arguments, and the same arguments give the
//! same bytes. A state comes from [`FailureCode`]s, never from a text; staleness is computed when somebody asks.
//!
//! What comes out is self-appraisal, labelled `assurance=local`: it gates services of this machine and convinces nobody
//! else. What convinces others is inside it: a TPM's signature over the caller's nonce and what was measured
//! ([`Bundle::verify_quote`]); a saved bundle is checked elsewhere with [`verify_bundle`].
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)
)]

mod ak_key;
mod answer;
mod appraise;
pub mod audit;
mod baseline;
mod bundle;
mod canonical;
mod duration;
mod facts;
mod failure;
mod first_seen;
mod hmac;
mod incident;
mod levels;
mod local_url;
mod machine;
mod policy_digest;
mod quote;
mod request;
mod settings;
mod standing;
mod state;
mod time;
mod trigger;
mod verification;

pub use ak_key::{PinnedAk, PinnedAkError, PublicAk};
pub use answer::{AttestAnswer, ErrorAnswer, HealthAnswer, StatusAnswer, VerifyAnswer};
pub use appraise::{Appraisal, References, appraise};
pub use avouch_protocol::Hash;
pub use baseline::{Baseline, BaselineDeployment, BaselineError, BaselineFile, FileEntry, SignedBaseline};
pub use bundle::{Acknowledgement, BootMeasurements, Bundle, QuoteEvidence};
pub use canonical::{canonical, escaped};
pub use duration::{DurationError, duration};
pub use facts::{
    Deployment, DeploymentKind, Facts, FileDigest, RawQuote, Reading, Running, SecureBoot, ServerWord, ServiceFacts,
    TpmFacts,
};
pub use failure::{Failure, FailureCode};
pub use first_seen::FirstSeen;
pub use hmac::{HmacKey, HmacKeyError, HmacRefusal, UNSIGNED, seven_field_hmac, verify_hmac};
pub use incident::Incident;
pub use levels::levels_of;
pub use local_url::{LocalUrl, LocalUrlError};
pub use machine::{Machine, NothingToAcknowledge, Prepared};
pub use policy_digest::PolicyDigest;
pub use quote::{QuoteRefusal, VerifiedQuote};
pub use request::{BodyError, RefreshRequest, max_age};
pub use settings::{
    DeploymentSetting, Explained, INTERVAL_RANGE, Loaded, MAX_SETTINGS_BYTES, PinnedBaseline, Profile, SecretPath,
    Service, Settings, SettingsError, SettingsWarning, SocketSettings, Wanted, Webhook,
};
pub use standing::{Counters, Standing, View};
pub use state::{Assurance, AssuranceMode, State};
pub use time::{Moment, rfc3339};
pub use trigger::Trigger;
pub use verification::{BundleError, Check, Held, Outcome, Verdict, Verification, verify_bundle};
