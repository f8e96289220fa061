//! What an appliance's own attestation reads: files, the programs that units run, the IMA list, how the machine was
//! booted and from what. Nothing is judged here, and no program is run.
//!
//! ```text
//! Asked ─▶ Appliance::read ─▶ Seen       in the process that attests, as far as it may read
//!                                │       lacking() ─▶ the same call in a process that may read more ─▶ fill()
//! ```
//!
//! What cannot be read says so, and why: [`Found`] keeps apart what does not exist, what this process may not read, and
//! what could not be read for another reason.

mod boot;
mod deployment;
mod files;
mod found;
mod measured;
mod root;
mod texts;
mod units;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use avouch_protocol::Hash;
use minicbor::{Decode, Encode};

pub use boot::BootLogSeen;
pub use deployment::{Deployment, DeploymentKind};
pub use files::{FileSeen, MAX_FILE_BYTES, MAX_LOOK_BYTES, PolicySeen};
pub use found::Found;
pub use measured::{MAX_DIGESTS, MAX_IMA_BYTES};
pub use root::Appliance;
pub use texts::MAX_TEXT_BYTES;
pub use units::{MAX_PROCESSES, Running, SystemdsWord, words};

/// Most units, policy files and paths to look up of one look, each.
pub const MAX_ITEMS: usize = 1024;
/// Most files of one look, of which a baseline names many.
pub const MAX_FILES: usize = 65_536;

/// What is to be read. Paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Asked {
    /// Files to hash.
    #[n(0)]
    pub files: Vec<String>,
    /// Files that are hashed one by one and, in this order, into one digest. Empty: not asked.
    #[n(1)]
    pub policy: Vec<String>,
    /// Units whose processes' programs are hashed, by their whole names.
    #[n(2)]
    pub units: Vec<String>,
    /// Files to look up in the IMA list, by the paths that it has for them ([`FileSeen::path`]).
    #[n(3)]
    pub measured: Vec<String>,
    /// Whether the boot log is read.
    #[n(4)]
    pub boot_log: bool,
    /// Whether the deployment is read.
    #[n(5)]
    pub deployment: bool,
}

/// What was read of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Seen {
    /// Files by the path that was asked for.
    #[n(0)]
    pub files: BTreeMap<String, Found<FileSeen>>,
    /// The policy files; `None` when none were asked for.
    #[n(1)]
    pub policy: Option<PolicySeen>,
    /// Processes by unit, ascending by PID; none where the unit does not run.
    #[n(2)]
    pub units: BTreeMap<String, Found<Vec<Running>>>,
    /// For each path the SHA-256 digests that the IMA list has for it, at most [`MAX_DIGESTS`].
    #[n(3)]
    pub measured: BTreeMap<String, Found<Vec<Hash>>>,
    /// What the boot log says; `None` when it was not asked for.
    #[n(4)]
    pub boot_log: Option<Found<BootLogSeen>>,
    /// The running deployment; `None` when it was not asked for.
    #[n(5)]
    pub deployment: Option<Found<Deployment>>,
}

/// One look: what it has hashed already, and how many bytes it may still hash.
struct Look<'a> {
    appliance: &'a Appliance,
    known: RefCell<HashMap<files::State, files::Content>>,
    left: Cell<u64>,
}

// === impl Appliance ===

impl Appliance {
    /// Reads all of it. Of each list only [`MAX_ITEMS`] are read ([`MAX_FILES`] files), the rest is
    /// [`Found::Failed`]. A file that several
    /// units run is read once.
    pub fn read(&self, asked: &Asked) -> Seen {
        let look = Look { appliance: self, known: RefCell::default(), left: Cell::new(MAX_LOOK_BYTES) };
        // Of an image or a recording PID 1 knows nothing.
        let words = if self.is_running() { words(&asked.units) } else { BTreeMap::new() };
        look.read(asked, &words)
    }
}

// === impl Look ===

impl Look<'_> {
    fn read(&self, asked: &Asked, words: &BTreeMap<String, SystemdsWord>) -> Seen {
        let files = asked.files.iter().enumerate().map(|(at, path)| {
            let seen = if at < MAX_FILES { self.file(path) } else { too_many("files", MAX_FILES) };
            (path.clone(), seen)
        });
        Seen {
            files: files.collect(),
            policy: (!asked.policy.is_empty()).then(|| self.policy(&asked.policy)),
            units: self.units(&asked.units, words),
            measured: self.appliance.measured(&asked.measured),
            boot_log: asked.boot_log.then(|| self.appliance.boot_log()),
            deployment: asked.deployment.then(|| self.appliance.deployment()),
        }
    }
}

fn too_many<T>(what: &str, most: usize) -> Found<T> {
    Found::Failed(format!("more than {most} {what} were asked for, and the rest was not read; name fewer"))
}

// === impl Asked ===

impl Asked {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

// === impl Seen ===

impl Seen {
    /// What another process, which may read more, should be asked: everything that was asked and is no value here.
    ///
    /// Absent things too: they may only be out of this process's sight (`ProtectHome=`, `PrivateTmp=`,
    /// `ProtectProc=`).
    pub fn lacking(&self, asked: &Asked) -> Asked {
        let files = asked.files.iter().filter(|path| !self.files.get(*path).is_some_and(Found::is_value));
        let units = asked.units.iter().filter(|unit| !self.units.get(*unit).is_some_and(Running::all_read));
        let measured = asked.measured.iter().filter(|path| !self.measured.get(*path).is_some_and(Found::is_value));
        let policy = self.policy.as_ref().is_some_and(PolicySeen::all_read);
        Asked {
            files: files.cloned().collect(),
            policy: if policy { Vec::new() } else { asked.policy.clone() },
            units: units.cloned().collect(),
            measured: measured.cloned().collect(),
            boot_log: asked.boot_log && !self.boot_log.as_ref().is_some_and(Found::is_value),
            deployment: asked.deployment && !self.deployment.as_ref().is_some_and(Found::is_value),
        }
    }

    /// Takes over what the other process saw of `lacking`, and nothing that it was not asked.
    pub fn fill(&mut self, lacking: &Asked, other: Self) {
        self.files.extend(other.files.into_iter().filter(|(path, _)| lacking.files.contains(path)));
        self.units.extend(other.units.into_iter().filter(|(unit, _)| lacking.units.contains(unit)));
        self.measured.extend(other.measured.into_iter().filter(|(path, _)| lacking.measured.contains(path)));
        let same = |policy: &PolicySeen| policy.files.iter().map(|(path, _)| path).eq(&lacking.policy);
        if let Some(policy) = other.policy.filter(same) {
            self.policy = Some(policy);
        }
        if lacking.boot_log && other.boot_log.is_some() {
            self.boot_log = other.boot_log;
        }
        if lacking.deployment && other.deployment.is_some() {
            self.deployment = other.deployment;
        }
    }
}
