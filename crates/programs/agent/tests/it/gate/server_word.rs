//! A gate that is told to ask the server: a real server, and a talker that brings its word.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use avouch_testkit::{Machine, Site, node_ima_policy, policy_for, skip_without_swtpm};

use super::world::{Appliance, codes};

/// Within this a round has ended, and a gate has noticed it.
const PATIENCE: Duration = Duration::from_secs(60);

fn until(what: &str, appliance: &Appliance, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}; {}", appliance.told());
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Runs `avouch-agent run` until it has left another word than before, then ends it in order.
fn talk(appliance: &Appliance) {
    let word = || fs::read(appliance.path("receipt.json")).ok();
    let before = word();
    appliance.talker(|| until("the talker leaves no word", appliance, || word() != before));
}

/// What the gate comes to by itself.
fn noticed(appliance: &Appliance, status: u16, state: &str) -> Vec<String> {
    until(state, appliance, || appliance.verify() == (status, state.to_owned()));
    let last = appliance.lines().pop().unwrap();
    assert_eq!((&last["trigger"], &last["state"]), (&"server".into(), &state.into()), "{last}");
    codes(&last)
}

/// The gate's findings about the server, in words.
fn words(appliance: &Appliance) -> String {
    appliance.lines().pop().unwrap()["findings"][0]["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_gate_follows_the_servers_word_through_pass_fail_and_silence() {
    let Some(factory) = skip_without_swtpm().unwrap() else { return };
    let mut site = Site::start(&factory).unwrap();
    let machine = Machine::new(&factory, 1).unwrap();
    let (boot_log, list) = (&machine.boot_log, machine.list().unwrap());
    let mut policy = policy_for(boot_log, &list, node_ima_policy(), site.pcrs()).unwrap();
    site.apply(&policy.to_bytes()).unwrap();
    let mut appliance = Appliance::new("ask_server = true");
    let config = fs::read_to_string(machine.agent_config().unwrap()).unwrap();
    let config = format!("{config}collector = '{}'\n", appliance.path("collector.sock").display());
    fs::write(appliance.path("agent.toml"), config).unwrap();

    // Not enrolled: nobody brings a word.
    appliance.start();
    assert_eq!(appliance.settled(), (503, "degraded".into()));
    assert_eq!(codes(&appliance.lines()[0]), ["SERVER_SILENT"]);
    assert!(words(&appliance).contains("`avouch-agent enroll`"), "{}", words(&appliance));
    assert_eq!(appliance.agent(&["run"]).status().unwrap().code(), Some(78), "a talker has nobody to talk to");
    assert!(!appliance.path("receipt.json").exists());

    fs::write(appliance.path("enrolment"), site.token(1).unwrap().to_text()).unwrap();
    let enrolment = appliance.path("enrolment");
    let enrolled = appliance.agent(&["enroll", "--token-file"]).arg(enrolment).output().unwrap();
    assert!(enrolled.status.success(), "{enrolled:?}");
    talk(&appliance);
    assert_eq!(noticed(&appliance, 200, "attested"), [""; 0]);
    assert_eq!(appliance.lines().pop().unwrap()["assurance"], "server");

    // A program that the policy does not know.
    machine.run("/usr/bin/unknown", &[7; 32]).unwrap();
    site.next_round();
    talk(&appliance);
    assert_eq!(noticed(&appliance, 503, "degraded"), ["SERVER_DISAGREES"]);
    assert!(words(&appliance).contains("avouch-agent status"), "{}", words(&appliance));
    assert_eq!(appliance.lines().pop().unwrap()["assurance"], "local");

    policy.add_file(&[7; 32], "/usr/bin/unknown").unwrap();
    site.apply(&policy.to_bytes()).unwrap();
    site.next_round();
    talk(&appliance);
    assert_eq!(noticed(&appliance, 200, "attested"), [""; 0]);

    // The server is gone: its word holds as long as it was given, and not longer.
    site.stop();
    let word = fs::read(appliance.path("receipt.json")).unwrap();
    let said = || fs::read_to_string(appliance.path("talker.txt")).unwrap();
    let before = said().len();
    appliance.talker(|| until("the talker finds no server", &appliance, || said()[before..].contains("next_in")));
    assert_eq!(fs::read(appliance.path("receipt.json")).unwrap(), word);
    assert_eq!(appliance.refresh()["state"], "attested");
    appliance.kill();
    let ahead = ["--time", "--boottime", "3600", "--fork", "--kill-child"];
    let may = Command::new("unshare").args(ahead).arg("true").output().is_ok_and(|output| output.status.success());
    if may {
        appliance.start_by(|gate: Command| {
            let mut command = Command::new("unshare");
            command.args(ahead).arg(gate.get_program()).args(gate.get_args());
            command.env_remove("CREDENTIALS_DIRECTORY").env_remove("NOTIFY_SOCKET");
            command
        });
    } else {
        // Where no program may have another CLOCK_BOOTTIME, the word was given for no time at all.
        let mut word: serde_json::Value = serde_json::from_slice(&word).unwrap();
        word["expires"] = word["time"].clone();
        fs::write(appliance.path("receipt.json"), word.to_string()).unwrap();
        appliance.start();
    }
    assert_eq!(appliance.settled(), (503, "degraded".into()), "{}", appliance.told());
    let last = appliance.lines().pop().unwrap();
    assert_eq!((codes(&last), &last["trigger"]), (vec!["SERVER_SILENT".to_owned()], &"start".into()));
    assert!(words(&appliance).contains("its last pass has expired"), "{}", words(&appliance));
    appliance.kill();
}
