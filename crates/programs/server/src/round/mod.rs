//! A round: challenge, evidence, record. The subject is always the certificate's node, never a field of a message.

mod challenge;
mod evidence;
mod expiry;
mod key_lost;
mod late;
mod record;
mod secret;
mod submission;

pub(crate) use challenge::challenge;
pub(crate) use evidence::evidence;
pub(crate) use expiry::expire_overdue;
pub(crate) use key_lost::key_lost;
