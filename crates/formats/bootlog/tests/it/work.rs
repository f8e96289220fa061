//! How much work a log makes: every pass hashes each event's data a bounded number of times.

use std::cell::Cell;

use avouch_bootlog::{BootLog, EventType};
use avouch_crypto::Hash;
use avouch_tpm_wire::{Digest, HashAlg, Hasher};

use crate::build::*;
use crate::golden::{RECORDED, recorded};

/// Counts what goes through the hash function.
#[derive(Default)]
struct Counting {
    bytes: Cell<usize>,
    calls: Cell<usize>,
}

impl Hasher for Counting {
    fn hash(&self, alg: HashAlg, parts: &[&[u8]]) -> Digest {
        self.bytes.set(self.bytes.get() + parts.iter().map(|part| part.len()).sum::<usize>());
        self.calls.set(self.calls.get() + 1);
        Hash.hash(alg, parts)
    }
}

/// `(calls per event, bytes per byte of the log)` of replay, grammar and boot state together.
fn work(bytes: &[u8]) -> (f64, f64) {
    let log = BootLog::parse(bytes).unwrap();
    let counting = Counting::default();
    log.replay(HashAlg::Sha256, &counting).unwrap();
    let checked = log.check(HashAlg::Sha256, &counting);
    checked.grammar();
    checked.boot_state();
    let per = |count: usize, of: usize| count as f64 / of as f64;
    (per(counting.calls.get(), log.events().len()), per(counting.bytes.get(), bytes.len()))
}

#[test]
fn honest_logs_are_hashed_about_once() {
    for name in RECORDED {
        let (calls, bytes) = work(&recorded(name));
        assert!(calls < 5.0 && bytes < 2.0, "{name}: {calls} calls per event, {bytes} bytes per byte");
    }
}

#[test]
fn hostile_logs_make_linear_work() {
    let data = [variable(SHIM, "Shim", &[7; 400]), vec![0; 8]].concat();
    let wide = utf16(&"x".repeat(300));
    for (kind, pcr, data) in [
        (EventType::EFI_VARIABLE_AUTHORITY, 7, data.as_slice()),
        (EventType::IPL, 8, wide.as_slice()),
        (EventType::IPL, 11, &utf16(".linux")),
        (EventType::EFI_VARIABLE_DRIVER_CONFIG, 7, &variable(GLOBAL, "SecureBoot", &[1])),
    ] {
        let many = |count| (0..count).fold(Boot::new(), |boot, _| boot.hashing(pcr, kind, data, b"else"));
        let ((few_calls, few_bytes), (calls, bytes)) = (work(&many(50).0), work(&many(2_000).0));
        assert!(calls < 25.0 && bytes < 25.0, "{kind}: {calls} calls per event, {bytes} bytes per byte");
        assert!(calls < few_calls * 1.5 && bytes < few_bytes * 1.5, "{kind}: work per event grows with the log");
    }
}
