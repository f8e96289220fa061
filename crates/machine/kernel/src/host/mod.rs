//! What the kernel shows of the machine as a whole.

mod census;
mod hidden;
mod listeners;
mod mac;
mod posture;
mod privileged;
mod programs;
mod storage;
mod witness;

use avouch_pairs::{Observation, Subject, subject};

use self::census::Owners;
pub(crate) use self::hidden::Sweep;
use crate::reading::Facts;
use crate::{HostAsk, Pass};

impl Pass<'_> {
    /// Kernel columns of the host, of every listener, of the sysctls and paths asked for and of device-mapper devices.
    /// Ask it last: problems that units met stand in its [`avouch_pairs::attribute::VIEW`].
    ///
    /// Where no view of a protocol's sockets can be read, `listener:PROTOCOL:*` says why.
    pub fn host(&self, ask: &HostAsk) -> Observation {
        let mut observation = Observation::default();
        let mut facts = Facts::new();
        let owners = Owners::of(&ask.unit_groups);
        posture::read(self, &mut facts);
        programs::read(self, &mut facts);
        mac::read(self, &mut facts);
        storage::read(self, &mut facts);
        privileged::read(self, &mut facts);
        storage::read_devices(self, &mut observation);
        storage::read_paths(self, &ask.paths, &mut observation);
        posture::read_sysctls(self, &ask.sysctls, &mut observation);
        census::read(self, &owners, &mut facts);
        hidden::read(self, &mut facts);
        listeners::read(self, &owners, &ask.listeners, &mut observation);
        witness::read(self, &mut facts);
        observation.subjects.insert(subject::HOST.to_owned(), Subject { identity: None, facts });
        observation
    }
}

/// Puts one fact of a subject of its own.
fn alone(observation: &mut Observation, name: String, attribute: avouch_pairs::Attribute, fact: avouch_pairs::Fact) {
    observation.subjects.entry(name).or_default().facts.insert(attribute, fact);
}
