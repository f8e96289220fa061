//! kill -9 of `avouch-agent`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::{Duration, Instant};

use avouch_agent::receipt::VerifiedReceipt;
use avouch_agent::state::{Enrolment, StateDir};
use avouch_crypto::sha256;
use avouch_testkit::{Machine, Site, node_ima_policy, policy_for, skip_without_swtpm};
use avouch_tpm_wire::Handle;

use super::instants::Instants;
use super::ledger::whole_chain;
use super::programs::AgentProgram;

/// Kills of `once`.
const KILLS: u32 = 200;
/// Kills of `enroll`, half of them while there is no enrolment yet.
const ENROLMENT_KILLS: u32 = 24;
/// After so many runs a round is left alone and must pass.
const CHECKED: u32 = 10;
const SIGKILL: i32 = 9;

/// Exit status of a round whose client key the server has replaced: it enrolled the node, and the agent was killed
/// before it had kept that.
const REFUSED: i32 = 4;

/// True when the process was still there to be killed.
fn kill(mut child: Child, instants: &mut Instants, spread: Duration, may_end_with: &[i32]) -> bool {
    instants.let_pass(spread);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    let expected = status.code().is_none_or(|code| may_end_with.contains(&code));
    assert!(expected, "a run that was not killed ended with {status}");
    status.signal() == Some(SIGKILL)
}

/// What lies in the state directory, without the id of the enrolment.
fn state_files(machine: &Machine) -> Vec<String> {
    let entries = fs::read_dir(machine.state_path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn enrolment(machine: &Machine) -> Enrolment {
    StateDir::open(machine.state_path()).unwrap().enrolment().unwrap().unwrap()
}

/// A round that is left alone passes, and nothing of the killed ones is left: no file, no key in the TPM, no fork. Gives
/// its receipt and the time it took.
fn passes(agent: &AgentProgram, machine: &Machine) -> (VerifiedReceipt, Duration) {
    let run = Instant::now();
    agent.once().pass();
    let took = run.elapsed();
    let state = StateDir::open(machine.state_path()).unwrap();
    let enrolment = enrolment(machine);
    let id = enrolment.id();
    let of_enrolment = |kind: &str| format!("{kind}-{id}");
    let kept = [of_enrolment("last-sent"), of_enrolment("receipt"), of_enrolment("report-key")];
    let [sent, receipt, report_key] = &kept;
    assert_eq!(state_files(machine), ["enrolment", sent, "lock", "outcome.json", receipt, report_key]);
    let kept = state.last_sent(&enrolment).unwrap().unwrap().evidence.to_vec();
    assert_eq!(agent.sent(), kept, "what is shown as sent is what was sent");
    for first in [Handle::FIRST_TRANSIENT, Handle::FIRST_LOADED_SESSION] {
        assert_eq!(machine.tpm().unwrap().handles(first).unwrap(), []);
    }
    (VerifiedReceipt::kept(state.receipt(&enrolment).unwrap().unwrap(), &enrolment).unwrap(), took)
}

#[test]
fn agent_killed_at_random_instants_resumes() {
    let Some(factory) = skip_without_swtpm().unwrap() else { return };
    let mut instants = Instants::new();
    let site = Site::start(&factory).unwrap();
    let machine = Machine::new(&factory, 1).unwrap();
    let known = |number: u32| (format!("/usr/bin/known-{number}"), sha256(&[&number.to_le_bytes()]));
    let mut policy = policy_for(&machine.boot_log, &machine.list().unwrap(), node_ima_policy(), site.pcrs()).unwrap();
    for (path, digest) in (0..KILLS).map(known) {
        policy.add_file(&digest, &path).unwrap();
    }
    site.apply(&policy.to_bytes()).unwrap();
    let agent = AgentProgram::new(machine.agent_config().unwrap());
    let token = site.token(100_000).unwrap();
    let started = Instant::now();

    // A kill comes within the time that an undisturbed run takes, and a little more, so that every step is met on every
    // machine.
    let run = Instant::now();
    assert!(agent.enroll(&token, &[]).wait().unwrap().success());
    let enrolment_spread = run.elapsed();
    fs::remove_dir_all(machine.state_path()).unwrap();

    let mut enrolling = 0;
    while enrolling < ENROLMENT_KILLS / 2 {
        // Some come through; then the next one replaces that enrolment.
        enrolling += u32::from(kill(agent.enroll(&token, &["--re-enroll"]), &mut instants, enrolment_spread, &[0]));
    }
    assert!(agent.enroll(&token, &["--re-enroll"]).wait().unwrap().success());
    let longer = |took: Duration| took * 5 / 4;
    let mut spread = longer(passes(&agent, &machine).1);

    let (mut killed, mut finished, mut spooled, mut measured) = (0, 0, 0, 0..KILLS);
    let mut longest = spread;
    while killed < KILLS {
        match kill(agent.start_once(), &mut instants, spread, &[0]) {
            true => killed += 1,
            false => finished += 1,
        }
        longest = longest.max(spread);
        spooled += u32::from(state_files(&machine).iter().any(|name| name.starts_with("spool-")));
        if let Some((path, digest)) = measured.next().map(known) {
            machine.run(&path, &digest).unwrap();
        }
        if (killed + finished) % CHECKED == 0 {
            // The machine may be busier now, or less.
            spread = longer(passes(&agent, &machine).1);
        }
    }
    while enrolling < ENROLMENT_KILLS {
        enrolling += u32::from(kill(agent.enroll(&token, &["--re-enroll"]), &mut instants, enrolment_spread, &[0]));
        kill(agent.start_once(), &mut instants, spread, &[0, REFUSED]);
    }
    assert!(agent.enroll(&token, &["--re-enroll"]).wait().unwrap().success());

    let (newest, _) = passes(&agent, &machine);
    let node = newest.message().node_tag;
    let records: BTreeMap<_, _> = whole_chain(&site.operator().unwrap(), &node);
    let head = (newest.message().record_hash, newest.message().evidence);
    assert_eq!(records.last_key_value(), Some((&newest.message().seq, &head)), "the receipt is not the chain's end");
    let nodes = site.nodes().unwrap();
    assert_eq!((nodes.len(), nodes[0].verdict.as_str()), (1, "pass"));
    println!(
        "counted: {killed} kills of a round and {enrolling} of an enrolment, {finished} rounds ended before their kill, \
         {spooled} times evidence without a receipt lay on the disk; {} records, each there once; kills within {longest:?} and {enrolment_spread:?}, {:?} in all",
        records.len(),
        started.elapsed()
    );
    assert!(spooled > 0, "no kill hit the time between evidence and receipt");
    assert!(records.len() > 30, "only {} records: the load was no load", records.len());
}
