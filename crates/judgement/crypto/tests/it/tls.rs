use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use avouch_crypto::ca::{Identity, NodeCa, OperatorCa, ServerCa};
use avouch_crypto::client_key::ClientKey;
use avouch_crypto::tls::{PeerRole, PinnedServer, TlsError, UnknownServer, agent_config, peer_role, server_config};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::client::danger::ServerCertVerifier;
use rustls::{CertificateError, ClientConfig, ClientConnection, Error, HandshakeKind, ServerConfig, ServerConnection};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};

use crate::NOW;

const TAG: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// rustls reads the clock in a handshake, so these certificates start now.
fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

struct Tenant {
    server: ServerCa,
    node: NodeCa,
    operator: OperatorCa,
    config: Arc<ServerConfig>,
}

fn tenant() -> Tenant {
    let now = clock();
    let (server, node, operator) =
        (ServerCa::create(now).unwrap(), NodeCa::create(now).unwrap(), OperatorCa::create(now).unwrap());
    let names = ["verifier.example", "127.0.0.1", "::1"].map(str::to_owned);
    let identity = server.issue_server_leaf(&names, now, 90).unwrap();
    let config = server_config(&identity, node.certificate(), operator.certificate()).unwrap();
    Tenant { server, node, operator, config }
}

impl Tenant {
    fn node_identity(&self) -> Identity {
        let key = ClientKey::generate().unwrap();
        let certificate = self.node.issue_node(key.spki_der(), TAG, clock()).unwrap();
        Identity::new(&[certificate], key).unwrap()
    }

    fn agent(&self, client: Option<&Identity>) -> Arc<ClientConfig> {
        agent_config(&[self.server.spki_sha256()], client).unwrap()
    }

    fn role(&self, connection: &ServerConnection) -> Option<PeerRole> {
        let leaf = connection.peer_certificates()?.first()?;
        peer_role(leaf, self.node.certificate(), self.operator.certificate(), clock())
    }
}

/// Runs a handshake, and one byte of data so that session tickets arrive; the first error of either side.
fn connect(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client, name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    while client.is_handshaking() || server.is_handshaking() || client.wants_write() || server.wants_write() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

#[test]
fn agent_reaches_the_pinned_server_by_each_of_its_names() {
    let tenant = tenant();
    for name in ["verifier.example", "127.0.0.1", "::1"] {
        let (client, server) = connect(tenant.agent(None), tenant.config.clone(), name).unwrap();
        assert_eq!(client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        assert_eq!(client.alpn_protocol(), Some(b"http/1.1".as_slice()));
        assert_eq!(server.peer_certificates(), None);
    }
}

#[test]
fn node_and_operator_are_known_after_the_handshake() {
    let tenant = tenant();
    let node = tenant.node_identity();
    let (_, server) = connect(tenant.agent(Some(&node)), tenant.config.clone(), "127.0.0.1").unwrap();
    assert_eq!(tenant.role(&server), Some(PeerRole::Node(TAG.into())));
    let operator = tenant.operator.issue_operator("alice", clock()).unwrap();
    let (_, server) = connect(tenant.agent(Some(&operator)), tenant.config.clone(), "127.0.0.1").unwrap();
    assert_eq!(tenant.role(&server), Some(PeerRole::Operator("alice".into())));
}

#[test]
fn second_connection_is_resumed_and_still_knows_the_node() {
    let tenant = tenant();
    let node = tenant.node_identity();
    let agent = tenant.agent(Some(&node));
    let (first, _) = connect(agent.clone(), tenant.config.clone(), "127.0.0.1").unwrap();
    assert_eq!(first.handshake_kind(), Some(HandshakeKind::Full));
    let (second, server) = connect(agent, tenant.config.clone(), "127.0.0.1").unwrap();
    assert_eq!(second.handshake_kind(), Some(HandshakeKind::Resumed));
    assert_eq!(tenant.role(&server), Some(PeerRole::Node(TAG.into())));
}

#[test]
fn server_of_another_ca_is_not_the_one_in_the_token() {
    let (ours, theirs) = (tenant(), tenant());
    let error = connect(ours.agent(None), theirs.config.clone(), "127.0.0.1").unwrap_err();
    assert!(error.to_string().contains("not the one named in the enrolment token"), "{error}");
    assert!(matches!(&error, Error::Other(other) if other.0.downcast_ref() == Some(&UnknownServer)), "{error:?}");
}

#[test]
fn either_of_two_pins_is_enough_and_none_is_refused() {
    let (old, new) = (tenant(), tenant());
    let agent = agent_config(&[old.server.spki_sha256(), new.server.spki_sha256()], None).unwrap();
    assert!(connect(agent.clone(), old.config.clone(), "127.0.0.1").is_ok());
    assert!(connect(agent, new.config.clone(), "127.0.0.1").is_ok());
    assert_eq!(agent_config(&[], None).unwrap_err(), TlsError::NoPins);
}

#[test]
fn other_name_is_refused() {
    let tenant = tenant();
    for name in ["other.example", "127.0.0.2", "sub.verifier.example"] {
        let error = connect(tenant.agent(None), tenant.config.clone(), name).unwrap_err();
        assert_eq!(error, Error::InvalidCertificate(CertificateError::NotValidForName), "{name}");
    }
}

#[test]
fn client_certificates_of_strangers_and_servers_are_refused() {
    let (ours, theirs) = (tenant(), tenant());
    let stranger = theirs.node_identity();
    assert!(connect(ours.agent(Some(&stranger)), ours.config.clone(), "127.0.0.1").is_err());
    let server = ours.server.issue_server_leaf(&["127.0.0.1".into()], clock(), 90).unwrap();
    assert!(connect(ours.agent(Some(&server)), ours.config.clone(), "127.0.0.1").is_err());
}

#[test]
fn expired_client_certificate_is_refused() {
    let tenant = tenant();
    let two_years = 2 * 365 * 86_400;
    let old = tenant.operator.issue_operator("alice", clock() - two_years).unwrap();
    assert!(connect(tenant.agent(Some(&old)), tenant.config.clone(), "127.0.0.1").is_err());
}

/// What the verifier alone says, at a time that the test picks.
fn verdict(pin: [u8; 32], chain_pem: &str, name: &str, now: u64) -> Result<(), Error> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain_pem.as_bytes()).map(Result::unwrap).collect();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let verifier = PinnedServer::new(&[pin]).unwrap();
    verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], now).map(|_| ())
}

#[test]
fn leaf_counts_between_its_dates_only() {
    let ca = ServerCa::create(NOW).unwrap();
    let chain = ca.issue_server_leaf(&["a.example".into()], NOW, 90).unwrap().chain_pem();
    let at = |now| verdict(ca.spki_sha256(), &chain, "a.example", now);
    let end = NOW + 90 * 86_400;
    assert_eq!(at(NOW - 3_600), Ok(()));
    assert_eq!(at(end), Ok(()));
    let expired = at(end + 1);
    assert!(matches!(expired, Err(Error::InvalidCertificate(CertificateError::ExpiredContext { .. }))), "{expired:?}");
    let early = at(NOW - 3_601);
    assert!(matches!(early, Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { .. }))), "{early:?}");
}

/// A leaf for a.example that the CA would never make, signed with its real key, and the CA's certificate.
fn odd_chain(ca_certificate: &str, ca_key: &str, purposes: Vec<ExtendedKeyUsagePurpose>) -> String {
    let issuer = Issuer::from_ca_cert_pem(ca_certificate, KeyPair::from_pem(ca_key).unwrap()).unwrap();
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.extended_key_usages = purposes;
    params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().pem() + ca_certificate
}

#[test]
fn leaf_without_the_server_purpose_is_refused() {
    let ca = ServerCa::create(NOW).unwrap();
    let (certificate, key) = (ca.certificate_pem(), ca.key_pem());
    let at = |purposes| verdict(ca.spki_sha256(), &odd_chain(&certificate, &key, purposes), "a.example", NOW);
    assert_eq!(at(vec![ExtendedKeyUsagePurpose::ServerAuth]), Ok(()));
    let refused = Err(Error::InvalidCertificate(CertificateError::InvalidPurpose));
    assert_eq!(at(vec![]), refused);
    assert_eq!(at(vec![ExtendedKeyUsagePurpose::ClientAuth]), refused);
}

#[test]
fn pinned_certificate_beside_a_strangers_leaf_proves_nothing() {
    let (ours, theirs) = (ServerCa::create(NOW).unwrap(), ServerCa::create(NOW).unwrap());
    let chain = theirs.issue_server_leaf(&["a.example".into()], NOW, 90).unwrap().chain_pem();
    let refused = verdict(ours.spki_sha256(), &(chain + &ours.certificate_pem()), "a.example", NOW);
    assert_eq!(refused, Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)));
}

#[test]
fn pinned_leaf_is_no_ca() {
    let ca = ServerCa::create(NOW).unwrap();
    let leaf = ca.issue_server_leaf(&["a.example".into()], NOW, 90).unwrap();
    let pin = avouch_crypto::tls::spki_sha256(leaf.leaf_der()).unwrap();
    let refused = verdict(pin, &leaf.chain_pem(), "a.example", NOW);
    assert!(matches!(refused, Err(Error::Other(_))), "{refused:?}");
}

#[test]
fn certificates_that_are_none_are_refused() {
    let ca = ServerCa::create(NOW).unwrap();
    let verifier = PinnedServer::new(&[ca.spki_sha256()]).unwrap();
    let name = ServerName::try_from("a.example").unwrap();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(NOW));
    let leaf = ca.issue_server_leaf(&["a.example".into()], NOW, 90).unwrap();
    let ca_der = CertificateDer::from(ca.certificate().der().to_vec());
    for end in 0..leaf.leaf_der().len() {
        let cut = CertificateDer::from(leaf.leaf_der()[..end].to_vec());
        assert!(verifier.verify_server_cert(&cut, std::slice::from_ref(&ca_der), &name, &[], now).is_err());
    }
    for end in 0..ca_der.len() {
        let cut = CertificateDer::from(ca_der[..end].to_vec());
        let whole = CertificateDer::from(leaf.leaf_der().to_vec());
        assert!(verifier.verify_server_cert(&whole, &[cut], &name, &[], now).is_err());
    }
}
