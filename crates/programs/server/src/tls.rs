//! The server's certificate and the identity of its peers.

use std::sync::{Arc, PoisonError, RwLock};

use avouch_crypto::ca::{CaCertificate, CaError, ServerCa};
use avouch_crypto::tls::{PeerRole, TlsError, peer_role, server_config, spki_sha256};
use avouch_protocol::{Hash, NodeTag};
use rustls::{ServerConfig, ServerConnection};
use tokio_rustls::TlsAcceptor;

use crate::http::peer::Peer;

/// Days that a server certificate lives; agents pin the CA's key, so a new leaf needs no word to them.
const LEAF_DAYS: u64 = 90;
/// A leaf is replaced when it has less than this left, a third of its life: time enough to notice a failure.
const RENEW_BEFORE_SECONDS: u64 = 30 * 86_400;

/// What TLS needs to know, and the present leaf.
pub(crate) struct TlsSettings {
    server_ca: ServerCa,
    node_ca: CaCertificate,
    operator_ca: CaCertificate,
    names: Vec<String>,
    leaf: RwLock<Leaf>,
}

struct Leaf {
    config: Arc<ServerConfig>,
    expires: u64,
}

/// Why no server certificate could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeafError {
    /// The CA did not issue.
    #[error("no server certificate could be issued: {0}; check `names` and `origin` in the configuration")]
    Issue(#[from] CaError),
    /// TLS does not take it.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl TlsSettings {
    pub(crate) fn new(
        server_ca: ServerCa,
        node_ca: CaCertificate,
        operator_ca: CaCertificate,
        names: Vec<String>,
        now: u64,
    ) -> Result<Self, LeafError> {
        let leaf = issue(&server_ca, &node_ca, &operator_ca, &names, now)?;
        Ok(Self { server_ca, node_ca, operator_ca, names, leaf: RwLock::new(leaf) })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.leaf.read().unwrap_or_else(PoisonError::into_inner).config.clone())
    }

    /// Replaces the leaf when its end is near; true when it did.
    pub(crate) fn renew_if_due(&self, now: u64) -> Result<bool, LeafError> {
        let expires = self.leaf.read().unwrap_or_else(PoisonError::into_inner).expires;
        if now.saturating_add(RENEW_BEFORE_SECONDS) < expires {
            return Ok(false);
        }
        let leaf = issue(&self.server_ca, &self.node_ca, &self.operator_ca, &self.names, now)?;
        *self.leaf.write().unwrap_or_else(PoisonError::into_inner) = leaf;
        Ok(true)
    }

    /// What agents pin.
    pub(crate) fn pin(&self) -> Hash {
        Hash(self.server_ca.spki_sha256())
    }

    /// Who is at the other end; `None` for a certificate that names no role at the time `now`.
    pub(crate) fn peer(&self, connection: &ServerConnection, now: u64) -> Option<Peer> {
        let Some(leaf) = connection.peer_certificates().and_then(<[_]>::first) else { return Some(Peer::Anonymous) };
        match peer_role(leaf, &self.node_ca, &self.operator_ca, now)? {
            PeerRole::Node(tag) => {
                let spki = Hash(spki_sha256(leaf).ok()?);
                Some(Peer::Node { tag: NodeTag::from_hex(&tag)?, spki })
            }
            PeerRole::Operator(name) => Some(Peer::Operator { name }),
            _ => None,
        }
    }
}

fn issue(
    ca: &ServerCa,
    node_ca: &CaCertificate,
    operator_ca: &CaCertificate,
    names: &[String],
    now: u64,
) -> Result<Leaf, LeafError> {
    let identity = ca.issue_server_leaf(names, now, LEAF_DAYS)?;
    Ok(Leaf { expires: identity.expires(), config: server_config(&identity, node_ca, operator_ca)? })
}

#[cfg(test)]
mod tests {
    use avouch_crypto::ca::{NodeCa, OperatorCa};

    use super::*;

    #[test]
    fn the_leaf_is_replaced_a_month_before_its_end_and_not_before() {
        let now = 1_800_000_000;
        let (node_ca, operator_ca) = (NodeCa::create(now).unwrap(), OperatorCa::create(now).unwrap());
        let settings = TlsSettings::new(
            ServerCa::create(now).unwrap(),
            node_ca.certificate().clone(),
            operator_ca.certificate().clone(),
            vec!["localhost".into()],
            now,
        )
        .unwrap();
        assert!(!settings.renew_if_due(now + 59 * 86_400).unwrap());
        assert!(settings.renew_if_due(now + 61 * 86_400).unwrap());
        assert!(!settings.renew_if_due(now + 62 * 86_400).unwrap());
    }
}
