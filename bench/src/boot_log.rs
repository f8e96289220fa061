//! Boot logs.

use std::sync::Arc;

use anyhow::Result;
use avouch_bootlog::BootLog;
use avouch_crypto::Hash as Sha;
use avouch_tpm_wire::{Digest, Hasher};

use crate::appraisal::Appraiser;
use crate::logs::{BANK, LARGE_BOOT_LOG, boot_log, entries, ima_list, policy};
use crate::measure::{Effort, Subject, cpu_micros};
use crate::page::Section;

pub(crate) fn measure(effort: Effort) -> Result<Section> {
    let mut section = Section::new("Boot logs");
    for (kind, bytes) in [("recorded", 0), ("grown", LARGE_BOOT_LOG)] {
        measure_log(effort, &mut section, kind, &Arc::new(boot_log(bytes)?))?;
    }
    section.note(
        "Recorded: UEFI Secure Boot, Debian 12, a virtual machine. Grown: its events repeated. Judging compares every \
         event with a confirmed boot; it is measured as an appraisal after authentication, with an IMA list of one \
         entry. Once per boot session.",
    );
    Ok(section)
}

fn measure_log(effort: Effort, section: &mut Section, kind: &str, log: &Arc<Vec<u8>>) -> Result<()> {
    let list = ima_list(log, 0)?;
    let mut bench = Appraiser::new(log, &policy(log, &list, 0)?)?;
    bench.machine().measure(entries(&list)?.first());
    let posed = bench.pose()?;
    let quote = bench.authenticate(&posed)?;
    let events = extended(log)?;
    let what = format!("{kind}, {} KiB, {} events", log.len() / 1024, BootLog::parse(log)?.events().len());
    let subjects = vec![
        Subject::new(format!("parse: {what}"), || Ok(BootLog::parse(log)?.events().len())),
        Subject::new(format!("parse and replay: {what}"), || Ok(BootLog::parse(log)?.replay(BANK, &Sha)?.value(0))),
        Subject::new(format!("parse, replay and judge: {what}"), || {
            Ok(bench.replay_and_judge(quote.clone(), &posed.evidence))
        }),
        Subject::new(format!("*SHA-256 of its {} extends*", events.len()), || {
            Ok(events
                .iter()
                .fold(Digest::zero(BANK), |value, event| Sha.hash(BANK, &[value.as_bytes(), event.as_bytes()])))
        }),
    ];
    for (name, micros) in cpu_micros(effort, subjects)? {
        section.row(name, "µs CPU", micros);
    }
    Ok(())
}

fn extended(log: &[u8]) -> Result<Vec<Digest>> {
    let log = BootLog::parse(log)?;
    Ok(log.events().iter().filter(|event| event.extends()).filter_map(|event| event.digest(BANK)).collect())
}
