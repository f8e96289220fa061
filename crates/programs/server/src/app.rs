//! What all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use avouch_crypto::ca::NodeCa;
use avouch_crypto::signing::SigningKey;
use avouch_protocol::{Hash, Interval, NodeTag};
use avouch_rules::RuledPolicy;
use avouch_store::{Change, Cluster, Event, Gap, Outcome, Policy, Refused as StoreRefused, Store, StoreError};
use axum::http::StatusCode;
use tokio::sync::{Mutex, oneshot};
use zeroize::Zeroizing;

use crate::appraisal::Appraise;
use crate::cache::Caches;
use crate::clock::{ClockFault, Jump, Reading, ServerClock};
use crate::config::Pcrs;
use crate::enrol::FirstContact;
use crate::http::body::BodyBudget;
use crate::http::refusal::Refused;
use crate::metrics::Metrics;
use crate::standing::Validity;

/// One server. Fields are set at start and never change; what changes lies in the store, behind locks, or in an atomic.
pub(crate) struct App {
    pub(crate) cluster: Cluster,
    pub(crate) origin: String,
    pub(crate) interval: Interval,
    pub(crate) pcrs: Pcrs,
    pub(crate) first_contact: FirstContact,
    pub(crate) store: Arc<dyn Store>,
    /// Read by [`App::reading`] only, which a jump must not get past.
    pub(crate) clock: ServerClock,
    pub(crate) node_ca: NodeCa,
    pub(crate) log_key: SigningKey,
    pub(crate) owner: [u8; 32],
    pub(crate) tenant_key: Zeroizing<[u8; 32]>,
    pub(crate) appraiser: Arc<dyn Appraise>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) bodies: BodyBudget,
    pub(crate) caches: Caches,
    /// End of the newest gap of the clock: verdicts given before it are stale.
    pub(crate) gap_end: AtomicU64,
    /// Lets one task at a time offer a round's secret; the store decides which one counts.
    pub(crate) round_secret: Mutex<Option<(u64, Zeroizing<[u8; 32]>)>>,
}

impl App {
    /// Looks at the clock. Every look goes through here, because a jump is told only once.
    pub(crate) fn reading(&self) -> Reading {
        let reading = self.clock.read();
        if let Some(jump) = reading.jump {
            self.note_jump(reading.now, jump);
        }
        reading
    }

    /// Server time, for anything that a verdict may rest on.
    pub(crate) fn now(&self) -> Result<u64, Refused> {
        let reading = self.reading();
        reading.sound.map(|()| reading.now).map_err(clock_refused)
    }

    /// What verdicts are worth at this moment.
    pub(crate) fn validity(&self) -> Validity {
        let reading = self.reading();
        Validity { now: reading.now, sound: reading.sound.is_ok(), gap_end: self.gap_end.load(Ordering::Acquire) }
    }

    /// Hands one change to the store and waits until it is durable.
    pub(crate) async fn apply(&self, now: u64, change: Change) -> Result<Outcome, StoreError> {
        let started = Instant::now();
        let _queued = self.metrics.queued();
        let (sender, receiver) = oneshot::channel();
        let done = Box::new(move |result| {
            // Nobody listens when the connection ended meanwhile; the change stands all the same.
            let _ = sender.send(result);
        });
        self.store.submit(&self.cluster, now, change, done);
        let result = receiver.await.unwrap_or(Err(StoreError::Closed));
        self.metrics.committed(started.elapsed());
        result
    }

    /// A policy, parsed once; `None` for no policy and for one that is not stored.
    pub(crate) fn policy(&self, reference: &Hash) -> Result<Option<Arc<RuledPolicy>>, Refused> {
        if *reference == Hash::ZERO {
            return Ok(None);
        }
        self.caches.policies.find(reference, || {
            let stored = self.store.policy(&self.cluster, reference).map_err(|error| store_refused(&error))?;
            let parse = |policy: Policy| RuledPolicy::parse(&policy.bytes).map_err(|error| Refused::internal(&error));
            stored.map(parse).transpose()
        })
    }

    /// Notes something for the operator; a store that fails is seen elsewhere.
    pub(crate) fn note(&self, now: u64, event: Event) {
        let kind = event.kind.clone();
        let done = Box::new(move |result: Result<Outcome, StoreError>| {
            if let Err(error) = result {
                tracing::warn!(%kind, %error, "an event could not be stored");
            }
        });
        self.store.submit(&self.cluster, now, Change::NoteEvent(event), done);
    }

    fn note_jump(&self, now: u64, jump: Jump) {
        tracing::error!(
            expected = jump.expected,
            wall = jump.wall,
            "the clock went ahead; all verdicts are stale until fresh evidence"
        );
        self.gap_end.fetch_max(jump.wall, Ordering::AcqRel);
        let reason = "the wall clock went ahead of CLOCK_BOOTTIME".to_owned();
        let gap = Gap { from: jump.expected, to: jump.wall, reason };
        let done = Box::new(|result: Result<Outcome, StoreError>| {
            if let Err(error) = result {
                tracing::warn!(%error, "a gap of the clock could not be stored");
            }
        });
        self.store.submit(&self.cluster, now, Change::NoteGap(gap), done);
    }
}

fn clock_refused(fault: ClockFault) -> Refused {
    let what = format!(
        "The server's clock says {}, which lies before {}, a time that it has used already.",
        fault.wall, fault.highest
    );
    let remedy = "Set the clock of the server right; until then it serves no round.";
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "VERIFIER_CLOCK", what, remedy).retry(30)
}

pub(crate) fn unknown_caller(tag: &NodeTag) -> Refused {
    let what = format!("No node {} is enrolled here.", tag.short());
    let remedy = "Enrol the node again with a new token; the server may have lost its database.";
    Refused::new(StatusCode::FORBIDDEN, "NODE_UNKNOWN", what, remedy)
}

/// The refusal that a failed store call becomes. Refused conditions that a route expects are handled before.
pub(crate) fn store_refused(error: &StoreError) -> Refused {
    let unavailable = |code, remedy: &str| {
        tracing::error!(%error, "the store failed");
        Refused::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string(), remedy).retry(30)
    };
    match error {
        StoreError::Full(_) => {
            unavailable("STORE_FULL", "Free space on the file system of the server's data directory.")
        }
        StoreError::Busy(_) => unavailable("STORE_BUSY", "Try again; when it lasts, look for a slow disk.").retry(2),
        StoreError::Refused(StoreRefused::NodeUnknown(tag)) => unknown_caller(tag),
        StoreError::Refused(refused) => {
            let remedy = "Ask for the present state and try again.";
            Refused::new(StatusCode::CONFLICT, "CONFLICT", refused.to_string(), remedy)
        }
        _ => unavailable("STORE_FAILED", "Read the server's log; nothing was stored by this request."),
    }
}
