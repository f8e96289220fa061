//! A systemd that does not answer, lies or closes, and units that change while they are read.

use std::time::{Duration, Instant};

use avouch_collect::observe::{Observer, Scope};
use avouch_kernel::Kernel;
use avouch_pairs::{Reading, attribute as a};
use avouch_testkit::{Config, FakeSystemd, Fault};

use crate::scene::{both, fact, manager, observer};

const HARD: &str = "unit:hard.service";

fn hardened() -> FakeSystemd {
    let systemd = FakeSystemd::new();
    systemd.add_service("hard.service", Config::hardened());
    systemd
}

#[test]
fn both_columns_of_a_unit_are_read() {
    let systemd = hardened();
    let observation = observer(&systemd).observe(&Scope::default());
    for (attribute, expected) in [
        (a::MEMORY_MAX, both("67108864", "67108864")),
        (a::NO_NEW_PRIVS, both("yes", "1")),
        (a::CAP_BOUNDING, both("0000000000000400", "0000000000000400")),
        (a::RLIMIT_NOFILE, both("512 4096", "512 4096")),
        (a::PROCESSES, both("301", "301")),
        (a::EXE, both("/usr/bin/fake", "/usr/bin/fake")),
    ] {
        let fact = fact(&observation, HARD, attribute);
        assert_eq!((fact.orchestrator.clone(), fact.kernel.clone()), expected);
    }
    let identity = observation.subjects[HARD].identity.clone().expect("an identity");
    assert!(identity.steady && identity.attempts == 1 && identity.main_pid == 301 && identity.main_start > 0);
    assert_eq!(fact(&observation, "host", a::MANAGER).orchestrator.value(), Some("private\t252.39-1~deb12u2"));
}

#[test]
fn without_answers_of_systemd_the_kernels_column_is_filled_and_the_other_says_why() {
    for fault in [Fault::Hang, Fault::Close, Fault::Lie] {
        let systemd = hardened();
        let deadline = Duration::from_millis(400);
        let kernel = Kernel::of(Box::new(systemd.kernel()));
        let root = tempfile::tempdir().expect("a directory");
        let mut observer = Observer::new(Some(manager(&systemd, deadline)), kernel).rooted(root.path());
        systemd.lock().fault = fault;
        let before = Instant::now();
        let observation = observer.observe(&Scope::default());
        assert!(before.elapsed() < Duration::from_secs(10), "{fault:?} is not waited for again and again");
        unreadable(&observation, &format!("{fault:?}"));
    }
}

#[test]
fn without_a_connection_the_kernels_column_is_filled() {
    let systemd = hardened();
    let kernel = Kernel::of(Box::new(systemd.kernel()));
    unreadable(&Observer::new(None, kernel).observe(&Scope::default()), "no connection");
}

fn unreadable(observation: &avouch_pairs::Observation, case: &str) {
    let memory = fact(observation, HARD, a::MEMORY_MAX);
    assert_eq!(memory.kernel, Reading::Value("67108864".into()), "{case}");
    assert!(matches!(&memory.orchestrator, Reading::Unreadable(reason) if reason.contains("systemd")), "{case}");
    assert!(matches!(fact(observation, "host", a::MANAGER).orchestrator, Reading::Unreadable(_)), "{case}");
    let privileges = fact(observation, HARD, a::NO_NEW_PRIVS);
    assert_eq!(privileges.kernel, Reading::Value("1".into()), "{case}");
    assert!(matches!(privileges.orchestrator, Reading::Unreadable(_)), "{case}");
}

#[test]
fn a_unit_that_restarts_while_it_is_read_is_read_again() {
    let systemd = hardened();
    let mut restarts = 1;
    systemd.lock().before_property = Some(Box::new(move |model, unit, property| {
        if unit == "hard.service" && property == "UMask" && restarts > 0 {
            restarts -= 1;
            model.restart_at_once(unit);
        }
    }));
    let observation = observer(&systemd).observe(&Scope::default());
    let identity = observation.subjects[HARD].identity.clone().expect("an identity");
    assert!(identity.steady, "{identity:?}");
    assert_eq!((identity.attempts, identity.main_pid), (2, 302));
    assert_eq!(fact(&observation, HARD, a::PROCESSES).kernel.value(), Some("302"));
}

#[test]
fn a_unit_that_restarts_at_every_reading_is_not_steady() {
    let systemd = hardened();
    systemd.lock().before_property = Some(Box::new(|model, unit, property| {
        if unit == "hard.service" && property == "UMask" {
            model.restart_at_once(unit);
        }
    }));
    let observation = observer(&systemd).observe(&Scope::default());
    let identity = observation.subjects[HARD].identity.clone().expect("an identity");
    assert_eq!((identity.steady, identity.attempts), (false, 3));
}

#[test]
fn the_scope_of_systemd_itself_stands_still() {
    let observation = observer(&hardened()).observe(&Scope::default());
    assert_eq!(fact(&observation, "unit:init.scope", a::EXE).kernel.value(), Some("/usr/lib/systemd/systemd"));
    let identity = observation.subjects["unit:init.scope"].identity.clone().expect("an identity");
    assert_eq!((identity.steady, identity.attempts), (true, 1));
}

#[test]
fn limits_that_change_between_the_witnesses_are_read_again() {
    let systemd = hardened();
    let mut changes = 1;
    systemd.lock().before_property = Some(Box::new(move |model, unit, property| {
        // After MemoryMax was answered, before the kernel is read.
        if unit == "hard.service" && property == "TasksMax" && changes > 0 {
            changes -= 1;
            let unit = model.units.get_mut(unit).expect("the unit");
            unit.config.memory_max = 1 << 30;
            unit.files.insert("memory.max".into(), "1073741824\n".into());
        }
    }));
    let observation = observer(&systemd).observe(&Scope::default());
    let memory = fact(&observation, HARD, a::MEMORY_MAX);
    assert_eq!((memory.orchestrator.clone(), memory.kernel.clone()), both("1073741824", "1073741824"));
    assert_eq!(observation.subjects[HARD].identity.as_ref().map(|identity| identity.attempts), Some(2));
}

#[test]
fn a_unit_that_went_away_is_left_out_unless_it_was_asked_for() {
    let systemd = hardened();
    systemd.add_service("brief.service", Config::default());
    systemd.lock().before_property = Some(Box::new(|model, unit, _| {
        if unit == "brief.service" {
            model.units.remove("brief.service");
        }
    }));
    let mut observer = observer(&systemd);
    assert!(!observer.observe(&Scope::default()).subjects.contains_key("unit:brief.service"));
    let named = Scope { units: Some(vec!["brief.service".into()]), ..Scope::default() };
    let observation = observer.observe(&named);
    assert!(observation.subjects.contains_key("unit:brief.service"));
    assert!(!observation.subjects.contains_key(HARD));
}

#[test]
fn sockets_that_units_name_are_listeners() {
    let systemd = FakeSystemd::new();
    systemd.add_socket("web.socket", &[("Stream", "[::]:80"), ("Datagram", "0.0.0.0:53"), ("FIFO", "/run/fifo")]);
    systemd.add_socket("two.socket", &[("Stream", "[::]:80")]);
    let observation = observer(&systemd).observe(&Scope::default());
    let tcp = fact(&observation, "listener:tcp:[::]:80", a::LISTENER);
    assert_eq!(tcp.orchestrator.value(), Some("two.socket\tStream\t[::]:80\nweb.socket\tStream\t[::]:80"));
    let udp = fact(&observation, "listener:udp:0.0.0.0:53", a::LISTENER);
    assert_eq!(udp.orchestrator.value(), Some("web.socket\tDatagram\t0.0.0.0:53"));
    assert!(!observation.subjects.keys().any(|name| name.contains("fifo")));
}
