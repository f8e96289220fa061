//! The one writer.
//!
//! Invariants:
//! - The writer thread owns the only write connection; conditions are checked and rows written on no other thread, so
//!   nothing can change between the two.
//! - A change is answered with an outcome only after the COMMIT that holds it returned. Outcomes that tell of rows of
//!   the same batch are held back with it.
//! - Every change that was taken is answered exactly once, also when the thread ends.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::{SqliteStore, apply};
use crate::store::Done;
use crate::{Change, Cluster, Outcome, StoreError};

/// A change on its way.
pub(super) struct Job {
    pub(super) cluster: Cluster,
    pub(super) now: u64,
    pub(super) change: Change,
    pub(super) done: Done,
}

pub(super) struct Writer {
    // `None` once the store shuts down; the thread ends when it has answered what is queued.
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    last_failure: Arc<Mutex<Option<StoreError>>>,
}

// === impl Writer ===

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        let (queue, jobs) = sync_channel(SqliteStore::QUEUE_LIMIT);
        let last_failure = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&last_failure);
        let thread = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || write_batches(&connection, &jobs, &shared))
            .map_err(|error| StoreError::Io(format!("no thread for the writer: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), last_failure })
    }

    pub(super) fn submit(&self, job: Job) {
        let Some(queue) = &self.queue else { return answer(job.done, Err(StoreError::Closed)) };
        match queue.try_send(job) {
            Ok(()) => (),
            Err(TrySendError::Full(job)) => {
                let waiting = SqliteStore::QUEUE_LIMIT;
                answer(job.done, Err(StoreError::Busy(format!("{waiting} changes wait for the disk"))));
            }
            Err(TrySendError::Disconnected(job)) => answer(job.done, Err(StoreError::Closed)),
        }
    }

    pub(super) fn last_commit(&self) -> Result<(), StoreError> {
        match &*self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            // The last owner may be a callback, which runs on the writer's own thread.
            && thread.thread().id() != thread::current().id()
        {
            // A panic of the writer has been reported by the panic hook; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

fn write_batches(connection: &Connection, jobs: &Receiver<Job>, last_failure: &Mutex<Option<StoreError>>) {
    while let Ok(first) = jobs.recv() {
        let batch: Vec<Job> =
            std::iter::once(first).chain(jobs.try_iter().take(SqliteStore::BATCH_LIMIT - 1)).collect();
        let result = commit(connection, &batch);
        if result.is_err() && !connection.is_autocommit() {
            // The first error is the one to tell; if this fails too, the next BEGIN fails and says so.
            let _ = connection.execute_batch("ROLLBACK");
        }
        *last_failure.lock().unwrap_or_else(PoisonError::into_inner) = result.as_ref().err().cloned();
        match result {
            Ok(outcomes) => batch.into_iter().zip(outcomes).for_each(|(job, outcome)| answer(job.done, outcome)),
            Err(error) => batch.into_iter().for_each(|job| answer(job.done, Err(error.clone()))),
        }
    }
}

/// Applies a batch in one transaction; when this returns `Ok`, the transaction is durable.
fn commit(connection: &Connection, batch: &[Job]) -> Result<Vec<Result<Outcome, StoreError>>, StoreError> {
    let run = |sql: &str| connection.prepare_cached(sql)?.execute([]);
    run("BEGIN IMMEDIATE")?;
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut times = BTreeMap::new();
    for job in batch {
        run("SAVEPOINT change")?;
        let outcome = apply::change(connection, &job.cluster, job.now, &job.change);
        match &outcome {
            Ok(_) => {
                let highest = times.entry(&job.cluster).or_insert(job.now);
                *highest = job.now.max(*highest);
            }
            Err(error) if ends_batch(error) || connection.is_autocommit() => return Err(error.clone()),
            Err(_) => {
                run("ROLLBACK TO change")?;
            }
        }
        run("RELEASE change")?;
        outcomes.push(outcome);
    }
    for (cluster, now) in times {
        apply::note_time(connection, cluster, now)?;
    }
    run("COMMIT")?;
    Ok(outcomes)
}

/// Errors of the place rather than of one change: the next change would meet them, too.
fn ends_batch(error: &StoreError) -> bool {
    matches!(error, StoreError::Full(_) | StoreError::Io(_) | StoreError::Busy(_))
}

fn answer(done: Done, result: Result<Outcome, StoreError>) {
    // A callback that panics is its owner's defect, already reported by the panic hook; the writer goes on.
    let _ = catch_unwind(AssertUnwindSafe(|| done(result)));
}
