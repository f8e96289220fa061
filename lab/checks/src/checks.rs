//! What must hold of the lab's machines before anything is built on them: the ground truth of every scenario.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use avouch_ima::{Body, parse_binary};

use avouch_lab::{Chip, Job, Lab, Machine, PowerOn};

use crate::observe::Observation;

/// A boot takes about 20 s on two idle cores; a busy host may be several times slower.
const BOOT: Duration = Duration::from_secs(180);

const REQUEST: Duration = Duration::from_secs(60);

/// A program that is part of no artefact.
const STRANGER: &[u8] = b"#!/bin/sh\necho a program that nobody knows\n";

/// How many checks came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Checks that held.
    pub passed: u32,
    /// Checks that did not hold or could not be carried out.
    pub failed: u32,
}

/// Boots two nodes with different TPMs, one of them three times, and checks what they show. `report` hears of every
/// check as soon as it is known.
pub(crate) fn run(lab: &Lab, disk: &Path, report: &mut dyn FnMut(&str, &Result<()>)) -> Counts {
    let mut counts = Counts::default();
    let mut check = |name: &str, result: Result<()>| {
        match result {
            Ok(()) => counts.passed += 1,
            Err(_) => counts.failed += 1,
        }
        report(name, &result);
    };
    if let Err(error) = boots(lab, disk, &mut check) {
        check("the machines run", Err(error));
    }
    counts
}

fn boots(lab: &Lab, disk: &Path, check: &mut dyn FnMut(&str, Result<()>)) -> Result<()> {
    let how = PowerOn::new(lab.uki(), Observation::scripts(job()));
    let mut reference = lab.node("check-reference", Chip::Reference, disk)?;
    let mut machine = reference.power_on(&how)?;
    machine.wait_ready(BOOT)?;
    let first = Observation::of(&mut machine)?;
    check("the boot log explains the boot PCRs", first.check_boot_log());
    check("the IMA list explains PCR 10", first.check_ima_list().map(drop));
    check("every file measured at boot is part of the artefacts", only_known_files(lab, &first));
    check("the shipped IMA policy is measured, and its door is shut", policy_is_loaded(lab, &first, &mut machine));
    check("Secure Boot locks the kernel", kernel_is_locked(&mut machine));
    check("an unknown program is measured with its digest", stranger_is_measured(&mut machine));

    machine.reboot(BOOT)?;
    let rebooted = Observation::of(&mut machine)?;
    check("an orderly reboot is one TPM reset and equal boot events", same_boot_later(&first, &rebooted));
    machine.cut_power()?;
    let mut machine = reference.power_on(&how)?;
    machine.wait_ready(BOOT)?;
    let after_cut = Observation::of(&mut machine)?;
    check("a power cut is one TPM reset and equal boot events", same_boot_later(&rebooted, &after_cut));
    machine.shut_down(BOOT)?;

    let mut node = lab.node("check-node", Chip::Node, disk)?;
    let mut machine = node.power_on(&how)?;
    machine.wait_ready(BOOT)?;
    let other = Observation::of(&mut machine)?;
    check("a machine with another TPM has equal boot events", same_events(&first, &other));
    machine.shut_down(BOOT)
}

fn job() -> Job {
    Job::new()
        .file("stranger", STRANGER)
        .file("run-stranger", "cp /job/stranger /opt/stranger && chmod 755 /opt/stranger && /opt/stranger")
        .file("policy-file", "test -e /sys/kernel/security/ima/policy")
}

fn same_events(one: &Observation, other: &Observation) -> Result<()> {
    let (one, other) = (one.boot_events()?, other.boot_events()?);
    if let Some(at) = one.iter().zip(&other).position(|(one, other)| one != other) {
        bail!("boot event {at} (PCR {}) differs", one[at].0);
    }
    ensure!(one.len() == other.len(), "{} boot events against {}", one.len(), other.len());
    Ok(())
}

fn same_boot_later(before: &Observation, after: &Observation) -> Result<()> {
    let (before_count, after_count) = (before.reset_count, after.reset_count);
    ensure!(after_count == before_count + 1, "resetCount went from {before_count} to {after_count}");
    same_events(before, after)
}

fn only_known_files(lab: &Lab, seen: &Observation) -> Result<()> {
    let mut known = HashSet::new();
    collect_digests(&lab.root_tree(), &mut known)?;
    collect_digests(&lab.initrd_tree(), &mut known)?;
    for entry in parse_binary(&seen.ima_list, 0) {
        let Body::File { digest, path, .. } = entry?.body else { continue };
        let path = String::from_utf8_lossy(path);
        // boot_aggregate is no file; the agent is not part of the root tree.
        ensure!(
            known.contains(digest) || path == "boot_aggregate" || path == "/usr/bin/avouch-agent",
            "{path} was measured, and no artefact holds it"
        );
    }
    Ok(())
}

fn collect_digests(dir: &Path, known: &mut HashSet<Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            collect_digests(&path, known)?;
        } else if kind.is_file() {
            known.insert(avouch_crypto::sha256(&[&fs::read(&path)?]).to_vec());
        }
    }
    Ok(())
}

fn policy_is_loaded(lab: &Lab, seen: &Observation, machine: &mut Machine<'_>) -> Result<()> {
    let shipped = fs::read(lab.root_tree().join("etc/ima/ima-policy"))?;
    ensure!(is_measured(&seen.ima_list, "/etc/ima/ima-policy", &shipped)?, "the IMA list does not hold the policy");
    let answer = machine.run("policy-file", REQUEST)?;
    ensure!(answer.status != 0, "the kernel would take another IMA policy");
    Ok(())
}

fn kernel_is_locked(machine: &mut Machine<'_>) -> Result<()> {
    let state = machine.get("/sys/kernel/security/lockdown", REQUEST)?;
    let state = String::from_utf8_lossy(&state).into_owned();
    ensure!(state.contains("[integrity]"), "lockdown is '{}'", state.trim());
    Ok(())
}

fn stranger_is_measured(machine: &mut Machine<'_>) -> Result<()> {
    let answer = machine.run("run-stranger", REQUEST)?;
    ensure!(answer.status == 0, "the program did not run: {}", answer.text());
    let seen = Observation::of(machine)?;
    seen.check_ima_list()?;
    ensure!(is_measured(&seen.ima_list, "/opt/stranger", STRANGER)?, "the IMA list does not hold the program");
    Ok(())
}

fn is_measured(list: &[u8], name: &str, content: &[u8]) -> Result<bool> {
    let wanted = avouch_crypto::sha256(&[content]);
    for entry in parse_binary(list, 0) {
        if let Body::File { digest, path, .. } = entry?.body
            && path == name.as_bytes()
            && digest == wanted
        {
            return Ok(true);
        }
    }
    Ok(false)
}
