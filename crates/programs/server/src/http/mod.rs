//! From a TCP connection to a handler: limits, roles and the form of answers.

pub(crate) mod accept;
pub(crate) mod body;
pub(crate) mod guard;
pub(crate) mod peer;
pub(crate) mod refusal;
pub(crate) mod reply;
pub(crate) mod routes;
