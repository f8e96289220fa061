//! What is asked of a collector, and what it answers.

use avouch_collect::appliance::{Asked, Seen};
use avouch_pairs::Level;
use avouch_protocol::{MAX_REPORT_BYTES, Message, VERSION};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// Largest request: some thousand unit names, paths and sysctl keys of an intent.
pub const MAX_REQUEST_BYTES: usize = 256 * 1024;
/// Largest answer: a report and the fields around it.
pub const MAX_ANSWER_BYTES: usize = MAX_REPORT_BYTES + 4 * 1024;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Request {
    /// Version, [`VERSION`].
    #[n(0)]
    pub v: u64,
    /// What is asked.
    #[n(1)]
    pub ask: Ask,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Ask {
    /// One pass over both witnesses.
    #[n(0)]
    Observe(#[n(0)] ScopeAsked),
    /// Every event from now on.
    #[n(1)]
    Watch,
    /// What the appliance's own attestation wants and may not read itself.
    #[n(2)]
    Appliance(#[n(0)] Asked),
}

/// What a pass is to cover; absent lists mean everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ScopeAsked {
    /// Units by name.
    #[n(0)]
    pub units: Option<Vec<String>>,
    /// Numbers of levels.
    #[n(1)]
    pub levels: Option<Vec<u8>>,
    /// Files and directories that the intent names.
    #[n(2)]
    pub paths: Vec<String>,
    /// Kernel parameters that the intent names.
    #[n(3)]
    pub sysctls: Vec<String>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Answer {
    /// Version, [`VERSION`].
    #[n(0)]
    pub v: u64,
    /// What comes of the request.
    #[n(1)]
    pub told: Told,
}

/// What comes of a request.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Told {
    /// CLOCK_BOOTTIME in milliseconds when the pass began and when it ended, and [`avouch_protocol::Observed`].
    #[n(0)]
    Observed(#[n(0)] u64, #[n(1)] u64, #[n(2)] ByteVec),
    /// Something happened that makes another look worthwhile.
    #[n(1)]
    Event(#[n(0)] EventKind, #[n(1)] String),
    /// Not done; why.
    #[n(2)]
    Refused(#[n(0)] String),
    /// What was read of the appliance.
    #[n(3)]
    Appliance(#[n(0)] Box<Seen>),
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum EventKind {
    /// systemd says that a unit changed.
    #[n(0)]
    UnitChanged,
    /// Somebody wrote a file of a unit's cgroup.
    #[n(1)]
    CgroupWritten,
    /// The set of listening sockets changed.
    #[n(2)]
    Listener,
    /// A kernel module came or went.
    #[n(3)]
    Module,
    /// More happened than was kept apart.
    #[n(4)]
    Everything,
}

// === impl Told ===

impl Told {
    /// The answer that carries it.
    pub fn answer(self) -> Answer {
        Answer { v: VERSION, told: self }
    }

    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Observed(..) => "an observation",
            Self::Event(..) => "an event",
            Self::Refused(_) => "a refusal",
            Self::Appliance(_) => "what it read of the appliance",
        }
    }
}

// === impl EventKind ===

impl EventKind {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::UnitChanged => "unit changed",
            Self::CgroupWritten => "cgroup file written",
            Self::Listener => "listening sockets changed",
            Self::Module => "kernel modules changed",
            Self::Everything => "much happened at once",
        }
    }
}

// === impl ScopeAsked ===

impl ScopeAsked {
    /// The levels that this release knows among those asked for.
    pub fn known_levels(&self) -> Option<Vec<Level>> {
        self.levels.as_ref().map(|numbers| numbers.iter().filter_map(|number| Level::of(*number)).collect())
    }
}

impl Message for Request {
    const NAME: &'static str = "request to the collector";
    const MAX_BYTES: usize = MAX_REQUEST_BYTES;

    fn version(&self) -> u64 {
        self.v
    }
}

impl Message for Answer {
    const NAME: &'static str = "answer of the collector";
    const MAX_BYTES: usize = MAX_ANSWER_BYTES;

    fn version(&self) -> u64 {
        self.v
    }
}
