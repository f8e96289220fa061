//! One unit is asked for, and nothing is said of the others.

use avouch_collect::observe::Scope;
use avouch_pairs::{Judged, attribute as a, judge};
use avouch_testkit::{Config, FakeSystemd};

use crate::scene::{fact, observer};

/// Two services that listen, one of them for a socket unit, and a process of no unit.
fn machine() -> FakeSystemd {
    let systemd = FakeSystemd::new();
    for (name, port) in [("web.service", 80), ("ssh.service", 22)] {
        systemd.add_service(name, Config::default());
        systemd.listen(name, port);
    }
    systemd.add_socket("web.socket", &[("Stream", "0.0.0.0:80")]);
    systemd.add_stray("/elsewhere");
    systemd
}

fn only(unit: &str) -> Scope {
    Scope { units: Some(vec![unit.to_owned()]), ..Scope::default() }
}

fn codes(judged: &Judged) -> Vec<String> {
    judged.findings.iter().map(|finding| format!("{} {}", finding.subject, finding.code)).collect()
}

#[test]
fn of_the_whole_machine_the_stray_process_is_found() {
    let observation = observer(&machine()).observe(&Scope::default());
    assert_eq!(fact(&observation, "host", a::STRAY_PROCESSES).kernel.value(), Some("/elsewhere\t1\t/usr/bin/stray"));
    assert_eq!(codes(&judge(&observation, None)), ["host V13.stray_processes.unmanaged"]);
}

#[test]
fn of_one_unit_processes_and_listeners_of_others_are_no_findings() {
    for unit in ["web.service", "web.socket", "ssh.service"] {
        let observation = observer(&machine()).observe(&only(unit));
        assert_eq!(codes(&judge(&observation, None)), Vec::<String>::new(), "{unit}");
        let host = &observation.subjects["host"].facts;
        assert!(!host.contains_key(&a::STRAY_PROCESSES) && !host.contains_key(&a::NS_UNMANAGED), "{unit}");
        let units: Vec<_> = observation.subjects.keys().filter(|name| name.starts_with("unit:")).collect();
        assert_eq!(units, [&format!("unit:{unit}")]);
    }
}

#[test]
fn a_listener_of_the_unit_asked_for_is_held_by_the_unit_that_holds_it() {
    // The socket unit is asked for; what holds its socket is another unit.
    let observation = observer(&machine()).observe(&only("web.socket"));
    let listeners: Vec<_> = observation.subjects.keys().filter(|name| name.starts_with("listener:")).collect();
    assert_eq!(listeners, ["listener:tcp:0.0.0.0:80"]);
    let web = fact(&observation, "listener:tcp:0.0.0.0:80", a::LISTENER);
    assert_eq!(web.kernel.value(), Some("web.service\t0"));
}

#[test]
fn a_cgroup_that_is_only_named_like_a_unit_is_none() {
    let systemd = machine();
    systemd.add_socket("evil.socket", &[("Stream", "0.0.0.0:666")]);
    systemd.add_service("evil.service", Config::default());
    systemd.listen("evil.service", 666);
    // systemd does not have it any more; its cgroup and processes stay, under an owner that is a path.
    systemd.lock().hidden.insert("evil.service".into());
    let observation = observer(&systemd).observe(&only("evil.socket"));
    let evil = fact(&observation, "listener:tcp:0.0.0.0:666", a::LISTENER);
    assert_eq!(evil.kernel.value(), Some("/system.slice/evil.service\t0"));
    assert_eq!(codes(&judge(&observation, None)), ["listener:tcp:0.0.0.0:666 V10.listener.unmanaged"]);
}
