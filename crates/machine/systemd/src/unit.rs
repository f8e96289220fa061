//! Units as systemd describes them.

use std::collections::BTreeMap;

use avouch_pairs::{Attribute, Fact, UnitAsk, UnitIdentity};

/// One line of systemd's list of units.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitRef {
    /// `Id`, the primary name, e.g. `ssh.service`.
    pub name: String,
    /// Its object on the bus.
    pub path: String,
    /// `LoadState`.
    pub load_state: String,
    /// `ActiveState`.
    pub active_state: String,
    /// `SubState`.
    pub sub_state: String,
}

/// Which run of a unit it is: two readings of the same run are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `InvocationID` in hexadecimal; empty when the unit never ran.
    pub invocation: String,
    /// `MainPID`; 0 when there is none.
    pub main_pid: u32,
    /// `ControlPID`; 0 when no command besides the main process runs.
    pub control_pid: u32,
    /// `ControlGroupId`; 0 where systemd (before 252) does not say or there is no cgroup.
    pub control_group_id: u64,
    /// `ActiveEnterTimestampMonotonic` in microseconds.
    pub active_enter_usec: u64,
    /// `StateChangeTimestampMonotonic` in microseconds.
    pub state_change_usec: u64,
    /// `ActiveState`.
    pub active_state: String,
    /// `SubState`.
    pub sub_state: String,
    /// `ExecMainStartTimestamp` in microseconds of the wall clock; 0 when it never started.
    pub started_usec: u64,
}

/// Everything systemd says of a unit that is on the allow-list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitState {
    /// Which run was read.
    pub identity: Identity,
    /// The facts, each with its orchestrator column filled.
    pub facts: BTreeMap<Attribute, Fact>,
    /// What the kernel has to be asked.
    pub ask: UnitAsk,
}

// === impl Identity ===

impl Identity {
    /// For the report: this run, with the kernel's start time of its main process, how often it was read, and whether
    /// it stood still.
    pub fn reported(&self, main_start: u64, attempts: u8, steady: bool) -> UnitIdentity {
        UnitIdentity {
            invocation: self.invocation.clone(),
            main_pid: self.main_pid,
            main_start,
            active_state: self.active_state.clone(),
            sub_state: self.sub_state.clone(),
            started_usec: self.started_usec,
            attempts,
            steady,
        }
    }
}
