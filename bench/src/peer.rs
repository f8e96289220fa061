//! The peer in the same run: Keylime's own verification of the same IMA list, and the parser of boot logs that it runs.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use avouch_crypto::Hash as Sha;
use avouch_ima::{Body, Replay, parse_binary};
use avouch_protocol::Status;
use avouch_tpm_wire::HashAlg;

use crate::appraisal::Appraiser;
use crate::logs::{BANK, LARGE_BOOT_LOG, boot_log, entries, file_ng, policy};
use crate::measure::{Effort, Spread, Subject, cpu_micros};
use crate::page::Section;
use crate::place;

/// The release that is measured; `cargo xtask bench` installs it.
const PACKAGE: &str = "keylime 7.14.3";
const ENTRIES: u32 = 100_000;

pub(crate) fn measure(effort: Effort) -> Result<Section> {
    let mut section = Section::new("Beside Keylime");
    let python = place::root().join("target/peer/bin/python");
    if !python.is_file() {
        section.note(
            "Not measured: `cargo xtask bench` installs it from PyPI into target/peer, which needs python3-venv.",
        );
        return Ok(section);
    }
    lists(effort, &python, &mut section)?;
    boot_logs(effort, &mut section)?;
    section.note(format!(
        "{PACKAGE}, its `process_measurement_list` in process, on {ENTRIES} `ima-ng` entries whose files are all in its \
         policy by path and digest, PCR 10 replayed; ours is the same list, replayed against a quote and judged. Its \
         boot logs are parsed by `tpm2_eventlog` in a process of its own, which is what is timed here; ours is the \
         whole appraisal of the same log.",
    ));
    Ok(section)
}

fn lists(effort: Effort, python: &Path, section: &mut Section) -> Result<()> {
    let boot_log = Arc::new(boot_log(0)?);
    let list: Vec<u8> = (0..ENTRIES).flat_map(|number| file_ng(number).encode()).collect();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ascii_runtime_measurements");
    fs::write(&path, ascii(&list)?)?;
    let mut replay = Replay::new(BANK);
    for entry in parse_binary(&list, 0) {
        replay.push(&entry?, &Sha);
    }
    let theirs = keylime(python, &path, &replay.value().to_string(), effort)?;
    // A list of a real boot begins with boot_aggregate and the files before the IMA policy.
    let own = [crate::logs::ima_list(&boot_log, 0)?, list].concat();
    let mut bench = Appraiser::new(&boot_log, &policy(&boot_log, &own, 0)?)?;
    bench.machine().measure(&entries(&own)?);
    let posed = bench.pose()?;
    let quote = bench.authenticate(&posed)?;
    let verdict = bench.replay_and_judge(quote.clone(), &posed.evidence).verdict;
    ensure!(verdict.status == Status::Pass, "the list came to {:?}", verdict.findings().next());
    let count = f64::from(u32::try_from(parse_binary(&own, 0).count())?);
    let subject =
        Subject::new("Avouch: parse, replay and judge", || Ok(bench.replay_and_judge(quote.clone(), &posed.evidence)));
    for (name, micros) in cpu_micros(effort, vec![subject])? {
        section.row(name, "entries/s", micros.per_second(count));
    }
    section.row("*Keylime: parse, replay and judge*", "entries/s", theirs);
    Ok(())
}

/// The list in the kernel's ASCII spelling.
fn ascii(list: &[u8]) -> Result<String> {
    let mut text = String::new();
    for entry in parse_binary(list, 0) {
        let entry = entry?;
        let Body::File { digest_alg, digest, path, .. } = entry.body else { continue };
        let hash = entry.template_data.hash(HashAlg::Sha1, &Sha);
        let path = std::str::from_utf8(path)?;
        write!(text, "10 {hash} {} {digest_alg}:", entry.template)?;
        digest.iter().try_for_each(|byte| write!(text, "{byte:02x}"))?;
        writeln!(text, " {path}")?;
    }
    Ok(text)
}

fn keylime(python: &Path, list: &Path, pcr10: &str, effort: Effort) -> Result<Spread> {
    let script = place::root().join("bench/peer/keylime_ima.py");
    let seconds = effort.repetition().as_secs_f64().to_string();
    let mut command = Command::new(python);
    command.arg(script).arg(list).args([pcr10, &seconds]).stderr(Stdio::null());
    let output = command.output().context("cannot run the peer")?;
    ensure!(output.status.success(), "the peer refused the list: {}", String::from_utf8_lossy(&output.stdout));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let entries = report["entries"].as_f64().context("the peer reports entries")?;
    let spent = report["cpu_seconds"].as_array().context("the peer reports its CPU")?;
    Ok(Spread::of(spent.iter().filter_map(|seconds| Some(entries / seconds.as_f64()?)).collect()))
}

fn boot_logs(effort: Effort, section: &mut Section) -> Result<()> {
    let log = boot_log(LARGE_BOOT_LOG)?;
    let folder = tempfile::tempdir()?;
    let path: PathBuf = folder.path().join("binary_bios_measurements");
    fs::write(&path, &log)?;
    if !Command::new("tpm2_eventlog").arg("--version").output().is_ok_and(|output| output.status.success()) {
        section.note("tpm2_eventlog (Debian package tpm2-tools) is not installed and was not measured.");
        return Ok(());
    }
    let runs = if effort.seconds < 1.0 { 3 } else { 15 };
    let mut millis = Vec::new();
    for _ in 0..runs {
        let begin = Instant::now();
        let mut command = Command::new("tpm2_eventlog");
        let status = command.arg(&path).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        ensure!(status.success(), "tpm2_eventlog refuses the log");
        millis.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    let name = format!("*tpm2_eventlog: parse and replay, {} KiB*", log.len() / 1024);
    section.row(name, "ms", Spread::of(millis));
    Ok(())
}
