//! Long IMA lists.

use std::sync::Arc;

use anyhow::{Result, ensure};
use avouch_crypto::Hash as Sha;
use avouch_ima::{Replay, parse_binary};
use avouch_protocol::Status;
use avouch_tpm_wire::Digest;

use crate::appraisal::Appraiser;
use crate::logs::{BANK, blocks, boot_log, entries, hash_blocks, ima_list, policy, repeated_ima_list};
use crate::measure::{Effort, Subject, cpu_micros};
use crate::page::Section;

const ENTRIES: usize = 200_000;

pub(crate) fn measure(effort: Effort) -> Result<Section> {
    let boot_log = Arc::new(boot_log(0)?);
    let mut section = Section::new("Long IMA lists");
    let lists = [
        ("files of a distribution, all different", ima_list(&boot_log, ENTRIES)?),
        ("the recorded list over and over", repeated_ima_list(&boot_log, ENTRIES)?),
    ];
    for (kind, list) in lists {
        measure_list(effort, &mut section, kind, &list, &boot_log)?;
    }
    section.note(
        "One core, 200,000 entries in the templates ima-ng and ima-sig (and ima-buf where the recorded machine has \
         it), SHA-256 bank. Replay hashes each entry's template data and extends the running value with it; judging \
         parses the proven entries again and looks every file up in the policy, which knows them all, so that every \
         verdict here is a pass.",
    );
    Ok(section)
}

fn measure_list(effort: Effort, section: &mut Section, kind: &str, list: &[u8], boot_log: &Arc<Vec<u8>>) -> Result<()> {
    let mut bench = Appraiser::new(boot_log, &policy(boot_log, list, 0)?)?;
    bench.machine().measure(&entries(list)?);
    let posed = bench.pose()?;
    let quote = bench.authenticate(&posed)?;
    let verdict = bench.replay_and_judge(quote.clone(), &posed.evidence).verdict;
    ensure!(verdict.status == Status::Pass, "{kind} came to {:?}", verdict.findings().next());
    let blocks = blocks(list)?;
    let subjects = vec![
        Subject::new(format!("parse, {kind}"), || Ok(parse_binary(list, 0).filter(Result::is_ok).count())),
        Subject::new(format!("parse and replay, {kind}"), || replay(list)),
        Subject::new(format!("parse, replay and judge, {kind}"), || {
            Ok(bench.replay_and_judge(quote.clone(), &posed.evidence))
        }),
        Subject::new(format!("*SHA-256 of the same blocks, {kind}*"), || Ok(hash_blocks(&blocks))),
    ];
    let count = f64::from(u32::try_from(ENTRIES)?);
    for (name, micros) in cpu_micros(effort, subjects)? {
        section.row(name, "entries/s", micros.per_second(count));
    }
    Ok(())
}

fn replay(list: &[u8]) -> Result<Digest> {
    let mut replay = Replay::new(BANK);
    for entry in parse_binary(list, 0) {
        replay.push(&entry?, &Sha);
    }
    Ok(replay.value())
}
