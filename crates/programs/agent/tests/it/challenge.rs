use avouch_agent::challenge::{ChallengeError, CheckedChallenge};
use avouch_agent::receipt::VerifiedReceipt;
use avouch_protocol::{Challenge, Hash, Message, NodeTag};

use crate::world::{World, challenge};

fn check(
    world: &World,
    challenge: &Challenge,
    newest: Option<&VerifiedReceipt>,
) -> Result<CheckedChallenge, ChallengeError> {
    CheckedChallenge::check(challenge.to_cbor(), &world.enrolment, newest)
}

/// The receipt for record 5.
fn newest(world: &World) -> VerifiedReceipt {
    let asked = challenge(5, Hash([4; 32]));
    let signed = world.receipt(&asked, b"evidence", |_| ());
    VerifiedReceipt::verify(signed, &world.enrolment, &asked.to_cbor(), b"evidence").unwrap()
}

#[test]
fn a_challenge_that_continues_the_receipt_is_taken() {
    let world = World::new();
    let newest = newest(&world);
    let next = challenge(6, newest.message().record_hash);
    let checked = check(&world, &next, Some(&newest)).unwrap();
    assert_eq!((checked.message(), checked.unshown()), (&next, 0));
    assert_eq!(checked.bytes(), next.to_cbor());
    // Without any receipt every position is a beginning.
    assert!(check(&world, &challenge(9, Hash([1; 32])), None).is_ok());
}

#[test]
fn a_challenge_with_another_previous_record_is_a_chain_fork() {
    let world = World::new();
    let newest = newest(&world);
    let forked = challenge(6, Hash([1; 32]));
    assert!(matches!(check(&world, &forked, Some(&newest)), Err(ChallengeError::Fork { seq: 6, held_seq: 5, .. })));
}

#[test]
fn a_challenge_behind_the_receipt_is_a_chain_fork() {
    let world = World::new();
    let newest = newest(&world);
    for seq in [0, 1, 4, 5] {
        let behind = challenge(seq, newest.message().record_hash);
        assert!(matches!(check(&world, &behind, Some(&newest)), Err(ChallengeError::Fork { .. })), "{seq}");
    }
}

#[test]
fn records_without_a_receipt_are_counted() {
    let world = World::new();
    let newest = newest(&world);
    assert_eq!(check(&world, &challenge(9, Hash([1; 32])), Some(&newest)).unwrap().unshown(), 3);
    let impossible = challenge(9, newest.message().record_hash);
    assert!(matches!(check(&world, &impossible, Some(&newest)), Err(ChallengeError::Fork { .. })));
}

#[test]
fn a_challenge_for_another_node_or_cluster_is_refused() {
    let world = World::new();
    let other = Challenge { node_tag: NodeTag([8; 32]), ..challenge(1, Hash::ZERO) };
    assert!(matches!(check(&world, &other, None), Err(ChallengeError::OtherNode { .. })));
    let other = Challenge { origin: "https://verifier.example".into(), ..challenge(1, Hash::ZERO) };
    assert!(matches!(check(&world, &other, None), Err(ChallengeError::OtherOrigin { .. })));
}

#[test]
fn a_selection_that_no_tpm_can_quote_is_refused() {
    let world = World::new();
    for (bank, mask) in [(0x000B, 0), (0x000B, 0x0100_0000), (0x000B, u32::MAX), (0x7777, 1)] {
        let odd = Challenge { pcr_bank: bank, pcr_mask: mask, ..challenge(1, Hash::ZERO) };
        assert!(matches!(check(&world, &odd, None), Err(ChallengeError::Selection { .. })), "{bank:x} {mask:x}");
    }
    let all = Challenge { pcr_mask: 0x00FF_FFFF, ..challenge(1, Hash::ZERO) };
    assert!(check(&world, &all, None).is_ok());
}

#[test]
fn another_version_and_cut_bytes_are_refused() {
    let world = World::new();
    let newer = Challenge { v: 2, ..challenge(1, Hash::ZERO) };
    assert!(matches!(check(&world, &newer, None), Err(ChallengeError::Malformed(_))));
    let bytes = challenge(1, Hash::ZERO).to_cbor();
    for end in 0..bytes.len() {
        let cut = CheckedChallenge::check(bytes[..end].to_vec(), &world.enrolment, None);
        assert!(matches!(cut, Err(ChallengeError::Malformed(_))), "{end}");
    }
}
