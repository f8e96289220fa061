//! Who the peer is, once TLS has proven that it holds its certificate's key.

use core::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::ca::{CaCertificate, NODE_URI, OPERATOR_URI, Role, is_node_tag, is_operator_name};
use crate::certificate::Fields;

/// The owner of a client certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerRole {
    /// A node, by its tag: 64 lower-case hexadecimal digits.
    Node(String),
    /// An operator, by the name in the certificate.
    Operator(String),
}

/// The role of the peer that showed `certificate_der`, the leaf of a handshake that rustls completed under
/// [`super::server_config`]; `now` in Unix seconds.
///
/// A node is whom `node_ca` certified for the node purpose, an operator whom `operator_ca` certified for the operator
/// purpose; a certificate from the one CA for the purpose of the other is neither. `None` also for a certificate that
/// is expired, damaged, or names no one or more than one.
pub fn peer_role(
    certificate_der: &[u8],
    node_ca: &CaCertificate,
    operator_ca: &CaCertificate,
    now: u64,
) -> Option<PeerRole> {
    if issued(certificate_der, node_ca, Role::Node, now) {
        let tag = only_name(certificate_der, NODE_URI)?;
        return is_node_tag(&tag).then_some(PeerRole::Node(tag));
    }
    if issued(certificate_der, operator_ca, Role::Operator, now) {
        let name = only_name(certificate_der, OPERATOR_URI)?;
        return is_operator_name(&name).then_some(PeerRole::Operator(name));
    }
    None
}

/// A path of length one from `ca`, valid now, with the role's purpose in the leaf.
fn issued(der: &[u8], ca: &CaCertificate, role: Role, now: u64) -> bool {
    let anchor_der = ca.for_tls();
    let leaf_der = CertificateDer::from(der);
    let (Ok(anchor), Ok(leaf)) = (anchor_from_trusted_cert(&anchor_der), EndEntityCert::try_from(&leaf_der)) else {
        return false;
    };
    let time = UnixTime::since_unix_epoch(Duration::from_secs(now));
    let purpose = KeyUsage::required(role.purpose());
    leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &[anchor], &[], time, purpose, None, None).is_ok()
}

/// What follows `prefix` in the one URI that the certificate names.
fn only_name(der: &[u8], prefix: &str) -> Option<String> {
    match Fields::decode(der).ok()?.uris().as_slice() {
        [uri] => uri.strip_prefix(prefix).map(str::to_owned),
        _ => None,
    }
}
