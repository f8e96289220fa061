//! The final events table.

use avouch_bootlog::{BootLog, FinalEvents, LogError};

use crate::build::*;

fn event(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    agile_event(&mut out, 5, EFI_ACTION, &[(SHA256, &[word[0]; 32])], word);
    out
}

fn log(words: &[&[u8]]) -> Vec<u8> {
    words.iter().fold(agile_log(&[(SHA256, 32)]), |mut log, word| {
        log.extend(event(word));
        log
    })
}

fn table(words: &[&[u8]]) -> Vec<u8> {
    let mut out = [1_u64.to_le_bytes(), (words.len() as u64).to_le_bytes()].concat();
    words.iter().for_each(|word| out.extend(event(word)));
    out
}

/// The words of the merged log, and how many stand in both.
fn merged(logged: &[&[u8]], table_words: &[&[u8]]) -> (Vec<Vec<u8>>, usize) {
    let (log, table) = (log(logged), table(table_words));
    let log = BootLog::parse(&log).unwrap();
    let merged = FinalEvents::parse(&table, &log).unwrap().merge(&log);
    assert_eq!(merged.common + merged.added, table_words.len());
    assert!(merged.log.events().iter().enumerate().all(|(position, event)| position == event.index));
    (merged.log.events()[1..].iter().map(|event| event.data.to_vec()).collect(), merged.common)
}

#[test]
fn what_stands_in_both_is_there_once() {
    let all = [b"a".to_vec(), b"b".to_vec(), b"c".to_vec(), b"d".to_vec()];
    assert_eq!(merged(&[b"a", b"b"], &[b"c", b"d"]), (all.to_vec(), 0));
    assert_eq!(merged(&[b"a", b"b", b"c"], &[b"b", b"c", b"d"]), (all.to_vec(), 2));
    assert_eq!(merged(&[b"a", b"b", b"c", b"d"], &[b"c", b"d"]), (all.to_vec(), 2));
    assert_eq!(merged(&[b"a", b"b", b"c", b"d"], &[]), (all.to_vec(), 0));
}

#[test]
fn repeated_events_overlap_as_far_as_they_can() {
    let words = |text: &str| text.bytes().map(|byte| vec![byte]).collect::<Vec<_>>();
    assert_eq!(merged(&[b"a", b"a", b"b"], &[b"a", b"b", b"a"]), (words("aaba"), 2));
    assert_eq!(merged(&[b"a", b"b", b"a", b"b"], &[b"a", b"b", b"a", b"c"]), (words("ababac"), 2));
}

#[test]
fn a_table_cut_at_any_byte_is_refused() {
    let (log, table) = (log(&[b"a"]), table(&[b"b", b"c"]));
    let log = BootLog::parse(&log).unwrap();
    for cut in 0..table.len() {
        let error = FinalEvents::parse(&table[..cut], &log).unwrap_err();
        assert!(error.offset() <= cut, "{cut}: {error}");
    }
    assert_eq!(FinalEvents::parse(&table, &log).unwrap().events().len(), 2);
}

#[test]
fn changed_counts_and_versions_are_refused() {
    let (log, good) = (log(&[b"a"]), table(&[b"b", b"c"]));
    let parsed = BootLog::parse(&log).unwrap();
    let changed = |at: usize, value: u64| {
        let mut bytes = good.clone();
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        FinalEvents::parse(&bytes, &parsed).unwrap_err()
    };
    assert!(matches!(changed(0, 2), LogError::Value { offset: 0, .. }));
    assert!(matches!(changed(8, 1), LogError::Trailing { .. }));
    assert!(matches!(changed(8, 3), LogError::Cut { .. }));
    assert!(matches!(changed(8, u64::MAX), LogError::TooMany { offset: 8, .. }));
    let mut padded = good.clone();
    padded.extend([0xFF; 9]);
    assert_eq!(FinalEvents::parse(&padded, &parsed).unwrap().events().len(), 2);
}

#[test]
fn a_log_in_the_sha1_form_has_no_table() {
    let mut log = Vec::new();
    sha1_event(&mut log, 4, SEPARATOR, [0; 20], &[0; 4]);
    let log = BootLog::parse(&log).unwrap();
    assert!(matches!(FinalEvents::parse(&table(&[]), &log), Err(LogError::Value { .. })));
}
