//! What happens without a request: the clock is watched, challenges run out, the server certificate is renewed.

use std::sync::Arc;
use std::time::Duration;

use avouch_store::{Change, Event};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::ClockFault;
use crate::http::accept::{Front, stopped};
use crate::round::expire_overdue;

/// How often it is looked: an unanswered challenge becomes a record within this time.
const EVERY: Duration = Duration::from_secs(1);
/// Ticks between two notes of the time. A note also finds out whether a store that failed works again.
const NOTE_TICKS: u64 = 10;

/// Runs until the server stops.
pub(crate) async fn run(front: Arc<Front>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut fault: Option<ClockFault> = None;
    let mut count: u64 = 0;
    loop {
        tokio::select! {
            _ = ticks.tick() => (),
            () = stopped(&mut stop) => return,
        }
        let reading = front.app.reading();
        let was = std::mem::replace(&mut fault, reading.sound.err());
        if let (None, Some(found)) = (was, fault) {
            tell(&front, reading.now, found);
        }
        if fault.is_some() {
            continue;
        }
        if was.is_some() {
            tracing::info!("the clock is right again");
        }
        step(&front, reading.now, count.is_multiple_of(NOTE_TICKS)).await;
        count += 1;
    }
}

async fn step(front: &Front, now: u64, note: bool) {
    if note && let Err(error) = front.app.apply(now, Change::NoteTime).await {
        tracing::warn!(%error, "the time could not be stored");
        return;
    }
    if let Err(refused) = expire_overdue(&front.app, now).await {
        tracing::warn!(code = refused.code, "overdue challenges could not be closed");
    }
    match front.tls.renew_if_due(now) {
        Ok(true) => tracing::info!("server certificate renewed"),
        Ok(false) => (),
        Err(error) => tracing::error!(%error, "the server certificate could not be renewed"),
    }
}

fn tell(front: &Front, now: u64, fault: ClockFault) {
    tracing::error!(
        wall = fault.wall,
        highest = fault.highest,
        "the clock went back; no round is served until it is right"
    );
    let detail = serde_json::json!({ "wall": fault.wall, "highest": fault.highest }).to_string();
    front.app.note(now, Event { kind: "VERIFIER_CLOCK".into(), node: None, detail });
}
