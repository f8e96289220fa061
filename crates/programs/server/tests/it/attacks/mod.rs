//! Attacks against the real server, over HTTPS, with a real software TPM, each named by its id.
//!
//! Every test sends altered bytes to a copy of the server and the unaltered twin of the same bytes to the server
//! itself, so both are judged from the same state; the twin passes.

mod clock_clear;
mod clock_power;
mod clock_rollback;
mod clock_session;
pub(crate) mod first_contact;
mod harness;
mod ima_list;
mod ima_tail;
mod ima_violation;
mod quote_enrolment;
mod quote_freshness;
mod quote_logs;
mod quote_selection;
mod quote_signature;
mod quote_takeover;
mod recorded;
mod reenrolment;
mod service;
mod service_names;
