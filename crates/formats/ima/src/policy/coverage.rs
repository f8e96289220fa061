//! What a policy measures, hook by hook, and every hole by name.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{Action, Condition, FileSystem, Hook, Policy, Rule};
use crate::IMA_PCR;

/// What a policy measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// One answer for each of [`Hook::COVERED`], in that order.
    pub hooks: Vec<HookCoverage>,
    /// Every file system that some rule leaves out, in order, each once.
    pub excluded: Vec<FileSystem>,
    /// What an attacker could use. Leaving out a file system that cannot hold programs is no hole.
    pub holes: Vec<Hole>,
}

/// What a policy measures at one hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookCoverage {
    /// The hook.
    pub hook: Hook,
    /// How much of what passes through it.
    pub extent: Extent,
}

/// How much of what passes a hook is measured, apart from what earlier `dont_measure` rules leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// Nothing.
    None,
    /// What some rules' conditions name.
    Some,
    /// Everything.
    All,
}

/// Something that passes unmeasured.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hole {
    /// No rule measures this hook.
    NotMeasured {
        /// The hook.
        hook: Hook,
    },
    /// The hook is measured under conditions only, e.g. modules only when root loads them.
    Narrowed {
        /// The hook.
        hook: Hook,
        /// Line of the rule.
        line: usize,
        /// The conditions that narrow it, as in the policy.
        by: Vec<String>,
    },
    /// A rule leaves a file system out that can hold programs.
    FileSystem {
        /// The hook.
        hook: Hook,
        /// Line of the rule.
        line: usize,
        /// Which one.
        file_system: FileSystem,
    },
    /// A rule leaves something else out.
    Excluded {
        /// The hook.
        hook: Hook,
        /// Line of the rule.
        line: usize,
        /// Its conditions, as in the policy; empty for a rule that leaves out everything.
        by: Vec<String>,
    },
    /// Modules by init_module(2), kernels by kexec_load(2) and policies written as text reach the kernel without a file,
    /// and no rule measures those (`ima_load_data` in `ima_main.c` only refuses them, and only under appraisal). True
    /// of every policy; lockdown, or enforced module signatures, close the first two on the node.
    FromMemory,
    /// Scripts and other input of interpreters are not measured: no FILE_CHECK rule measures every file that is read.
    InterpreterInput,
}

pub(super) fn of(policy: &Policy) -> Coverage {
    let mut coverage = Coverage { hooks: Vec::new(), excluded: Vec::new(), holes: Vec::new() };
    for rule in policy.rules.iter().filter(|rule| rule.action == Action::DontMeasure) {
        for condition in &rule.conditions {
            if let Condition::FsMagic(file_system) = condition
                && !coverage.excluded.contains(file_system)
            {
                coverage.excluded.push(*file_system);
            }
        }
    }
    for hook in Hook::COVERED {
        let extent = hook_extent(policy, &hook, &mut coverage.holes);
        coverage.hooks.push(HookCoverage { hook, extent });
    }
    coverage.holes.push(Hole::FromMemory);
    if coverage.extent(&Hook::File) != Extent::All {
        coverage.holes.push(Hole::InterpreterInput);
    }
    coverage
}

/// Follows the rules in order, as `ima_match_policy` does, up to the one that decides the rest.
fn hook_extent(policy: &Policy, hook: &Hook, holes: &mut Vec<Hole>) -> Extent {
    let mut extent = Extent::None;
    let mut narrowed = Vec::new();
    for rule in policy.rules.iter().filter(|rule| can_match(rule, hook)) {
        let by: Vec<&Condition> = rule.conditions.iter().filter(|condition| narrows(condition, hook)).collect();
        match (rule.action, by.is_empty()) {
            (Action::Measure, true) => return Extent::All,
            (Action::Measure, false) => {
                extent = Extent::Some;
                let by = by.iter().map(|condition| spelling(condition)).collect();
                narrowed.push(Hole::Narrowed { hook: hook.clone(), line: rule.line, by });
            }
            (Action::DontMeasure, everything) => {
                holes.extend(exclusion(rule, hook, &by));
                if everything {
                    break;
                }
            }
            _ => {}
        }
    }
    // That files are measured in part is told by `InterpreterInput`, once.
    match extent {
        _ if *hook == Hook::File => {}
        Extent::None => holes.push(Hole::NotMeasured { hook: hook.clone() }),
        _ => holes.extend(narrowed),
    }
    extent
}

fn exclusion(rule: &Rule, hook: &Hook, by: &[&Condition]) -> Option<Hole> {
    // FILE_CHECK misses more than these in every policy.
    if *hook == Hook::File {
        return None;
    }
    let (hook, line) = (hook.clone(), rule.line);
    if let [Condition::FsMagic(file_system)] = *by {
        let file_system = *file_system;
        return (!file_system.is_pseudo()).then_some(Hole::FileSystem { hook, line, file_system });
    }
    // Further conditions on a made-up file system only leave out less of it.
    let is_pseudo = |condition: &&Condition| match condition {
        Condition::FsMagic(file_system) => file_system.is_pseudo(),
        Condition::FsName(name) => FileSystem::from_name(name).is_some_and(FileSystem::is_pseudo),
        _ => false,
    };
    if by.iter().any(is_pseudo) {
        return None;
    }
    Some(Hole::Excluded { hook, line, by: by.iter().map(|condition| spelling(condition)).collect() })
}

/// Whether the rule speaks about measuring and can match anything at all that passes the hook.
fn can_match(rule: &Rule, hook: &Hook) -> bool {
    if !matches!(rule.action, Action::Measure | Action::DontMeasure) {
        return false;
    }
    let func = rule.conditions.iter().find_map(|condition| match condition {
        Condition::Func(func) => Some(func),
        _ => None,
    });
    match func {
        Some(func) if func != hook => return false,
        None if hook.has_no_file() => return false,
        _ => {}
    }
    rule.conditions.iter().all(|condition| match (condition, hook.access()) {
        (Condition::Mask { access, .. }, Some(passed)) => *access == passed,
        _ => true,
    })
}

/// Whether the condition makes the rule match less than everything that passes the hook.
fn narrows(condition: &Condition, hook: &Hook) -> bool {
    match condition {
        Condition::Appraise(_) | Condition::Func(_) | Condition::Template(_) => false,
        // Only exact read access without other bits is `mask=MAY_READ`; `^` takes every read.
        Condition::Mask { includes, access } => match hook.access() {
            Some(_) => false,
            None => !(*includes && *access == super::Access::Read),
        },
        Condition::Pcr(pcr) => *pcr != IMA_PCR,
        _ => true,
    }
}

/// The condition as a policy spells it.
fn spelling(condition: &Condition) -> String {
    use alloc::format;
    match condition {
        Condition::Appraise(word) | Condition::Lsm(word) | Condition::Unknown(word) => word.clone(),
        Condition::File(id) | Condition::Process(id) => format!("{}{}{}", id.name, id.operator, id.id),
        Condition::FsMagic(file_system) => format!("fsmagic=0x{:x}", file_system.0),
        Condition::FsName(name) => format!("fsname={name}"),
        Condition::FsSubtype(name) => format!("fs_subtype={name}"),
        Condition::DigestType(name) => format!("digest_type={name}"),
        Condition::FsUuid(uuid) => format!("fsuuid={uuid}"),
        Condition::Func(hook) => format!("func={hook}"),
        Condition::Keyrings(names) => format!("keyrings={}", names.join("|")),
        Condition::Labels(names) => format!("label={}", names.join("|")),
        Condition::Mask { includes, access } => {
            let access = match access {
                super::Access::Append => "MAY_APPEND",
                super::Access::Exec => "MAY_EXEC",
                super::Access::Read => "MAY_READ",
                super::Access::Write => "MAY_WRITE",
            };
            format!("mask={}{access}", if *includes { "^" } else { "" })
        }
        Condition::Pcr(pcr) => format!("pcr={pcr}"),
        Condition::Template(name) => format!("template={name}"),
    }
}

impl Coverage {
    /// How much of what passes the hook is measured; nothing for a hook that is not told.
    pub fn extent(&self, hook: &Hook) -> Extent {
        self.hooks.iter().find(|covered| covered.hook == *hook).map_or(Extent::None, |covered| covered.extent)
    }
}

impl Hole {
    /// The hook that it is about; `None` for what no rule can measure.
    pub fn hook(&self) -> Option<&Hook> {
        match self {
            Self::NotMeasured { hook }
            | Self::Narrowed { hook, .. }
            | Self::FileSystem { hook, .. }
            | Self::Excluded { hook, .. } => Some(hook),
            Self::FromMemory | Self::InterpreterInput => None,
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "not at all",
            Self::Some => "in part",
            Self::All => "in full",
        })
    }
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMeasured { hook } => write!(f, "{hook} is not measured"),
            Self::Narrowed { hook, line, by } => {
                write!(f, "{hook} is measured only with {} (line {line})", by.join(" "))
            }
            Self::FileSystem { hook, line, file_system } => {
                write!(f, "{hook} is not measured on {file_system} (line {line})")
            }
            Self::Excluded { hook, line, by } if by.is_empty() => {
                write!(f, "{hook} is not measured from line {line} on")
            }
            Self::Excluded { hook, line, by } => {
                write!(f, "{hook} is not measured with {} (line {line})", by.join(" "))
            }
            Self::FromMemory => f.write_str(
                "modules, kexec kernels and IMA policies that are handed to the kernel from memory are not measured",
            ),
            Self::InterpreterInput => f.write_str("scripts and other input of interpreters are not measured"),
        }
    }
}
