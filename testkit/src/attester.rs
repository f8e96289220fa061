//! A machine whose agent runs here as it runs anywhere: its state directory, a collector at its socket, rounds over
//! HTTPS.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result};
use avouch_agent::Agent;
use avouch_agent::agent::EnrolAs;
use avouch_agent::collector::{Collector, Hub, ScopeAsked, Witnesses, listen, serve};
use avouch_agent::config::Cap;
use avouch_agent::reporter::Reporter;
use avouch_agent::state::{Enrolment, StateDir};
use avouch_pairs::{Attribute, Fact, Observation, Reading, UnitIdentity, attribute as a, subject};
use avouch_protocol::{Evidence, Message, Receipt, Report};

use crate::{Machine, Site};

/// How long an agent waits for the lock of its own state.
const PATIENCE: Duration = Duration::from_secs(10);

/// What both witnesses of a machine say, in the hands of the test; clones speak of one machine.
#[derive(Clone, Debug, Default)]
pub struct Said(Arc<Mutex<Observation>>);

/// A machine, its collector and its agent.
#[derive(Debug)]
pub struct Attester {
    /// TPM, logs and files.
    pub machine: Machine,
    agent: Agent,
}

// === impl Said ===

impl Said {
    /// A machine of which this is said.
    pub fn new(observation: Observation) -> Self {
        Self(Arc::new(Mutex::new(observation)))
    }

    /// One service and a host on which every level from V4 to V14 holds.
    pub fn green() -> Self {
        let said = Self::default();
        let web = "unit:web.service";
        said.running(web);
        for (attribute, orchestrator, kernel) in [
            (a::MEMORY_MAX, "67108864", "67108864"),
            (a::PIDS_MAX, "20", "20"),
            (a::NO_NEW_PRIVS, "yes", "1"),
            (a::DEVICE_POLICY, "closed", "5a6b7c8d9e0f1122"),
            (a::NS_IPC, "yes", "private 4026532294"),
            (a::CAP_BOUNDING, "0000000000000400", "0000000000000400"),
            (a::APPARMOR_PROFILE, "required\tweb", "web (enforce)"),
            (a::IP_ADDRESS_FILTER, "deny\t0.0.0.0/0", "ingress\taa\negress\tbb"),
            (a::UNIT_FILES, "/etc/systemd/system/web.service", "/etc/systemd/system/web.service\t0644 0 0 aa"),
            (a::PROCESSES, "221", "221"),
        ] {
            said.set(web, attribute, Some(orchestrator), Some(kernel));
        }
        said.set(web, a::LOAD_STATE, Some("loaded"), None);
        said.set("sysctl:kernel.kptr_restrict", a::SYSCTL, Some("1\t/etc/sysctl.d/x.conf"), Some("1"));
        said.set(subject::HOST, a::VIEW, None, Some("none"));
        said.set(subject::HOST, a::LOCKDOWN, None, Some("integrity"));
        said
    }

    /// The observation, locked: nobody observes meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, Observation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on systemd and the kernel say this; `None` says nothing.
    pub fn set(&self, subject: &str, attribute: Attribute, orchestrator: Option<&str>, kernel: Option<&str>) {
        let reading = |text: Option<&str>| text.map_or(Reading::NotRead, |text| Reading::Value(text.into()));
        let fact = Fact { orchestrator: reading(orchestrator), kernel: reading(kernel), second: Reading::NotRead };
        self.lock().subjects.entry(subject.into()).or_default().facts.insert(attribute, fact);
    }

    /// The subject is a unit that runs.
    pub fn running(&self, unit: &str) {
        let identity = UnitIdentity {
            invocation: "f3589999dbba4ecf926cc62ba66e4c72".into(),
            main_pid: 221,
            main_start: 2_114,
            active_state: "active".into(),
            sub_state: "running".into(),
            started_usec: 1_000_000,
            attempts: 1,
            steady: true,
        };
        self.lock().subjects.entry(unit.into()).or_default().identity = Some(identity);
    }
}

impl Witnesses for Said {
    fn observe(&mut self, _: &ScopeAsked) -> Observation {
        self.lock().clone()
    }
}

// === impl Attester ===

impl Attester {
    /// A machine with a collector that asks these witnesses, and an agent that caps where it is told to.
    ///
    /// # Errors
    /// When there is no socket or no state directory.
    pub fn start(machine: Machine, witnesses: impl Witnesses + 'static, cap: Option<Cap>) -> Result<Self> {
        let socket = machine.state_path().with_file_name("collector.sock");
        let listener = listen(&socket)?;
        let collect = move || serve(&listener, witnesses, &Arc::new(Hub::default()));
        thread::Builder::new().name("collector".into()).spawn(collect)?;
        let reporter = Reporter::new(Collector::at(socket), ScopeAsked::default(), None, cap);
        let state = StateDir::open(machine.state_path())?;
        let agent = Agent::new(state, machine.securityfs()).with_reporter(reporter);
        Ok(Self { machine, agent })
    }

    /// Joins with a new token; the node's tag, as operators write it.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn enrol(&mut self, site: &Site, label: &str) -> Result<String> {
        let request = EnrolAs { label: Some(label.into()), replace: true, ..EnrolAs::default() };
        let lock = self.agent.lock(PATIENCE)?;
        let enrolment = self.agent.enroll(&lock, &mut self.machine.tpm()?, site.token(1)?, request)?;
        Ok(enrolment.membership.node_tag.to_hex())
    }

    /// One round of the agent.
    ///
    /// # Errors
    /// The agent's own, an [`avouch_agent::AgentError`].
    pub fn round(&mut self) -> Result<Receipt> {
        let lock = self.agent.lock(PATIENCE)?;
        Ok(self.agent.round(&lock, &mut self.machine.tpm()?)?.message().clone())
    }

    /// Something happened between two rounds. False where no report was due for it.
    ///
    /// # Errors
    /// As [`Attester::round`].
    pub fn event(&mut self) -> Result<bool> {
        let lock = self.agent.lock(PATIENCE)?;
        Ok(self.agent.report_event(&lock, &mut self.machine.tpm()?)?)
    }

    /// Orderly reboot.
    ///
    /// # Errors
    /// When swtpm does not come up.
    pub fn reboot(&mut self) -> Result<()> {
        self.machine.reboot()
    }

    /// The collector is not reached any more.
    ///
    /// # Errors
    /// When its socket cannot be removed.
    pub fn hide_collector(&self) -> Result<()> {
        Ok(fs::remove_file(self.machine.state_path().with_file_name("collector.sock"))?)
    }

    /// What the agent keeps.
    pub fn state(&self) -> &StateDir {
        self.agent.state()
    }

    /// All that enrolment gave.
    ///
    /// # Errors
    /// Before it.
    pub fn enrolment(&self) -> Result<Enrolment> {
        self.state().enrolment()?.context("the machine is enrolled")
    }

    /// The newest evidence that went out, and the reports in it.
    ///
    /// # Errors
    /// When nothing was sent, or it cannot be read.
    pub fn sent(&self) -> Result<(Evidence, Vec<Report>)> {
        let spooled = self.state().last_sent(&self.enrolment()?)?.context("evidence was sent")?;
        let evidence = Evidence::from_cbor(&spooled.evidence)?;
        let reports = evidence.reports.iter().map(|bytes| Report::from_cbor(bytes)).collect::<Result<_, _>>()?;
        Ok((evidence, reports))
    }
}
