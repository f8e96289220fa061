//! The server's side.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, version::TLS13};

use super::{ALPN, TlsError, refused};
use crate::ca::{CaCertificate, Identity};

/// The server's TLS configuration: TLS 1.3 only, client certificates from `node_ca` or `operator_ca` verified when
/// presented and not demanded, sessions resumed from stateless tickets.
///
/// A resumed connection shows the client certificate of the full handshake without verifying it again, which is why
/// [`super::peer_role`] checks path and time on every connection.
///
/// # Errors
/// [`TlsError::Refused`].
pub fn server_config(
    identity: &Identity,
    node_ca: &CaCertificate,
    operator_ca: &CaCertificate,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(node_ca.for_tls()).map_err(refused)?;
    roots.add(operator_ca.for_tls()).map_err(refused)?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(refused)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(refused)?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(identity.key().certified(identity.chain().to_vec()).map_err(refused)?);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.ticketer = Ticketer::new().map_err(refused)?;
    Ok(Arc::new(config))
}
