//! What the server shows of a node's chain, held against what was acknowledged.

use std::collections::BTreeMap;

use avouch_crypto::sha256;
use avouch_https::Https;
use avouch_protocol::{Hash, Message, NodeTag, RecordHeader};
use avouch_server::api::{NodeView, RecordView, Records};

use super::member::Acknowledged;
use super::programs::json;

/// The records of a node as the operator sees them, oldest first.
pub(crate) fn records(operator: &Https, node: &NodeTag) -> Vec<RecordView> {
    let mut all = Vec::new();
    let mut before = String::new();
    loop {
        let path = format!("/v1/nodes/{}/records{before}", node.to_hex());
        let page: Records = json(&operator.get(&path).unwrap());
        all.extend(page.records);
        match page.next {
            Some(next) => before = format!("?before={next}"),
            None => break,
        }
    }
    all.reverse();
    all
}

/// The chain is whole: numbers without a gap, every hash that of its header, every header naming the record before and
/// the evidence of its record, no evidence twice, the head at the end. Gives the evidence of every record that has some.
pub(crate) fn whole_chain(operator: &Https, node: &NodeTag) -> BTreeMap<u64, (Hash, Hash)> {
    let mut answered = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    let mut before = Hash::ZERO;
    let records = records(operator, node);
    for (wanted, listed) in (1..).zip(&records) {
        assert_eq!(listed.seq, wanted, "the chain has a gap or a record twice");
        let path = format!("/v1/nodes/{}/records/{}", node.to_hex(), listed.seq);
        let record: RecordView = json(&operator.get(&path).unwrap());
        let bytes = unhex(record.header.as_deref().unwrap());
        let header = RecordHeader::from_cbor(&bytes).unwrap();
        let hash = Hash(sha256(&[&bytes]));
        assert_eq!((header.seq, header.prev, header.node_tag), (wanted, before, *node));
        assert_eq!((&record.hash, &listed.hash), (&hash.to_hex(), &hash.to_hex()));
        assert_eq!(record.evidence, (header.evidence != Hash::ZERO).then(|| header.evidence.to_hex()));
        if header.evidence != Hash::ZERO {
            assert!(seen.insert(header.evidence), "the evidence of record {wanted} is there twice");
            answered.insert(wanted, (hash, header.evidence));
        }
        before = hash;
    }
    let view: NodeView = json(&operator.get(&format!("/v1/nodes/{}", node.to_hex())).unwrap());
    assert_eq!((view.head_seq, view.head_record), (records.len() as u64, before.to_hex()));
    answered
}

/// Every acknowledged record is in the chain, once, and no other evidence is.
pub(crate) fn acknowledged_are_there(operator: &Https, node: &NodeTag, acknowledged: &[Acknowledged]) {
    let held = whole_chain(operator, node);
    let promised: BTreeMap<_, _> = acknowledged.iter().map(|a| (a.seq, (a.record, a.evidence))).collect();
    assert_eq!(promised.len(), acknowledged.len(), "one number was acknowledged twice");
    assert_eq!(held, promised, "what is stored is not what was acknowledged");
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}
