//! Listeners and private networks.

use avouch_pairs::PairVerdict::{KernelMissing, KernelWeaker, Match, NotConfigured, Unmanaged};
use avouch_pairs::attribute::*;
use avouch_pairs::{Intent, PairVerdict, Reading, Severity, judge};

use crate::machine::{Machine, of, value};

fn listener(name: &str, owners: &str) -> Machine {
    Machine::running("t.service")
        .subject(name)
        .fact(LISTENER, Reading::Absent, value(owners))
        .second(LISTENER, value(owners))
}

fn declaring(names: &[&str]) -> Intent {
    Intent { listeners: names.iter().map(|name| (*name).to_owned()).collect(), ..Intent::default() }
}

#[test]
fn without_an_intent_a_units_listener_is_not_configured_and_a_strangers_unmanaged() {
    assert_eq!(listener("listener:tcp:0.0.0.0:22", "ssh.service\t0").verdict(LISTENER), NotConfigured);
    assert_eq!(listener("listener:tcp:0.0.0.0:31337", "/escape\t0").verdict(LISTENER), Unmanaged);
    assert_eq!(listener("listener:tcp:0.0.0.0:31337", "session-1.scope\t0").verdict(LISTENER), Unmanaged);
    let nobodys = listener("listener:tcp:0.0.0.0:31337", "-\t0").judged();
    assert_eq!(nobodys.findings[0].severity, Severity::Critical);
    assert_eq!(nobodys.findings[0].code, "V10.listener.unmanaged");
}

#[test]
fn what_the_intent_does_not_name_is_unmanaged() {
    let intent = declaring(&["listener:tcp:0.0.0.0:22"]);
    let verdict = |name: &str, owners: &str| {
        of(&judge(&listener(name, owners).observation, Some(&intent)), name, LISTENER).unwrap().verdict
    };
    assert_eq!(verdict("listener:tcp:0.0.0.0:22", "ssh.service\t0"), Match);
    assert_eq!(verdict("listener:tcp:0.0.0.0:31337", "ssh.service\t0"), Unmanaged);
    assert_eq!(verdict("listener:udp:0.0.0.0:40123", "chrony.service\t0"), NotConfigured);
    assert_eq!(verdict("listener:unix:/run/x", "x.service\t0"), NotConfigured);
}

#[test]
fn a_wider_address_than_declared_is_weaker() {
    let intent = declaring(&["listener:tcp:127.0.0.1:5432"]);
    let machine = listener("listener:tcp:0.0.0.0:5432", "postgresql.service\t0");
    let judged = machine.beside(&intent);
    let codes: Vec<&str> = judged.findings.iter().map(|finding| &*finding.code).collect();
    assert_eq!(codes, ["V10.listener.kernel_weaker", "V10.listener.kernel_missing"]);
    let v6 = listener("listener:tcp:[::]:5432", "postgresql.service\t0");
    assert_eq!(of(&v6.beside(&intent), "listener:tcp:[::]:5432", LISTENER).unwrap().verdict, KernelWeaker);
}

#[test]
fn a_declared_listener_that_nobody_serves_is_missing() {
    let intent = declaring(&["listener:tcp:0.0.0.0:22", "listener:tcp:0.0.0.0:80"]);
    let judged = listener("listener:tcp:0.0.0.0:22", "ssh.service\t0").beside(&intent);
    assert_eq!(of(&judged, "listener:tcp:0.0.0.0:80", LISTENER).unwrap().verdict, KernelMissing);
    // Where no listener was read, nothing is said.
    assert_eq!(Machine::running("t.service").beside(&intent).findings, Vec::new());
}

#[test]
fn a_socket_units_listener_is_held_by_the_manager_or_a_service() {
    let machine = |owners: &str, state: &str| {
        Machine::running("t-sock.socket")
            .identity(|identity| identity.active_state = state.to_owned())
            .subject("listener:tcp:127.0.0.1:7777")
            .pair(LISTENER, "t-sock.socket\tStream\t127.0.0.1:7777", owners)
    };
    assert_eq!(machine("init.scope\t0\nt-sock.service\t0", "active").verdict(LISTENER), Match);
    assert_eq!(machine("t-sock.service\t0", "active").verdict(LISTENER), Match);
    assert_eq!(machine("/escape\t0", "active").verdict(LISTENER), Unmanaged);
    assert_eq!(machine("t-sock.service\t0", "inactive").verdict(LISTENER), Unmanaged);
}

#[test]
fn a_pinned_filter_is_attached_in_the_direction_that_names_it() {
    let verdict = |stated: &str, shown: &str| {
        let machine = Machine::running("t.service").seen(IP_ADDRESS_FILTER, shown).stated(IP_FILTER_PATH, stated);
        machine.find(IP_FILTER_PATH).map(|pair| pair.verdict)
    };
    assert_eq!(verdict("ingress\t/sys/fs/bpf/in", "ingress\t01"), Some(Match));
    assert_eq!(verdict("ingress\t/sys/fs/bpf/in", "egress\t01"), Some(KernelMissing));
    assert_eq!(verdict("ingress\t/a\negress\t/b", "ingress\t01"), Some(KernelMissing));
    assert_eq!(verdict("", "none"), None);
}

#[test]
fn a_socket_of_nobody_in_particular_is_roots() {
    let verdict = |stated: &str, shown: &str| {
        let machine =
            Machine::running("t.socket").pair(SOCKET_MODE, "/run/t\t0666", shown).stated(SOCKET_OWNER, stated);
        machine.find(SOCKET_OWNER).map(|pair| pair.verdict)
    };
    assert_eq!(verdict("no", "/run/t\t0666 0 0"), Some(Match));
    assert_eq!(verdict("no", "/run/t\t0666 1000 0"), Some(KernelWeaker));
    assert_eq!(verdict("no", "/run/t\t0660 0 999"), Some(KernelWeaker));
    assert_eq!(verdict("no", "/run/t\t0644 0 999"), Some(Match));
    assert_eq!(verdict("yes", "/run/t\t0660 0 999"), None);
}

#[test]
fn a_listener_that_one_interface_hides_is_critical() {
    let name = "listener:tcp:0.0.0.0:31337";
    for (kernel, second) in [(value("/escape\t0"), Reading::Absent), (Reading::Absent, value("/escape\t0"))] {
        let machine = Machine::running("t.service")
            .subject(name)
            .fact(LISTENER, Reading::Absent, kernel)
            .second(LISTENER, second);
        assert_eq!(machine.codes(), [format!("{name} KERNEL_VIEWS_DISAGREE")]);
    }
}

#[test]
fn a_listener_of_a_unit_that_changes_is_racing() {
    let name = "listener:tcp:0.0.0.0:5432";
    let machine = Machine::running("postgresql.service")
        .identity(|identity| identity.steady = false)
        .subject(name)
        .fact(LISTENER, Reading::Absent, value("postgresql.service\t0\n/gone\t0"));
    assert_eq!(machine.verdict(LISTENER), PairVerdict::Racing);
}

#[test]
fn a_private_network_has_the_loopback_device_alone() {
    let machine = |devices: &str| {
        Machine::running("t-net.service").pair(NS_NET, "yes", "private 4026532294").seen(NET_DEVICES, devices)
    };
    assert_eq!(machine("lo").codes(), Vec::<String>::new());
    assert_eq!(machine("lo\nsit0\ntunl0").verdict(NET_DEVICES), Match);
    assert_eq!(machine("lo\nveth1").codes(), ["unit:t-net.service V7.net.devices.unmanaged"]);
    let joined = machine("lo\neth0").stated(NETWORK_NAMESPACE_PATH, "/run/netns/x");
    assert_eq!(joined.verdict(NET_DEVICES), NotConfigured);
}
