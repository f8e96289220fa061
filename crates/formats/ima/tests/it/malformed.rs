//! Broken lists and policies are refused with the byte at which they break, and never panic.

use avouch_crypto::Hash;
use avouch_ima::{Replay, parse_ascii, parse_binary, policy::Policy};
use avouch_tpm_wire::HashAlg;
use proptest::prelude::*;

use crate::golden::{BOTH_SPELLINGS, RECORDED, binary, data};

fn exercise_binary(bytes: &[u8]) -> usize {
    let mut replay = Replay::new(HashAlg::Sha1);
    let mut last = 0;
    for entry in parse_binary(bytes, 0) {
        match entry {
            Ok(entry) => {
                assert_eq!(entry.offset, last);
                last = entry.end_offset;
                replay.push(&entry, &Hash);
            }
            Err(error) => assert!(error.offset <= bytes.len() && error.offset >= last, "{error}"),
        }
    }
    last
}

fn exercise_ascii(bytes: &[u8]) {
    let list = parse_ascii(bytes, 0);
    assert!(list.as_binary().len() <= bytes.len() + 1024, "{} from {}", list.as_binary().len(), bytes.len());
    let mut failed = false;
    for entry in list.entries() {
        assert!(!failed, "an entry behind an error");
        match entry {
            Ok(entry) => assert!(entry.end_offset <= bytes.len()),
            Err(error) => {
                failed = true;
                assert!(error.offset <= bytes.len(), "{error}");
            }
        }
    }
}

/// The first entries of a recording, so that quadratic tests stay short.
fn head(folder: &str, entries: usize) -> Vec<u8> {
    let list = binary(folder);
    let end = parse_binary(&list, 0).nth(entries - 1).unwrap().unwrap().end_offset;
    list[..end].to_vec()
}

#[test]
fn list_cut_at_any_byte_gives_its_whole_entries_and_says_cut() {
    for folder in RECORDED {
        let list = head(folder, 12);
        let ends: Vec<usize> = parse_binary(&list, 0).map(|entry| entry.unwrap().end_offset).collect();
        for cut in 0..list.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let items: Vec<_> = parse_binary(&list[..cut], 0).collect();
            assert_eq!(items.iter().filter(|item| item.is_ok()).count(), whole, "{folder} cut at {cut}");
            match items.last() {
                Some(Err(error)) => assert!(error.is_cut() && error.offset <= cut, "{folder} cut at {cut}: {error}"),
                _ => assert!(cut == 0 || ends.contains(&cut)),
            }
        }
    }
}

#[test]
fn text_cut_at_any_byte_keeps_its_whole_lines() {
    for folder in BOTH_SPELLINGS {
        let text = data(folder, "ascii_runtime_measurements");
        let text = &text[..3000];
        for cut in 0..text.len() {
            let lines = text[..cut].iter().filter(|byte| **byte == b'\n').count();
            let list = parse_ascii(&text[..cut], 0);
            let items: Vec<_> = list.entries().collect();
            assert!(items.len() <= lines + 1);
            assert!(items[..lines.min(items.len())].iter().all(Result::is_ok));
            if let Some(Err(error)) = items.last() {
                assert!(
                    error.is_cut() || matches!(error.fault, avouch_ima::Fault::Pcr { .. }),
                    "cut at {cut}: {error}"
                );
            }
        }
    }
}

#[test]
fn changed_length_fields_never_panic() {
    for folder in RECORDED {
        let list = head(folder, 12);
        // Every place in which a length could stand, and every place in which none does.
        for position in 0..list.len() - 4 {
            for value in [0, 1, 0x7FFF_FFFF, 0xFFFF_FFFF_u32] {
                let mut changed = list.clone();
                changed[position..position + 4].copy_from_slice(&value.to_le_bytes());
                exercise_binary(&changed);
            }
        }
    }
}

#[test]
fn nothing_follows_an_error() {
    let mut list = head("uefi-nosb", 3);
    list[0] = 99;
    let mut entries = parse_binary(&list, 0);
    assert!(entries.next().unwrap().is_err());
    assert!(entries.next().is_none());
    assert!(entries.next().is_none());
    assert_eq!(entries.offset(), 0);
}

proptest! {
    #[test]
    fn one_changed_byte_never_panics(which in 0..RECORDED.len(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut list = binary(RECORDED[which]);
        let at = at.index(list.len());
        list[at] = byte;
        exercise_binary(&list);
    }

    #[test]
    fn one_changed_character_never_panics(which in 0..2_usize, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = data(BOTH_SPELLINGS[which], "ascii_runtime_measurements");
        let at = at.index(text.len());
        text[at] = byte;
        exercise_ascii(&text);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        exercise_binary(&bytes);
        exercise_ascii(&bytes);
        let _ = Policy::parse(&bytes).map(|policy| policy.coverage());
    }

    #[test]
    fn arbitrary_lines_never_panic(text in "(10 )?[0-9a-f ]{0,50} ima(-sig|-ng|-buf|-modsig)? (sha256:)?[0-9a-f]{0,70} [ /a-f0-9\n]{0,60}") {
        exercise_ascii(text.as_bytes());
    }

    #[test]
    fn arbitrary_rules_never_panic(text in "((measure|dont_measure|appraise|#) ?((func|mask|uid|fsmagic|keyrings|x)[=<>]?[A-Z_0-9a-f|^]{0,9} ?){0,4}\n){0,5}") {
        if let Ok(policy) = Policy::parse(text.as_bytes()) {
            policy.coverage().holes.iter().for_each(|hole| assert!(!hole.to_string().is_empty()));
        }
    }
}
