//! Rounds at full speed, for measurements and for faults that need a busy store.

use std::thread;
use std::time::{Duration, Instant};

use avouch_protocol::Hash;

use crate::contract::specimen::{START, answer, ask, join};
use crate::{Change, Cluster, Outcome, Record, Store, StoreError};

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Threads; each has a node of its own and one round under way.
    pub submitters: u64,
    /// Rounds of each thread.
    pub rounds: u64,
    /// Length of each evidence message; 30 IMA entries and a quote have about 4,000 bytes.
    pub evidence_bytes: usize,
}

// === impl Load ===

impl Load {
    /// Runs whole rounds, each one [`Change::OpenChallenge`] and one [`Change::CommitRecord`], and tells how long they
    /// took together. Nodes `0..submitters` continue where their chains end; enrolling them is not counted.
    ///
    /// `acknowledged` is called with the node's number and the record, after the store has answered for it.
    ///
    /// # Errors
    /// The first error of any thread, after all have ended.
    pub fn run(
        self,
        store: &dyn Store,
        cluster: &Cluster,
        acknowledged: &(dyn Fn(u64, &Record) + Sync),
    ) -> Result<Duration, StoreError> {
        for n in 0..self.submitters {
            join(store, cluster, n)?;
        }
        let begin = Instant::now();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..self.submitters)
                .map(|n| scope.spawn(move || self.submit(store, cluster, n, acknowledged)))
                .collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Err(StoreError::Closed)))
        })?;
        Ok(begin.elapsed())
    }

    fn submit(
        self,
        store: &dyn Store,
        cluster: &Cluster,
        n: u64,
        acknowledged: &(dyn Fn(u64, &Record) + Sync),
    ) -> Result<(), StoreError> {
        let node = join(store, cluster, n)?;
        for _ in 0..self.rounds {
            let head = store.node(cluster, &node)?.map(|node| node.head).unwrap_or_default();
            let now = START + 10 * head.seq;
            let open = ask(store, cluster, &node, now)?;
            let commit = answer(&node, head, &open, &self.message(n, open.seq), now + 1);
            let record = commit.record.clone();
            match store.apply(cluster, now + 1, Change::CommitRecord(Box::new(commit)))? {
                Outcome::Committed => acknowledged(n, &record),
                other => unreachable!("no other thread has node {n}, but its record was {other:?}"),
            }
        }
        Ok(())
    }

    /// Half digests, which do not compress, and half paths, which do.
    fn message(self, n: u64, seq: u64) -> Vec<u8> {
        let mut message = Vec::new();
        for line in 0_u64.. {
            let digest = Hash(avouch_crypto::sha256(&[&n.to_be_bytes(), &seq.to_be_bytes(), &line.to_be_bytes()]));
            message.extend_from_slice(&digest.0);
            message.extend_from_slice(b"/usr/lib/x86_64-linux-gnu/libz.so");
            if message.len() >= self.evidence_bytes {
                break;
            }
        }
        message.truncate(self.evidence_bytes);
        message
    }
}
