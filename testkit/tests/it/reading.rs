//! What is read of units, and what is not.

use std::collections::BTreeSet;

use avouch_pairs::{Reading, attribute as a};
use avouch_systemd::{UnitRef, allowed};
use avouch_testkit::{Config, FakeSystemd};

use crate::scene::{DEADLINE, manager};

fn reference(systemd: &FakeSystemd, name: &str) -> UnitRef {
    let mut manager = manager(systemd, DEADLINE);
    let units = manager.units().expect("a list");
    units.into_iter().find(|unit| unit.name == name).expect("the unit is listed")
}

#[test]
fn every_property_is_spelled_as_the_attributes_state() {
    let systemd = FakeSystemd::new();
    systemd.add_service("hard.service", Config::hardened());
    let unit = reference(&systemd, "hard.service");
    let state = manager(&systemd, DEADLINE).unit(&unit).expect("the unit is read");
    let expected = [
        (a::MEMORY_MAX, "67108864"),
        (a::MEMORY_HIGH, "18446744073709551615"),
        (a::PIDS_MAX, "32"),
        (a::CPU_MAX, "250000\t18446744073709551615"),
        (a::CPU_WEIGHT, "50"),
        (a::CPUSET_CPUS, ""),
        (a::IO_MAX, ""),
        (a::CGROUP_MAIN, "/system.slice/hard.service"),
        (a::DEVICE_POLICY, "auto"),
        (a::RESTRICT_NETWORK_INTERFACES, "deny"),
        (a::RLIMIT_NOFILE, "512 4096"),
        (a::RLIMIT_CPU, "18446744073709551615 18446744073709551615"),
        (a::OOM_SCORE_ADJ, "100"),
        (a::NO_NEW_PRIVS, "yes"),
        (a::SYSTEM_CALL_FILTER, ""),
        (a::RESTRICT_ADDRESS_FAMILIES, "deny"),
        (a::UMASK, "0077"),
        (a::NS_NET, "yes"),
        (a::CAP_BOUNDING, "0000000000000400"),
        (a::CAP_AMBIENT, "0000000000000000"),
        (a::UID, "4294967295"),
        (a::GROUPS, "0"),
        (a::USER_SET, "no"),
        (a::APPARMOR_PROFILE, ""),
        (a::EXE, "/usr/bin/fake"),
        (a::UNIT_FRESHNESS, "no"),
        (a::LOAD_STATE, "loaded"),
        (a::UNIT_FILES, "/etc/systemd/system/hard.service"),
        (a::MEMORY_OOM_GROUP, "stop"),
        (a::PROCESSES, "301"),
    ];
    for (attribute, value) in expected {
        let fact = state.facts.get(&attribute).expect("the fact is there");
        let name = attribute.spec().map_or("?", |spec| spec.name);
        assert_eq!(fact.orchestrator, Reading::Value(value.into()), "{name}");
        assert_eq!(fact.kernel, Reading::NotRead, "{name}: systemd is not the kernel");
    }
    assert_eq!(state.ask.main_pid, 301);
    assert_eq!(state.ask.control_group, "/system.slice/hard.service");
    assert_eq!(state.identity.invocation.len(), 32);
    let unreadable: Vec<_> =
        state.facts.iter().filter(|(_, fact)| matches!(fact.orchestrator, Reading::Unreadable(_))).collect();
    assert!(unreadable.is_empty(), "{unreadable:?}");
}

#[test]
fn what_an_older_systemd_does_not_have_is_not_supported_and_says_the_version() {
    let systemd = FakeSystemd::new();
    systemd.add_service("one.service", Config::default());
    let unit = reference(&systemd, "one.service");
    let mut manager = manager(&systemd, DEADLINE);
    for _ in 0..2 {
        let state = manager.unit(&unit).expect("the unit is read");
        for (attribute, property) in [(a::MEMORY_ZSWAP_MAX, "MemoryZSwapMax"), (a::NS_PID, "PrivatePIDs")] {
            let reason = format!("systemd 252 has no {property}");
            assert_eq!(
                state.facts.get(&attribute).map(|fact| &fact.orchestrator),
                Some(&Reading::NotSupported(reason))
            );
        }
        // A later name of a property that is there says nothing where it is missing.
        let private_tmp = state.facts.get(&a::PRIVATE_TMP).map(|fact| &fact.orchestrator);
        assert_eq!(private_tmp, Some(&Reading::Value("no".into())));
    }
}

#[test]
fn nothing_but_the_allow_list_is_asked_for_and_no_argument_or_environment_comes_back() {
    let systemd = FakeSystemd::new();
    let secret = "canary-7f3a";
    let config = Config {
        exec: vec!["/usr/bin/fake".into(), format!("--password={secret}")],
        environment: vec![format!("TOKEN={secret}")],
        ..Config::default()
    };
    systemd.add_service("one.service", config);
    systemd.add_socket("one.socket", &[("Stream", "[::]:80"), ("Stream", "/run/one")]);
    let mut manager = manager(&systemd, DEADLINE);
    let units = manager.units().expect("a list");
    assert_eq!(units.len(), 5, "two slices, a scope, a service, a socket");
    let mut all = format!("{:?}", manager.host().expect("systemd answers"));
    for unit in &units {
        let state = manager.unit(unit).expect("the unit is read");
        assert!(manager.unchanged(unit, &state).expect("the unit is read again"));
        all.push_str(&format!("{state:?}"));
    }
    assert!(!all.contains(secret));
    let own: BTreeSet<(String, String)> =
        ["Version", "Tainted"].map(|name| ("org.freedesktop.systemd1.Manager".to_owned(), name.to_owned())).into();
    let listed = allowed().into_iter().map(|(word, name)| (format!("org.freedesktop.systemd1.{word}"), name.into()));
    let allowed: BTreeSet<(String, String)> = listed.chain(own).collect();
    let asked = systemd.lock().asked.clone();
    let others: Vec<_> = asked.difference(&allowed).collect();
    assert!(others.is_empty(), "asked for what is not on the allow-list: {others:?}");
    assert!(!allowed.iter().any(|(_, name)| name.contains("Environment") || name.contains("Credential")));
}

#[test]
fn names_with_odd_characters_are_read_like_others() {
    let systemd = FakeSystemd::new();
    let names = ["getty@tty1.service", "a\\x2db.service", "ä-ö@\\xff:1.service", "0.service", "_.service"];
    for name in names {
        systemd.add_service(name, Config::default());
    }
    let mut manager = manager(&systemd, DEADLINE);
    let units = manager.units().expect("a list");
    for name in names {
        let unit = units.iter().find(|unit| unit.name == name).expect("the unit is listed");
        let state = manager.unit(unit).expect("the unit is read");
        assert_eq!(state.ask.control_group, format!("/system.slice/{name}"));
        assert_eq!(state.ask.unit_files, [format!("/etc/systemd/system/{name}")]);
    }
}

#[test]
fn a_unit_that_is_gone_between_the_list_and_the_reading_is_no_error() {
    let systemd = FakeSystemd::new();
    systemd.add_service("brief.service", Config::default());
    let unit = reference(&systemd, "brief.service");
    systemd.lock().units.remove("brief.service");
    let state = manager(&systemd, DEADLINE).unit(&unit).expect("an answer");
    assert_eq!(state.identity.active_state, "");
    assert!(matches!(state.facts.get(&a::MEMORY_MAX).map(|fact| &fact.orchestrator), Some(Reading::Unreadable(_))));
}
