//! What the server keeps of a node between two rounds.

mod stored;

use avouch_protocol::{Hash, Offsets};
use avouch_tpm_wire::{ClockInfo, Digest, HashAlg};
use minicbor::{Decode, Encode};

use crate::chain::Chain;
use crate::finding::Findings;
use crate::judge::BootJudged;
use crate::track::Track;

pub use stored::SessionError;

/// The state of a node after its last authentic quote: counters for the clock checks, and what is already proven of
/// its logs. Stored as bytes ([`Session::to_cbor`]) beside the record that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub(crate) clock: ClockInfo,
    pub(crate) firmware: u64,
    pub(crate) proven: Option<Proven>,
    /// The quotes of this boot session on both clocks.
    pub(crate) track: Track,
    /// True after evidence that did not explain its quote: every log is owed from its start, so that one bad offset
    /// cannot last, and what was judged of them stays judged.
    pub(crate) owes_all: bool,
    /// The chain of the node's reports, once it has shown a report key. Its PCR outlives the boot session.
    pub(crate) chain: Option<Chain>,
}

/// What was replayed and judged in this boot session, in one bank and one selection. Each entry was judged by the
/// policy in force when it was first proven; `policy_ref` names the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proven {
    pub(crate) policy_ref: Hash,
    pub(crate) bank: HashAlg,
    pub(crate) mask: u32,
    pub(crate) boot: BootProof,
    pub(crate) ima: ImaProof,
    pub(crate) findings: Findings,
}

/// The PCRs after the boot log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BootProof {
    /// By PCR; `None` where the log cannot say.
    pub(crate) values: [Option<Digest>; 24],
    pub(crate) events: u64,
    /// What the judgement of the boot saw and did not see.
    pub(crate) judged: BootJudged,
    /// Number of the sequence of phase words that extended PCR 11 without a log.
    pub(crate) phases: u8,
    /// What the userspace log proved.
    pub(crate) userspace: Option<Userspace>,
}

/// Records of the userspace log that the quote proves, and the PCRs that they moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Userspace {
    pub(crate) records: u64,
    values: Vec<(u32, Digest)>,
}

impl BootProof {
    /// A proof of nothing.
    pub(crate) fn nothing() -> Self {
        Self { values: [None; 24], events: 0, judged: BootJudged::default(), phases: 0, userspace: None }
    }
}

impl Userspace {
    /// What is to be kept of the values after `records`.
    pub(crate) fn between(records: u64, before: &[Option<Digest>; 24], after: &[Option<Digest>; 24]) -> Self {
        let moved = (0u32..).zip(before.iter().zip(after)).filter(|(_, (before, after))| before != after);
        Self { records, values: moved.filter_map(|(pcr, (_, after))| Some((pcr, (*after)?))).collect() }
    }

    /// `values` with what the records moved.
    pub(crate) fn over(&self, mut values: [Option<Digest>; 24]) -> [Option<Digest>; 24] {
        for (pcr, value) in &self.values {
            if let Some(slot) = usize::try_from(*pcr).ok().and_then(|pcr| values.get_mut(pcr)) {
                *slot = Some(*value);
            }
        }
        values
    }
}

/// The IMA list so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImaProof {
    pub(crate) count: u64,
    /// Length of the entries in the kernel's binary spelling.
    pub(crate) bytes: u64,
    /// PCR 10 after these entries.
    pub(crate) value: Digest,
    pub(crate) judged: ImaJudged,
}

/// What the judgement of the entries remembers.
#[derive(Clone, Debug, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub(crate) struct ImaJudged {
    #[n(0)]
    pub(crate) phase: Phase,
    /// Digests of the approved IMA policies that were measured.
    #[n(1)]
    pub(crate) loaded: Vec<Hash>,
    #[n(2)]
    pub(crate) files: u64,
    #[n(3)]
    pub(crate) buffers: u64,
    /// Violations under a tolerated directory.
    #[n(4)]
    pub(crate) tolerated: u64,
    /// Unknown files under an exclusion that was in force.
    #[n(5)]
    pub(crate) excluded: u64,
    /// Files that are good by a signature alone.
    #[n(6)]
    pub(crate) signed: u64,
    /// Superseded files inside their update window.
    #[n(7)]
    pub(crate) in_window: u64,
    /// SHA-256 of the pinned certificates that were loaded.
    #[n(8)]
    pub(crate) keys: Vec<Hash>,
    /// SHA-256 of the first kernel_version.
    #[n(9)]
    pub(crate) kernel: Option<Hash>,
    #[n(10)]
    pub(crate) aggregate: Aggregate,
}

/// What the boot_aggregate of this session covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Aggregate {
    /// None that is good.
    #[default]
    #[n(0)]
    None,
    /// PCR 0 to 9 of the quoted bank.
    #[n(1)]
    Pcr0To9,
    /// PCR 0 to 7 of the quoted bank, as older kernels write it.
    #[n(2)]
    Pcr0To7,
    /// PCR 0 to 7 of the SHA-1 bank, as older kernels write it; the quote does not cover that bank.
    #[n(3)]
    Sha1,
}

/// Where the IMA list stands with respect to the approved policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Phase {
    /// Only confirmed early boot so far.
    #[default]
    #[n(0)]
    Early,
    /// An approved policy was measured before anything else.
    #[n(1)]
    Approved,
    /// Something else came first; only a reboot heals it.
    #[n(2)]
    Broken,
}

// === impl Session ===

impl Session {
    /// Largest stored form that is read back: 256 findings with long paths.
    pub const MAX_BYTES: usize = 1024 * 1024;
    /// Findings carried from round to round; all are counted.
    pub const MAX_FINDINGS: usize = 256;

    /// What the next challenge tells the node that it need not send again, if it will be judged by `policy_ref`.
    ///
    /// Under another policy than the last one the IMA list goes on where it is, since entries keep the judgement of the
    /// policy that was in force when they were first proven; the boot log is owed again. All zero, so that everything
    /// is owed, when nothing is proven or the judgement cannot be carried over ([`Proven::carries_to`]).
    pub fn offsets(&self, policy_ref: &Hash) -> Offsets {
        let chain = self.chain.as_ref().filter(|chain| chain.reset_count == self.clock.reset_count);
        match &self.proven {
            Some(proven) if !self.owes_all && proven.carries_to(policy_ref) => Offsets {
                reset_count: Some(self.clock.reset_count),
                ima_count: proven.ima.count,
                ima_bytes: proven.ima.bytes,
                boot_log_proven: proven.policy_ref == *policy_ref,
                reports: chain.map_or(0, |chain| chain.count),
                report_head: chain.map_or(Hash::ZERO, |chain| chain.head),
            },
            _ => Offsets::default(),
        }
    }

    /// TPM resets since TPM2_Clear: the number of the boot session.
    pub fn reset_count(&self) -> u32 {
        self.clock.reset_count
    }

    /// The counters as last signed.
    pub fn clock(&self) -> ClockInfo {
        self.clock
    }

    /// TPM firmware version as last signed.
    pub fn firmware(&self) -> u64 {
        self.firmware
    }

    /// The same node with nothing proven: the counters stay, everything is owed.
    pub fn forget_proof(self) -> Self {
        Self { proven: None, owes_all: false, ..self }
    }
}

// === impl Proven ===

impl Proven {
    /// True when the judgement of the entries so far holds under this policy too.
    ///
    /// It does not where some finding was counted and not kept, because the policy could not judge that one again;
    /// before an approved IMA policy was measured, because there is no judgement of run time to keep; and from or to no
    /// policy at all.
    pub(crate) fn carries_to(&self, policy_ref: &Hash) -> bool {
        let judged = self.policy_ref != Hash::ZERO && *policy_ref != Hash::ZERO;
        self.policy_ref == *policy_ref
            || (judged && self.ima.judged.phase == Phase::Approved && self.findings.is_complete())
    }
}
