//! Everything that the kernel shows of one unit.

mod code;
mod files;
mod filters;
mod limits;
mod members;
mod mounts;
mod namespaces;
mod process;
mod sockets;
mod threads;

use avouch_pairs::{Attribute, Reading, Subject, attribute as a};

use self::members::Members;
use crate::reading::{Facts, put};
use crate::source::Refusal;
use crate::{Pass, UnitAsk};

/// Attributes of processes and threads, which a unit without any has not; [`process::RLIMITS`] beside them.
const OF_PROCESSES: [Attribute; 30] = [
    a::OOM_SCORE_ADJ,
    a::NICE,
    a::CGROUP_MAIN,
    a::NO_NEW_PRIVS,
    a::SECCOMP,
    a::MEMORY_DENY_WRITE_EXECUTE,
    a::UMASK,
    a::PERSONALITY,
    a::CORE_DUMPING,
    a::SPECULATION_STORE_BYPASS,
    a::MOUNTS,
    a::ROOT_DIRECTORY,
    a::NS_NET,
    a::NS_MNT,
    a::NS_IPC,
    a::NS_UTS,
    a::NS_PID,
    a::NS_USER,
    a::NS_CGROUP,
    a::NS_TIME,
    a::CAP_BOUNDING,
    a::CAP_AMBIENT,
    a::CAP_EFFECTIVE,
    a::CAP_PERMITTED,
    a::CAP_INHERITABLE,
    a::UID,
    a::GID,
    a::GROUPS,
    a::EXE,
    a::EXE_DIGESTS,
];

/// What the kernel shows nobody of another process, and why.
const HIDDEN: [(Attribute, &str); 4] = [
    (a::SECURE_BITS, "the kernel shows the securebits of a process only to itself"),
    (a::KEYRING_MODE, "the kernel shows the keyrings of a process only to itself"),
    (a::RESTRICT_FILE_SYSTEMS, "the kernel does not tell which units a BPF LSM program is for"),
    (a::LANDLOCK, "the kernel has no readout of Landlock rulesets"),
];

impl Pass<'_> {
    /// Kernel and second columns of a unit's attributes. The identity is left to systemd.
    ///
    /// Of a slice only its own cgroup is read: the processes below it belong to the units inside of it.
    pub fn unit(&self, ask: &UnitAsk) -> Subject {
        let mut facts = Facts::new();
        limits::read(self, ask, &mut facts);
        filters::read(self, ask, &mut facts);
        files::read(self, ask, &mut facts);
        sockets::read(self, ask, &mut facts);
        if !ask.name.ends_with(".slice") {
            self.processes(ask, &mut facts);
        }
        Subject { identity: None, facts }
    }

    /// What [`a::EXE`] of the unit is at this moment, and nothing else.
    pub fn programs(&self, ask: &UnitAsk) -> Reading {
        if ask.name.ends_with(".slice") {
            return Reading::NotRead;
        }
        match Members::of(self, ask) {
            Err(refusal) => refusal.reading(),
            Ok(members) => code::programs(self, &members).reading(),
        }
    }

    fn processes(&self, ask: &UnitAsk, facts: &mut Facts) {
        for (attribute, why) in HIDDEN {
            put(facts, attribute, Reading::NotSupported(why.to_owned()));
        }
        match Members::of(self, ask) {
            Err(refusal) => self.nothing(&refusal, facts),
            Ok(members) if members.processes.is_empty() => self.nothing(&Refusal::Absent, facts),
            Ok(members) => {
                process::read(self, &members, facts);
                threads::read(self, &members, facts);
                namespaces::read(self, &members, facts);
                mounts::read(self, &members, facts);
                code::read(self, &members, facts);
                limits::read_main(self, ask, facts);
            }
        }
    }

    /// Every attribute of processes is `refusal`.
    fn nothing(&self, refusal: &Refusal, facts: &mut Facts) {
        let of_others = [a::PROCESSES, a::EXEC_MAPPINGS, a::APPARMOR_PROFILE, a::SELINUX_CONTEXT, a::SMACK_LABEL];
        for attribute in process::RLIMITS.into_iter().chain(OF_PROCESSES).chain(of_others) {
            put(facts, attribute, refusal.reading());
        }
    }
}
