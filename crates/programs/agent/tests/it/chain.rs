//! The reports of a boot session against a software TPM, and processes that end between any two steps.

use avouch_agent::chain::{Chain, Opened, extend_pcr};
use avouch_agent::collector::Observed;
use avouch_agent::error::AgentError;
use avouch_pairs::{Attribute, Fact, Observation, Reading};
use avouch_protocol::{
    Hash, MAX_REPORT_BYTES, Message, Observed as TravellingObservation, Offsets, Report, ReportError, Trigger,
    chain_value,
};
use avouch_tpm::Tpm;
use avouch_tpm_wire::command::{Command, PcrExtend};

use crate::node::Node;
use crate::wire::{Fault, Wire};

const PCR: u8 = 13;
const SESSION: u32 = 5;

impl Node {
    fn open_as(&mut self, session: u32, held: &Offsets) -> (Chain<'_>, Opened, &mut Tpm<Wire>) {
        let (chain, opened) = Chain::open(&self.state, &self.lock, &mut self.tpm, session, PCR, held).unwrap();
        (chain, opened, &mut self.tpm)
    }

    fn open(&mut self) -> (Chain<'_>, Opened, &mut Tpm<Wire>) {
        self.open_as(SESSION, &Offsets::default())
    }

    /// Opens, adds what `units` units look like, and returns the report's digest.
    fn add(&mut self, units: u32) -> Hash {
        let (mut chain, _, tpm) = self.open();
        chain.add(tpm, &observed(units), Trigger::Slot).unwrap()
    }

    fn reports(&mut self) -> Vec<Vec<u8>> {
        self.open().0.behind(0).unwrap()
    }
}

/// Machines of this many units, each with a limit of its own.
fn observed(units: u32) -> Observed {
    let mut observation = Observation::default();
    for unit in 0..units {
        let subject = observation.subjects.entry(format!("unit:{unit}.service")).or_default();
        let fact = Fact::kernel(Reading::Value(unit.to_string()));
        subject.facts.insert(Attribute::named("memory.max").unwrap().attribute, fact);
    }
    Observed { observation, started_ms: 1, finished_ms: 2 }
}

fn folded(reports: &[Vec<u8>]) -> Hash {
    let sha256 = |parts: &[&[u8]]| Hash(avouch_crypto::sha256(parts));
    reports.iter().fold(Hash::ZERO, |value, report| chain_value(sha256, &value, &sha256(&[report])))
}

fn digest(report: &[u8]) -> Hash {
    Hash(avouch_crypto::sha256(&[report]))
}

#[test]
fn the_pcr_is_the_fold_of_every_report_and_each_names_the_one_before() {
    let Some(mut node) = Node::new() else { return };
    for units in [3, 3, 4, 0, 70] {
        node.add(units);
    }
    let reports = node.reports();
    assert_eq!(reports.len(), 5);
    assert_eq!(node.pcr(PCR), folded(&reports));
    let mut before = Hash::ZERO;
    for (number, bytes) in (1..).zip(&reports) {
        let report = Report::from_cbor(bytes).unwrap();
        assert_eq!((report.seq, report.prev), (number, before));
        before = digest(bytes);
    }
    // From one process to the next nothing is forgotten, and nothing is said twice.
    assert!(reports[1].len() < reports[0].len(), "an unchanged machine is told as a difference");
    assert_eq!(node.open().0.newest_observation().unwrap().unwrap(), observed(70).observation);
    assert_eq!(node.open().1, Opened::Continued);
}

#[test]
fn what_the_server_holds_is_not_sent_again_and_what_it_lacks_is() {
    let Some(mut node) = Node::new() else { return };
    let digests: Vec<_> = [1, 2, 3].into_iter().map(|units| node.add(units)).collect();
    for held in 0..=3 {
        let sent = node.open().0.behind(held).unwrap();
        let got: Vec<_> = sent.iter().map(|report| digest(report)).collect();
        assert_eq!(got, digests[usize::try_from(held).unwrap()..]);
    }
    let (chain, ..) = node.open();
    assert_eq!((chain.count(), chain.head()), (3, digests[2]));
}

/// kill -9 between the fsync of the report and TPM2_PCR_Extend: the TPM never sees the command.
#[test]
fn killed_between_spool_and_extend_the_report_is_dropped() {
    let Some(mut node) = Node::new() else { return };
    node.add(1);
    let before = node.pcr(PCR);
    node.wire.interfere(|_, code| (code == PcrExtend::CODE).then_some(Fault::Lost));
    {
        let (mut chain, _, tpm) = node.open();
        assert!(chain.add(tpm, &observed(2), Trigger::Slot).is_err());
    }
    node.wire.leave_alone();
    assert_eq!(node.pcr(PCR), before);
    assert_eq!(node.open().1, Opened::Dropped);
    assert_eq!(node.open().1, Opened::Continued);
    node.add(3);
    let reports = node.reports();
    assert_eq!((reports.len(), folded(&reports)), (2, node.pcr(PCR)));
}

/// kill -9 after TPM2_PCR_Extend and before the position is written: the TPM did it, and no answer came.
#[test]
fn killed_between_extend_and_its_note_the_report_counts() {
    let Some(mut node) = Node::new() else { return };
    node.add(1);
    let before = node.pcr(PCR);
    node.wire.interfere(|_, code| (code == PcrExtend::CODE).then_some(Fault::Cut));
    {
        let (mut chain, _, tpm) = node.open();
        assert!(chain.add(tpm, &observed(2), Trigger::Slot).is_err());
    }
    node.wire.leave_alone();
    assert_ne!(node.pcr(PCR), before);
    assert_eq!(node.open().1, Opened::Continued);
    let reports = node.reports();
    assert_eq!((reports.len(), folded(&reports)), (2, node.pcr(PCR)));
    assert_eq!(node.open().0.newest_observation().unwrap().unwrap(), observed(2).observation);
}

#[test]
fn a_new_boot_session_starts_a_new_chain() {
    let Some(mut node) = Node::new() else { return };
    node.add(1);
    // The same PCR value in another session is nothing that a reset leaves: the reports are gone, the value is told.
    let (chain, opened, _) = node.open_as(SESSION + 1, &Offsets::default());
    assert_eq!((chain.count(), chain.head(), opened), (0, Hash::ZERO, Opened::Foreign));
    assert!(chain.behind(0).unwrap().is_empty());
}

#[test]
fn somebody_elses_extend_is_told_and_the_chain_goes_on() {
    let Some(mut node) = Node::new() else { return };
    node.add(1);
    extend_pcr(&mut node.tpm, PCR, &Hash([7; 32])).unwrap();
    assert_eq!(node.open().1, Opened::Foreign);
    assert_eq!(node.open().1, Opened::Continued);
    node.add(2);
    let reports = node.reports();
    assert_eq!(reports.len(), 2);
    assert_ne!(folded(&reports), node.pcr(PCR), "the verifier sees that something is withheld");
}

#[test]
fn a_node_that_lost_its_state_goes_on_where_the_server_is() {
    let Some(mut node) = Node::new() else { return };
    let head = node.add(1);
    std::fs::remove_dir_all(node.state.path().join("reports")).unwrap();
    let held = Offsets { reset_count: Some(SESSION), reports: 1, report_head: head, ..Offsets::default() };
    let (mut chain, opened, tpm) = node.open_as(SESSION, &held);
    assert_eq!((opened, chain.count(), chain.head()), (Opened::Adopted, 1, head));
    chain.add(tpm, &observed(2), Trigger::Slot).unwrap();
    let sent = chain.behind(1).unwrap();
    let report = Report::from_cbor(&sent[0]).unwrap();
    assert_eq!((sent.len(), report.seq, report.prev, report.base), (1, 2, head, None));
    let sha256 = |parts: &[&[u8]]| Hash(avouch_crypto::sha256(parts));
    // What the server kept, and the new report: that is what the TPM shows.
    let kept = chain_value(sha256, &Hash::ZERO, &head);
    assert_eq!(node.pcr(PCR), chain_value(sha256, &kept, &digest(&sent[0])));
}

#[test]
fn a_report_that_has_to_stand_by_itself_does_once() {
    let Some(mut node) = Node::new() else { return };
    node.add(50);
    {
        let (mut chain, _, tpm) = node.open();
        chain.begin_anew();
        chain.add(tpm, &observed(50), Trigger::Slot).unwrap();
        chain.add(tpm, &observed(50), Trigger::Slot).unwrap();
    }
    let bases: Vec<_> = node.reports().iter().map(|bytes| Report::from_cbor(bytes).unwrap().base.is_some()).collect();
    assert_eq!(bases, [false, false, true]);
}

#[test]
fn a_long_chain_stands_by_itself_now_and_then() {
    let Some(mut node) = Node::new() else { return };
    (0..70).for_each(|_| {
        node.add(9);
    });
    let whole = |bytes: &Vec<u8>| Report::from_cbor(bytes).unwrap().base.is_none();
    let reports = node.reports();
    let gaps: Vec<_> = reports.iter().enumerate().filter(|(_, bytes)| whole(bytes)).map(|(at, _)| at).collect();
    assert!(gaps.len() >= 2 && gaps.windows(2).all(|pair| pair[1] - pair[0] <= 33), "{gaps:?}");
    assert_eq!(node.open().0.newest_observation().unwrap().unwrap(), observed(9).observation);
}

#[test]
fn a_report_beyond_its_limit_does_not_come_into_the_chain() {
    let Some(mut node) = Node::new() else { return };
    node.add(1);
    let before = node.pcr(PCR);
    let long = |length: usize| {
        let mut seen = observed(1);
        let subject = seen.observation.subjects.get_mut("unit:0.service").unwrap();
        for fact in subject.facts.values_mut() {
            *fact = Fact::kernel(Reading::Value("x".repeat(length)));
        }
        seen
    };
    // The observation just fits through the collector's socket; the head of a report makes it too long.
    let size = |length| TravellingObservation::of(&long(length).observation).unwrap().to_cbor().len();
    let length = MAX_REPORT_BYTES - (size(1 << 20) - (1 << 20));
    assert_eq!(size(length), MAX_REPORT_BYTES);
    let (mut chain, _, tpm) = node.open();
    let error = chain.add(tpm, &long(length), Trigger::Slot).unwrap_err();
    assert!(matches!(error, AgentError::Report(ReportError::TooMany { .. })), "{error}");
    assert_eq!(node.pcr(PCR), before);
    node.add(2);
    assert_eq!(node.reports().len(), 2);
}
