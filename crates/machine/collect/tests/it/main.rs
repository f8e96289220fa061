//! Events of this machine, and what an appliance's own attestation reads of trees and of real processes.

mod appliance;
mod tree;
mod watch;
