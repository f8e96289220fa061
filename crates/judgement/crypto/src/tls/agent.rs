//! The side of the agent and of operators' tools.

use core::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, PeerIncompatible, SignatureScheme,
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::{ALPN, TlsError, refused};
use crate::ca::{Identity, Role};
use crate::certificate::{Fields, spki_sha256};
use crate::constant_time_eq;

/// More certificates than this are not looked at.
const MAX_PRESENTED: usize = 8;

/// Verifies a server by the CA keys that the enrolment token pins, and by nothing else: public CAs count for nothing.
#[derive(Debug)]
pub struct PinnedServer {
    pins: Vec<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

/// The server shows no CA certificate whose key is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownServer;

impl fmt::Display for UnknownServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the server is not the one named in the enrolment token: none of its certificates carries a pinned CA key; \
             check the URL and the network path, or enrol again with a new token if the server's CA was replaced",
        )
    }
}

impl std::error::Error for UnknownServer {}

/// The TLS configuration of an agent or an operator's tool: TLS 1.3 only; the server is verified by [`PinnedServer`];
/// `client` is shown when the server asks.
///
/// # Errors
/// [`TlsError::NoPins`], [`TlsError::Refused`].
pub fn agent_config(pins: &[[u8; 32]], client: Option<&Identity>) -> Result<Arc<ClientConfig>, TlsError> {
    let verifier = PinnedServer::new(pins)?;
    let provider = Arc::clone(&verifier.provider);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(refused)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match client {
        Some(identity) => {
            let certified = identity.key().certified(identity.chain().to_vec()).map_err(refused)?;
            builder.with_client_cert_resolver(certified)
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

impl PinnedServer {
    /// A verifier for these pins, each the SHA-256 of a server CA's SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`TlsError::NoPins`].
    pub fn new(pins: &[[u8; 32]]) -> Result<Self, TlsError> {
        if pins.is_empty() {
            return Err(TlsError::NoPins);
        }
        Ok(Self { pins: pins.to_vec(), provider: Arc::new(default_provider()) })
    }

    /// The presented CA certificate with a pinned key.
    ///
    /// Its own signature and dates are not looked at: the pin vouches for the key, and only the key signs the path.
    fn anchor<'a>(&self, presented: &'a [CertificateDer<'a>]) -> Option<&'a CertificateDer<'a>> {
        presented.iter().take(MAX_PRESENTED).find(|der| {
            Fields::decode(der).is_ok_and(|fields| fields.is_ca())
                && spki_sha256(der).is_ok_and(|spki| self.pins.iter().any(|pin| constant_time_eq(pin, &spki)))
        })
    }
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let anchor_der = self.anchor(intermediates).ok_or_else(|| Error::Other(OtherError(Arc::new(UnknownServer))))?;
        let bad_encoding = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
        let anchor = anchor_from_trusted_cert(anchor_der).map_err(bad_encoding)?;
        let leaf = EndEntityCert::try_from(end_entity).map_err(bad_encoding)?;
        let others: Vec<_> =
            intermediates.iter().filter(|der| *der != anchor_der).take(MAX_PRESENTED).cloned().collect();
        // `required`, not `required_if_present`: a certificate of ours always says what it is for.
        let usage = KeyUsage::required(Role::Server.purpose());
        let algorithms = self.provider.signature_verification_algorithms.all;
        leaf.verify_for_usage(algorithms, &[anchor], &others, now, usage, None, None).map_err(invalid)?;
        leaf.verify_is_valid_for_subject_name(server_name).map_err(invalid)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The few reasons that people act on keep their own words; the rest keeps webpki's.
fn invalid(error: webpki::Error) -> Error {
    use webpki::Error as E;
    Error::InvalidCertificate(match error {
        E::CertExpired { time, not_after } => CertificateError::ExpiredContext { time, not_after },
        E::CertNotValidYet { time, not_before } => CertificateError::NotValidYetContext { time, not_before },
        E::CertNotValidForName(_) => CertificateError::NotValidForName,
        E::UnknownIssuer => CertificateError::UnknownIssuer,
        E::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        E::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    })
}
