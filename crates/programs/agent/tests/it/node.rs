//! A state directory and a software TPM: what every test of reports begins with.

use std::time::Duration;

use avouch_agent::chain::read_pcr;
use avouch_agent::state::{StateDir, StateLock};
use avouch_protocol::Hash;
use avouch_tpm::Tpm;

use crate::swtpm::Swtpm;
use crate::wire::Wire;

pub(crate) struct Node {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) state: StateDir,
    pub(crate) lock: StateLock,
    pub(crate) tpm: Tpm<Wire>,
    pub(crate) wire: Wire,
    /// The TPM's resetCount.
    pub(crate) session: u32,
    // Last: the TPM's process ends after the connection to it.
    _swtpm: Swtpm,
}

impl Node {
    pub(crate) fn new() -> Option<Self> {
        let swtpm = Swtpm::start()?;
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path().join("state")).unwrap();
        let lock = state.lock(Duration::from_secs(1)).unwrap();
        let (mut tpm, wire) = swtpm.tpm();
        let session = tpm.clock().unwrap().reset_count;
        Some(Self { dir, state, lock, tpm, wire, session, _swtpm: swtpm })
    }

    pub(crate) fn pcr(&mut self, pcr: u8) -> Hash {
        read_pcr(&mut self.tpm, pcr).unwrap()
    }
}
