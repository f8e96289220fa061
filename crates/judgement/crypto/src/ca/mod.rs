//! The certificate authorities of a tenant: one issues to servers, one to nodes, one to operators, and none can stand
//! in for another.
//!
//! Object identifiers, all below an arc of ITU-T X.667 (`2.25`), where anybody may register by picking a number:
//!
//! | OID | meaning |
//! |---|---|
//! | `2.25.7363940821146091937.1` | extended key usage of a node's client certificate and of the node CA |
//! | `2.25.7363940821146091937.2` | extended key usage of an operator's client certificate and of the operator CA |
//!
//! Node and operator certificates also carry clientAuth, because TLS stacks ask for it; server certificates and the
//! server CA carry serverAuth alone. A node is named by the URI `avouch:node:<64 hexadecimal digits>` in its
//! subjectAltName, an operator by `avouch:operator:<name>`; the common name repeats the part after the last colon (64
//! characters is the most that RFC 5280 allows there) and is never trusted.

mod authority;
mod identity;
mod profile;

pub use crate::certificate::CertificateError;
pub use authority::{CaCertificate, NodeCa, OperatorCa, ServerCa};
pub use identity::{Identity, IdentityError};
pub use profile::CaError;

pub(crate) use profile::{NODE_URI, OPERATOR_URI, Role, is_node_tag, is_operator_name};
