//! The usual beginning of a test.

use anyhow::Result;

use crate::{Factory, Machine, Node, Site, node_ima_policy, policy_for, skip_without_swtpm};

/// The recorded machine, enrolled at a site under a policy that approves exactly what it recorded.
pub struct Scene {
    /// Where TPMs come from.
    pub factory: Factory,
    /// The server and its operator.
    pub site: Site,
    /// The machine, with TPM number 0.
    pub machine: Machine,
    /// Its membership.
    pub node: Node,
}

impl Scene {
    /// `None`, with a line that says `skipped:`, where swtpm is not installed.
    ///
    /// # Errors
    /// When TPM, server or enrolment fail.
    pub fn open() -> Result<Option<Self>> {
        skip_without_swtpm()?.map(Self::with).transpose()
    }

    /// A scene with TPMs of this factory.
    ///
    /// # Errors
    /// As [`Scene::open`].
    pub fn with(factory: Factory) -> Result<Self> {
        let site = Site::start(&factory)?;
        let machine = Machine::new(&factory, 0)?;
        let policy = policy_for(&machine.boot_log, &machine.list()?, node_ima_policy(), site.pcrs())?;
        site.apply(&policy.to_bytes())?;
        let node = Node::enrol(&site, &machine, "recorded")?;
        Ok(Self { factory, site, machine, node })
    }

    /// A scene whose node has passed its first round, so that logs are proven and there is a pass to lose.
    ///
    /// # Errors
    /// As [`Scene::open`], and when the round does not pass.
    pub fn passed() -> Result<Option<Self>> {
        let Some(scene) = Self::open()? else { return Ok(None) };
        let receipt = scene.node.round(&scene.machine)?;
        anyhow::ensure!(receipt.status == avouch_protocol::Status::Pass, "the recorded machine came to {receipt:?}");
        scene.site.next_round();
        Ok(Some(scene))
    }

    /// Another machine with TPM number `which`, enrolled at the same site.
    ///
    /// # Errors
    /// As [`Scene::open`].
    pub fn neighbour(&self, which: usize) -> Result<(Machine, Node)> {
        let machine = Machine::new(&self.factory, which)?;
        let node = Node::enrol(&self.site, &machine, &format!("neighbour {which}"))?;
        Ok((machine, node))
    }
}
