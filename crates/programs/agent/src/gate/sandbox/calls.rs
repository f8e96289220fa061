//! The table of system calls as a filter.

use std::collections::HashMap;

use seccompiler::{BpfProgram, Error, TargetArch, compile_from_json};
use serde_json::{Value, json};

/// The table, as it is reviewed.
const TABLE: &str = include_str!("syscalls.txt");
/// The compiler takes several filters by name; this is the only one.
const NAME: &str = "gate";
/// What a refused call answers (errno.h).
const EPERM: u32 = 1;
/// Architectures that have the calls of old kernels too.
const OLD: &str = "x86_64";

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Call<'a> {
    name: &'a str,
    /// Only architectures of this name have it.
    arch: Option<&'a str>,
    argument: Option<Argument>,
}

/// What an argument may be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Argument {
    /// An int: one of these. Its upper half is nobody's (calling convention).
    In(u8, Vec<u64>),
    /// A pointer: none.
    Null(u8),
}

/// The filter for this machine.
pub(super) fn filter() -> Result<BpfProgram, Error> {
    filter_of(std::env::consts::ARCH)
}

fn filter_of(arch: &str) -> Result<BpfProgram, Error> {
    let target = TargetArch::try_from(arch)?;
    let rules: Vec<Value> =
        TABLE.lines().filter_map(Call::read).filter(|call| call.is_on(arch)).flat_map(|call| call.rules()).collect();
    let filters = json!({ NAME: {
        "mismatch_action": { "errno": EPERM },
        "match_action": "allow",
        "filter": rules,
    } });
    let mut filters: HashMap<String, BpfProgram> = compile_from_json(filters.to_string().as_bytes(), target)?;
    filters.remove(NAME).ok_or(Error::EmptyFilter)
}

// === impl Call ===

impl<'a> Call<'a> {
    /// `None` for an empty line or a remark. A word that the table cannot have ends up as the name of a call that does
    /// not exist, which the compiler refuses.
    fn read(line: &'a str) -> Option<Self> {
        let (rule, _) = line.split_once('#').unwrap_or((line, ""));
        let mut words = rule.split_whitespace().peekable();
        let name = words.next()?;
        let arch = words.next_if(|word| *word == OLD);
        let rest: Vec<&str> = words.collect();
        let argument = Argument::read(&rest);
        let whole = rest.is_empty() || argument.is_some();
        Some(if whole { Self { name, arch, argument } } else { Self { name: rule, arch: None, argument: None } })
    }

    fn is_on(&self, arch: &str) -> bool {
        self.arch.is_none_or(|only| only == arch)
    }

    /// One rule per value; any of them will do.
    fn rules(&self) -> Vec<Value> {
        let rule = |index: &u8, width: &str, value: &u64| {
            let condition = json!({ "index": index, "type": width, "op": "eq", "val": value });
            json!({ "syscall": self.name, "args": [condition] })
        };
        match &self.argument {
            None => vec![json!({ "syscall": self.name })],
            Some(Argument::Null(index)) => vec![rule(index, "qword", &0)],
            Some(Argument::In(index, values)) => values.iter().map(|value| rule(index, "dword", value)).collect(),
        }
    }
}

// === impl Argument ===

impl Argument {
    fn read(words: &[&str]) -> Option<Self> {
        match words {
            ["argument", index, "is", "null"] => Some(Self::Null(index.parse().ok()?)),
            ["argument", index, "in", values @ ..] if !values.is_empty() => {
                let values = values.iter().map(|value| value.parse().ok()).collect::<Option<_>>()?;
                Some(Self::In(index.parse().ok()?, values))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What must never come back into the table, in this order of the reasons: other programs, other processes, the
    /// kernel, other users, ways around a filter.
    const NEVER: [&str; 24] = [
        "execve",
        "execveat",
        "fork",
        "vfork",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "kill",
        "bpf",
        "init_module",
        "finit_module",
        "kexec_load",
        "reboot",
        "mount",
        "umount2",
        "pivot_root",
        "unshare",
        "setns",
        "setuid",
        "setgid",
        "chmod",
        "add_key",
        "io_uring_setup",
        "userfaultfd",
    ];

    fn calls() -> Vec<Call<'static>> {
        TABLE.lines().filter_map(Call::read).collect()
    }

    #[test]
    fn every_line_is_a_call_of_both_architectures() {
        for arch in ["x86_64", "aarch64"] {
            assert!(!filter_of(arch).unwrap().is_empty(), "{arch}");
        }
        let calls = calls();
        let mut names: Vec<_> = calls.iter().map(|call| call.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), calls.len(), "a call stands there twice");
    }

    #[test]
    fn what_starts_programs_or_changes_the_kernel_is_not_in_it() {
        for call in calls() {
            assert!(!NEVER.contains(&call.name), "{}", call.name);
        }
    }

    #[test]
    fn a_line_is_read_whole_or_is_no_call() {
        let read = |line| Call::read(line);
        assert_eq!(read("  # remark"), None);
        assert_eq!(read("read # what for"), Some(Call { name: "read", arch: None, argument: None }));
        let socket = Call { name: "socket", arch: None, argument: Some(Argument::In(0, vec![1, 2])) };
        assert_eq!(read("socket argument 0 in 1 2"), Some(socket));
        for wrong in [
            "socket argument 0 in",
            "socket argument 0 in x",
            "socket argument x in 1",
            "open x86",
            "a argument 2 is 0",
        ] {
            assert_eq!(read(wrong).unwrap().name, wrong, "{wrong}");
        }
    }
}
