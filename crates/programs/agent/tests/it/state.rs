use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use avouch_agent::AgentError;
use avouch_agent::state::{Fork, Spooled, StateDir, StateError};
use avouch_agent::status::StatusReport;
use avouch_protocol::{Hash, Message, VERSION};

use crate::world::{ORIGIN, World, challenge, enrolment};

const SHORT: Duration = Duration::from_millis(200);

fn open(temp: &tempfile::TempDir) -> StateDir {
    StateDir::open(temp.path().join("state")).unwrap()
}

fn spooled(seq: u64) -> Spooled {
    let challenge = challenge(seq, Hash::ZERO).to_cbor();
    Spooled { v: VERSION, challenge: challenge.into(), evidence: vec![seq as u8; 100].into() }
}

#[test]
fn an_enrolment_comes_back_whole_and_without_its_key_in_debug_output() {
    let (temp, world) = (tempfile::tempdir().unwrap(), World::new());
    let state = open(&temp);
    assert!(state.enrolment().unwrap().is_none());
    let lock = state.lock(SHORT).unwrap();
    state.keep_enrolment(&lock, &world.enrolment).unwrap();
    let kept = state.enrolment().unwrap().unwrap();
    assert!(kept == world.enrolment);
    assert_eq!(kept.client_spki().unwrap(), world.enrolment.client_spki().unwrap());
    kept.identity().unwrap();
    let key = world.enrolment.client_key().unwrap().to_pkcs8();
    assert!(!format!("{kept:?}").contains(&format!("{:?}", &key[40..50])[1..20]));
}

#[test]
fn state_is_for_its_owner_alone() {
    let (temp, world) = (tempfile::tempdir().unwrap(), World::new());
    let state = open(&temp);
    let lock = state.lock(SHORT).unwrap();
    state.keep_enrolment(&lock, &world.enrolment).unwrap();
    state.keep_spool(&lock, &world.enrolment, &spooled(1)).unwrap();
    state.keep_receipt(&lock, &world.enrolment, b"receipt").unwrap();
    for entry in fs::read_dir(state.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(StateDir::open(state.path()), Err(StateError::Exposed { .. })));
}

#[test]
fn a_spool_becomes_what_was_last_sent() {
    let (temp, world) = (tempfile::tempdir().unwrap(), World::new());
    let (state, member) = (open(&temp), &world.enrolment);
    let lock = state.lock(SHORT).unwrap();
    assert!(state.last_sent(member).unwrap().is_none());
    state.keep_spool(&lock, member, &spooled(1)).unwrap();
    assert_eq!(state.last_sent(member).unwrap().unwrap(), spooled(1));
    state.settle_spool(&lock, member).unwrap();
    assert!(state.spool(member).unwrap().is_none());
    assert_eq!(state.last_sent(member).unwrap().unwrap(), spooled(1));
    state.keep_spool(&lock, member, &spooled(2)).unwrap();
    state.drop_spool(&lock, member).unwrap();
    assert_eq!(state.last_sent(member).unwrap().unwrap(), spooled(1));
}

#[test]
fn another_enrolment_never_meets_the_leavings_of_an_older_one() {
    let (temp, world) = (tempfile::tempdir().unwrap(), World::new());
    let state = open(&temp);
    let lock = state.lock(SHORT).unwrap();
    state.keep_receipt(&lock, &world.enrolment, b"old").unwrap();
    state.keep_spool(&lock, &world.enrolment, &spooled(1)).unwrap();
    let newer = enrolment(&world.log_key, &world.node_ca, ORIGIN, vec![Hash([9; 32])]);
    assert!(state.receipt(&newer).unwrap().is_none());
    assert!(state.spool(&newer).unwrap().is_none());
}

#[test]
fn leftovers_of_older_enrolments_and_killed_processes_are_removed_and_nothing_else() {
    let (temp, world) = (tempfile::tempdir().unwrap(), World::new());
    let state = open(&temp);
    let lock = state.lock(SHORT).unwrap();
    let newer = enrolment(&world.log_key, &world.node_ca, ORIGIN, vec![Hash([9; 32])]);
    state.keep_enrolment(&lock, &newer).unwrap();
    for of in [&world.enrolment, &newer] {
        state.keep_receipt(&lock, of, b"receipt").unwrap();
        state.keep_spool(&lock, of, &spooled(1)).unwrap();
        state.settle_spool(&lock, of).unwrap();
        state.keep_spool(&lock, of, &spooled(2)).unwrap();
    }
    let begun = [".enrolment.new".to_owned(), format!(".spool-{}.new", world.enrolment.id())];
    begun.iter().for_each(|name| fs::write(state.path().join(name), b"half").unwrap());
    let files = || {
        let names = fs::read_dir(state.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    fs::write(state.path().join("notes"), b"a person's").unwrap();
    let all = files();
    state.tidy(&lock, None).unwrap();
    assert_eq!(files(), all.iter().filter(|name| !begun.contains(name)).cloned().collect());
    state.tidy(&lock, Some(&newer)).unwrap();
    let id = newer.id();
    let expected =
        ["enrolment", &format!("last-sent-{id}"), "lock", "notes", &format!("receipt-{id}"), &format!("spool-{id}")];
    assert_eq!(files(), expected.map(str::to_owned).into());
    assert_eq!(state.spool(&newer).unwrap().unwrap(), spooled(2));
}

#[test]
fn a_damaged_file_is_told_from_a_missing_one() {
    let (temp, world) = (tempfile::tempdir().unwrap(), World::new());
    let state = open(&temp);
    let lock = state.lock(SHORT).unwrap();
    state.keep_enrolment(&lock, &world.enrolment).unwrap();
    let path = state.path().join("enrolment");
    let whole = fs::read(&path).unwrap();
    for end in (0..whole.len()).step_by(7) {
        fs::write(&path, &whole[..end]).unwrap();
        assert!(matches!(state.enrolment(), Err(StateError::Damaged { .. })), "{end}");
    }
}

#[test]
fn a_second_process_waits_and_then_gives_up() {
    let temp = tempfile::tempdir().unwrap();
    let (first, second) = (open(&temp), open(&temp));
    let held = first.lock(SHORT).unwrap();
    assert!(matches!(second.lock(SHORT), Err(StateError::Busy { .. })));
    drop(held);
    second.lock(SHORT).unwrap();
}

#[test]
fn the_first_fork_is_kept_and_reported() {
    let (temp, world) = (tempfile::tempdir().unwrap(), World::new());
    let (state, member) = (open(&temp), &world.enrolment);
    let lock = state.lock(SHORT).unwrap();
    state.keep_enrolment(&lock, member).unwrap();
    let fork = |seq| Fork {
        v: VERSION,
        receipt: world.receipt(&challenge(5, Hash([4; 32])), b"evidence", |_| ()).into(),
        challenge: challenge(seq, Hash([1; 32])).to_cbor().into(),
    };
    state.keep_fork(&lock, member, &fork(3)).unwrap();
    state.keep_fork(&lock, member, &fork(4)).unwrap();
    let report = StatusReport::of(&state).unwrap();
    let forked = report.chain_fork.clone().unwrap();
    assert_eq!((forked.held_seq, forked.challenge_seq), (5, 3));
    assert!(report.to_string().contains("CHAIN_FORK"));
}

#[test]
fn status_tells_enrolment_receipt_and_waiting_evidence() {
    let (temp, world) = (tempfile::tempdir().unwrap(), World::new());
    let (state, member) = (open(&temp), &world.enrolment);
    assert!(!StatusReport::of(&state).unwrap().enrolled);
    let lock = state.lock(SHORT).unwrap();
    state.keep_enrolment(&lock, member).unwrap();
    state.keep_receipt(&lock, member, &world.receipt(&challenge(5, Hash::ZERO), b"e", |_| ())).unwrap();
    state.keep_spool(&lock, member, &spooled(6)).unwrap();
    let json = serde_json::to_value(StatusReport::of(&state).unwrap()).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["membership"]["server"], ORIGIN);
    assert_eq!(json["receipt"]["seq"], 5);
    assert_eq!(json["receipt"]["status"], "pass");
    assert_eq!(json["unreceipted"]["seq"], 6);
    assert_eq!(json["chain_fork"], serde_json::Value::Null);
}

#[test]
fn a_receipt_that_was_forged_on_disk_is_not_believed() {
    let (temp, world) = (tempfile::tempdir().unwrap(), World::new());
    let state = open(&temp);
    let lock = state.lock(SHORT).unwrap();
    state.keep_enrolment(&lock, &world.enrolment).unwrap();
    let other = World::new();
    let forged = other.receipt(&challenge(5, Hash::ZERO), b"e", |_| ());
    state.keep_receipt(&lock, &world.enrolment, &forged).unwrap();
    assert!(matches!(StatusReport::of(&state), Err(AgentError::Receipt(_))));
}
