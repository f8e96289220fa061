//! No space left, for the server and for the agent.

use std::fs;
use std::time::Duration;

use avouch_agent::AgentError;
use avouch_agent::http::HttpError;
use avouch_protocol::Refusal;
use avouch_testkit::{Machine, Scene, skip_without_swtpm};
use serde_json::Value;

use super::instants::until;
use super::ledger::acknowledged_are_there;
use super::member::Member;
use super::programs::{AgentProgram, Verifier};
use super::small_disk::SmallDisk;

/// Room that an operator frees.
const BALLAST: usize = 1 << 20;
/// More rounds than fit on 4 MiB.
const MOST_ROUNDS: u32 = 2_000;
/// The server looks every ten seconds whether the store works again.
const HEALED: Duration = Duration::from_secs(20);

/// Works until the server refuses, and keeps at it for some more requests: every one is refused or acknowledged.
fn fill(members: &mut [Member]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for round in 0..MOST_ROUNDS {
        for member in &mut *members {
            match member.step() {
                Ok(()) => (),
                Err(AgentError::Http(HttpError::Refused(refusal))) => refusals.push(refusal),
                Err(error) => panic!("round {round}: {error}"),
            }
        }
        if refusals.len() >= 10 {
            return refusals;
        }
    }
    panic!("{MOST_ROUNDS} rounds of {} nodes fit into 4 MiB", members.len());
}

#[test]
fn full_disk_refuses_and_acknowledges_nothing() {
    let Some(factory) = skip_without_swtpm().unwrap() else { return };
    let Some(disk) = SmallDisk::mount(4 * 1024) else { return };
    let ballast = disk.ballast(BALLAST);
    let mut verifier = Verifier::new(&factory, Some(disk.path()));
    verifier.start();
    let token = verifier.token(10);
    let member = |which| Member::new(Machine::new(&factory, which).unwrap(), &format!("node {which}"), token.clone());
    let mut members: Vec<_> = (0..2).map(member).collect();
    let (operator, anonymous) = (verifier.operator(), verifier.anonymous());
    let refusals = fill(&mut members);
    let all_are_there = |members: &[Member]| {
        members.iter().for_each(|m| acknowledged_are_there(&operator, &m.tag().unwrap(), &m.acknowledged));
    };
    for refusal in &refusals {
        assert_eq!((refusal.code.as_str(), refusal.retry_in), ("STORE_FULL", Some(30)), "{refusal:?}");
        assert!(refusal.remedy.contains("Free space"), "{refusal:?}");
    }
    let acknowledged: usize = members.iter().map(|member| member.acknowledged.len()).sum();
    assert!(acknowledged > 20, "only {acknowledged} records fit: the load was no load");
    let ready = anonymous.get("/readyz").unwrap();
    let told: Value = serde_json::from_slice(&ready.body).unwrap();
    assert_eq!((ready.status, &told["code"]), (503, &"STORE_FULL".into()));
    assert_eq!(anonymous.get("/healthz").unwrap().status, 200);
    // What was acknowledged can be read while the disk is full.
    all_are_there(&members);
    // Also after a start on a full disk.
    verifier.kill();
    verifier.start();
    all_are_there(&members);

    fs::remove_file(ballast).unwrap();
    // Nobody asks for anything: the server finds out by itself.
    until("the server is ready again", HEALED, || (anonymous.get("/readyz").unwrap().status == 200).then_some(()));
    for member in &mut members {
        let before = member.acknowledged.len();
        member.step().unwrap();
        assert_eq!(member.acknowledged.len(), before + 1);
    }
    all_are_there(&members);
    verifier.kill();
    verifier.start();
    all_are_there(&members);
    println!("counted: {acknowledged} acknowledged records before {} refusals, all there", refusals.len());
}

#[test]
fn full_disk_of_an_agent_keeps_what_it_had_and_heals() {
    let Some(disk) = SmallDisk::mount(4 * 1024) else { return };
    let Some(scene) = Scene::open().unwrap() else { return };
    let Scene { factory, site, .. } = &scene;
    let machine = Machine::new(factory, 1).unwrap();
    let config = machine.agent_config().unwrap();
    let state = disk.path().join("state");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace(machine.state_path().to_str().unwrap(), state.to_str().unwrap());
    fs::write(&config, text).unwrap();
    let agent = AgentProgram::new(config);
    assert!(agent.enroll(&site.token(1).unwrap(), &[]).wait().unwrap().success());
    agent.once().pass();

    let kept = |name: &str| {
        let mut found = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path());
        let path = found.find(|path| path.file_name().unwrap().to_string_lossy().starts_with(name)).unwrap();
        fs::read(path).unwrap()
    };
    let mut refused = 0;
    // With every page more, another write is the first that fails: evidence, receipt, what came of the attempt.
    for pages in 0.. {
        disk.leave(pages);
        let before = (kept("enrolment"), kept("receipt"));
        let once = agent.once();
        if once.exit == Some(0) {
            break;
        }
        refused += 1;
        assert_eq!((once.exit, once.code()), (Some(5), "STATE"), "{once:#?}");
        assert!(once.told().contains("cannot be written") && once.told().contains("free space"), "{once:#?}");
        assert_eq!((kept("enrolment"), kept("receipt")), before, "with {pages} free pages");
        assert!(pages < 100, "a round needs more than {pages} pages");
        disk.free();
        // The same server goes on with the same node, from whatever was left.
        if pages % 2 == 0 {
            agent.once().pass();
        }
    }
    disk.free();
    agent.once().pass();
    let nodes = site.nodes().unwrap();
    let node = nodes.iter().find(|node| node.label.is_none()).unwrap();
    let records = site.records(&node.node).unwrap();
    let mut evidence: Vec<_> = records.iter().map(|record| record.evidence.clone().unwrap()).collect();
    evidence.sort();
    evidence.dedup();
    assert_eq!(evidence.len(), records.len(), "one piece of evidence became two records");
    println!("counted: {refused} rounds that met a full disk, {} records, each there once", records.len());
    assert!(refused >= 2, "the disk was not full");
}
