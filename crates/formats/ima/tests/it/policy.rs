//! What policies measure and what they leave out.

use avouch_ima::policy::{
    Access, Action, Condition, Extent, FileSystem, Hole, Hook, Identity, Policy, PolicyFault, SHIPPED_POLICY,
};

use crate::golden::data;

fn parse(text: &str) -> Policy {
    Policy::parse(text.as_bytes()).unwrap()
}

const TMPFS: FileSystem = FileSystem(0x0102_1994);

/// The kernel's built-in `ima_policy=tcb` (`dont_measure_rules` and `default_measurement_rules`).
const BUILTIN_TCB: &str = "dont_measure fsmagic=0x9fa0\ndont_measure fsmagic=0x62656572\ndont_measure fsmagic=0x64626720\n\
    dont_measure fsmagic=0x1021994\ndont_measure fsmagic=0x1cd1\ndont_measure fsmagic=0x42494e4d\n\
    measure func=MMAP_CHECK mask=MAY_EXEC\nmeasure func=BPRM_CHECK mask=MAY_EXEC\n\
    measure func=FILE_CHECK mask=^MAY_READ euid=0\nmeasure func=FILE_CHECK mask=^MAY_READ uid=0\n\
    measure func=MODULE_CHECK\nmeasure func=FIRMWARE_CHECK\nmeasure func=POLICY_CHECK\n";

#[test]
fn shipped_policy_measures_what_runs_and_names_its_holes() {
    let policy = parse(SHIPPED_POLICY);
    assert_eq!(policy.unknown().count(), 0);
    let coverage = policy.coverage();
    for hook in Hook::COVERED {
        let wanted = match hook {
            Hook::File => Extent::None,
            Hook::Key | Hook::CriticalData => Extent::Some,
            _ => Extent::All,
        };
        assert_eq!(coverage.extent(&hook), wanted, "{hook}");
    }
    assert!(coverage.excluded.iter().all(|file_system| file_system.is_pseudo()), "{:?}", coverage.excluded);
    assert!(!coverage.excluded.contains(&TMPFS));
    let holes: Vec<String> = coverage.holes.iter().map(ToString::to_string).collect();
    assert_eq!(holes.len(), 4, "{holes:?}");
    assert!(holes[0].starts_with("KEY_CHECK is measured only with keyrings=.builtin_trusted_keys|"));
    assert!(holes[1].starts_with("CRITICAL_DATA is measured only with label=device-mapper|"));
    assert_eq!(coverage.holes[2..], [Hole::FromMemory, Hole::InterpreterInput]);
}

#[test]
fn builtin_policy_leaves_tmpfs_and_kexec_out() {
    let coverage = parse(BUILTIN_TCB).coverage();
    assert!(coverage.holes.contains(&Hole::FileSystem { hook: Hook::Bprm, line: 4, file_system: TMPFS }));
    assert!(coverage.holes.contains(&Hole::FileSystem { hook: Hook::Module, line: 4, file_system: TMPFS }));
    assert!(coverage.holes.contains(&Hole::NotMeasured { hook: Hook::KexecKernel }));
    assert!(coverage.holes.contains(&Hole::NotMeasured { hook: Hook::Key }));
    assert!(coverage.holes.contains(&Hole::InterpreterInput));
    assert_eq!(coverage.extent(&Hook::File), Extent::Some);
    assert!(coverage.holes.iter().any(|hole| hole.to_string() == "BPRM_CHECK is not measured on tmpfs (line 4)"));
}

#[test]
fn recorded_policy_is_read_whole() {
    let policy = Policy::parse(&data("", "recorded-ima-policy")).unwrap();
    assert_eq!((policy.rules.len(), policy.unknown().count()), (22, 0));
    assert_eq!(policy.coverage().extent(&Hook::Module), Extent::All);
    assert_eq!(policy.coverage().excluded.len(), 12);
}

#[test]
fn uid_on_module_check_is_a_hole() {
    let coverage = parse("measure func=MODULE_CHECK uid=0\n").coverage();
    assert_eq!(coverage.extent(&Hook::Module), Extent::Some);
    let by = vec!["uid=0".to_owned()];
    assert!(coverage.holes.contains(&Hole::Narrowed { hook: Hook::Module, line: 1, by }));
}

#[test]
fn exclusion_behind_the_measure_rule_excludes_nothing() {
    let coverage = parse("measure func=BPRM_CHECK mask=MAY_EXEC\ndont_measure fsmagic=0x1021994\n").coverage();
    assert!(!coverage.holes.iter().any(|hole| matches!(hole, Hole::FileSystem { hook: Hook::Bprm, .. })));
    assert!(coverage.holes.contains(&Hole::NotMeasured { hook: Hook::Mmap }));
}

#[test]
fn unconditional_exclusion_ends_all_measuring() {
    let coverage = parse("dont_measure func=BPRM_CHECK\nmeasure func=BPRM_CHECK mask=MAY_EXEC\n").coverage();
    assert_eq!(coverage.extent(&Hook::Bprm), Extent::None);
    assert!(coverage.holes.contains(&Hole::Excluded { hook: Hook::Bprm, line: 1, by: vec![] }));
}

#[test]
fn rule_for_another_access_measures_nothing() {
    let coverage = parse("measure func=BPRM_CHECK mask=MAY_READ\nmeasure func=MODULE_CHECK mask=MAY_EXEC\n").coverage();
    assert_eq!((coverage.extent(&Hook::Bprm), coverage.extent(&Hook::Module)), (Extent::None, Extent::None));
}

#[test]
fn measuring_into_another_pcr_is_a_hole() {
    let coverage = parse("measure func=BPRM_CHECK pcr=11\nmeasure func=MMAP_CHECK pcr=10\n").coverage();
    assert_eq!((coverage.extent(&Hook::Bprm), coverage.extent(&Hook::Mmap)), (Extent::Some, Extent::All));
}

#[test]
fn rule_without_a_hook_measures_files_but_no_keys() {
    let coverage = parse("measure\n").coverage();
    assert_eq!((coverage.extent(&Hook::Bprm), coverage.extent(&Hook::File)), (Extent::All, Extent::All));
    assert_eq!((coverage.extent(&Hook::Key), coverage.extent(&Hook::CriticalData)), (Extent::None, Extent::None));
    assert!(!coverage.holes.contains(&Hole::InterpreterInput));
}

#[test]
fn unknown_words_are_kept_and_narrow_their_rule() {
    let policy = parse("measure func=BPRM_CHECK moon=full\nmeasure func=NEXT_CHECK\n");
    assert_eq!(policy.unknown().collect::<Vec<_>>(), [(1, "moon=full"), (2, "NEXT_CHECK")]);
    assert_eq!(policy.coverage().extent(&Hook::Bprm), Extent::Some);
}

#[test]
fn appraise_options_do_not_narrow_measuring() {
    let coverage = parse("measure func=BPRM_CHECK template=ima-sig permit_directio\n").coverage();
    assert_eq!(coverage.extent(&Hook::Bprm), Extent::All);
    assert_eq!(parse("appraise func=BPRM_CHECK\n").coverage().extent(&Hook::Bprm), Extent::None);
}

#[test]
fn conditions_are_read_by_the_kernels_grammar() {
    let text = "  # note\n\n\tmeasure func=FILE_CHECK mask=^MAY_READ fowner>1000 fsuuid=6d2c subj_type=init_t";
    let rule = &parse(text).rules[0];
    assert_eq!((rule.line, rule.action), (3, Action::Measure));
    assert_eq!(rule.conditions[1], Condition::Mask { includes: true, access: Access::Read });
    assert_eq!(rule.conditions[2], Condition::File(Identity { name: "fowner", operator: '>', id: 1000 }));
    assert_eq!(rule.conditions[4], Condition::Lsm("subj_type=init_t".to_owned()));
}

#[test]
fn lines_that_no_kernel_takes_are_refused_with_their_place() {
    for (text, line, offset) in [
        ("measure\nmesure func=BPRM_CHECK\n", 2, 8),
        ("measure fsmagic=tmpfs\n", 1, 8),
        ("measure mask=EXEC\n", 1, 8),
        ("measure uid=root\n", 1, 8),
        ("measure  pcr=24\n", 1, 9),
        ("measure keyrings=a||b\n", 1, 8),
        ("measure func=\n", 1, 8),
        ("measure uid=0 uid=1\n", 1, 14),
    ] {
        let error = Policy::parse(text.as_bytes()).unwrap_err();
        assert_eq!((error.line, error.offset), (line, offset), "{text}: {error}");
    }
    let error = Policy::parse(b"measure\n\xFF").unwrap_err();
    assert_eq!((error.line, error.offset, error.fault), (2, 8, PolicyFault::Encoding));
    assert!(Policy::parse(&vec![b' '; 300_000]).is_err());
}

#[test]
fn empty_policy_measures_nothing() {
    let coverage = parse("").coverage();
    assert!(coverage.hooks.iter().all(|covered| covered.extent == Extent::None));
    let unmeasured = coverage.holes.iter().filter(|hole| matches!(hole, Hole::NotMeasured { .. })).count();
    assert_eq!(unmeasured, Hook::COVERED.len() - 1);
    assert!(coverage.holes.contains(&Hole::InterpreterInput));
}
