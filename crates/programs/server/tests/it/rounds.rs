//! Rounds of a real TPM over HTTPS.

use avouch_appraise::{IMA_POLICY_PATH, PolicyDraft, ReferenceBoot};
use avouch_crypto::sha256;
use avouch_protocol::{Challenge, KeyLost, Message, Status, VERSION};
use serde_json::Value;

use crate::node::{Node, hash, receipt, taken, world};
use crate::world::{World, eventually, json, refusal};

const IMA_POLICY: &str = "measure func=BPRM_CHECK\nmeasure func=POLICY_CHECK\n";

fn view(world: &World, node: &Node) -> Value {
    json(&world.operator().get(&format!("/v1/nodes/{}", node.tag())).unwrap())
}

/// A policy from the boot of `reference`, which has measured its IMA policy.
fn apply_policy(world: &World, reference: &Node, files: &[([u8; 32], &str)]) {
    let operator = world.operator();
    let answer = operator.get(&format!("/v1/nodes/{}/reference-boot", reference.tag())).unwrap();
    assert_eq!(answer.status, 200, "{}", json(&answer));
    let boot: ReferenceBoot = serde_json::from_slice(&answer.body).unwrap();
    let mut draft = PolicyDraft::new("test", "today");
    files.iter().for_each(|(digest, path)| draft.add_file(digest, path).unwrap());
    draft.add_ima_policy(IMA_POLICY_PATH, IMA_POLICY).unwrap();
    draft.confirm(&boot, "reference", "today").unwrap();
    let stored = json(&operator.post("/v1/policies", "application/json", &draft.to_bytes()).unwrap());
    let assigned = operator.post("/v1/default-policy", "application/json", stored.to_string().as_bytes()).unwrap();
    assert_eq!(assigned.status, 200, "{}", json(&assigned));
}

#[test]
fn without_a_policy_a_good_quote_is_unverifiable_and_shown_so() {
    let Some((factory, world)) = world() else { return };
    let mut node = Node::enrol(&world, &factory, 0);
    assert_eq!(view(&world, &node)["verdict"], "unverifiable");
    let receipt = node.round();
    assert_eq!((receipt.status, receipt.code.as_str(), receipt.seq), (Status::Unverifiable, "NO_POLICY", 1));
    let view = view(&world, &node);
    assert_eq!((&view["verdict"], &view["code"]), (&"unverifiable".into(), &"NO_POLICY".into()));
    assert_eq!(view["head_record"], receipt.record_hash.to_hex());
    assert_eq!(view["detail"]["tpm"], "software TPM: evaluation only");
}

#[test]
fn a_node_passes_until_it_runs_something_unknown_and_is_stale_when_it_falls_silent() {
    let Some((factory, world)) = world() else { return };
    let ima_policy = sha256(&[IMA_POLICY.as_bytes()]);
    let mut reference = Node::enrol(&world, &factory, 1);
    reference.measure("/usr/lib/systemd/systemd", &[1; 32]);
    reference.measure(IMA_POLICY_PATH, &ima_policy);
    reference.round();
    reference.measure("/usr/bin/late", &[2; 32]);
    reference.round();
    apply_policy(&world, &reference, &[([1; 32], "/usr/lib/systemd/systemd"), ([2; 32], "/usr/bin/known")]);

    let mut node = Node::enrol(&world, &factory, 0);
    node.measure("/usr/lib/systemd/systemd", &[1; 32]);
    node.measure(IMA_POLICY_PATH, &ima_policy);
    let first = node.round();
    assert_eq!((first.status, first.code.as_str()), (Status::Pass, ""), "{}", view(&world, &node));
    node.measure("/usr/bin/known", &[2; 32]);
    let second = node.round();
    assert_eq!(second.status, Status::Pass, "{}", view(&world, &node));
    assert_eq!(view(&world, &node)["verdict"], "pass");

    world.clock.pass(second.expires - second.time);
    assert_eq!(view(&world, &node)["verdict"], "pass");
    world.clock.pass(1);
    let stale = view(&world, &node);
    assert_eq!((&stale["verdict"], &stale["last_status"]), (&"stale".into(), &"pass".into()));

    node.measure("/tmp/stranger", &[9; 32]);
    let third = node.round();
    assert_eq!((third.status, third.code.as_str()), (Status::Fail, "IMA_UNKNOWN_DIGEST"));
    let failed = view(&world, &node);
    assert_eq!(failed["verdict"], "fail");
    assert!(failed["detail"].to_string().contains("/tmp/stranger"), "{failed}");
}

#[test]
fn a_challenge_stays_the_same_until_its_deadline_and_then_becomes_unanswered() {
    let Some((factory, world)) = world() else { return };
    let mut node = Node::enrol(&world, &factory, 0);
    let first = node.challenge();
    assert_eq!(node.challenge(), first);
    let asked = Challenge::from_cbor(&first).unwrap();
    world.clock.pass(asked.deadline + 1 - asked.round * 10);
    let second = Challenge::from_cbor(&node.challenge()).unwrap();
    assert_eq!(second.seq, 2);
    let path = format!("/v1/nodes/{}/records/1", node.tag());
    let record = json(&world.operator().get(&path).unwrap());
    assert_eq!((&record["status"], &record["hash"]), (&"unanswered".into(), &second.prev.to_hex().into()));
    // Authentic evidence for the first one comes too late to count, while the second is open and after it.
    let late = node.evidence(&first);
    assert_eq!(refusal(&node.send(&late)).code, "CHALLENGE_OPEN");
    node.round();
    let late = receipt(&node.send(&late));
    assert_eq!((late.status, late.code.as_str(), late.seq, late.expires), (Status::Unanswered, "LATE", 3, 0));
}

#[test]
fn an_overdue_challenge_becomes_a_record_without_being_asked_for() {
    let Some((factory, world)) = world() else { return };
    let node = Node::enrol(&world, &factory, 0);
    node.challenge();
    world.clock.pass(100);
    eventually("the challenge runs out", || view(&world, &node)["head_seq"] == 1);
    let rounds = json(&world.operator().get(&format!("/v1/nodes/{}/rounds?last=20", node.tag())).unwrap());
    let rounds = rounds["rounds"].as_array().unwrap();
    let words: Vec<_> = rounds.iter().map(|round| round["status"].as_str().unwrap()).collect();
    assert_eq!(words.first(), Some(&"unanswered"), "{words:?}");
    assert!(words.contains(&"silent") && words.last() == Some(&"open"), "{words:?}");
    let numbers: Vec<_> = rounds.iter().map(|round| round["round"].as_u64().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[test]
fn the_same_bytes_get_the_same_receipt_and_other_bytes_none() {
    let Some((factory, mut world)) = world() else { return };
    let mut node = Node::enrol(&world, &factory, 0);
    let challenge = node.challenge();
    let evidence = node.evidence(&challenge);
    let first = receipt(&node.send(&evidence));
    assert_eq!(receipt(&node.send(&evidence)), first);
    let other = node.evidence(&challenge);
    assert_ne!(other.to_cbor(), evidence.to_cbor());
    let answer = node.send(&other);
    assert_eq!((answer.status, refusal(&answer).code.as_str()), (409, "CHALLENGE_SPENT"));
    let path = format!("/v1/nodes/{}/records/1/evidence", node.tag());
    assert_eq!(world.operator().get(&path).unwrap().body, evidence.to_cbor());
    // Also after a restart, on another connection and another port.
    world.config.listen = world.running().local_addr();
    world.stop();
    world.start_again();
    assert_eq!(receipt(&node.send(&evidence)), first);
}

#[test]
fn evidence_of_another_node_or_for_no_challenge_is_refused() {
    let Some((factory, world)) = world() else { return };
    let (mut one, two) = (Node::enrol(&world, &factory, 0), Node::enrol(&world, &factory, 1));
    let challenge = one.challenge();
    let evidence = one.evidence(&challenge);
    assert_eq!(refusal(&two.send(&evidence)).code, "NO_CHALLENGE");
    two.challenge();
    assert_eq!(refusal(&two.send(&evidence)).code, "CHALLENGE_MISMATCH");
    assert_eq!(receipt(&one.send(&evidence)).seq, 1);
}

#[test]
fn rejected_evidence_leaves_the_last_verdict_and_its_expiry() {
    let Some((factory, world)) = world() else { return };
    let mut node = Node::enrol(&world, &factory, 0);
    node.round();
    let before = view(&world, &node);
    let challenge = node.challenge();
    let mut evidence = node.evidence(&challenge);
    let last = evidence.quote_signature.len() - 1;
    evidence.quote_signature[last] ^= 1;
    let rejected = receipt(&node.send(&evidence));
    assert_eq!((rejected.status, rejected.code.as_str(), rejected.expires), (Status::Rejected, "SIGNATURE", 0));
    let after = view(&world, &node);
    assert_eq!((&after["expires"], &after["seq"]), (&before["expires"], &before["seq"]));
    assert_eq!(after["head_seq"], 2);
}

#[test]
fn a_receipt_that_the_server_does_not_know_is_a_fork() {
    let Some((factory, world)) = world() else { return };
    let mut node = Node::enrol(&world, &factory, 0);
    node.round();
    let right = node.last;
    for wrong in [(1, hash(&[b"other"])), (2, right.1), (0, right.1)] {
        node.last = wrong;
        let answer = node.ask();
        assert_eq!((answer.status, refusal(&answer).code.as_str()), (409, "CHAIN_FORK"), "{wrong:?}");
    }
    node.last = right;
    taken(node.ask()).unwrap();
}

#[test]
fn a_lost_key_ends_the_verdict_at_once() {
    let Some((factory, world)) = world() else { return };
    let mut node = Node::enrol(&world, &factory, 0);
    node.round();
    let challenge = node.challenge();
    let notice = KeyLost { v: VERSION, seq: 2, challenge: hash(&[&challenge]), tpm_rc: 0x01DF };
    let answer = node.client.post("/v1/key-lost", "application/cbor", &notice.to_cbor()).unwrap();
    let receipt = receipt(&answer);
    assert_eq!((receipt.status, receipt.code.as_str()), (Status::Fail, "TPM_CLEARED"));
    assert_eq!(view(&world, &node)["verdict"], "fail");
}

#[test]
fn an_unconfirmed_forward_step_makes_verdicts_stale_until_fresh_evidence() {
    let Some((factory, world)) = world() else { return };
    let mut node = Node::enrol(&world, &factory, 0);
    node.round();
    assert_eq!(view(&world, &node)["verdict"], "unverifiable");
    world.clock.step(7);
    assert_eq!(view(&world, &node)["verdict"], "stale");
    node.round();
    assert_eq!(view(&world, &node)["verdict"], "unverifiable");
}
