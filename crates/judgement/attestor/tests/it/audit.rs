//! The hash-chained log.

use avouch_attestor::audit::{self, Broken, BrokenWhy, Chain, Tail};
use avouch_attestor::{Hash, State, verify_hmac};

use crate::scene::{Attestor, facts, key, settings};

fn log(runs: usize) -> Vec<u8> {
    let mut attestor = Attestor::new(settings());
    for _ in 0..runs {
        attestor.run(&facts());
    }
    attestor.log
}

fn lines(log: &[u8]) -> Vec<Vec<u8>> {
    log.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn whole_log_verifies_and_every_line_is_a_signed_bundle() {
    let log = log(5);
    let tail = audit::verify(&log).unwrap();
    assert_eq!((tail.seq, tail.state), (5, Some(State::Attested)));
    for line in lines(&log) {
        assert_eq!(verify_hmac(&line, &key()), Ok(()));
    }
    assert_eq!(audit::verify(b""), Ok(Tail::EMPTY));
}

#[test]
fn deleted_line_is_pointed_at() {
    let all = lines(&log(5));
    for gone in 0..4 {
        let mut rest = all.clone();
        rest.remove(gone);
        let broken = audit::verify(&rest.concat()).unwrap_err();
        let (wanted, got) = (gone as u64 + 1, gone as u64 + 2);
        assert_eq!(broken, Broken { line: gone as u64 + 1, why: BrokenWhy::Seq { wanted, got } });
        assert!(broken.to_string().contains("deleted"));
    }
}

#[test]
fn changed_line_is_pointed_at_by_the_next() {
    let mut all = lines(&log(3));
    let text = String::from_utf8(all[1].clone()).unwrap().replace("quiet", "quiex");
    all[1] = text.into_bytes();
    assert_eq!(audit::verify(&all.concat()), Err(Broken { line: 3, why: BrokenWhy::Prev }));
    // The last line has no next one; its HMAC says it.
    let mut all = lines(&log(3));
    all[2] = String::from_utf8(all[2].clone()).unwrap().replace("quiet", "quiex").into_bytes();
    assert!(audit::verify(&all.concat()).is_ok());
    assert!(verify_hmac(&all[2], &key()).is_err());
}

#[test]
fn swapped_copied_and_foreign_lines_are_pointed_at() {
    let all = lines(&log(3));
    let swapped = [all[0].clone(), all[2].clone(), all[1].clone()].concat();
    assert_eq!(audit::verify(&swapped).unwrap_err().line, 2);
    let copied = [all[0].clone(), all[0].clone()].concat();
    assert_eq!(audit::verify(&copied), Err(Broken { line: 2, why: BrokenWhy::Seq { wanted: 2, got: 1 } }));
    let foreign = [all[0].clone(), b"a note\n".to_vec()].concat();
    assert_eq!(audit::verify(&foreign), Err(Broken { line: 2, why: BrokenWhy::NoBundle }));
    let array = format!("[\"attested\",1,\"{}\"]\n", "0".repeat(64));
    assert_eq!(audit::verify(array.as_bytes()), Err(Broken { line: 1, why: BrokenWhy::NoBundle }));
}

#[test]
fn log_begun_anew_does_not_continue_the_old_one() {
    let old = audit::verify(&log(3)).unwrap();
    let mut chain = Chain::after(old);
    let new = lines(&log(1));
    let line = new[0].strip_suffix(b"\n").unwrap();
    assert!(matches!(chain.push(line).unwrap_err().why, BrokenWhy::Seq { wanted: 4, got: 1 }));
    assert_eq!(chain.tail(), old, "a line that breaks the chain is not taken");
}

#[test]
fn torn_last_line_is_told_apart_wherever_it_was_cut() {
    let log = log(2);
    let first = lines(&log)[0].len();
    for end in first + 1..log.len() {
        assert_eq!(audit::verify(&log[..end]), Err(Broken { line: 2, why: BrokenWhy::Torn }), "cut at {end}");
    }
    assert_eq!(audit::verify(&log[..first]).unwrap().seq, 1);
}

#[test]
fn overlong_line_is_refused_unread() {
    let line = vec![b'['; audit::MAX_LINE_BYTES + 1];
    assert_eq!(Chain::new().push(&line), Err(Broken { line: 1, why: BrokenWhy::TooLong }));
    assert_eq!(Chain::new().push(&vec![b'['; 1_000]).unwrap_err().why, BrokenWhy::NoBundle, "deep nesting is no panic");
    assert_eq!(Tail::EMPTY.hash, Hash::ZERO);
}
