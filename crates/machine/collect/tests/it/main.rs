//! Events of this machine.

mod watch;
