//! Routes for machines that watch the server.

use std::sync::Arc;

use axum::http::StatusCode;

use crate::app::{App, store_refused};
use crate::http::guard::Call;
use crate::http::refusal::Refused;
use crate::http::reply::Reply;
use crate::metrics::CONTENT_TYPE;
use crate::standing::WORDS;

const TEXT: &str = "text/plain; charset=utf-8";
/// Most nodes that one scrape counts in one step of its walk.
const PAGE: usize = 1_000;

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz(_: Arc<App>, _: Call) -> Result<Reply, Refused> {
    Ok(Reply::text(TEXT, "ok\n".into()))
}

/// `GET /readyz`: rounds can be served, that is, the clock is sound and the store takes changes.
pub(crate) async fn readyz(app: Arc<App>, _: Call) -> Result<Reply, Refused> {
    app.now()?;
    app.store.writable().map_err(|error| store_refused(&error))?;
    if app.first_contact.lacks_roots() {
        return Ok(Reply::text(TEXT, "ready; no node can enrol, because `ek_roots` names no file\n".into()));
    }
    Ok(Reply::text(TEXT, "ready\n".into()))
}

/// `GET /metrics`.
pub(crate) async fn metrics(app: Arc<App>, _: Call) -> Result<Reply, Refused> {
    if app.caches.count_due(app.validity()) {
        let counting = app.clone();
        let counted = tokio::task::spawn_blocking(move || count(&counting)).await;
        let counted = counted.unwrap_or_else(|error| Err(Refused::internal(&error)));
        app.caches.counts_hold(counted.as_ref().ok().map(|counts| counts.hold_until));
        app.metrics.nodes(&counted?.by_word);
    }
    Ok(Reply { status: StatusCode::OK, ..Reply::text(CONTENT_TYPE, app.metrics.text()) })
}

/// Nodes by the word of their verdict.
struct Counts {
    by_word: Vec<(&'static str, u64)>,
    /// The last second in which the words are right.
    hold_until: u64,
}

fn count(app: &App) -> Result<Counts, Refused> {
    let validity = app.validity();
    let mut counts = Counts { by_word: WORDS.iter().map(|word| (*word, 0)).collect(), hold_until: u64::MAX };
    let mut after = None;
    loop {
        let page = app.store.nodes(&app.cluster, after.as_ref(), PAGE).map_err(|error| store_refused(&error))?;
        for node in &page {
            let word = validity.word(node.verdict.as_ref());
            counts.by_word.iter_mut().filter(|(known, _)| *known == word).for_each(|(_, count)| *count += 1);
            let expires = node.verdict.as_ref().map(|verdict| verdict.expires);
            let running = expires.filter(|expires| *expires >= validity.now);
            counts.hold_until = counts.hold_until.min(running.unwrap_or(u64::MAX));
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.tag),
            _ => return Ok(counts),
        }
    }
}
