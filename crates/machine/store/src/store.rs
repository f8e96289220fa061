//! The interface that every engine gives.

use std::sync::mpsc;

use avouch_protocol::{Hash, NodeTag};

use crate::{
    Change, Cluster, Gap, Grant, KeptObservation, LoggedEvent, Node, NodeKeys, NodeSummary, OpenChallenge, Outcome,
    Policy, Record, Standing, StoreError,
};

/// Takes the answer to a change, on a thread of the engine: it must not block, and must not call
/// [`Store::apply`].
pub type Done = Box<dyn FnOnce(Result<Outcome, StoreError>) + Send>;

/// A store. All calls may come from any thread; reads see everything that was acknowledged before they began.
///
/// Two clusters in one store never see each other: a row is found only under the cluster that wrote it.
pub trait Store: Send + Sync + 'static {
    /// Hands in a change; `done` is called exactly once, after the change is durable or has failed.
    ///
    /// `now` is server time in unix seconds; the highest ever given with an applied change is kept.
    /// When too many changes wait, `done` gets [`StoreError::Busy`] at once.
    fn submit(&self, cluster: &Cluster, now: u64, change: Change, done: Done);

    /// [`Store::submit`] that waits for the answer. Not for threads that serve other work meanwhile.
    ///
    /// # Errors
    /// As `submit`.
    fn apply(&self, cluster: &Cluster, now: u64, change: Change) -> Result<Outcome, StoreError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(
            cluster,
            now,
            change,
            Box::new(move |result| {
                // The receiver below outlives every answer.
                let _ = sender.send(result);
            }),
        );
        receiver.recv().unwrap_or(Err(StoreError::Closed))
    }

    /// Whether changes can be stored now: the error of the last commit, if that failed.
    ///
    /// # Errors
    /// The reason, with its remedy.
    fn writable(&self) -> Result<(), StoreError>;

    /// One node.
    fn node(&self, cluster: &Cluster, node: &NodeTag) -> Result<Option<Node>, StoreError>;

    /// What a round of one node looks at, all of it as it was at one moment.
    fn standing(&self, cluster: &Cluster, node: &NodeTag) -> Result<Option<Standing>, StoreError>;

    /// Nodes in the order of their tags, at most `limit`, those after `after`.
    fn nodes(&self, cluster: &Cluster, after: Option<&NodeTag>, limit: usize) -> Result<Vec<NodeSummary>, StoreError>;

    /// Nodes whose label is `text` or whose tag in hexadecimal begins with it, at most `limit`.
    fn find_nodes(&self, cluster: &Cluster, text: &str, limit: usize) -> Result<Vec<NodeSummary>, StoreError>;

    /// Keys of every generation of a node with the generation and its time of enrolment, oldest first.
    fn key_history(&self, cluster: &Cluster, node: &NodeTag) -> Result<Vec<(u32, u64, NodeKeys)>, StoreError>;

    /// One grant.
    fn grant(&self, cluster: &Cluster, id: &Hash) -> Result<Option<Grant>, StoreError>;

    /// The open challenge of a node.
    fn open_challenge(&self, cluster: &Cluster, node: &NodeTag) -> Result<Option<OpenChallenge>, StoreError>;

    /// Open challenges whose deadline is before `now`, oldest first, at most `limit`.
    fn overdue(&self, cluster: &Cluster, now: u64, limit: usize) -> Result<Vec<(NodeTag, OpenChallenge)>, StoreError>;

    /// One record.
    fn record(&self, cluster: &Cluster, node: &NodeTag, seq: u64) -> Result<Option<Record>, StoreError>;

    /// The record of a node that rests on this evidence message.
    fn record_of_evidence(
        &self,
        cluster: &Cluster,
        node: &NodeTag,
        evidence: &Hash,
    ) -> Result<Option<Record>, StoreError>;

    /// Records newest first, at most `limit`, those before sequence number `before`.
    fn records(
        &self,
        cluster: &Cluster,
        node: &NodeTag,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// An evidence message by its SHA-256, put together and checked.
    fn evidence(&self, cluster: &Cluster, digest: &Hash) -> Result<Option<Vec<u8>>, StoreError>;

    /// A part of an evidence message by its own SHA-256, such as a boot log; checked.
    fn evidence_part(&self, cluster: &Cluster, digest: &Hash) -> Result<Option<Vec<u8>>, StoreError>;

    /// The observations that are kept of a node, newest first, at most [`crate::ObservationBytes::KEPT`].
    fn observations(&self, cluster: &Cluster, node: &NodeTag) -> Result<Vec<KeptObservation>, StoreError>;

    /// The newest observation that is kept of a node, with its bytes; checked.
    fn newest_observation(
        &self,
        cluster: &Cluster,
        node: &NodeTag,
    ) -> Result<Option<(KeptObservation, Vec<u8>)>, StoreError>;

    /// The bytes of an observation that is kept of a node, by their SHA-256; checked.
    fn observation(&self, cluster: &Cluster, node: &NodeTag, digest: &Hash) -> Result<Option<Vec<u8>>, StoreError>;

    /// One policy.
    fn policy(&self, cluster: &Cluster, reference: &Hash) -> Result<Option<Policy>, StoreError>;

    /// Policies, newest first, without their bytes, at most `limit`.
    fn policies(&self, cluster: &Cluster, limit: usize) -> Result<Vec<Policy>, StoreError>;

    /// The policy of nodes that have none of their own.
    fn default_policy(&self, cluster: &Cluster) -> Result<Option<Hash>, StoreError>;

    /// The secret of a round.
    fn round_secret(&self, cluster: &Cluster, round: u64) -> Result<Option<[u8; 32]>, StoreError>;

    /// The highest server time ever stored; 0 when nothing is.
    fn highest_time(&self, cluster: &Cluster) -> Result<u64, StoreError>;

    /// Gaps of the server's clock, oldest first.
    fn gaps(&self, cluster: &Cluster) -> Result<Vec<Gap>, StoreError>;

    /// Events newest first, at most `limit`, those before id `before`.
    fn events(&self, cluster: &Cluster, before: Option<u64>, limit: usize) -> Result<Vec<LoggedEvent>, StoreError>;
}
