//! Rounds with reports against a software TPM and a collector on a real socket: what is asked for, chained, signed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use avouch_agent::build_reported_evidence;
use avouch_agent::chain::extend_pcr;
use avouch_agent::challenge::CheckedChallenge;
use avouch_agent::collector::{Collector, Hub, LinkError, ScopeAsked, Witnesses, listen, serve};
use avouch_agent::config::Cap;
use avouch_agent::error::AgentError;
use avouch_agent::report_key::Signing;
use avouch_agent::reporter::{Reported, Reporter};
use avouch_collect::Securityfs;
use avouch_pairs::{Attribute, Fact, Observation, Reading, UnitIdentity};
use avouch_protocol::{Challenge, Evidence, Hash, Message, Offsets, Report, Trigger, cap_value, chain_value};

use crate::node::Node;
use crate::world::{World, challenge};

const PCR: u8 = 13;
const CAP_PCR: u8 = 15;

/// One service; the kernel enforces as many bytes as the shared number says, systemd states 4096.
struct Service(Arc<AtomicU32>);

impl Witnesses for Service {
    fn observe(&mut self, _: &ScopeAsked) -> Observation {
        let mut observation = Observation::default();
        let subject = observation.subjects.entry("unit:a.service".into()).or_default();
        let (active_state, sub_state) = ("active".to_owned(), "running".to_owned());
        let identity = UnitIdentity {
            active_state,
            sub_state,
            main_pid: 7,
            main_start: 1,
            attempts: 1,
            steady: true,
            ..UnitIdentity::default()
        };
        subject.identity = Some(identity);
        let kernel = Reading::Value(self.0.load(Ordering::SeqCst).to_string());
        let fact = Fact { orchestrator: Reading::Value("4096".into()), kernel, second: Reading::NotRead };
        subject.facts.insert(Attribute::named("memory.max").unwrap().attribute, fact);
        observation
    }
}

/// A node, and what the kernel enforces in its one service from now on.
fn started() -> Option<(Node, Arc<AtomicU32>)> {
    let node = Node::new()?;
    let listener = listen(&node.socket()).unwrap();
    let enforced = Arc::new(AtomicU32::new(4096));
    let service = Service(Arc::clone(&enforced));
    thread::spawn(move || serve(&listener, service, &Arc::new(Hub::default())));
    Some((node, enforced))
}

impl Node {
    fn socket(&self) -> PathBuf {
        self.dir.path().join("collector.sock")
    }

    fn reporter(&self, cap: Option<Cap>) -> Reporter {
        Reporter::new(Collector::at(self.socket()), ScopeAsked::default(), None, cap)
    }

    /// What comes of a challenge whose server holds this much.
    fn report(&mut self, reporter: &mut Reporter, asked: &Challenge) -> Result<Option<Reported>, AgentError> {
        reporter.report(&self.state, &self.lock, &mut self.tpm, asked, &asked.offsets)
    }

    fn event(&mut self, reporter: &mut Reporter) -> bool {
        reporter.report_event(&self.state, &self.lock, &mut self.tpm).unwrap()
    }

    fn held(&self, reports: u64, head: Hash) -> Offsets {
        Offsets { reset_count: Some(self.session), reports, report_head: head, ..Offsets::default() }
    }
}

fn asking(seq: u64, held: Offsets) -> Challenge {
    Challenge { chain_pcr: Some(PCR), cap_pcr: Some(CAP_PCR), offsets: held, ..challenge(seq, Hash::ZERO) }
}

fn sha256(parts: &[&[u8]]) -> Hash {
    Hash(avouch_crypto::sha256(parts))
}

fn folded<'a>(reports: impl IntoIterator<Item = &'a Vec<u8>>) -> Hash {
    reports.into_iter().fold(Hash::ZERO, |value, report| chain_value(sha256, &value, &sha256(&[report])))
}

#[test]
fn a_challenge_that_asks_for_a_report_gets_every_one_that_the_server_lacks() {
    let Some((mut node, _)) = started() else { return };
    let mut reporter = node.reporter(None);
    assert_eq!(node.report(&mut reporter, &challenge(1, Hash::ZERO)).unwrap(), None, "none is asked for");
    assert_eq!(node.pcr(PCR), Hash::ZERO);

    let first = node.report(&mut reporter, &asking(2, node.held(0, Hash::ZERO))).unwrap().unwrap();
    assert_eq!((first.reports.len(), folded(&first.reports)), (1, node.pcr(PCR)));
    let second = node.report(&mut reporter, &asking(3, node.held(1, first.digest))).unwrap().unwrap();
    assert_eq!(second.reports.len(), 1);
    assert_eq!(folded(first.reports.iter().chain(&second.reports)), node.pcr(PCR));
    let report = Report::from_cbor(&second.reports[0]).unwrap();
    assert_eq!((report.seq, report.prev, report.trigger), (2, first.digest, Trigger::Slot));
    // A server that holds nothing of this boot session (another one, or a new enrolment) gets all of it.
    let again = node.report(&mut reporter, &asking(4, Offsets::default())).unwrap().unwrap();
    assert_eq!((again.reports.len(), folded(&again.reports)), (3, node.pcr(PCR)));
    assert_eq!(again.digest, sha256(&[again.reports.last().unwrap()]));
    let looked = node.state.looked().unwrap().unwrap();
    assert_eq!((looked.reports, looked.waiting, looked.findings), (3, 3, 0));
}

#[test]
fn without_a_collector_only_a_round_that_owes_a_report_fails() {
    let Some((mut node, _)) = started() else { return };
    let mut reporter = Reporter::new(Collector::at("/no/such/socket"), ScopeAsked::default(), None, None);
    assert!(!reporter.is_able());
    assert_eq!(node.report(&mut reporter, &challenge(1, Hash::ZERO)).unwrap(), None);
    let error = node.report(&mut reporter, &asking(2, Offsets::default())).unwrap_err();
    assert!(matches!(error, AgentError::Link(LinkError::Absent { .. })), "{error}");
    assert_eq!(error.code(), "COLLECTOR_ABSENT");
    assert!(error.remedy().contains("avouch-collector.socket"));
    assert_eq!(node.pcr(PCR), Hash::ZERO, "nothing is chained that nobody saw");
}

#[test]
fn events_between_rounds_are_reports_of_their_own_at_most_thirty() {
    let Some((mut node, enforced)) = started() else { return };
    let mut reporter = node.reporter(None);
    assert_eq!(reporter.may_report_event(), None, "before a server asked there is no chain");
    assert!(!node.event(&mut reporter));
    let first = node.report(&mut reporter, &asking(1, Offsets::default())).unwrap().unwrap();
    assert_eq!(reporter.may_report_event(), Some(Duration::ZERO));
    // Divergence that is gone before the next slot stays in the chain.
    enforced.store(8192, Ordering::SeqCst);
    assert!(node.event(&mut reporter));
    assert!(reporter.may_report_event().unwrap() > Duration::from_secs(5), "a burst is one report");
    enforced.store(4096, Ordering::SeqCst);
    let second = node.report(&mut reporter, &asking(2, node.held(1, first.digest))).unwrap().unwrap();
    let between = Report::from_cbor(&second.reports[0]).unwrap();
    assert_eq!((second.reports.len(), between.trigger), (2, Trigger::Event));
    let base = Report::from_cbor(&first.reports[0]).unwrap().observation(None).unwrap();
    let seen = between.observation(between.base.is_some().then_some(&base)).unwrap();
    let memory = Attribute::named("memory.max").unwrap().attribute;
    assert_eq!(seen.subjects["unit:a.service"].facts[&memory].kernel, Reading::Value("8192".into()));

    // The server holds three; the rest waits, up to a bound.
    let mut made = 0;
    while node.event(&mut reporter) {
        made += 1;
        assert!(made <= 30);
    }
    let third = node.report(&mut reporter, &asking(3, node.held(3, second.digest))).unwrap().unwrap();
    assert_eq!(third.reports.len(), made + 1);
}

#[test]
fn the_cap_needs_two_looks_and_the_policys_word_and_is_extended_once() {
    let Some((mut node, enforced)) = started() else { return };
    let cap = Cap { pcr: CAP_PCR, on: vec!["V4.memory.*".into()] };
    let mut reporter = node.reporter(Some(cap));
    let look = |node: &mut Node, reporter: &mut Reporter, asked: &Challenge| {
        node.report(reporter, asked).unwrap();
        node.pcr(CAP_PCR)
    };
    let asked = asking(1, Offsets::default());
    enforced.store(8192, Ordering::SeqCst);
    assert_eq!(look(&mut node, &mut reporter, &asked), Hash::ZERO, "one look is no cap");
    enforced.store(4096, Ordering::SeqCst);
    assert_eq!(look(&mut node, &mut reporter, &asked), Hash::ZERO);
    enforced.store(8192, Ordering::SeqCst);
    assert_eq!(look(&mut node, &mut reporter, &asked), Hash::ZERO, "not consecutive");
    let other = Challenge { cap_pcr: None, ..asked.clone() };
    assert_eq!(look(&mut node, &mut reporter, &other), Hash::ZERO, "the policy knows no cap");
    assert_eq!(look(&mut node, &mut reporter, &asked), cap_value(sha256));
    assert_eq!(look(&mut node, &mut reporter, &asked), cap_value(sha256), "once");
}

#[test]
fn without_a_section_nothing_is_ever_capped() {
    let Some((mut node, enforced)) = started() else { return };
    let mut reporter = node.reporter(None);
    enforced.store(8192, Ordering::SeqCst);
    for _ in 0..3 {
        node.report(&mut reporter, &asking(1, Offsets::default())).unwrap();
    }
    assert_eq!(node.pcr(CAP_PCR), Hash::ZERO);
}

/// A round from the report to the signature, as the agent puts it together.
fn answered(node: &mut Node, world: &World, reporter: &mut Reporter, asked: Challenge) -> Evidence {
    let reported = node.report(reporter, &asked).unwrap().unwrap_or_default();
    let checked = CheckedChallenge::check(asked.to_cbor(), &world.enrolment, None).unwrap();
    let (client_spki, owed) = (Hash([3; 32]), asked.offsets.reports == 0);
    let logs = Securityfs::at(node.dir.path());
    let blob = world.enrolment.ak_blob();
    let mut session = node.tpm.load_attestation_key(&blob).unwrap();
    let mut evidence = build_reported_evidence(&mut session, &checked, &client_spki, &logs, reported).unwrap();
    let (challenge, enrolment) = (checked.digest(), &world.enrolment);
    let signing = Signing { state: &node.state, lock: &node.lock, enrolment, challenge, client_spki, owed };
    signing.sign(&mut session, &mut evidence).unwrap();
    evidence
}

#[test]
fn a_steady_round_signs_twice_and_the_key_of_another_boot_state_refuses_once() {
    let Some((mut node, _)) = started() else { return };
    let world = World::with_key(node.tpm.create_attestation_key().unwrap());
    let mut reporter = node.reporter(None);
    let first = answered(&mut node, &world, &mut reporter, asking(1, Offsets::default()));
    assert!(first.report_key.is_some() && first.report_signature.is_some());
    let mut kept = node.state.report_key(&world.enrolment).unwrap().unwrap();
    kept.shown = true;
    node.state.keep_report_key(&node.lock, &world.enrolment, &kept).unwrap();

    node.wire.commands();
    let held = node.held(1, first.report_digest);
    let steady = answered(&mut node, &world, &mut reporter, asking(2, held));
    let commands = node.wire.commands();
    let signing = ["TPM2_Quote", "TPM2_GetTime", "TPM2_Certify", "TPM2_Sign"];
    let signed: Vec<_> = commands.iter().filter(|command| signing.contains(&command.as_str())).collect();
    assert_eq!(signed, ["TPM2_Quote", "TPM2_Sign"], "{commands:?}");
    let extended = commands.iter().position(|command| command == "TPM2_PCR_Extend");
    let quoted = commands.iter().position(|command| command == "TPM2_Quote");
    assert!(extended.unwrap() < quoted.unwrap(), "the quote covers the report: {commands:?}");
    assert!(steady.report_key.is_none() && steady.report_signature.is_some());
    let key = avouch_crypto::ReportKey::from_public(&kept.public).unwrap();
    let digest = sha256(&[&steady.reports[0]]);
    key.verify(&digest.0, steady.report_signature.as_ref().unwrap()).unwrap();

    extend_pcr(&mut node.tpm, 12, &Hash([1; 32])).unwrap();
    let held = node.held(2, steady.report_digest);
    let refused = answered(&mut node, &world, &mut reporter, asking(3, held));
    assert!(refused.report_signature.is_none(), "the key is bound to the boot state");
    assert_eq!(refused.reports.len(), 1, "the round goes on");
    let held = node.held(3, refused.report_digest);
    let renewed = answered(&mut node, &world, &mut reporter, asking(4, held));
    let shown = renewed.report_key.unwrap().public;
    assert!(renewed.report_signature.is_some() && shown != kept.public);
}
