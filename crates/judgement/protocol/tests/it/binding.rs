//! The hashed inputs that both sides must build alike.

use avouch_protocol::{Hash, NodeTag, Purpose, enrolment_proof_input, qualifying_data, server_nonce_input};

/// Stands in for SHA-256: keeps length, order and content apart well enough to compare inputs.
fn mix(parts: &[&[u8]]) -> Hash {
    let mut state = [0u64; 4];
    for (at, byte) in parts.iter().flat_map(|part| part.iter()).enumerate() {
        let lane = &mut state[at % 4];
        *lane = (*lane ^ u64::from(*byte) ^ (at as u64) << 8).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
    }
    let mut out = [0; 32];
    out.chunks_exact_mut(8).zip(state).for_each(|(chunk, lane)| chunk.copy_from_slice(&lane.to_be_bytes()));
    Hash(out)
}

#[test]
fn qualifying_data_is_the_hash_of_exactly_these_bytes() {
    let (challenge, spki, report) = (Hash([1; 32]), Hash([2; 32]), Hash([3; 32]));
    let wanted = [b"avouch/qd/v1\0\x01".as_slice(), &[1; 32], &[2; 32], &[3; 32]].concat();
    assert_eq!(qualifying_data(mix, Purpose::Quote, &challenge, &spki, &report), mix(&[&wanted]));
}

#[test]
fn every_input_of_qualifying_data_changes_it() {
    let base = |purpose, challenge, spki, report| qualifying_data(mix, purpose, &challenge, &spki, &report);
    let (a, b, c, x) = (Hash([1; 32]), Hash([2; 32]), Hash([3; 32]), Hash([4; 32]));
    let all = [
        base(Purpose::Quote, a, b, c),
        base(Purpose::GetTime, a, b, c),
        base(Purpose::Certify, a, b, c),
        base(Purpose::Quote, x, b, c),
        base(Purpose::Quote, a, x, c),
        base(Purpose::Quote, a, b, x),
        base(Purpose::Quote, b, a, c),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(!all[at + 1..].contains(one), "input {at}");
    }
}

#[test]
fn the_inputs_of_the_keyed_hashes_are_frozen() {
    let nonce = server_nonce_input(&NodeTag([7; 32]), 0x0102);
    assert_eq!(nonce, [[7; 32].as_slice(), &[0, 0, 0, 0, 0, 0, 1, 2]].concat());
    let proof = enrolment_proof_input(&Hash([1; 32]), &Hash([2; 32]));
    assert_eq!(proof, [b"avouch/activate/v1\0".as_slice(), &[1; 32], &[2; 32]].concat());
}
