//! The round's secret: 32 random bytes that every server of a cluster finds in the store.

use avouch_crypto::{hmac_sha256, random};
use avouch_protocol::{Hash, NodeTag, server_nonce_input};
use avouch_store::{Change, Outcome};
use zeroize::Zeroizing;

use crate::app::{App, store_refused};
use crate::http::refusal::Refused;

/// The server's nonce for one challenge. It is drawn by nobody: it follows from the round's secret, so every server
/// issues the same challenge, and an operator cannot try nonces until one suits.
pub(super) async fn server_nonce(app: &App, now: u64, round: u64, node: &NodeTag, seq: u64) -> Result<Hash, Refused> {
    let mut held = app.round_secret.lock().await;
    let secret = match &*held {
        Some((known, secret)) if *known == round => secret.clone(),
        _ => {
            let secret = load(app, now, round).await?;
            *held = Some((round, secret.clone()));
            secret
        }
    };
    drop(held);
    Ok(Hash(hmac_sha256(secret.as_slice(), &[&server_nonce_input(node, seq)])))
}

async fn load(app: &App, now: u64, round: u64) -> Result<Zeroizing<[u8; 32]>, Refused> {
    let stored = app.store.round_secret(&app.cluster, round).map_err(|error| store_refused(&error))?;
    if let Some(secret) = stored {
        return Ok(Zeroizing::new(secret));
    }
    match app.apply(now, Change::RoundSecret { round, secret: random() }).await {
        Ok(Outcome::RoundSecret(secret)) => Ok(Zeroizing::new(secret)),
        Ok(other) => Err(Refused::internal(&format!("a round's secret was stored as {other:?}"))),
        Err(error) => Err(store_refused(&error)),
    }
}
