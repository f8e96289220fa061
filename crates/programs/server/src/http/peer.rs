//! Who is on the other end of a connection.

use avouch_protocol::{Hash, NodeTag};

/// The subject of every request on one connection. It comes from the certificate that TLS verified and from nothing
/// else: no URL, header or body names the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// No client certificate.
    Anonymous,
    /// A node, certified by the node CA.
    Node {
        /// Which one.
        tag: NodeTag,
        /// SHA-256 of its client key's SubjectPublicKeyInfo.
        spki: Hash,
    },
    /// A person or program with a certificate of the operator CA.
    Operator {
        /// As certified.
        name: String,
    },
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Anybody; such a route changes nothing without an authorisation inside the request.
    Public,
    /// An enrolled node, for itself.
    Node,
    /// An operator.
    Operator,
}

impl Peer {
    pub(crate) fn may_act_as(&self, role: Role) -> bool {
        match role {
            Role::Public => true,
            Role::Node => matches!(self, Self::Node { .. }),
            Role::Operator => matches!(self, Self::Operator { .. }),
        }
    }
}
