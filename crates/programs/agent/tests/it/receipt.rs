use avouch_agent::receipt::{ReceiptError, VerifiedReceipt};
use avouch_crypto::signing::SigningKey;
use avouch_protocol::{Challenge, Hash, Message, NodeTag, Receipt, SignedReceipt};

use crate::world::{World, challenge, sign};

const EVIDENCE: &[u8] = b"what was sent";

fn asked() -> Challenge {
    challenge(5, Hash([4; 32]))
}

fn verify(world: &World, signed: Vec<u8>) -> Result<VerifiedReceipt, ReceiptError> {
    VerifiedReceipt::verify(signed, &world.enrolment, &asked().to_cbor(), EVIDENCE)
}

fn altered(alter: impl FnOnce(&mut Receipt)) -> Result<VerifiedReceipt, ReceiptError> {
    let world = World::new();
    let signed = world.receipt(&asked(), EVIDENCE, alter);
    verify(&world, signed)
}

#[test]
fn the_receipt_for_what_was_sent_is_taken_and_kept() {
    let world = World::new();
    let signed = world.receipt(&asked(), EVIDENCE, |_| ());
    let receipt = verify(&world, signed.clone()).unwrap();
    assert_eq!((receipt.message().seq, receipt.next_in()), (5, 10));
    assert_eq!(VerifiedReceipt::kept(signed, &world.enrolment).unwrap(), receipt);
}

#[test]
fn a_receipt_of_another_key_is_refused() {
    let world = World::new();
    let signed = world.receipt(&asked(), EVIDENCE, |_| ());
    let receipt = Receipt::from_cbor(&SignedReceipt::from_cbor(&signed).unwrap().receipt).unwrap();
    let forged = sign(&SigningKey::generate().unwrap(), &receipt);
    assert_eq!(verify(&world, forged.clone()), Err(ReceiptError::Signature));
    assert_eq!(VerifiedReceipt::kept(forged, &world.enrolment), Err(ReceiptError::Signature));
}

#[test]
fn a_receipt_changed_anywhere_is_refused() {
    let world = World::new();
    let signed = world.receipt(&asked(), EVIDENCE, |_| ());
    // The last byte is next_in, which is advice and stands outside the signature.
    for at in 0..signed.len() - 1 {
        let mut changed = signed.clone();
        changed[at] ^= 0x01;
        assert!(verify(&world, changed).is_err(), "byte {at}");
    }
}

#[test]
fn a_receipt_for_other_evidence_is_refused() {
    let error = altered(|receipt| receipt.evidence = Hash([1; 32])).unwrap_err();
    assert!(matches!(error, ReceiptError::OtherEvidence { .. }));
}

#[test]
fn a_receipt_for_another_node_is_refused() {
    let error = altered(|receipt| receipt.node_tag = NodeTag([8; 32])).unwrap_err();
    assert!(matches!(error, ReceiptError::OtherNode { .. }));
}

#[test]
fn a_receipt_for_an_earlier_record_or_another_round_is_refused() {
    let earlier = altered(|receipt| receipt.seq = 4).unwrap_err();
    assert!(matches!(earlier, ReceiptError::OtherChallenge { got_seq: 4, .. }));
    let other = altered(|receipt| receipt.round += 1).unwrap_err();
    assert!(matches!(other, ReceiptError::OtherChallenge { .. }));
}

#[test]
fn a_receipt_that_promises_another_record_is_refused() {
    let hash = altered(|receipt| receipt.record_hash = Hash([1; 32])).unwrap_err();
    assert!(matches!(hash, ReceiptError::OtherRecord { .. }));
    let time = altered(|receipt| receipt.time += 1).unwrap_err();
    assert!(matches!(time, ReceiptError::OtherRecord { .. }));
}

#[test]
fn late_evidence_may_become_a_later_record() {
    let receipt = altered(|receipt| {
        receipt.seq = 7;
        receipt.record_hash = Hash([1; 32]);
    });
    assert_eq!(receipt.unwrap().message().seq, 7);
}
