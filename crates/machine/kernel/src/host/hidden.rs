//! V13: processes that take signals but that /proc does not list.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use avouch_pairs::attribute as a;

use crate::Pass;
use crate::parse::status::Status;
use crate::pass::{MOST_PROCESSES, SMALL};
use crate::reading::{Facts, listed, put, reading};
use crate::source::{Refusal, Root};

/// How many numbers one pass asks for. A machine whose numbers go further is swept window by window, so that
/// 4,194,304 numbers, the most that a kernel gives out, take 64 passes.
const WINDOW: u32 = 65_536;
/// How far beyond the highest number in use it looks.
const BEYOND: u32 = 4096;
/// Most threads of one process.
const MOST_THREADS: usize = 65_536;

/// Where the sweep goes on, and whom it found before.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    next: u32,
    found: BTreeSet<u32>,
}

pub(super) fn read(pass: &Pass<'_>, facts: &mut Facts) {
    put(facts, a::HIDDEN_PROCESSES, reading(hidden(pass)));
}

fn hidden(pass: &Pass<'_>) -> Result<String, Refusal> {
    let mut sweep = pass.kernel.sweep.lock().unwrap_or_else(PoisonError::into_inner);
    let known = threads(pass)?;
    let highest = known.last().copied().unwrap_or(0).saturating_add(BEYOND);
    let start = if highest <= WINDOW || sweep.next > highest { 1 } else { sweep.next.max(1) };
    let end = start.saturating_add(WINDOW).min(highest + 1);
    let asked: BTreeSet<u32> = (start..end).chain(sweep.found.iter().copied()).collect();
    let mut suspects = Vec::new();
    for number in asked.into_iter().filter(|number| !known.contains(number)) {
        if pass.kernel.source.answers(number)? {
            suspects.push(number);
        }
    }
    let mut found = BTreeSet::new();
    if !suspects.is_empty() {
        // Whoever started since the first look is listed by now; whoever ended does not answer any more.
        let listed = processes(pass)?;
        for suspect in suspects {
            if !listed.contains(&suspect) && !is_thread(pass, suspect) && pass.kernel.source.answers(suspect)? {
                found.insert(suspect);
            }
        }
        let listed = processes(pass)?;
        found.retain(|number| !listed.contains(number));
    }
    sweep.next = if end > highest { 1 } else { end };
    sweep.found.clone_from(&found);
    Ok(self::listed(found.iter().map(u32::to_string).collect()))
}

/// PIDs that /proc lists.
fn processes(pass: &Pass<'_>) -> Result<BTreeSet<u32>, Refusal> {
    let entries = pass.noted(pass.root(Root::Proc)?.list("", MOST_PROCESSES))?;
    Ok(entries.iter().filter_map(|entry| entry.name.parse().ok()).collect())
}

/// Numbers of all threads that /proc lists, those of processes among them.
fn threads(pass: &Pass<'_>) -> Result<BTreeSet<u32>, Refusal> {
    let proc = pass.root(Root::Proc)?;
    let mut threads = processes(pass)?;
    for pid in threads.clone() {
        match pass.noted(proc.list(&format!("{pid}/task"), MOST_THREADS)) {
            Ok(entries) => threads.extend(entries.iter().filter_map(|entry| entry.name.parse::<u32>().ok())),
            Err(Refusal::Absent | Refusal::Gone) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(threads)
}

/// Whether a number that is not listed is a thread of another process: it may be looked at by its number all the same.
fn is_thread(pass: &Pass<'_>, number: u32) -> bool {
    let status = pass.root(Root::Proc).and_then(|proc| pass.read(proc, &format!("{number}/status"), SMALL));
    let status = status.ok().and_then(|bytes| Status::parse(&bytes).ok());
    status.is_some_and(|status| status.tgid != number.to_string())
}
