//! IMA policies: the rules, and what they leave unmeasured.
//!
//! [`Policy::parse`] reads the text that is loaded into the kernel; [`Policy::coverage`] says which hooks it measures
//! and names every hole. A policy only speaks for a node when the measurement list holds its digest under
//! POLICY_CHECK before the first entry it is meant to govern.

mod builtin;
mod coverage;
mod file_system;
mod hook;
mod lint;
mod minimum;
mod parse;

pub use builtin::{Builtin, policy_of};
pub use coverage::{Coverage, Extent, Hole, HookCoverage};
pub use file_system::FileSystem;
pub use hook::Hook;
pub use lint::{Level, Lint, LintKind, lint};
pub use minimum::{Minimum, NotAHook, Shortfall};
pub use parse::{MAX_POLICY_BYTES, PolicyError, PolicyFault};

use alloc::string::String;
use alloc::vec::Vec;

/// The policy that Avouch ships, `dist/ima-policy`.
///
/// It measures programs, libraries, modules, firmware, kexec images and command lines, policies, keys and critical
/// data for every user; it has no FILE_CHECK rule, so what interpreters read is not measured. Unlike the kernel's
/// built-in policy it measures what is run from tmpfs: IMA looks at the file system's magic only where a rule says so,
/// and hashes a regular file on tmpfs (initramfs, /run, /tmp, /dev/shm, memfd) like any other. The consequence: software
/// that copies programs there and runs them needs reference values for those copies.
pub const SHIPPED_POLICY: &str = include_str!("../../../../../dist/ima-policy");

/// Parses a policy; the same as [`Policy::parse`].
///
/// # Errors
/// As [`Policy::parse`].
pub fn parse_policy(bytes: &[u8]) -> Result<Policy, PolicyError> {
    Policy::parse(bytes)
}

/// A policy's rules in order. The first rule that matches an access decides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The rules, without comments and blank lines.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Line of the text, from 1.
    pub line: usize,
    /// What happens to a match.
    pub action: Action,
    /// What must all hold for a match, in the rule's order.
    pub conditions: Vec<Condition>,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `measure`.
    Measure,
    /// `dont_measure`.
    DontMeasure,
    /// `appraise`.
    Appraise,
    /// `dont_appraise`.
    DontAppraise,
    /// `audit`.
    Audit,
    /// `dont_audit`.
    DontAudit,
    /// `hash`.
    Hash,
    /// `dont_hash`.
    DontHash,
}

/// One condition or option of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// `appraise_type=`, `appraise_flag=`, `appraise_algos=` or `permit_directio`: says nothing about measuring.
    Appraise(String),
    /// `digest_type=`: which digest is taken. With `verity` a file without fs-verity has none.
    DigestType(String),
    /// `fowner=`, `fgroup=` with `=`, `<` or `>`.
    File(Identity),
    /// `fsmagic=`.
    FsMagic(FileSystem),
    /// `fsname=`.
    FsName(String),
    /// `fs_subtype=`, e.g. of a FUSE file system.
    FsSubtype(String),
    /// `fsuuid=`.
    FsUuid(String),
    /// `func=`.
    Func(Hook),
    /// `keyrings=`, split at `|`.
    Keyrings(Vec<String>),
    /// `label=`, split at `|`.
    Labels(Vec<String>),
    /// A condition on LSM labels: `obj_*=`, `subj_*=`.
    Lsm(String),
    /// `mask=`.
    Mask {
        /// True for `mask=^…`: any access that includes the bit, else exactly this access.
        includes: bool,
        /// Which access.
        access: Access,
    },
    /// `pcr=`: the entries go to another PCR.
    Pcr(u32),
    /// `uid=`, `euid=`, `gid=`, `egid=` with `=`, `<` or `>`.
    Process(Identity),
    /// `template=`.
    Template(String),
    /// A word that this release does not know, as it stands. Taken to narrow the rule.
    Unknown(String),
}

/// A comparison with a user or group number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The condition's name, e.g. `euid`.
    pub name: &'static str,
    /// `=`, `<` or `>`.
    pub operator: char,
    /// The number.
    pub id: u32,
}

/// An access that a rule's `mask=` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `MAY_APPEND`.
    Append,
    /// `MAY_EXEC`.
    Exec,
    /// `MAY_READ`.
    Read,
    /// `MAY_WRITE`.
    Write,
}

impl Policy {
    /// Reads a policy text by the kernel's grammar. Words that this release does not know are kept; see
    /// [`Policy::unknown`].
    ///
    /// # Errors
    /// [`PolicyError`] at the first line that no kernel would take.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        parse::parse(bytes)
    }

    /// Every word that this release does not know, with its line. A newer kernel may; coverage then takes the rule to
    /// match less than it may.
    pub fn unknown(&self) -> impl Iterator<Item = (usize, &str)> {
        self.rules.iter().flat_map(|rule| {
            rule.conditions.iter().filter_map(move |condition| match condition {
                Condition::Unknown(word) => Some((rule.line, word.as_str())),
                Condition::Func(Hook::Other(name)) => Some((rule.line, name.as_str())),
                _ => None,
            })
        })
    }

    /// Which hooks are measured, and what is left out.
    pub fn coverage(&self) -> Coverage {
        coverage::of(self)
    }
}
