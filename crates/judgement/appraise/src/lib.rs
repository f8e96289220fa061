//! From evidence to a verdict: authenticate, replay, judge.
//!
//! ```text
//! Evidence ─▶ AuthenticQuote ─▶ ReplayedLogs ─▶ Appraisal { Verdict, Session }
//!                 │ Rejection       │ Unproven
//!                 ▼                 ▼
//!           Verdict::rejected   Appraisal::judge (unverifiable)
//! ```
//!
//! Each step's result is a type that only that step can make and that the next one takes, so a skipped check does not
//! compile. A verdict is a function of (evidence, what the server kept, policy, context) and of nothing else: no I/O,
//! no clock, no randomness. The same input gives the same bytes.
//!
//! First contact is in [`NodeKeys`] and [`check_ek`]; reference values are in [`Policy`], made with [`PolicyDraft`]
//! from artefacts and from a [`ReferenceBoot`] on another machine.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)
)]

mod attested;
mod booted;
mod cause;
mod cel;
mod chain;
mod clock;
mod code;
mod enrolment;
mod finding;
mod fix;
mod identity;
mod judge;
mod levels;
mod policy;
mod quote;
mod rejection;
mod replay;
mod report_key;
mod rule;
mod seen;
mod session;
mod text;
mod track;
mod verdict;

pub use booted::{Booted, BootedFact, BootedPart};
pub use cause::{Cause, CauseKind};
pub use cel::{CelEncoding, CelError, MAX_CEL_BYTES, MAX_CEL_RECORDS, to_tlv};
pub use chain::ProvenReports;
pub use code::{ClaimName, CodeFacts, Effect, FindingCode, Severity};
pub use enrolment::{CheckedEk, EnrolledKeys, NodeKeys, check_ek};
pub use finding::{Finding, Place};
pub use fix::{Fix, FixError};
pub use identity::{Identity, IdentityFacts};
pub use judge::{Appraisal, Context};
pub use levels::{Comparison, FactChange, LevelFacts, PairFacts, PairFilter, changes};
pub use policy::{
    Confirmation, DraftError, EarlyFile, IMA_POLICY_PATH, MAX_POLICY_BYTES, NamedBuffer, ObservationChange, Policy,
    PolicyDraft, PolicyError, ReferenceBoot, ReferenceError,
};
pub use quote::{AuthenticQuote, Expected};
pub use rejection::{RejectCode, Rejection};
pub use replay::{MAX_SEGMENT_ENTRIES, ReplayedLogs, Unproven};
pub use rule::{RULE_CODE_PREFIX, RuleFinding, RuleFindingError};
pub use seen::SeenSignatures;
pub use session::{Session, SessionError};
pub use text::printable;
pub use verdict::{Claim, ClaimResult, Coverage, CoverageItem, Node, SEMANTICS, SessionFacts, Verdict};
