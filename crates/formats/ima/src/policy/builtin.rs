//! The kernel's own policies, chosen by `ima_policy=` on its command line (`ima_init_policy` in `ima_policy.c`).
//!
//! They govern from the first entry until a policy is loaded, and they are not measured: the command line is.

use alloc::vec::Vec;

use super::{Action, Policy, Rule};

/// A policy that the kernel has built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Builtin {
    /// `tcb`: programs, mapped files, modules, firmware, policies, and every file that root reads; nothing on tmpfs.
    Tcb,
    /// `ima_tcb` as a word of its own, the older form: without policies, and by the real user only.
    OldTcb,
    /// `critical_data`: state of the kernel, every label.
    CriticalData,
    /// `secure_boot`: modules, firmware, kexec kernels and policies must be signed. Measures nothing.
    SecureBoot,
    /// `appraise_tcb`: files of root must have a good digest or signature. Measures nothing.
    AppraiseTcb,
    /// `fail_securely`: signatures on file systems that cannot prove them fail. Measures nothing and adds no rule.
    FailSecurely,
}

/// What no built-in measuring rule looks at; tmpfs is one of them.
const DONT_MEASURE: &str = "\
dont_measure fsmagic=0x9fa0
dont_measure fsmagic=0x62656572
dont_measure fsmagic=0x64626720
dont_measure fsmagic=0x01021994
dont_measure fsmagic=0x1cd1
dont_measure fsmagic=0x42494e4d
dont_measure fsmagic=0x73636673
dont_measure fsmagic=0xf97cff8c
dont_measure fsmagic=0x43415d53
dont_measure fsmagic=0x27e0eb
dont_measure fsmagic=0x63677270
dont_measure fsmagic=0x6e736673
dont_measure fsmagic=0xde5e81e4
";

const TCB: &str = "\
measure func=MMAP_CHECK mask=MAY_EXEC
measure func=BPRM_CHECK mask=MAY_EXEC
measure func=FILE_CHECK mask=^MAY_READ euid=0
measure func=FILE_CHECK mask=^MAY_READ uid=0
measure func=MODULE_CHECK
measure func=FIRMWARE_CHECK
measure func=POLICY_CHECK
";

const OLD_TCB: &str = "\
measure func=MMAP_CHECK mask=MAY_EXEC
measure func=BPRM_CHECK mask=MAY_EXEC
measure func=FILE_CHECK mask=MAY_READ uid=0
measure func=MODULE_CHECK
measure func=FIRMWARE_CHECK
";

const SECURE_BOOT: &str = "\
appraise func=MODULE_CHECK appraise_type=imasig
appraise func=FIRMWARE_CHECK appraise_type=imasig
appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig
appraise func=POLICY_CHECK appraise_type=imasig
";

const APPRAISE_TCB: &str = "\
dont_appraise fsmagic=0x9fa0
dont_appraise fsmagic=0x62656572
dont_appraise fsmagic=0x64626720
dont_appraise fsmagic=0x01021994
dont_appraise fsmagic=0x858458f6
dont_appraise fsmagic=0x1cd1
dont_appraise fsmagic=0x42494e4d
dont_appraise fsmagic=0x73636673
dont_appraise fsmagic=0xf97cff8c
dont_appraise fsmagic=0x43415d53
dont_appraise fsmagic=0x6e736673
dont_appraise fsmagic=0xde5e81e4
dont_appraise fsmagic=0x27e0eb
dont_appraise fsmagic=0x63677270
appraise func=POLICY_CHECK appraise_type=imasig
appraise fowner=0
";

const CRITICAL_DATA: &str = "measure func=CRITICAL_DATA\n";

impl Builtin {
    /// Every one, in the order in which the kernel puts their rules.
    pub const ALL: [Self; 6] =
        [Self::Tcb, Self::OldTcb, Self::SecureBoot, Self::AppraiseTcb, Self::CriticalData, Self::FailSecurely];

    /// The word on the kernel's command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcb => "tcb",
            Self::OldTcb => "ima_tcb",
            Self::CriticalData => "critical_data",
            Self::SecureBoot => "secure_boot",
            Self::AppraiseTcb => "appraise_tcb",
            Self::FailSecurely => "fail_securely",
        }
    }

    /// The built-in policies that a kernel command line chooses, in the kernel's order; words that are no policy are
    /// left out, as the kernel does. `tcb` and `ima_tcb` exclude each other, and the first one holds.
    pub fn of_command_line(command_line: &str) -> Vec<Self> {
        let words = command_line.split_ascii_whitespace().flat_map(|word| {
            let names = match word {
                "ima_tcb" => "ima_tcb",
                "ima_appraise_tcb" => "appraise_tcb",
                // As `ima_policy=ima_tcb` the name means nothing.
                _ => word.strip_prefix("ima_policy=").filter(|names| *names != "ima_tcb").unwrap_or_default(),
            };
            names.split('|')
        });
        let mut chosen: Vec<Self> = Vec::new();
        for builtin in words.filter_map(|word| Self::ALL.into_iter().find(|builtin| builtin.name() == word)) {
            let tcb = [Self::Tcb, Self::OldTcb];
            let taken = tcb.contains(&builtin) && chosen.iter().any(|earlier| tcb.contains(earlier));
            if !taken && !chosen.contains(&builtin) {
                chosen.push(builtin);
            }
        }
        chosen.sort_by_key(|chosen| Self::ALL.iter().position(|builtin| builtin == chosen));
        chosen
    }

    fn texts(self) -> [&'static str; 2] {
        match self {
            Self::Tcb => [DONT_MEASURE, TCB],
            Self::OldTcb => [DONT_MEASURE, OLD_TCB],
            Self::CriticalData => [CRITICAL_DATA, ""],
            Self::SecureBoot => [SECURE_BOOT, ""],
            Self::AppraiseTcb => [APPRAISE_TCB, ""],
            Self::FailSecurely => ["", ""],
        }
    }
}

/// What a kernel enforces that was booted with these built-in policies, before any policy is loaded.
///
/// Rules of the architecture and those that a kernel was built with are not in it: they appraise, or measure more.
pub fn policy_of(builtins: &[Builtin]) -> Policy {
    let texts = builtins.iter().flat_map(|builtin| builtin.texts());
    let rules = texts.flat_map(|text| Policy::parse(text.as_bytes()).map(|policy| policy.rules).unwrap_or_default());
    Policy { rules: rules.enumerate().map(|(line, rule)| Rule { line: line.saturating_add(1), ..rule }).collect() }
}

impl Policy {
    /// True when the policy has a rule that measures anything.
    pub fn measures(&self) -> bool {
        self.rules.iter().any(|rule| rule.action == Action::Measure)
    }
}
