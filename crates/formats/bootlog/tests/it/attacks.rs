//! Attacks on boot logs by their number, as far as a log alone shows them: whoever holds the machine may extend more
//! and write any type and data over any event, and cannot change what was extended before.

use avouch_bootlog::{BootLog, Contradiction, EventType, GrammarRule, SecureBoot, Weight};
use avouch_crypto::Hash;
use avouch_tpm_wire::HashAlg;

use crate::build::*;

const CONFIG: EventType = EventType::EFI_VARIABLE_DRIVER_CONFIG;

/// `(register, rule)` of every fault.
fn faults(boot: &Boot) -> Vec<(u32, GrammarRule)> {
    let log = BootLog::parse(&boot.0).unwrap();
    log.check(HashAlg::Sha256, &Hash).grammar().iter().map(|fault| (fault.pcr, fault.rule)).collect()
}

fn secure_boot(boot: &Boot) -> (Option<SecureBoot>, Vec<Contradiction>) {
    let log = BootLog::parse(&boot.0).unwrap();
    let state = log.check(HashAlg::Sha256, &Hash).boot_state();
    (state.secure_boot.map(|fact| fact.value), state.contradictions)
}

fn honest() -> Boot {
    Boot::new()
        .event(0, EventType::S_CRTM_VERSION, &[0, 0])
        .policy(1)
        .event(4, EventType::EFI_ACTION, b"Calling EFI Application from Boot Option")
        .separators()
        .image(4, EventType::EFI_BOOT_SERVICES_APPLICATION, b"shim")
        .event(5, EventType::EFI_ACTION, b"Exit Boot Services Invocation")
        .event(5, EventType::EFI_ACTION, b"Exit Boot Services Returned with Success")
}

#[test]
fn an_honest_boot_has_no_faults() {
    assert_eq!(faults(&honest()), []);
    assert_eq!(secure_boot(&honest()), (Some(SecureBoot::On), vec![]));
}

#[test]
fn b1_a_hidden_separator_and_a_second_policy_are_seen() {
    // Secure Boot was off; the node writes junk over those events and extends a policy that says it was on.
    let junk = EventType::COMPACT_HASH;
    let boot = Boot::new()
        .hashing(7, junk, b"junk", &variable(GLOBAL, "SecureBoot", &[0]))
        .hashing(7, junk, b"junk", b"the other four variables")
        .hashing(7, junk, b"junk", &[0; 4])
        .separators()
        .policy(1);
    let found = faults(&boot);
    for rule in [GrammarRule::PolicyNotCovered, GrammarRule::SeparatorRelabelled, GrammarRule::SeparatorTwice] {
        assert!(found.contains(&(7, rule)), "{rule:?} in {found:?}");
    }
    assert!(found.contains(&(7, GrammarRule::VariableBehindSeparator)));
    assert_eq!(secure_boot(&boot).0, None);
}

#[test]
fn b1_data_that_are_not_what_was_extended_are_not_covered() {
    let boot =
        Boot::new().hashing(7, CONFIG, &variable(GLOBAL, "SecureBoot", &[1]), &variable(GLOBAL, "SecureBoot", &[0]));
    let log = BootLog::parse(&boot.0).unwrap();
    let fact = log.check(HashAlg::Sha256, &Hash).boot_state().secure_boot.unwrap();
    assert!(!fact.covered());
}

#[test]
fn b2_variables_appended_to_pcr_7_are_refused() {
    let boot = honest().event(7, CONFIG, &variable(GLOBAL, "SecureBoot", &[1]));
    assert_eq!(faults(&boot), [(7, GrammarRule::VariableBehindSeparator), (7, GrammarRule::VariableTwice)]);
    let (state, contradictions) = secure_boot(&boot);
    assert_eq!(state, Some(SecureBoot::On));
    assert!(matches!(contradictions[..], [Contradiction::BehindSeparator { .. }]));
    let under_another_type = honest().event(7, EventType::EFI_ACTION, &variable(SECURITY, "db", b"evil"));
    assert_eq!(
        faults(&under_another_type),
        [(7, GrammarRule::VariableBehindSeparator), (7, GrammarRule::VariableTwice)]
    );
}

#[test]
fn b2_variables_out_of_order_are_refused() {
    let boot = Boot::new()
        .event(7, CONFIG, &variable(GLOBAL, "PK", b"pk"))
        .event(7, CONFIG, &variable(GLOBAL, "SecureBoot", &[1]))
        .event(7, EventType::SEPARATOR, &[0; 4])
        .separators();
    assert_eq!(faults(&boot), [(7, GrammarRule::VariableOrder), (7, GrammarRule::VariableMissing)]);
}

#[test]
fn b2_firmware_appended_to_pcr_0_is_refused() {
    let boot = honest().event(0, EventType::S_CRTM_VERSION, b"2.0");
    assert_eq!(faults(&boot), [(0, GrammarRule::FirmwareBehindSeparator)]);
    assert_eq!(GrammarRule::FirmwareBehindSeparator.weight(), Weight::Contradiction);
}

#[test]
fn b3_an_application_outside_its_registers_is_seen() {
    let boot = honest().image(3, EventType::EFI_BOOT_SERVICES_APPLICATION, b"evil");
    assert_eq!(faults(&boot), [(3, GrammarRule::WrongRegister)]);
}

#[test]
fn b6_a_register_without_a_separator_is_named() {
    let boot = Boot::new().policy(1);
    let missing: Vec<u32> =
        faults(&boot).iter().filter(|(_, rule)| *rule == GrammarRule::MissingSeparator).map(|(pcr, _)| *pcr).collect();
    assert_eq!(missing, [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn b6_a_bank_without_digests_is_named() {
    let mut log = agile_log(&[(SHA1, 20), (SHA256, 32)]);
    for pcr in 0..8 {
        agile_event(&mut log, pcr, SEPARATOR, &[(SHA1, &[7; 20])], &[0; 4]);
    }
    let log = BootLog::parse(&log).unwrap();
    let faults = log.check(HashAlg::Sha256, &Hash).grammar();
    assert_eq!(faults.iter().filter(|fault| fault.rule == GrammarRule::MissingSeparator).count(), 8);
    assert_eq!(faults.iter().filter(|fault| fault.rule == GrammarRule::DigestMissing).count(), 8);
}

#[test]
fn b8_a_spoofed_startup_locality_is_refused() {
    let stated = |locality| Boot::new().event_without_digest(0, &startup_locality(locality));
    for (locality, bad) in [(0, false), (3, false), (4, false), (1, true), (255, true)] {
        let boot = stated(locality).policy(1).separators();
        let rule = faults(&boot).contains(&(0, GrammarRule::LocalityValue));
        assert_eq!(rule, bad, "{locality}");
    }
    let twice = stated(3).event_without_digest(0, &startup_locality(3)).policy(1).separators();
    assert_eq!(faults(&twice), [(0, GrammarRule::LocalityTwice)]);
    let late = honest().event_without_digest(0, &startup_locality(3));
    assert_eq!(faults(&late), [(0, GrammarRule::LocalityLate)]);
}

#[test]
fn an_error_separator_is_a_contradiction() {
    let boot = Boot::new().policy(1).separators().event(3, EventType::SEPARATOR, &[1, 0, 0, 0]);
    assert_eq!(faults(&boot), [(3, GrammarRule::ErrorSeparator), (3, GrammarRule::SeparatorTwice)]);
}

#[test]
fn b16_an_unknown_type_is_listed_and_breaks_nothing() {
    let boot = honest().event(2, EventType(0x8401), b"vendor");
    assert_eq!(faults(&boot), [(2, GrammarRule::UnknownType)]);
    assert_eq!(GrammarRule::UnknownType.weight(), Weight::Unknown);
    let log = BootLog::parse(&boot.0).unwrap();
    assert_eq!(log.check(HashAlg::Sha256, &Hash).boot_state().unknown, [log.events().len() - 1]);
}

#[test]
fn every_separator_twice_is_said_and_secure_boot_still_read() {
    let boot = honest().separators().event(7, EventType::SEPARATOR, &[0; 4]);
    let found = faults(&boot);
    assert_eq!(found, (0..8).map(|pcr| (pcr, GrammarRule::SeparatorTwice)).collect::<Vec<_>>());
    let (state, contradictions) = secure_boot(&boot);
    assert_eq!((state, contradictions.len()), (Some(SecureBoot::On), 8));
}
