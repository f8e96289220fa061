//! Reports: what they say, how long they are, and what is refused.

use avouch_pairs::{Attribute, Fact, Observation, Reading, Subject, UnitIdentity, attribute as at};
use avouch_protocol::{Hash, Message, Observed, Report, ReportError, ReportHead, Trigger, WireError};
use proptest::prelude::*;

use crate::observed::{Numbers, machine, value};
use crate::sample::{array, boolean, bytes, map, text, uint};

fn head(seq: u64) -> ReportHead {
    ReportHead {
        seq,
        prev: Hash([3; 32]),
        trigger: Trigger::Event,
        started_ms: 1_000,
        finished_ms: 1_120,
        agent_version: "0.1.0".into(),
    }
}

fn whole(observation: &Observation) -> Report {
    Report::whole(observation, head(1)).unwrap()
}

/// Written, read, and unfolded.
fn carried(report: &Report, base: Option<&Observation>) -> Observation {
    let sent = report.to_cbor();
    let read = Report::from_cbor(&sent).unwrap();
    assert_eq!(&read, report);
    read.observation(base).unwrap()
}

#[test]
fn a_report_of_150_units_has_these_lengths() {
    let observation = machine(150, 40);
    let first = whole(&observation);
    assert_eq!(carried(&first, None), observation);
    let unchanged = Report::difference(&observation, &observation, Hash([9; 32]), head(2)).unwrap();
    assert_eq!(carried(&unchanged, Some(&observation)), observation);
    let mut restarted = observation.clone();
    let unit = restarted.subjects.get_mut("unit:metrics-3.service").unwrap();
    unit.identity.as_mut().unwrap().invocation = Numbers(1).hex(32);
    unit.facts.insert(at::PROCESSES, Fact::kernel(value("4711")));
    let event = Report::difference(&restarted, &observation, Hash([9; 32]), head(3)).unwrap();
    assert_eq!(carried(&event, Some(&observation)), restarted);
    let facts: usize = observation.subjects.values().map(|subject| subject.facts.len()).sum();
    let lengths = [&first, &unchanged, &event].map(|report| report.to_cbor().len());
    println!(
        "{} subjects, {facts} facts: whole {}, unchanged {}, one unit restarted {} bytes",
        { observation.subjects.len() },
        lengths[0],
        lengths[1],
        lengths[2]
    );
    assert!(lengths[0] <= 60_000 && lengths[1] <= 2_000, "{lengths:?}");
    assert_eq!(lengths, LENGTHS, "the encoding changed");
}

const LENGTHS: [usize; 3] = [43_635, 100, 190];

#[test]
fn a_thousand_units_are_no_trouble() {
    let observation = machine(1_000, 300);
    let report = whole(&observation);
    assert_eq!(carried(&report, None), observation);
    let length = report.to_cbor().len();
    println!("1000 units: {length} bytes");
    assert!(length <= 400_000, "{length}");
}

#[test]
fn many_units_of_one_kind_are_few_bytes_and_read_back() {
    let one = machine(1, 1).subjects.remove("unit:app-worker-0.service").unwrap();
    let subjects = (0..2_000).map(|number| (format!("unit:worker@{number:04}.service"), one.clone())).collect();
    let observation = Observation { subjects };
    let report = whole(&observation);
    assert_eq!(carried(&report, None), observation);
    let length = report.to_cbor().len();
    println!("2000 units of one kind: {length} bytes");
    assert!(length <= 200_000, "{length}");
}

#[test]
fn more_than_a_reader_takes_is_not_written() {
    let fact = Fact::kernel(value("x".repeat(1 << 20)));
    let subject = Subject { identity: None, facts: [(at::LSM, fact)].into() };
    let subjects = (0..128).map(|number| (format!("path:/{number}"), subject.clone())).collect();
    let refused = Report::whole(&Observation { subjects }, head(1)).unwrap_err();
    assert!(matches!(refused, ReportError::TooMany { what: "bytes of facts", .. }), "{refused}");
}

#[test]
fn the_same_observation_has_the_same_bytes() {
    let observation = machine(20, 5);
    assert_eq!(whole(&observation).to_cbor(), whole(&observation.clone()).to_cbor());
    let observed = Observed::of(&observation).unwrap();
    let read = Observed::from_cbor(&observed.to_cbor()).unwrap();
    assert_eq!(read.observation().unwrap(), observation);
}

/// One unit with every kind of reading, a host fact, and texts that could be taken for something else.
fn small() -> Observation {
    let run = UnitIdentity {
        invocation: "00ff".repeat(8),
        main_pid: 7,
        main_start: 8,
        active_state: "active".into(),
        sub_state: "running".into(),
        started_usec: 9,
        attempts: 2,
        steady: false,
    };
    let facts = [
        (at::MEMORY_MAX, Fact { orchestrator: value("a"), kernel: value("a\nb"), second: Reading::Absent }),
        (at::CPU_MAX, Fact::kernel(Reading::Unreadable("a".into()))),
        (Attribute(65_535), Fact::orchestrator(Reading::NotSupported(String::new()))),
    ];
    let unit = Subject { identity: Some(run), facts: facts.into() };
    let host = Subject { identity: None, facts: [(at::LSM, Fact::kernel(value("\n")))].into() };
    Observation { subjects: [("host".to_owned(), host), ("unit:a.service".to_owned(), unit)].into() }
}

#[test]
fn a_small_report_has_exactly_these_bytes() {
    // The empty line is in two values, `a` in three readings; the states of the unit and `b` follow.
    let lines = array(&[text("a"), text(""), text("active"), text("running"), text("b")]);
    // Seven values: five lines, then the lists `\n` and `a\nb`, in the order of their texts.
    let lists = array(&[array(&[uint(1), uint(1)]), array(&[uint(0), uint(4)])]);
    let lsm = u64::from(at::LSM.0);
    let host =
        array(&[text("host"), uint(0), boolean(false), array(&[uint(lsm), uint(0), uint(2 + 5), uint(0)]), array(&[])]);
    let run = [bytes(&[0, 255].repeat(8)), uint(7), uint(8), uint(2), uint(3), uint(9), uint(2), boolean(false)];
    let facts = [401, 2, 2 + 6, 1, 6, 0, 2 + 7, 0, 65_535 - 407, 2 + 14 + 1, 0, 0].map(uint);
    let unit = array(&[text("unit:a.service"), uint(0), array(&run), array(&facts), array(&[])]);
    let body = map(&[(0, lists), (1, array(&[host, unit]))]);
    let mut fields = vec![
        (0, uint(1)),
        (1, uint(1)),
        (2, bytes(&[3; 32])),
        (3, uint(1)),
        (4, uint(1_000)),
        (5, uint(1_120)),
        (6, text("0.1.0")),
        (8, lines.clone()),
        (9, body.clone()),
    ];
    let report = whole(&small());
    assert_eq!(report.to_cbor(), map(&fields));
    assert_eq!(carried(&report, None), small());
    // As a difference to what it is, it says nothing but whose difference it is.
    let same = Report::difference(&small(), &small(), Hash([9; 32]), head(1)).unwrap();
    fields[7].1 = array(&[]);
    fields[8].1 = map(&[(0, array(&[])), (1, array(&[]))]);
    fields.insert(7, (7, bytes(&[9; 32])));
    assert_eq!(same.to_cbor(), map(&fields));
    let carried = Observed::of(&small()).unwrap();
    assert_eq!(carried.to_cbor(), map(&[(0, uint(1)), (8, lines), (9, body)]));
}

#[test]
fn a_difference_says_what_came_went_and_changed() {
    let base = machine(12, 4);
    let mut next = base.clone();
    let names: Vec<String> = base.subjects.keys().cloned().collect();
    next.subjects.remove(&names[3]);
    let twin = next.subjects.values().next_back().unwrap().clone();
    next.subjects.insert("unit:zz.service".into(), twin.clone());
    next.subjects.insert("unit:zzz.service".into(), twin);
    let units: Vec<&String> = names.iter().filter(|name| name.starts_with("unit:")).collect();
    let changed = next.subjects.get_mut(units[5]).unwrap();
    changed.facts.remove(&at::CGROUP_ID);
    changed.facts.insert(at::NFTABLES, Fact::kernel(Reading::Absent));
    next.subjects.get_mut(units[6]).unwrap().identity = None;
    next.subjects.get_mut(units[7]).unwrap().facts.clear();
    let difference = Report::difference(&next, &base, Hash([9; 32]), head(2)).unwrap();
    assert_eq!(carried(&difference, Some(&base)), next);
    let back = Report::difference(&base, &next, Hash([9; 32]), head(3)).unwrap();
    assert_eq!(carried(&back, Some(&next)), base);
    let empty = Observation::default();
    let all = Report::difference(&next, &empty, Hash([9; 32]), head(4)).unwrap();
    assert_eq!(carried(&all, Some(&empty)), next);
    let none = Report::difference(&empty, &next, Hash([9; 32]), head(5)).unwrap();
    assert_eq!(carried(&none, Some(&next)), empty);
}

#[test]
fn a_base_is_taken_by_a_difference_only_and_must_be_the_right_one() {
    let base = small();
    let mut next = base.clone();
    next.subjects.remove("host");
    let difference = Report::difference(&next, &base, Hash([9; 32]), head(2)).unwrap();
    assert_eq!(difference.observation(None), Err(ReportError::BaseMissing));
    assert_eq!(whole(&base).observation(Some(&base)), Err(ReportError::BaseUnwanted));
    let removed = ReportError::NothingToRemove { subject: "host".into() };
    assert_eq!(difference.observation(Some(&next)), Err(removed));
}

#[test]
fn a_report_cut_at_any_byte_or_with_any_byte_changed_is_another_or_none() {
    let report = whole(&machine(2, 1));
    let sent = report.to_cbor();
    for end in 0..sent.len() {
        assert!(Report::from_cbor(&sent[..end]).is_err(), "cut at {end}");
    }
    assert!(Report::from_cbor(&[sent.as_slice(), &[0]].concat()).is_err());
    for at in 0..sent.len() {
        for flip in [1, 0x80] {
            let mut other = sent.clone();
            other[at] ^= flip;
            if let Ok(read) = Report::from_cbor(&other) {
                assert_ne!(read, report, "byte {at}");
                assert_eq!(read.to_cbor(), other, "byte {at}");
                let _ = read.observation(None);
            }
        }
    }
}

/// The report of these lines and this body.
fn made(lines: &[Vec<u8>], lists: &[Vec<u8>], subjects: &[Vec<u8>], removed: Option<&[Vec<u8>]>) -> Vec<u8> {
    let mut body = vec![(0, array(lists)), (1, array(subjects))];
    body.extend(removed.map(|removed| (2, array(removed))));
    map(&[(0, uint(1)), (8, array(lines)), (9, map(&body))])
}

fn subject(name: &str, like: u64, facts: &[u64], without: &[u64]) -> Vec<u8> {
    let numbers = |list: &[u64]| array(&list.iter().map(|n| uint(*n)).collect::<Vec<_>>());
    array(&[text(name), uint(like), boolean(false), numbers(facts), numbers(without)])
}

fn refusal(sent: &[u8]) -> Option<ReportError> {
    Observed::from_cbor(sent).unwrap().observation().err()
}

#[test]
fn numbers_that_point_nowhere_are_refused() {
    let lines = [text("a"), text("b")];
    let list = [array(&[uint(0), uint(1)])];
    let good = subject("host", 0, &[401, 2, 4, 10], &[]);
    assert_eq!(refusal(&made(&lines, &list, std::slice::from_ref(&good), None)), None);
    let index = |what, wanted, got| Some(ReportError::Index { what, wanted, got });
    let one = |entry: Vec<u8>| refusal(&made(&lines, &list, &[entry], None));
    // Three values: readings reach to 2 + 9.
    assert_eq!(one(subject("host", 0, &[401, 11, 0, 0], &[])), index("values", 3, 11));
    assert_eq!(one(subject("host", 0, &[401, 0, 0, u64::from(u32::MAX)], &[])), index("values", 3, u32::MAX.into()));
    assert_eq!(refusal(&made(&[], &[], &[good], None)), index("values", 0, 2));
    assert_eq!(refusal(&made(&lines, &[array(&[uint(0), uint(2)])], &[], None)), index("lines", 2, 2));
    assert_eq!(one(subject("host", 1, &[], &[])), index("earlier subjects", 0, 1));
    assert_eq!(one(subject("host", u64::from(u32::MAX), &[], &[])), index("earlier subjects", 0, u32::MAX.into()));
    let same = array(&[text("host"), uint(0), boolean(true), array(&[]), array(&[])]);
    assert_eq!(one(same), index("earlier identities", 0, 0));
}

#[test]
fn what_stands_twice_or_in_another_order_is_refused() {
    let lines = [text("a")];
    let order = |what, subject| Some(ReportError::Order { what, subject });
    let (a, b) = (subject("a", 0, &[], &[]), subject("b", 0, &[], &[]));
    assert_eq!(refusal(&made(&lines, &[], &[b.clone(), a.clone()], None)), order("names", 1));
    assert_eq!(refusal(&made(&lines, &[], &[a.clone(), a.clone()], None)), order("names", 1));
    let twice = subject("a", 0, &[401, 2, 0, 0, 0, 2, 0, 0], &[]);
    assert_eq!(refusal(&made(&lines, &[], &[twice], None)), order("attributes", 0));
    let facts = |subject| Some(ReportError::Facts { subject });
    let three = subject("a", 0, &[401, 2, 0], &[]);
    assert_eq!(refusal(&made(&lines, &[], &[three], None)), facts(0));
    let far = subject("a", 0, &[65_535, 2, 0, 0, 1, 2, 0, 0], &[]);
    assert_eq!(refusal(&made(&lines, &[], &[far], None)), facts(0));
    let wide = subject("a", 0, &[u64::from(u32::MAX), 2, 0, 0, 1, 2, 0, 0], &[]);
    assert_eq!(refusal(&made(&lines, &[], &[wide], None)), facts(0));
    // The same fact once more, and a fact that is taken away and given.
    let first = subject("a", 0, &[401, 2, 0, 0], &[]);
    let again = subject("b", 1, &[401, 2, 0, 0], &[]);
    assert_eq!(refusal(&made(&lines, &[], &[first.clone(), again], None)), facts(1));
    let given = subject("b", 1, &[401, 0, 2, 0], &[401]);
    assert_eq!(refusal(&made(&lines, &[], &[first, given], None)), facts(1));
    let nothing = |name: &str| Some(ReportError::NothingToRemove { subject: name.into() });
    assert_eq!(refusal(&made(&lines, &[], &[subject("a", 0, &[], &[401])], None)), nothing("a"));
    assert_eq!(refusal(&made(&lines, &[], &[], Some(&[text("x")]))), nothing("x"));
}

#[test]
fn a_second_spelling_of_the_same_tables_is_refused() {
    let read = |sent: &[u8]| Observed::from_cbor(sent).map(|_| ());
    let malformed = |sent: &[u8]| matches!(read(sent), Err(WireError::Malformed { .. }));
    let other = |sent: &[u8]| matches!(read(sent), Err(WireError::NotDeterministic { .. }));
    let lines = |lines: &[Vec<u8>]| made(lines, &[], &[], None);
    assert_eq!(read(&lines(&[text("a"), bytes(&[7; 16]), array(&[text("p\t"), bytes(&[7; 32])])])), Ok(()));
    assert!(malformed(&lines(&[text("a"), text("a")])));
    assert!(malformed(&lines(&[text("a\nb")])));
    assert!(other(&lines(&[text(&"07".repeat(16))])), "hexadecimal as text");
    assert!(other(&lines(&[bytes(&[7; 15])])), "too short for bytes");
    assert!(other(&lines(&[array(&[text("p\t07"), bytes(&[7; 32])])])), "digits left in the text");
    assert!(other(&lines(&[array(&[text(""), bytes(&[7; 32])])])), "nothing before the bytes");
    assert!(malformed(&made(&[text("a")], &[array(&[uint(0)])], &[], None)), "a list of one");
    assert!(other(&made(&[], &[], &[], Some(&[]))), "nothing removed, and said");
    // An odd number of digits leaves the first in the text.
    assert_eq!(read(&lines(&[array(&[text("0"), bytes(&[7; 32])])])), Ok(()));
}

#[test]
fn a_report_that_unfolds_without_end_is_refused() {
    // A value of a megabyte that a thousand subjects have, each by a few bytes.
    let long = text(&"x".repeat(1 << 20));
    let first = subject("s0", 0, &[401, 2, 2, 2], &[]);
    let mut subjects = vec![first];
    let mut names: Vec<String> = (1..2_000).map(|number| format!("s{number:05}x")).collect();
    names.sort();
    subjects.extend(names.iter().map(|name| subject(name, 1, &[], &[])));
    subjects.sort();
    let sent = made(&[long], &[], &subjects, None);
    assert!(matches!(refusal(&sent), Some(ReportError::TooMany { what: "bytes of facts", .. })));
    let subjects = vec![subject("s", 0, &[], &[]); 65_537];
    assert!(Observed::from_cbor(&made(&[], &[], &subjects, None)).is_err());
    for major in [0x5B, 0x9B, 0xBB, 0x7B] {
        for key in [8, 9] {
            let lie = [&[0xA3, 0, 1, key, major], (1_u64 << 60).to_be_bytes().as_slice()].concat();
            assert!(Observed::from_cbor(&lie).is_err());
        }
    }
    let deep = [&[0xA3, 0, 1, 8][..], &[0x81; 1 << 20]].concat();
    assert!(Observed::from_cbor(&deep).is_err());
    let huge = vec![0; Report::MAX_BYTES + 1];
    assert!(matches!(Report::from_cbor(&huge), Err(WireError::TooLong { .. })));
}

#[test]
fn more_subjects_than_a_report_may_have_are_not_written() {
    let subjects = (0..=65_536).map(|number| (format!("unit:{number}.service"), Subject::default())).collect();
    let refused = ReportError::TooMany { what: "subjects", wanted: 65_536, got: 65_537 };
    assert_eq!(Report::whole(&Observation { subjects }, head(1)), Err(refused));
}

fn reading() -> impl Strategy<Value = Reading> {
    let text = "(a|b|\n|\t|0f|ü){0,24}";
    prop_oneof![
        Just(Reading::NotRead),
        Just(Reading::Absent),
        text.prop_map(Reading::Value),
        text.prop_map(Reading::Unreadable),
        text.prop_map(Reading::NotSupported),
        "[0-9a-f]{0,70}".prop_map(Reading::Value),
    ]
}

fn any_subject() -> impl Strategy<Value = Subject> {
    let fact = (reading(), reading(), reading());
    let fact = fact.prop_map(|(orchestrator, kernel, second)| Fact { orchestrator, kernel, second });
    let facts = proptest::collection::btree_map((1u16..20).prop_map(Attribute), fact, 0..8);
    let run = ("[0-9a-f]{0,40}", any::<u32>(), "[a-c]{0,2}").prop_map(|(invocation, main_pid, state)| UnitIdentity {
        invocation,
        main_pid,
        active_state: state.clone(),
        sub_state: state,
        ..UnitIdentity::default()
    });
    (proptest::option::of(run), facts).prop_map(|(identity, facts)| Subject { identity, facts })
}

fn any_observation() -> impl Strategy<Value = Observation> {
    proptest::collection::btree_map("[a-d]{1,2}", any_subject(), 0..12).prop_map(|subjects| Observation { subjects })
}

proptest! {
    #[test]
    fn every_observation_comes_back(first in any_observation(), next in any_observation()) {
        prop_assert_eq!(carried(&whole(&first), None), first.clone());
        let difference = Report::difference(&next, &first, Hash([9; 32]), head(2)).unwrap();
        prop_assert_eq!(carried(&difference, Some(&first)), next);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(read) = Observed::from_cbor(&bytes) {
            let _ = read.observation();
        }
    }
}
