//! Processes that are killed, disks that are full, networks that break, clients that misbehave.
//!
//! The programs are the real binaries over real software TPMs. Every test prints what it counted; the instants of
//! kills come from a generator whose seed is printed and can be given back in `AVOUCH_FAULTS_SEED`.

mod agent_killed;
mod broken_network;
mod expiry;
mod full_disk;
mod instants;
mod ledger;
mod member;
mod programs;
mod server_killed;
mod slow_clients;
mod small_disk;
