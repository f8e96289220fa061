use avouch_crypto::ca::{
    CaCertificate, CaError, CertificateError, Identity, IdentityError, NodeCa, OperatorCa, ServerCa,
};
use avouch_crypto::client_key::{ClientKey, KeyError};
use avouch_crypto::tls::{PeerRole, peer_role, spki_sha256};
use avouch_crypto::{sha256, signing::SigningKey};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType};

use crate::NOW;

const TAG: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const YEAR: u64 = 365 * 86_400;

struct Tenant {
    server: ServerCa,
    node: NodeCa,
    operator: OperatorCa,
}

fn tenant() -> Tenant {
    Tenant {
        server: ServerCa::create(NOW).unwrap(),
        node: NodeCa::create(NOW).unwrap(),
        operator: OperatorCa::create(NOW).unwrap(),
    }
}

impl Tenant {
    fn role(&self, certificate: &[u8], now: u64) -> Option<PeerRole> {
        peer_role(certificate, self.node.certificate(), self.operator.certificate(), now)
    }

    fn node_certificate(&self) -> Vec<u8> {
        self.node.issue_node(ClientKey::generate().unwrap().spki_der(), TAG, NOW).unwrap()
    }
}

#[test]
fn node_and_operator_are_told_apart_and_named() {
    let tenant = tenant();
    assert_eq!(tenant.role(&tenant.node_certificate(), NOW), Some(PeerRole::Node(TAG.into())));
    let operator = tenant.operator.issue_operator("alice@example.org", NOW).unwrap();
    assert_eq!(tenant.role(operator.leaf_der(), NOW), Some(PeerRole::Operator("alice@example.org".into())));
    let server = tenant.server.issue_server_leaf(&["localhost".into()], NOW, 90).unwrap();
    assert_eq!(tenant.role(server.leaf_der(), NOW), None);
    assert_eq!(tenant.role(&[], NOW), None);
}

#[test]
fn certificates_count_from_an_hour_before_issue_to_their_end() {
    let tenant = tenant();
    let node = tenant.node_certificate();
    assert!(tenant.role(&node, NOW - 3_600).is_some());
    assert_eq!(tenant.role(&node, NOW - 3_601), None);
    let operator = tenant.operator.issue_operator("alice", NOW).unwrap();
    assert!(tenant.role(operator.leaf_der(), NOW + YEAR).is_some());
    assert_eq!(tenant.role(operator.leaf_der(), NOW + YEAR + 1), None);
    assert_eq!(operator.expires(), NOW + YEAR);
}

#[test]
fn certificate_of_another_tenant_is_nobody() {
    let (ours, theirs) = (tenant(), tenant());
    assert_eq!(ours.role(&theirs.node_certificate(), NOW), None);
    assert_eq!(ours.role(theirs.operator.issue_operator("alice", NOW).unwrap().leaf_der(), NOW), None);
}

/// A leaf that the real CA would never make, signed with its real key.
fn misissue(certificate_pem: &str, key_pem: &str, purpose: &[u64], uris: &[&str]) -> Vec<u8> {
    let issuer = Issuer::from_ca_cert_pem(certificate_pem, KeyPair::from_pem(key_pem).unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Other(purpose.to_vec())];
    params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
    params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().to_vec()
}

#[test]
fn node_ca_can_make_no_operator_and_operator_ca_no_node() {
    let tenant = tenant();
    let (node_purpose, operator_purpose) =
        ([2, 25, 7_363_940_821_146_091_937, 1], [2, 25, 7_363_940_821_146_091_937, 2]);
    let (node, node_key) = (tenant.node.certificate_pem(), tenant.node.key_pem());
    let (operator, operator_key) = (tenant.operator.certificate_pem(), tenant.operator.key_pem());
    let node_uri = format!("avouch:node:{TAG}");
    let operator_uri = "avouch:operator:mallory";

    // The controls: the same construction with the right purpose and name is accepted, so the object identifiers in
    // the documentation are the ones that are checked.
    let right = misissue(&node, &node_key, &node_purpose, &[&node_uri]);
    assert_eq!(tenant.role(&right, NOW), Some(PeerRole::Node(TAG.into())));
    let right = misissue(&operator, &operator_key, &operator_purpose, &[operator_uri]);
    assert_eq!(tenant.role(&right, NOW), Some(PeerRole::Operator("mallory".into())));

    for wrong in [
        misissue(&node, &node_key, &operator_purpose, &[operator_uri]),
        misissue(&node, &node_key, &operator_purpose, &[&node_uri]),
        misissue(&node, &node_key, &node_purpose, &[operator_uri]),
        misissue(&operator, &operator_key, &node_purpose, &[&node_uri]),
        misissue(&operator, &operator_key, &operator_purpose, &[&node_uri]),
        misissue(&node, &node_key, &node_purpose, &[]),
        misissue(&node, &node_key, &node_purpose, &[&node_uri, &node_uri]),
        misissue(&node, &node_key, &node_purpose, &[&node_uri[..node_uri.len() - 1]]),
        misissue(&node, &node_key, &node_purpose, &[&node_uri.to_uppercase()]),
    ] {
        assert_eq!(tenant.role(&wrong, NOW), None);
    }
}

#[test]
fn every_changed_or_missing_byte_of_a_certificate_makes_it_nobodys() {
    let tenant = tenant();
    let certificate = tenant.node_certificate();
    for at in 0..certificate.len() {
        let mut changed = certificate.clone();
        changed[at] ^= 0x01;
        assert_eq!(tenant.role(&changed, NOW), None, "byte {at}");
        assert_eq!(tenant.role(&certificate[..at], NOW), None, "cut at {at}");
    }
}

#[test]
fn authorities_survive_their_pem_form_and_mixed_up_files_are_refused() {
    let tenant = tenant();
    let again = NodeCa::load(&tenant.node.certificate_pem(), &tenant.node.key_pem()).unwrap();
    assert_eq!(again.spki_sha256(), tenant.node.spki_sha256());
    let (operator, node) = (tenant.operator.certificate_pem(), tenant.node.certificate_pem());
    assert_eq!(NodeCa::load(&operator, &tenant.operator.key_pem()).unwrap_err(), CaError::OtherRole);
    assert_eq!(NodeCa::load(&node, &tenant.operator.key_pem()).unwrap_err(), CaError::OtherKey);
    assert_eq!(NodeCa::load(&node, "").unwrap_err(), CaError::Key(KeyError::Pem));
    assert_eq!(NodeCa::load("", &tenant.node.key_pem()).unwrap_err(), CaError::Certificate(CertificateError::Pem));
    let leaf = tenant.operator.issue_operator("alice", NOW).unwrap();
    assert_eq!(CaCertificate::from_der(leaf.leaf_der()).unwrap_err(), CaError::OtherRole);
}

#[test]
fn pin_is_the_hash_of_the_public_key() {
    let ca = ServerCa::create(NOW).unwrap();
    let spki = ClientKey::from_pem(&ca.key_pem()).unwrap().spki_der().to_vec();
    assert_eq!(ca.spki_sha256(), sha256(&[&spki]));
    assert_eq!(spki_sha256(ca.certificate().der()).unwrap(), ca.spki_sha256());
    assert!(spki_sha256(b"no certificate").is_err());
}

#[test]
fn only_p256_keys_on_the_curve_are_certified() {
    let ca = NodeCa::create(NOW).unwrap();
    let spki = ClientKey::generate().unwrap().spki_der().to_vec();
    assert!(ca.issue_node(&spki, TAG, NOW).is_ok());
    let mut off_curve = spki.clone();
    *off_curve.last_mut().unwrap() ^= 1;
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let ed25519 = KeyPair::from_pem(&SigningKey::generate().unwrap().to_pem()).unwrap();
    use rcgen::PublicKeyData;
    let others =
        [off_curve, p384.subject_public_key_info(), ed25519.subject_public_key_info(), [&spki[..], &[0]].concat()];
    for other in others {
        assert_eq!(ca.issue_node(&other, TAG, NOW), Err(CaError::PublicKey));
    }
    for end in 0..spki.len() {
        assert_eq!(ca.issue_node(&spki[..end], TAG, NOW), Err(CaError::PublicKey), "cut at {end}");
    }
}

#[test]
fn names_that_would_lie_are_refused() {
    let tenant = tenant();
    let spki = ClientKey::generate().unwrap().spki_der().to_vec();
    for tag in ["", "zz", &TAG[1..], &TAG.to_uppercase()] {
        assert!(matches!(tenant.node.issue_node(&spki, tag, NOW), Err(CaError::Name { .. })), "{tag:?}");
    }
    for name in ["", "a b", "a:b", "a/../b", "é", &"x".repeat(65)] {
        assert!(matches!(tenant.operator.issue_operator(name, NOW), Err(CaError::Name { .. })), "{name:?}");
    }
    for names in [vec![], vec!["not a name".to_owned()], vec!["ok.example".to_owned(); 65]] {
        assert!(matches!(tenant.server.issue_server_leaf(&names, NOW, 90), Err(CaError::Name { .. })), "{names:?}");
    }
}

#[test]
fn identity_survives_its_pem_form_and_takes_no_other_key() {
    let tenant = tenant();
    let made = tenant.server.issue_server_leaf(&["localhost".into()], NOW, 90).unwrap();
    let again = Identity::from_pem(&made.chain_pem(), &made.key_pem()).unwrap();
    assert_eq!(again.leaf_der(), made.leaf_der());
    assert_eq!(again.expires(), NOW + 90 * 86_400);
    let key = ClientKey::generate().unwrap();
    let certificate = tenant.node.issue_node(key.spki_der(), TAG, NOW).unwrap();
    assert!(Identity::new(std::slice::from_ref(&certificate), key).is_ok());
    let stranger = ClientKey::generate().unwrap();
    assert_eq!(Identity::new(&[certificate], stranger).unwrap_err(), IdentityError::OtherKey);
    let key = ClientKey::generate().unwrap();
    assert_eq!(Identity::new(&[], key).unwrap_err(), IdentityError::Length { got: 0 });
}

#[test]
fn serial_numbers_do_not_repeat() {
    let tenant = tenant();
    assert_ne!(tenant.node_certificate()[..40], tenant.node_certificate()[..40]);
}
