//! The last rule: an operator's own Rego over a finished verdict. It may add findings and lower the verdict, never the
//! other way round ([`avouch_appraise::Verdict::with_rules`] is the only door).
//!
//! The same input must give the same bytes on every machine and in every year, so what a module may do is decided
//! before it runs, from its syntax tree and its input alone:
//!
//! | bound | why |
//! | --- | --- |
//! | [`MAX_SOURCE_BYTES`], [`MAX_NESTING`] | the parser is recursive |
//! | one package, `avouch`; no import but `rego.v1`; no `data` outside it; no `with` | nothing comes from elsewhere |
//! | functions of [`BUILTINS`] only | none of them knows time, randomness, network or the environment |
//! | whole numbers; no `*`, `/`, `%` | floating point differs between machines, and products grow |
//! | [`MAX_COST`] steps and [`MAX_VALUE_BYTES`] per value, both bounded from above by [`Rule::cost`] | a rule must end |
//!
//! A rule that meets these bounds and still takes longer than a watchdog's seconds ends in
//! [`RuleError::Watchdog`]: an error of this machine, never a verdict.
//!
//! ```
//! use avouch_rules::Rule;
//! let rule = Rule::compile(
//!     r#"
//!     package avouch
//!     findings contains {"code": "OLD_FIRMWARE", "effect": "fail", "evidence": input.session.firmware} if {
//!         input.session.firmware == "0000000000000001"
//!     }
//!     "#,
//! )?;
//! # Ok::<(), avouch_rules::RuleError>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)
)]

mod cost;
mod error;
mod extent;
mod module;
mod rule;
mod tree;

pub use cost::MAX_COST;
pub use error::RuleError;
pub use extent::MAX_VALUE_BYTES;
pub use module::{BUILTINS, MAX_NESTING, MAX_SOURCE_BYTES};
pub use rule::{LastRule, MAX_FINDINGS, MAX_INPUT_BYTES, MAX_TEXT_BYTES, Rule, RuledPolicy};
