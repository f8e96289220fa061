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
    if app.ek_roots.is_none() {
        return Ok(Reply::text(TEXT, "ready; no node can enrol, because `ek_roots` names no file\n".into()));
    }
    Ok(Reply::text(TEXT, "ready\n".into()))
}

/// `GET /metrics`.
pub(crate) async fn metrics(app: Arc<App>, _: Call) -> Result<Reply, Refused> {
    let validity = app.validity();
    if app.caches.count_due(validity.now) {
        let counting = app.clone();
        let counted = tokio::task::spawn_blocking(move || count(&counting)).await;
        let counts = counted.map_err(|error| Refused::internal(&error))??;
        app.metrics.nodes(&counts);
    }
    Ok(Reply { status: StatusCode::OK, ..Reply::text(CONTENT_TYPE, app.metrics.text()) })
}

fn count(app: &App) -> Result<Vec<(&'static str, u64)>, Refused> {
    let mut counts: Vec<(&'static str, u64)> = WORDS.iter().map(|word| (*word, 0)).collect();
    let validity = app.validity();
    let mut after = None;
    loop {
        let page = app.store.nodes(&app.cluster, after.as_ref(), PAGE).map_err(|error| store_refused(&error))?;
        for node in &page {
            let word = validity.word(node.verdict.as_ref());
            counts.iter_mut().filter(|(known, _)| *known == word).for_each(|(_, count)| *count += 1);
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.tag),
            _ => return Ok(counts),
        }
    }
}
