//! What is read of every process or thread of a unit.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Case, Compared, lines};
use crate::PairVerdict;

/// A value, and the process that shows it where not all show the same; the main process's first.
pub(crate) type Shown<'a> = (&'a str, Option<&'a str>);

/// The values of a reading.
pub(crate) fn values(raw: &str) -> Vec<Shown<'_>> {
    let mut rows: Vec<&str> = raw.lines().collect();
    if rows.len() < 2 {
        return alloc::vec![(rows.pop().unwrap_or(""), None)];
    }
    let parted = |row| match str::rsplit_once(row, '\t') {
        Some((value, pid)) => (value, Some(pid)),
        None => (row, None),
    };
    rows.into_iter().map(parted).collect()
}

/// Whether two interfaces show the same values, whatever the order of their lines.
pub(crate) fn same_values(first: &str, second: &str) -> bool {
    fn set(raw: &str) -> BTreeSet<String> {
        values(raw).into_iter().map(|(value, _)| plain(value)).collect()
    }
    fn plain(value: &str) -> String {
        let words: Vec<&str> = value
            .split_whitespace()
            .map(|word| if word == "18446744073709551615" { "unlimited" } else { word })
            .collect();
        words.join(" ")
    }
    first == second || set(first) == set(second)
}

/// What one process's value comes to: its normal form, the verdict, and what to say.
pub(crate) type Judgement = (String, PairVerdict, Option<String>);

/// The worst of what every process shows. In a unit that delegates its cgroup, and in one between two states,
/// processes beside the main one may run with settings of their own: they make no discrepancy there.
pub(crate) fn worst(case: &Case<'_>, raw: &str, judge: impl Fn(&str) -> Option<Judgement>) -> Compared {
    worst_by(case, raw, |value, _| judge(value))
}

/// As [`worst`], of a value and the process that shows it.
pub(crate) fn worst_by(
    case: &Case<'_>,
    raw: &str,
    judge: impl Fn(&str, Option<&str>) -> Option<Judgement>,
) -> Compared {
    let values = values(raw);
    let several = values.len() > 1;
    let (mut norms, mut worst): (Vec<String>, Option<Compared>) = (Vec::new(), None);
    for (index, (value, pid)) in values.into_iter().enumerate() {
        let Some((norm, verdict, note)) = judge(value, pid) else { return Compared::odd(raw) };
        let own = index > 0 && verdict.is_discrepant() && (case.is_delegated() || case.is_changing());
        let verdict = match (own, case.is_delegated()) {
            (false, _) => verdict,
            (true, true) => PairVerdict::NotConfigured,
            (true, false) => PairVerdict::Racing,
        };
        let note = match (pid, note) {
            (Some(pid), Some(note)) if several => Some(format!("process {pid}: {note}")),
            (Some(pid), None) if several && verdict.is_discrepant() => Some(format!("process {pid} shows {norm}")),
            (_, note) => note,
        };
        norms.push(match pid.filter(|_| several) {
            Some(pid) => format!("{norm} (process {pid})"),
            None => norm,
        });
        if worst.as_ref().is_none_or(|worst| rank(verdict) < rank(worst.verdict)) {
            worst = Some(Compared { note, beside_main: index > 0, ..Compared::new("", verdict) });
        }
    }
    let norm = if norms.is_empty() { lines(raw) } else { norms.join("; ") };
    let worst = worst.unwrap_or_else(|| Compared::odd(raw));
    Compared { norm: Some(norm), ..worst }
}

/// Which of two verdicts speaks for a unit: the smaller.
fn rank(verdict: PairVerdict) -> u8 {
    match verdict {
        PairVerdict::KernelWeaker => 0,
        PairVerdict::KernelMissing => 1,
        PairVerdict::Unmanaged | PairVerdict::PendingRestart | PairVerdict::IntentDrift => 2,
        PairVerdict::Unreadable | PairVerdict::Racing => 3,
        PairVerdict::NotSupported => 4,
        PairVerdict::KernelStricter => 5,
        PairVerdict::Match => 6,
        PairVerdict::NotConfigured => 7,
    }
}

/// A value that is the same or not.
pub(crate) fn plain(norm: &str, verdict: PairVerdict) -> Option<Judgement> {
    Some((norm.to_owned(), verdict, None))
}
