//! Writing the TLV encoding.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::content::{kind, management};
use super::{CelContent, Management, Register, StateTransition, Systemd, field};
use crate::{BootLog, Event, EventType, NO_PCR};

/// Writes a canonical event log, record by record. Numbers count from zero in each register (section 4.2.2).
#[derive(Clone, Debug, Default)]
pub struct CelWriter {
    out: Vec<u8>,
    next: BTreeMap<Register, u64>,
}

impl CelWriter {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a record. `digests` are `(TPM_ALG_ID, digest)`; an identifier beyond one byte has no spelling in this
    /// encoding and is left out, as is a value beyond 4 GiB.
    pub fn record<'d>(
        &mut self,
        register: Register,
        digests: impl IntoIterator<Item = (u16, &'d [u8])>,
        content: &CelContent<'_>,
    ) {
        let next = self.next.entry(register).or_insert(0);
        number(&mut self.out, field::RECNUM, *next);
        *next = next.saturating_add(1);
        let (kind, index) = match register {
            Register::Pcr(index) => (field::PCR, index),
            Register::NvIndex(index) => (field::NV_INDEX, index),
            Register::Cc(index) => (field::CC_REGISTER, index),
        };
        number(&mut self.out, kind, index.into());
        let mut list = Vec::new();
        for (algorithm, digest) in digests {
            if let Ok(kind) = u8::try_from(algorithm) {
                put(&mut list, kind, digest);
            }
        }
        put(&mut self.out, field::DIGESTS, &list);
        self.content(content);
    }

    /// Appends every event of a boot log and gives how many have no spelling: events under the index that no TPM has.
    pub fn boot_log(&mut self, log: &BootLog<'_>) -> usize {
        let (spelled, left): (Vec<&Event<'_>>, Vec<_>) = log.events().iter().partition(|event| event.pcr != NO_PCR);
        for event in spelled {
            let content = CelContent::PcClient { event_type: event.event_type, data: event.data };
            self.record(Register::Pcr(event.pcr), event.digests.iter(), &content);
        }
        left.len()
    }

    /// Appends an entry of an IMA list: the template's name and data as they stand in the binary list, and the digests
    /// that were extended (for a violation all ones).
    pub fn ima<'d>(&mut self, pcr: u32, digests: impl IntoIterator<Item = (u16, &'d [u8])>, name: &[u8], data: &[u8]) {
        self.record(Register::Pcr(pcr), digests, &CelContent::ImaTemplate { name, data });
    }

    /// The log.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn content(&mut self, content: &CelContent<'_>) {
        let out = &mut self.out;
        match content {
            CelContent::Management(statement) => put(out, kind::MANAGEMENT, &statement_bytes(*statement)),
            CelContent::PcClient { event_type: EventType(event_type), data } => {
                let mut value = Vec::new();
                number(&mut value, 0, (*event_type).into());
                put(&mut value, 1, data);
                put(out, kind::PC_CLIENT, &value);
            }
            CelContent::ImaTemplate { name, data } => {
                let mut value = Vec::new();
                put(&mut value, 0, name);
                put(&mut value, 1, data);
                put(out, kind::IMA_TEMPLATE, &value);
            }
            CelContent::ImaTlv(data) => put(out, kind::IMA_TLV, data),
            CelContent::Systemd(systemd) => put_systemd(out, systemd),
            CelContent::Other { kind, data } => put(out, *kind, data),
        }
    }
}

fn statement_bytes(statement: Management) -> Vec<u8> {
    let mut out = Vec::new();
    match statement {
        Management::Version { major, minor } => {
            let mut value = Vec::new();
            number(&mut value, 0, major.into());
            number(&mut value, 1, minor.into());
            put(&mut out, management::VERSION, &value);
        }
        Management::FirmwareEnd => put(&mut out, management::FIRMWARE_END, &[]),
        Management::Timestamp(time) => number(&mut out, management::TIMESTAMP, time),
        Management::StateTransition(transition) => {
            let transition = match transition {
                StateTransition::Suspend => 0,
                StateTransition::Hibernate => 1,
                StateTransition::Kexec => 2,
            };
            number(&mut out, management::STATE_TRANSITION, transition);
        }
    }
    out
}

/// The specification's spelling where the string is all there is.
fn put_systemd(out: &mut Vec<u8>, systemd: &Systemd<'_>) {
    let bare = Systemd { string: systemd.string, ..Systemd::default() };
    if *systemd == bare {
        return put(out, kind::SYSTEMD, systemd.string);
    }
    let mut value = Vec::new();
    if let Some(event_type) = systemd.event_type {
        put(&mut value, 0, event_type.as_bytes());
    }
    if let Some(timestamp) = systemd.timestamp {
        number(&mut value, 1, timestamp);
    }
    if let Some(boot_id) = systemd.boot_id {
        put(&mut value, 2, boot_id);
    }
    put(&mut value, 3, systemd.string);
    if let Some(name) = systemd.nv_name {
        put(&mut value, 4, name.as_bytes());
    }
    put(out, kind::SYSTEMD_FIELDS, &value);
}

fn put(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let Ok(len) = u32::try_from(value.len()) else { return };
    out.push(kind);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(value);
}

/// In as few bytes as the number needs, at least one.
fn number(out: &mut Vec<u8>, kind: u8, number: u64) {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take(7).take_while(|byte| **byte == 0).count();
    put(out, kind, bytes.get(zeros..).unwrap_or(&bytes));
}
