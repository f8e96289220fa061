//! The kernel's policy grammar (`ima_parse_rule` in `ima_policy.c`).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{Access, Action, Condition, FileSystem, Hook, Identity, Policy, Rule};

/// Largest policy text taken. Real policies have a few KiB; a rule costs memory, so the text is bounded.
pub const MAX_POLICY_BYTES: usize = 256 * 1024;

/// Why a text is not an IMA policy. A kernel would have refused to load it, so it governs no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyError {
    /// Line, from 1.
    pub line: usize,
    /// Byte in the text.
    pub offset: usize,
    /// What is wrong there.
    pub fault: PolicyFault,
}

/// What is wrong in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyFault {
    /// The rule does not begin with an action.
    Action,
    /// The word is given twice in one rule.
    Duplicate,
    /// The text is not UTF-8.
    Encoding,
    /// The text is too long.
    TooLong {
        /// The limit in bytes.
        wanted: usize,
        /// The length that came.
        got: usize,
    },
    /// The condition's value is not one.
    Value {
        /// What it should be.
        wanted: &'static str,
    },
}

pub(super) fn parse(bytes: &[u8]) -> Result<Policy, PolicyError> {
    if bytes.len() > MAX_POLICY_BYTES {
        let fault = PolicyFault::TooLong { wanted: MAX_POLICY_BYTES, got: bytes.len() };
        return Err(PolicyError { line: 1, offset: MAX_POLICY_BYTES, fault });
    }
    let text = core::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
        PolicyError { line, offset: error.valid_up_to(), fault: PolicyFault::Encoding }
    })?;
    let mut rules = Vec::new();
    let mut offset = 0_usize;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let number = number.saturating_add(1);
        if let Some(rule) = rule(line.strip_suffix('\n').unwrap_or(line), number, offset)? {
            rules.push(rule);
        }
        offset = offset.saturating_add(line.len());
    }
    Ok(Policy { rules })
}

fn rule(line: &str, number: usize, offset: usize) -> Result<Option<Rule>, PolicyError> {
    // The kernel takes a comment only at the very beginning of a line, after its blanks.
    if line.trim_start_matches([' ', '\t']).starts_with('#') {
        return Ok(None);
    }
    let mut at = offset;
    let mut action = None;
    let mut conditions: Vec<Condition> = Vec::new();
    for word in line.split_inclusive([' ', '\t']) {
        let here = at;
        at = at.saturating_add(word.len());
        let word = word.trim_end_matches([' ', '\t']);
        if word.is_empty() {
            continue;
        }
        let fault = |fault| PolicyError { line: number, offset: here, fault };
        if action.is_none() {
            action = Some(parse_action(word).ok_or_else(|| fault(PolicyFault::Action))?);
            continue;
        }
        let condition = condition(word).map_err(|wanted| fault(PolicyFault::Value { wanted }))?;
        let once = !matches!(condition, Condition::Appraise(_) | Condition::Lsm(_) | Condition::Unknown(_));
        if once && conditions.iter().any(|earlier| is_same_kind(earlier, &condition)) {
            return Err(fault(PolicyFault::Duplicate));
        }
        conditions.push(condition);
    }
    Ok(action.map(|action| Rule { line: number, action, conditions }))
}

fn is_same_kind(one: &Condition, other: &Condition) -> bool {
    match (one, other) {
        (Condition::Process(one), Condition::Process(other)) | (Condition::File(one), Condition::File(other)) => {
            one.name == other.name
        }
        _ => core::mem::discriminant(one) == core::mem::discriminant(other),
    }
}

fn parse_action(word: &str) -> Option<Action> {
    Some(match word {
        "measure" => Action::Measure,
        "dont_measure" => Action::DontMeasure,
        "appraise" => Action::Appraise,
        "dont_appraise" => Action::DontAppraise,
        "audit" => Action::Audit,
        "dont_audit" => Action::DontAudit,
        "hash" => Action::Hash,
        "dont_hash" => Action::DontHash,
        _ => return None,
    })
}

/// One word behind the action; the error is what its value should have been.
fn condition(word: &str) -> Result<Condition, &'static str> {
    if let Some(identity) = identity(word)? {
        return Ok(match identity.name {
            "fowner" | "fgroup" => Condition::File(identity),
            _ => Condition::Process(identity),
        });
    }
    let Some((key, value)) = word.split_once('=') else {
        return Ok(match word {
            "permit_directio" => Condition::Appraise(String::from(word)),
            _ => Condition::Unknown(String::from(word)),
        });
    };
    if value.is_empty() {
        return Err("a value after the equals sign");
    }
    Ok(match key {
        "func" => Condition::Func(Hook::from_name(value)),
        "mask" => mask(value)?,
        "fsmagic" => Condition::FsMagic(magic(value).ok_or("a hexadecimal number")?),
        "fsname" => Condition::FsName(String::from(value)),
        "fs_subtype" => Condition::FsSubtype(String::from(value)),
        "digest_type" => Condition::DigestType(String::from(value)),
        "fsuuid" => Condition::FsUuid(String::from(value)),
        "keyrings" => Condition::Keyrings(names(value)?),
        "label" => Condition::Labels(names(value)?),
        "template" => Condition::Template(String::from(value)),
        "pcr" => Condition::Pcr(value.parse().ok().filter(|pcr| *pcr < 24).ok_or("a PCR from 0 to 23")?),
        "obj_user" | "obj_role" | "obj_type" | "subj_user" | "subj_role" | "subj_type" => {
            Condition::Lsm(String::from(word))
        }
        "appraise_type" | "appraise_flag" | "appraise_algos" => Condition::Appraise(String::from(word)),
        _ => Condition::Unknown(String::from(word)),
    })
}

/// `uid=0`, `uid<1000`, `fowner>0`.
fn identity(word: &str) -> Result<Option<Identity>, &'static str> {
    const NAMES: [&str; 6] = ["uid", "euid", "gid", "egid", "fowner", "fgroup"];
    let Some((end, operator)) = word.char_indices().find(|(_, c)| matches!(c, '=' | '<' | '>')) else {
        return Ok(None);
    };
    let Some((key, rest)) = word.split_at_checked(end) else { return Ok(None) };
    let Some(name) = NAMES.into_iter().find(|name| *name == key) else { return Ok(None) };
    let digits = rest.get(1..).unwrap_or_default();
    let id = digits.parse().map_err(|_| "a decimal user or group number")?;
    Ok(Some(Identity { name, operator, id }))
}

fn mask(value: &str) -> Result<Condition, &'static str> {
    let (includes, name) = value.strip_prefix('^').map_or((false, value), |name| (true, name));
    let access = match name {
        "MAY_APPEND" => Access::Append,
        "MAY_EXEC" => Access::Exec,
        "MAY_READ" => Access::Read,
        "MAY_WRITE" => Access::Write,
        _ => return Err("MAY_EXEC, MAY_READ, MAY_WRITE or MAY_APPEND, with or without ^"),
    };
    Ok(Condition::Mask { includes, access })
}

/// `kstrtoul` with base 16: the prefix is optional.
fn magic(value: &str) -> Option<FileSystem> {
    let digits = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")).unwrap_or(value);
    let number = digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u64::from_str_radix(digits, 16).ok());
    number.flatten().map(FileSystem)
}

fn names(value: &str) -> Result<Vec<String>, &'static str> {
    if value.split('|').any(str::is_empty) {
        return Err("names with | between them");
    }
    Ok(value.split('|').map(String::from).collect())
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IMA policy line {}, byte {}: ", self.line, self.offset)?;
        match self.fault {
            PolicyFault::Action => f.write_str("a rule begins with measure, dont_measure, appraise, audit or hash"),
            PolicyFault::Duplicate => f.write_str("the condition is given twice"),
            PolicyFault::Encoding => f.write_str("not UTF-8 text"),
            PolicyFault::TooLong { wanted, got } => write!(f, "{got} bytes, at most {wanted} are taken"),
            PolicyFault::Value { wanted } => write!(f, "wanted {wanted}"),
        }
    }
}

impl core::error::Error for PolicyError {}
