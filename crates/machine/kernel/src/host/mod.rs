//! What the kernel shows of the machine as a whole.

use avouch_pairs::Observation;

use crate::{HostAsk, Pass};

/// Where the sweep for hidden processes goes on.
#[derive(Debug, Default)]
pub(crate) struct Sweep {}

impl Pass<'_> {
    /// Kernel columns of the host, of every listener, of the sysctls and paths asked for and of device-mapper devices.
    /// Ask it last: problems that units met stand in its [`avouch_pairs::attribute::VIEW`].
    pub fn host(&self, ask: &HostAsk) -> Observation {
        let _ = ask;
        Observation::default()
    }
}
