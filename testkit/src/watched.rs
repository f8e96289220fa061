//! The usual beginning of a test of reports.

use std::sync::Arc;

use anyhow::{Context, Result};
use avouch_agent::collector::Witnesses;
use avouch_agent::config::Cap;
use avouch_appraise::PolicyDraft;
use avouch_protocol::Receipt;
use avouch_server::{Pcrs, Pipeline};
use serde_json::{Value, json};

use crate::{Attester, Factory, Machine, Said, Site, node_ima_policy, policy_for, skip_without_swtpm};

/// The recorded machine with an agent of its own, enrolled at a site under a policy that approves what it recorded.
pub struct Watched {
    /// Where TPMs come from.
    pub factory: Factory,
    /// The server and its operator.
    pub site: Site,
    /// The machine, with TPM number 0.
    pub attester: Attester,
    /// What its witnesses say, where the test says it.
    pub said: Said,
    /// Its tag, as operators write it.
    pub tag: String,
    policy: PolicyDraft,
}

/// A policy's section `observation` that demands all that reports speak of, and more in `fields`.
pub fn demanding(fields: &Value) -> Value {
    let levels: Vec<String> = (3..=14).map(|level| format!("V{level}")).collect();
    let mut section = json!({ "required": levels, "not_applicable": ["V1", "V2"] });
    for (name, value) in fields.as_object().into_iter().flatten() {
        section[name] = value.clone();
    }
    section
}

impl Watched {
    /// A machine of which [`Said::green`] is said; `section` is what the policy says of reports. `None`, with a line that
    /// says `skipped:`, where swtpm is not installed.
    ///
    /// # Errors
    /// When TPM, server or enrolment fail.
    pub fn open(section: Option<&Value>) -> Result<Option<Self>> {
        let said = Said::green();
        Self::with(said.clone(), said, section, None)
    }

    /// The same with a cap on both sides: PCRs 0 to 15 are quoted, and the agent caps for these codes.
    ///
    /// # Errors
    /// As [`Watched::open`].
    pub fn capping(section: &Value, cap: Cap) -> Result<Option<Self>> {
        let said = Said::green();
        Self::with(said.clone(), said, Some(section), Some(cap))
    }

    /// A machine with witnesses of the test's own.
    ///
    /// # Errors
    /// As [`Watched::open`].
    pub fn by(witnesses: impl Witnesses + 'static, section: Option<&Value>) -> Result<Option<Self>> {
        Self::with(witnesses, Said::default(), section, None)
    }

    fn with(
        witnesses: impl Witnesses + 'static,
        said: Said,
        section: Option<&Value>,
        cap: Option<Cap>,
    ) -> Result<Option<Self>> {
        let Some(factory) = skip_without_swtpm()? else { return Ok(None) };
        let pcrs = if cap.is_some() { Pcrs::parse("sha256:0-15") } else { Some(Pcrs::DEFAULT) };
        let pcrs = pcrs.context("a selection that is read")?;
        let site = Site::with(&factory, |config| config.pcrs = pcrs, Arc::new(Pipeline))?;
        let machine = Machine::new(&factory, 0)?;
        let policy = policy_for(&machine.boot_log, &machine.list()?, node_ima_policy(), site.pcrs())?;
        let attester = Attester::start(machine, witnesses, cap)?;
        let mut watched = Self { tag: String::new(), factory, site, said, policy, attester };
        watched.demand(section)?;
        watched.tag = watched.attester.enrol(&watched.site, "watched")?;
        Ok(Some(watched))
    }

    /// Applies the policy anew with this section; `None` demands nothing.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn demand(&self, section: Option<&Value>) -> Result<String> {
        let mut policy: Value = serde_json::from_slice(&self.policy.to_bytes())?;
        if let Some(section) = section {
            policy["observation"] = section.clone();
        }
        self.site.apply(&serde_json::to_vec(&policy)?)
    }

    /// The machine booted something else, and people approved that: the policy becomes one of what its logs show now.
    ///
    /// # Errors
    /// When the logs hold nothing to approve, or the server refuses the policy.
    pub fn approve_boot(&mut self, section: Option<&Value>) -> Result<String> {
        let machine = &self.attester.machine;
        self.policy = policy_for(&machine.boot_log, &machine.list()?, node_ima_policy(), self.site.pcrs())?;
        self.demand(section)
    }

    /// A round in a round of its own.
    ///
    /// # Errors
    /// As [`Attester::round`].
    pub fn round(&mut self) -> Result<Receipt> {
        let receipt = self.attester.round()?;
        self.site.next_round();
        Ok(receipt)
    }

    /// What a round comes to: status and code.
    ///
    /// # Errors
    /// As [`Attester::round`].
    pub fn told(&mut self) -> Result<(&'static str, String)> {
        let receipt = self.round()?;
        Ok((receipt.status.word(), receipt.code))
    }

    /// The round in which the chain of a boot session begins: no report is asked for yet.
    ///
    /// # Errors
    /// As [`Attester::round`], and when a report went out all the same.
    pub fn begin(&mut self) -> Result<()> {
        self.round()?;
        anyhow::ensure!(self.attester.sent()?.1.is_empty(), "a report before the first challenge asks for one");
        Ok(())
    }

    /// The node's last verdict.
    ///
    /// # Errors
    /// As [`Site::get`].
    pub fn verdict(&self) -> Result<Value> {
        self.site.node(&self.tag)?.detail.context("the node has a verdict")
    }

    /// The findings of the last verdict that changed it.
    ///
    /// # Errors
    /// As [`Site::get`].
    pub fn findings(&self) -> Result<Vec<Value>> {
        let verdict = self.verdict()?;
        let claims = verdict["claims"].as_array().into_iter().flatten();
        let findings = claims.flat_map(|claim| claim["findings"].as_array()).flatten();
        Ok(findings.filter(|finding| finding["effect"] != "none").cloned().collect())
    }
}
