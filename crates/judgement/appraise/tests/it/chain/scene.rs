//! A machine that makes reports: a key that is bound to its boot, and a PCR that holds every report.

use avouch_appraise::{Appraisal, Policy, ReplayedLogs, Session};
use avouch_crypto::Hash as Sha;
use avouch_pairs::{Fact, Observation, Reading, Subject, attribute};
use avouch_protocol::{
    Certification, Challenge, Hash, Message, Purpose, Report, ReportHead, ShownReportKey, Trigger, cap_value,
    chain_value,
};
use avouch_tpm_wire::templates::{REPORT_KEY_PCRS, report_key};
use avouch_tpm_wire::{
    Attest, AttestBody, Attributes, Curve, Digest, HashAlg, Kdf, Key, PublicArea, Scheme, Signature, Symmetric,
    pcr_policy,
};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use crate::machine::{BANK, MASK, Machine, Round, hash};

/// The PCRs of the machine, and all that a chain could use but PCR 8.
pub(crate) const CHAINED: u32 = MASK | 1 << 13 | 1 << 14 | 1 << 15;

pub(crate) struct Scene {
    pub(crate) machine: Machine,
    pub(crate) pair: EcdsaKeyPair,
    /// TPMT_PUBLIC of the report key.
    pub(crate) public: Vec<u8>,
    /// Every report of the boot session, in the order of the chain.
    pub(crate) reports: Vec<Vec<u8>>,
    /// Where they are.
    pub(crate) pcr: u8,
    pub(crate) value: Hash,
    pub(crate) cap: Option<u8>,
    pub(crate) policy: Policy,
    /// What the server stores of the node.
    pub(crate) session: Option<Session>,
    pub(crate) observation: Option<(Hash, Observation)>,
}

/// A machine of one unit with this memory limit in the kernel.
pub(crate) fn observed(limit: &str) -> Observation {
    let reading = |text: &str| Reading::Value(text.into());
    let fact = Fact { orchestrator: reading("max"), kernel: reading(limit), second: Reading::NotRead };
    let subject = Subject { identity: None, facts: [(attribute::MEMORY_MAX, fact)].into() };
    Observation { subjects: [("unit:a.service".to_owned(), subject)].into() }
}

/// A policy that approves what the machine runs and demands its reports.
pub(crate) fn demanding(machine: &Machine) -> Policy {
    demanded(&machine.draft().to_bytes())
}

/// The policy of this file, with reports demanded.
pub(crate) fn demanded(file: &[u8]) -> Policy {
    let mut file: serde_json::Value = serde_json::from_slice(file).unwrap();
    file["observation"] = serde_json::json!({ "required": ["V14"] });
    Policy::parse(&serde_json::to_vec(&file).unwrap()).unwrap()
}

pub(crate) fn digest(report: &[u8]) -> Hash {
    hash(&[report])
}

fn sign(pair: &EcdsaKeyPair, message: &[u8]) -> Vec<u8> {
    let fixed = pair.sign(&SystemRandom::new(), message).unwrap();
    let (r, s) = fixed.as_ref().split_at(32);
    Signature::Ecdsa { hash: HashAlg::Sha256, r, s }.encode().unwrap()
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::on(Machine::new())
    }

    pub(crate) fn on(mut machine: Machine) -> Self {
        machine.mask = CHAINED;
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap();
        let policy = demanding(&machine);
        let mut scene = Self {
            machine,
            pair,
            public: Vec::new(),
            reports: Vec::new(),
            pcr: 13,
            value: Hash::ZERO,
            cap: None,
            policy,
            session: None,
            observation: None,
        };
        scene.public = scene.key(report_key(&[0; 32]).attributes(), &scene.boot_policy());
        scene
    }

    /// The policy of the boot that the machine's log tells of.
    pub(crate) fn boot_policy(&self) -> [u8; 32] {
        let boot = self.machine.boot_values();
        let values: Vec<Digest> = REPORT_KEY_PCRS.pcrs().map(|pcr| boot[pcr as usize].unwrap()).collect();
        pcr_policy(&Sha, HashAlg::Sha256, REPORT_KEY_PCRS, &values).as_bytes().try_into().unwrap()
    }

    /// The public area of the pair with these attributes and this policy.
    pub(crate) fn key(&self, attributes: Attributes, policy: &[u8]) -> Vec<u8> {
        let point = self.pair.public_key().as_ref();
        let key = Key::Ecc {
            symmetric: Symmetric::Null,
            scheme: Scheme::Ecdsa(HashAlg::Sha256),
            curve: Curve::P256,
            kdf: Kdf::Null,
            x: &point[1..33],
            y: &point[33..],
        };
        PublicArea::new(HashAlg::Sha256, attributes, policy, key).unwrap().encode()
    }

    pub(crate) fn ask(&mut self) -> Challenge {
        self.machine.seq += 1;
        self.machine.clock.clock += 1_000;
        let reference = self.policy.reference();
        let session = self.session.as_ref();
        let offsets = session.map(|session| session.offsets(&reference)).unwrap_or_default();
        let challenge = self.machine.challenge(reference, offsets);
        let chain_pcr = session.and_then(|session| session.chain_pcr(BANK, self.machine.mask));
        Challenge { chain_pcr, cap_pcr: self.cap, ..challenge }
    }

    /// A report that continues the chain, whole or a difference to the one before.
    pub(crate) fn make(&self, observation: &Observation, base: Option<&Observation>) -> Vec<u8> {
        let prev = self.reports.last().map_or(Hash::ZERO, |report| digest(report));
        let head = ReportHead {
            seq: self.reports.len() as u64 + 1,
            prev,
            trigger: Trigger::Slot,
            started_ms: 1,
            finished_ms: 2,
            agent_version: "0.1.0".into(),
        };
        let report = match base {
            None => Report::whole(observation, head),
            Some(base) => Report::difference(observation, base, prev, head),
        };
        report.unwrap().to_cbor()
    }

    /// Extends a report.
    pub(crate) fn extend(&mut self, report: Vec<u8>) {
        self.value = chain_value(hash, &self.value, &digest(&report));
        self.machine.report = digest(&report);
        self.reports.push(report);
        let value = self.value;
        self.set(self.pcr.into(), value);
    }

    fn set(&mut self, pcr: u32, value: Hash) {
        self.machine.extended.retain(|(extended, _)| *extended != pcr);
        self.machine.extended.push((pcr, Digest::new(BANK, &value.0).unwrap()));
    }

    pub(crate) fn report(&mut self, limit: &str) {
        self.extend(self.make(&observed(limit), None));
    }

    /// Puts the cap into a PCR.
    pub(crate) fn capped(&mut self, pcr: u8) {
        self.set(pcr.into(), cap_value(hash));
    }

    pub(crate) fn shown(&self, public: &[u8], challenge: &Challenge) -> ShownReportKey {
        let name = PublicArea::parse(public).unwrap().name(&Sha);
        let challenge = hash(&[&challenge.to_cbor()]);
        let spki = &self.machine.client_spki;
        let extra = avouch_protocol::qualifying_data(hash, Purpose::Certify, &challenge, spki, &Hash::ZERO);
        let attest = Attest {
            qualified_signer: self.machine.keys.qualified_signer(),
            extra_data: &extra.0,
            clock: self.machine.clock,
            firmware_version: 9,
            body: AttestBody::Certify { name: &name, qualified_name: &name },
        };
        let attest = attest.encode().unwrap();
        let signature = self.machine.sign(&attest).into();
        ShownReportKey {
            public: public.to_vec().into(),
            certification: Certification { attest: attest.into(), signature },
        }
    }

    /// Answers with these reports, the newest one signed; the key is shown while no report is held.
    pub(crate) fn answer(&self, challenge: &Challenge, reports: &[Vec<u8>]) -> Round {
        let mut evidence = self.machine.answer(challenge, self.machine.ima.len());
        evidence.reports = reports.iter().map(|report| report.clone().into()).collect();
        evidence.report_signature = reports.last().map(|report| sign(&self.pair, report).into());
        let owed = challenge.offsets.reports == 0;
        evidence.report_key = owed.then(|| self.shown(&self.public, challenge));
        Round { challenge: challenge.clone(), evidence }
    }

    /// What the server owes to see.
    pub(crate) fn behind(&self, challenge: &Challenge) -> Vec<Vec<u8>> {
        self.reports[challenge.offsets.reports as usize..].to_vec()
    }

    pub(crate) fn appraise(&self, round: &Round) -> Appraisal {
        let previous = self.session.as_ref();
        let quote = self.machine.authenticate(round, previous).unwrap();
        let logs = ReplayedLogs::replay(quote, &round.evidence, previous);
        let logs = logs.map(|logs| match &self.observation {
            Some((digest, observation)) => logs.with_observation(*digest, observation),
            None => logs,
        });
        Appraisal::judge(logs, Some(&self.policy), previous, &self.machine.context())
    }

    /// Judges an answer, and keeps what a server keeps.
    pub(crate) fn judge(&mut self, round: &Round) -> Appraisal {
        let appraisal = self.appraise(round);
        let session = appraisal.session.as_ref().unwrap().to_cbor();
        self.session = Some(Session::from_cbor(&session).unwrap());
        assert_eq!(self.session, appraisal.session, "nothing is lost on the way through the store");
        if let Some(reports) = &appraisal.reports {
            self.observation = Some((reports.digest(), reports.observation().clone()));
        }
        appraisal
    }

    /// A whole honest round; it makes a report when one is due.
    pub(crate) fn round(&mut self, limit: &str) -> Appraisal {
        let challenge = self.ask();
        if challenge.chain_pcr.is_some() {
            self.report(limit);
        }
        let round = self.answer(&challenge, &self.behind(&challenge));
        self.judge(&round)
    }

    /// A TPM reset: PCRs are as the boot log says, and no report was made.
    pub(crate) fn reboot(&mut self) {
        self.machine.reboot();
        self.machine.extended.clear();
        self.machine.report = Hash::ZERO;
        self.reports.clear();
        self.value = Hash::ZERO;
    }
}
