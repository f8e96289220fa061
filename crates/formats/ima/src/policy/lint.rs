//! What is wrong with a policy, before it is loaded anywhere.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::{Action, Condition, Extent, FileSystem, Hole, Hook, Policy, Rule};
use crate::IMA_PCR;

/// Something that a person should know of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// Line of the rule; `None` for what the policy as a whole lacks.
    pub line: Option<usize>,
    /// How bad it is.
    pub level: Level,
    /// What it is.
    pub kind: LintKind,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The policy works, and leaves something open.
    Warning,
    /// The policy must not be approved: no kernel loads it, or it does not say what it seems to say.
    Refused,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LintKind {
    /// A condition or an option that this release does not know. The kernel refuses the whole policy for one.
    UnknownCondition(String),
    /// A hook that this release does not know, e.g. `func=PATH`.
    UnknownHook(String),
    /// The rule depends on a label that a user of the node can change or choose (`obj_…=`, `subj_…=`).
    Label(String),
    /// A rule that can never match, because the rule in this line decides first.
    Unreachable {
        /// Line of the rule that decides.
        by: usize,
    },
    /// Entries of the rule extend another PCR than the one that is quoted.
    OtherPcr(u32),
    /// Modules are measured for some users only: whoever loads one otherwise leaves no entry.
    ModulesByUser(String),
    /// No rule measures what is mapped to be executed: libraries, also those of LD_PRELOAD.
    NoMmap,
    /// No rule measures policies, so a replaced policy leaves no entry.
    NoPolicyCheck,
    /// A file system that can hold programs is left out.
    FileSystem(FileSystem),
    /// A file system is left out by its name, e.g. `overlay`.
    FileSystemName(String),
    /// The policy measures nothing at all.
    MeasuresNothing,
}

/// Everything that is wrong with a policy, in the order of its lines, then what it lacks.
pub fn lint(policy: &Policy) -> Vec<Lint> {
    let mut lints = Vec::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        rule_lints(rule, &mut lints);
        let earlier = policy.rules.iter().take(index);
        if let Some(by) = earlier.filter(|earlier| decides_all(earlier, rule)).map(|earlier| earlier.line).next() {
            lints.push(Lint { line: Some(rule.line), level: Level::Warning, kind: LintKind::Unreachable { by } });
        }
    }
    lacks(policy, &mut lints);
    lints
}

fn rule_lints(rule: &Rule, lints: &mut Vec<Lint>) {
    let measures = matches!(rule.action, Action::Measure | Action::DontMeasure);
    let leaves_out = rule.action == Action::DontMeasure;
    for condition in &rule.conditions {
        let found = match condition {
            Condition::Unknown(word) => (Level::Refused, LintKind::UnknownCondition(word.clone())),
            Condition::Func(Hook::Other(name)) => (Level::Refused, LintKind::UnknownHook(name.clone())),
            Condition::Lsm(word) if leaves_out => (Level::Refused, LintKind::Label(word.clone())),
            Condition::Lsm(word) if measures => (Level::Warning, LintKind::Label(word.clone())),
            Condition::Pcr(pcr) if measures && *pcr != IMA_PCR => (Level::Warning, LintKind::OtherPcr(*pcr)),
            Condition::FsMagic(file_system) if leaves_out && !file_system.is_pseudo() => {
                (Level::Warning, LintKind::FileSystem(*file_system))
            }
            Condition::FsName(name)
                if leaves_out && !FileSystem::from_name(name).is_some_and(FileSystem::is_pseudo) =>
            {
                (Level::Warning, LintKind::FileSystemName(name.clone()))
            }
            _ => continue,
        };
        lints.push(Lint { line: Some(rule.line), level: found.0, kind: found.1 });
    }
}

/// Whether no access that matches `rule` comes past `earlier`: it speaks of the same and asks for nothing more.
fn decides_all(earlier: &Rule, rule: &Rule) -> bool {
    let kind = |action| match action {
        Action::Measure | Action::DontMeasure => 0,
        Action::Appraise | Action::DontAppraise => 1,
        Action::Audit | Action::DontAudit => 2,
        Action::Hash | Action::DontHash => 3,
    };
    let says_more = |condition: &&Condition| !matches!(condition, Condition::Appraise(_) | Condition::Template(_));
    // A rule without a hook matches no keys and no critical data.
    let hook = rule.conditions.iter().find_map(|condition| match condition {
        Condition::Func(hook) => Some(hook),
        _ => None,
    });
    let names_hook = earlier.conditions.iter().any(|condition| matches!(condition, Condition::Func(_)));
    kind(earlier.action) == kind(rule.action)
        && (names_hook || hook.is_none_or(|hook| !hook.has_no_file()))
        && earlier.conditions.iter().filter(says_more).all(|condition| rule.conditions.contains(condition))
}

fn lacks(policy: &Policy, lints: &mut Vec<Lint>) {
    let mut lack = |line, level, kind| lints.push(Lint { line, level, kind });
    if !policy.measures() {
        return lack(None, Level::Refused, LintKind::MeasuresNothing);
    }
    let coverage = policy.coverage();
    for hole in &coverage.holes {
        if let Hole::Narrowed { hook: Hook::Module, line, by } = hole
            && by.iter().any(|word| ["uid", "euid", "gid", "egid"].iter().any(|name| word.starts_with(name)))
            && coverage.extent(&Hook::Module) != Extent::All
        {
            lack(Some(*line), Level::Warning, LintKind::ModulesByUser(by.join(" ")));
        }
    }
    if coverage.extent(&Hook::Mmap) == Extent::None {
        lack(None, Level::Warning, LintKind::NoMmap);
    }
    if coverage.extent(&Hook::Policy) == Extent::None {
        lack(None, Level::Warning, LintKind::NoPolicyCheck);
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

impl fmt::Display for LintKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCondition(word) => {
                write!(f, "{word} is not known; a kernel refuses the policy for one such word")
            }
            Self::UnknownHook(name) => write!(f, "func={name} is not known; a kernel refuses the policy for it"),
            Self::Label(word) => write!(f, "{word} depends on a label that can be changed on the node"),
            Self::Unreachable { by } => write!(f, "never matches, because line {by} decides first"),
            Self::OtherPcr(pcr) => write!(f, "entries go to PCR {pcr}, wanted PCR {IMA_PCR}"),
            Self::ModulesByUser(by) => write!(f, "modules are measured only with {by}"),
            Self::NoMmap => f.write_str("no rule measures libraries (func=MMAP_CHECK)"),
            Self::NoPolicyCheck => f.write_str("no rule measures IMA policies (func=POLICY_CHECK)"),
            Self::FileSystem(file_system) => write!(f, "{file_system} can hold programs and is left out"),
            Self::FileSystemName(name) => write!(f, "file systems of the type {name} are left out"),
            Self::MeasuresNothing => f.write_str("the policy measures nothing"),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Refused => "refused",
        })
    }
}

impl Lint {
    /// The finding on one line, with its level.
    pub fn describe(&self) -> String {
        let mut text = self.level.to_string();
        text.push_str(": ");
        text.push_str(&self.to_string());
        text
    }
}
