//! A boot log that can be altered: events taken apart and put together again.

use avouch_bootlog::BootLog;
use avouch_crypto::Hash as Sha;
use avouch_protocol::Status;
use avouch_tpm_wire::{HashAlg, Hasher};
use serde_json::Value;

use crate::machine::{Machine, codes};
use avouch_appraise::{Appraisal, Policy};

pub(super) const NO_ACTION: u32 = 3;
pub(super) const SEPARATOR: u32 = 4;
pub(super) const IPL: u32 = 0xD;
pub(super) const VARIABLE: u32 = 0x8000_0001;
pub(super) const APPLICATION: u32 = 0x8000_0003;
pub(super) const ACTION: u32 = 0x8000_0007;
pub(super) const BLOB: u32 = 0x8000_0008;
pub(super) const AUTHORITY: u32 = 0x8000_00E0;

const SHIM_LOCK: [u8; 16] =
    [0x50, 0xAB, 0x5D, 0x60, 0x46, 0xE0, 0x00, 0x43, 0xAB, 0xB6, 0x3D, 0xD8, 0x10, 0xDD, 0x8B, 0x23];

#[derive(Clone)]
pub(super) struct Logged {
    pub(super) pcr: u32,
    pub(super) kind: u32,
    pub(super) digests: Vec<(u16, Vec<u8>)>,
    pub(super) data: Vec<u8>,
}

#[derive(Clone)]
pub(super) struct Log {
    header: Vec<u8>,
    pub(super) events: Vec<Logged>,
}

impl Log {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let log = BootLog::parse(bytes).unwrap();
        let (_, events) = log.events().split_first().unwrap();
        let header = bytes[..events[0].offset].to_vec();
        let events = events.iter().map(|event| Logged {
            pcr: event.pcr,
            kind: event.event_type.0,
            digests: event.digests.iter().map(|(alg, digest)| (alg, digest.to_vec())).collect(),
            data: event.data.to_vec(),
        });
        Self { header, events: events.collect() }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = self.header.clone();
        for event in &self.events {
            out.extend(event.pcr.to_le_bytes());
            out.extend(event.kind.to_le_bytes());
            out.extend((event.digests.len() as u32).to_le_bytes());
            for (alg, digest) in &event.digests {
                out.extend(alg.to_le_bytes());
                out.extend(digest);
            }
            out.extend((event.data.len() as u32).to_le_bytes());
            out.extend(&event.data);
        }
        out
    }

    /// An event whose digests are of `measured`.
    pub(super) fn event(&self, pcr: u32, kind: u32, data: &[u8], measured: &[u8]) -> Logged {
        let algs = self.events[0].digests.iter().map(|(alg, _)| *alg);
        let digests = algs.map(|alg| {
            let hash = HashAlg::from_id(alg).unwrap();
            let digest = Sha.hash(hash, &[measured]).as_bytes().to_vec();
            (alg, if kind == NO_ACTION { vec![0; hash.size()] } else { digest })
        });
        Logged { pcr, kind, digests: digests.collect(), data: data.to_vec() }
    }

    pub(super) fn push(&mut self, pcr: u32, kind: u32, data: &[u8], measured: &[u8]) {
        let event = self.event(pcr, kind, data, measured);
        self.events.push(event);
    }

    /// The n-th event of a PCR and type.
    pub(super) fn find(&mut self, pcr: u32, kind: u32, n: usize) -> &mut Logged {
        self.events.iter_mut().filter(|event| event.pcr == pcr && event.kind == kind).nth(n).unwrap()
    }

    /// Measures an event's data anew.
    pub(super) fn rehash(&mut self, pcr: u32, kind: u32, n: usize) {
        let data = self.find(pcr, kind, n).data.clone();
        let event = self.event(pcr, kind, &data, &data);
        *self.find(pcr, kind, n) = event;
    }
}

/// `UEFI_VARIABLE_DATA`.
pub(super) fn variable(guid: &[u8; 16], name: &str, value: &[u8]) -> Vec<u8> {
    let mut out = guid.to_vec();
    out.extend((name.len() as u64).to_le_bytes());
    out.extend((value.len() as u64).to_le_bytes());
    out.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
    out.extend(value);
    out
}

pub(super) fn sbat_level(generation: u32) -> Vec<u8> {
    variable(&SHIM_LOCK, "SbatLevel", format!("sbat,1,2024010900\nshim,{generation}\n").as_bytes())
}

/// A machine that booted what the altered log says; what the kernel aggregated moves with it.
pub(super) fn booted(alter: impl Fn(&mut Log)) -> Machine {
    let mut machine = Machine::new();
    let mut log = Log::of(&machine.boot_log);
    alter(&mut log);
    machine.boot_log = log.bytes();
    machine.ima[0] = crate::machine::entry("boot_aggregate", &machine.aggregate());
    machine
}

/// The policy that confirms what `machine` booted, with its file altered.
pub(super) fn policy(machine: &Machine, alter: impl Fn(&mut Value)) -> Policy {
    let mut file: Value = serde_json::from_slice(&machine.draft().to_bytes()).unwrap();
    alter(&mut file);
    Policy::parse(file.to_string().as_bytes()).unwrap()
}

pub(super) fn told(appraisal: &Appraisal) -> (Status, Vec<&'static str>) {
    let mut codes = codes(appraisal);
    codes.dedup();
    (appraisal.verdict.status, codes)
}

pub(super) fn holes(appraisal: &Appraisal) -> Vec<&str> {
    appraisal.verdict.coverage.holes.iter().map(|hole| hole.code.as_str()).collect()
}

/// What a machine with the altered log gets under the policy of the unaltered one.
pub(super) fn altered(alter: impl Fn(&mut Log)) -> Appraisal {
    let policy = Machine::new().policy();
    booted(alter).judged(&policy, None)
}

/// The unaltered twin.
pub(super) fn twin_passes() {
    assert_eq!(told(&altered(|_| {})), (Status::Pass, vec![]));
}
