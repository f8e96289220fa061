//! The engine for one server: SQLite in write-ahead mode, one writer, several readers.

mod apply;
mod fault;
mod open;
mod read;
mod readers;
mod row;
mod schema;
mod writer;

use std::path::Path;

use avouch_protocol::{Hash, NodeTag};

use self::readers::Readers;
use self::writer::{Job, Writer};
use crate::store::Done;
use crate::{
    Change, Cluster, Gap, Grant, KeptObservation, LoggedEvent, Node, NodeKeys, NodeSummary, OpenChallenge, Policy,
    Record, Standing, Store, StoreError,
};

/// A store in one SQLite file.
///
/// Write-ahead log, `synchronous=FULL`: a change is acknowledged after the log with its commit record was synced.
/// Changes that arrive while a commit is under way are committed together by the next one. Dropping the store waits
/// until every change that was taken is answered.
pub struct SqliteStore {
    // Dropped first: the writer answers what it has taken while the readers still work.
    writer: Writer,
    readers: Readers,
}

/// What an operator may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Connections for reading; more readers than this wait for each other.
    pub readers: usize,
    /// Largest size of the database file in bytes, the write-ahead log not counted; changes beyond it are
    /// [`StoreError::Full`]. `None` leaves it to the file system.
    pub max_bytes: Option<u64>,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self { readers: 4, max_bytes: None }
    }
}

// === impl SqliteStore ===

impl SqliteStore {
    /// Changes that wait for the writer; beyond it a change is refused with [`StoreError::Busy`] at once. At 1,000
    /// rounds per second this is two seconds of work, more than a client waits.
    pub const QUEUE_LIMIT: usize = 4096;
    /// Most changes in one commit: bounds what one failure takes with it, and the size of the write-ahead log.
    pub const BATCH_LIMIT: usize = 512;
    /// Enrolment attempts of one cluster that wait for their activation.
    pub const MAX_OPEN_ATTEMPTS: usize = 1024;

    /// Opens the database at `path`, makes it when there is none, and brings an older one to the present version.
    ///
    /// The file is readable by its owner only. The directory must exist.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Foreign`], [`StoreError::Corrupt`], or what the file system says.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Options::default())
    }

    /// [`SqliteStore::open`] with other than the usual settings.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_with(path: &Path, options: Options) -> Result<Self, StoreError> {
        let connection = open::for_writing(path, options)?;
        let readers = Readers::open(path, options.readers)?;
        let writer = Writer::start(connection)?;
        Ok(Self { writer, readers })
    }
}

impl Store for SqliteStore {
    fn submit(&self, cluster: &Cluster, now: u64, change: Change, done: Done) {
        self.writer.submit(Job { cluster: cluster.clone(), now, change, done });
    }

    fn writable(&self) -> Result<(), StoreError> {
        self.writer.last_commit()
    }

    fn node(&self, cluster: &Cluster, node: &NodeTag) -> Result<Option<Node>, StoreError> {
        read::node(&self.readers.take(), cluster, node)
    }

    fn standing(&self, cluster: &Cluster, node: &NodeTag) -> Result<Option<Standing>, StoreError> {
        read::standing(&self.readers.take(), cluster, node)
    }

    fn nodes(&self, cluster: &Cluster, after: Option<&NodeTag>, limit: usize) -> Result<Vec<NodeSummary>, StoreError> {
        read::nodes(&self.readers.take(), cluster, after, limit)
    }

    fn find_nodes(&self, cluster: &Cluster, text: &str, limit: usize) -> Result<Vec<NodeSummary>, StoreError> {
        read::find_nodes(&self.readers.take(), cluster, text, limit)
    }

    fn key_history(&self, cluster: &Cluster, node: &NodeTag) -> Result<Vec<(u32, u64, NodeKeys)>, StoreError> {
        read::key_history(&self.readers.take(), cluster, node)
    }

    fn grant(&self, cluster: &Cluster, id: &Hash) -> Result<Option<Grant>, StoreError> {
        read::grant(&self.readers.take(), cluster, id)
    }

    fn open_challenge(&self, cluster: &Cluster, node: &NodeTag) -> Result<Option<OpenChallenge>, StoreError> {
        read::open_challenge(&self.readers.take(), cluster, node)
    }

    fn overdue(&self, cluster: &Cluster, now: u64, limit: usize) -> Result<Vec<(NodeTag, OpenChallenge)>, StoreError> {
        read::overdue(&self.readers.take(), cluster, now, limit)
    }

    fn record(&self, cluster: &Cluster, node: &NodeTag, seq: u64) -> Result<Option<Record>, StoreError> {
        read::record(&self.readers.take(), cluster, node, seq)
    }

    fn record_of_evidence(
        &self,
        cluster: &Cluster,
        node: &NodeTag,
        evidence: &Hash,
    ) -> Result<Option<Record>, StoreError> {
        read::record_of_evidence(&self.readers.take(), cluster, node, evidence)
    }

    fn records(
        &self,
        cluster: &Cluster,
        node: &NodeTag,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        read::records(&self.readers.take(), cluster, node, before, limit)
    }

    fn evidence(&self, cluster: &Cluster, digest: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        read::evidence(&self.readers.take(), cluster, digest)
    }

    fn evidence_part(&self, cluster: &Cluster, digest: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        read::evidence_part(&self.readers.take(), cluster, digest)
    }

    fn observations(&self, cluster: &Cluster, node: &NodeTag) -> Result<Vec<KeptObservation>, StoreError> {
        read::observations(&self.readers.take(), cluster, node)
    }

    fn newest_observation(
        &self,
        cluster: &Cluster,
        node: &NodeTag,
    ) -> Result<Option<(KeptObservation, Vec<u8>)>, StoreError> {
        read::newest_observation(&self.readers.take(), cluster, node)
    }

    fn observation(&self, cluster: &Cluster, node: &NodeTag, digest: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
        read::observation(&self.readers.take(), cluster, node, digest)
    }

    fn policy(&self, cluster: &Cluster, reference: &Hash) -> Result<Option<Policy>, StoreError> {
        read::policy(&self.readers.take(), cluster, reference)
    }

    fn policies(&self, cluster: &Cluster, limit: usize) -> Result<Vec<Policy>, StoreError> {
        read::policies(&self.readers.take(), cluster, limit)
    }

    fn default_policy(&self, cluster: &Cluster) -> Result<Option<Hash>, StoreError> {
        read::default_policy(&self.readers.take(), cluster)
    }

    fn round_secret(&self, cluster: &Cluster, round: u64) -> Result<Option<[u8; 32]>, StoreError> {
        read::round_secret(&self.readers.take(), cluster, round)
    }

    fn highest_time(&self, cluster: &Cluster) -> Result<u64, StoreError> {
        read::highest_time(&self.readers.take(), cluster)
    }

    fn gaps(&self, cluster: &Cluster) -> Result<Vec<Gap>, StoreError> {
        read::gaps(&self.readers.take(), cluster)
    }

    fn events(&self, cluster: &Cluster, before: Option<u64>, limit: usize) -> Result<Vec<LoggedEvent>, StoreError> {
        read::events(&self.readers.take(), cluster, before, limit)
    }
}
