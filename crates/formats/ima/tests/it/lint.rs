//! Built-in policies, the least that a policy must measure, and what is wrong with one.

use avouch_ima::policy::{
    Builtin, Extent, FileSystem, Hole, Hook, Level, LintKind, Minimum, NotAHook, Policy, SHIPPED_POLICY, lint,
    policy_of,
};

fn parse(text: &str) -> Policy {
    Policy::parse(text.as_bytes()).unwrap()
}

fn kinds(text: &str) -> Vec<(Option<usize>, Level, LintKind)> {
    lint(&parse(text)).into_iter().map(|lint| (lint.line, lint.level, lint.kind)).collect()
}

#[test]
fn command_line_chooses_the_kernels_policies() {
    use Builtin::{AppraiseTcb, CriticalData, FailSecurely, OldTcb, SecureBoot, Tcb};
    for (line, expected) in [
        ("quiet ima_policy=tcb|critical_data panic=-1", vec![Tcb, CriticalData]),
        ("ima_policy=critical_data ima_policy=tcb", vec![Tcb, CriticalData]),
        ("ima_tcb ima_policy=tcb", vec![OldTcb]),
        ("ima_policy=tcb ima_tcb", vec![Tcb]),
        ("ima_policy=secure_boot|appraise_tcb|fail_securely", vec![SecureBoot, AppraiseTcb, FailSecurely]),
        ("ima_appraise_tcb", vec![AppraiseTcb]),
        ("ima_policy=custom ima_policy=ima_tcb xima_policy=tcb", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(Builtin::of_command_line(line), expected, "{line}");
    }
}

#[test]
fn built_in_tcb_leaves_tmpfs_out_by_name() {
    let policy = policy_of(&Builtin::of_command_line("ima_policy=tcb|critical_data"));
    let coverage = policy.coverage();
    assert_eq!(coverage.extent(&Hook::Bprm), Extent::All);
    assert_eq!(coverage.extent(&Hook::CriticalData), Extent::All);
    assert_eq!(coverage.extent(&Hook::Policy), Extent::All);
    assert_eq!(coverage.extent(&Hook::Key), Extent::None);
    let tmpfs = FileSystem(0x0102_1994);
    assert!(
        coverage.holes.iter().any(
            |hole| matches!(hole, Hole::FileSystem { hook: Hook::Bprm, file_system, .. } if *file_system == tmpfs)
        )
    );
    assert_eq!(policy_of(&[Builtin::OldTcb]).coverage().extent(&Hook::Policy), Extent::None);
    for builtin in [Builtin::SecureBoot, Builtin::AppraiseTcb, Builtin::FailSecurely] {
        assert!(!policy_of(&[builtin]).measures(), "{builtin:?}");
    }
    assert_eq!(policy_of(&[Builtin::SecureBoot]).rules.len(), 4);
}

#[test]
fn minimum_is_met_by_the_shipped_policy_and_not_by_holes() {
    let minimum = Minimum::all(["BPRM_CHECK", "MMAP_CHECK", "MODULE_CHECK", "POLICY_CHECK", "KEXEC_CMDLINE"]).unwrap();
    assert_eq!(minimum.shortfalls(&parse(SHIPPED_POLICY).coverage()), []);
    let by_user = parse(
        "measure func=BPRM_CHECK\nmeasure func=MMAP_CHECK\nmeasure func=POLICY_CHECK\n\
        measure func=MODULE_CHECK uid=0\nmeasure func=KEXEC_CMDLINE\n",
    );
    let short = minimum.shortfalls(&by_user.coverage());
    assert_eq!(short.len(), 1);
    assert_eq!((&short[0].hook, short[0].wanted, short[0].got), (&Hook::Module, Extent::All, Extent::Some));
    assert!(short[0].to_string().contains("MODULE_CHECK is measured only with uid=0 (line 4)"), "{}", short[0]);
    let overlay = parse("dont_measure fsmagic=0x794c7630\nmeasure func=BPRM_CHECK\n");
    let short = Minimum::all(["BPRM_CHECK"]).unwrap().shortfalls(&overlay.coverage());
    assert_eq!((short.len(), short[0].got), (1, Extent::All));
    assert!(short[0].to_string().contains("overlayfs"), "{}", short[0]);
    let part = Minimum::default().with(Hook::Module, Extent::Some);
    assert_eq!(part.shortfalls(&by_user.coverage()), []);
    assert_eq!(Minimum::all(["BPRM"]), Err(NotAHook("BPRM".to_owned())));
    assert!(Minimum::default().is_empty() && !part.is_empty());
}

#[test]
fn shipped_policy_has_nothing_wrong() {
    assert_eq!(lint(&parse(SHIPPED_POLICY)), []);
}

#[test]
fn words_that_no_kernel_takes_are_refused() {
    let found = kinds(
        "measure func=PATH obj=tmp_t\nmeasure func=BPRM_CHECK\nmeasure func=MMAP_CHECK\nmeasure func=POLICY_CHECK\n",
    );
    let hook = (Some(1), Level::Refused, LintKind::UnknownHook("PATH".to_owned()));
    let condition = (Some(1), Level::Refused, LintKind::UnknownCondition("obj=tmp_t".to_owned()));
    assert_eq!(found, [hook, condition]);
}

#[test]
fn labels_that_leave_something_out_are_refused() {
    let good = "measure func=BPRM_CHECK\nmeasure func=MMAP_CHECK\nmeasure func=POLICY_CHECK\n";
    let found = kinds(&format!("dont_measure func=PATH_CHECK obj_type=tmp_t\n{good}"));
    assert_eq!(found, [(Some(1), Level::Refused, LintKind::Label("obj_type=tmp_t".to_owned()))]);
    let found = kinds(&format!("measure func=FILE_CHECK subj_type=init_t\n{good}"));
    assert_eq!(found, [(Some(1), Level::Warning, LintKind::Label("subj_type=init_t".to_owned()))]);
}

#[test]
fn what_a_policy_lacks_is_named() {
    assert_eq!(kinds("appraise func=BPRM_CHECK\n"), [(None, Level::Refused, LintKind::MeasuresNothing)]);
    let found = kinds("measure func=BPRM_CHECK\nmeasure func=MODULE_CHECK uid=0\n");
    assert_eq!(
        found,
        [
            (Some(2), Level::Warning, LintKind::ModulesByUser("uid=0".to_owned())),
            (None, Level::Warning, LintKind::NoMmap),
            (None, Level::Warning, LintKind::NoPolicyCheck),
        ]
    );
}

#[test]
fn file_systems_that_can_hold_programs_are_named_by_magic_and_by_name() {
    let good = "measure func=BPRM_CHECK\nmeasure func=MMAP_CHECK\nmeasure func=POLICY_CHECK\n";
    let rules = "dont_measure fsmagic=0x794c7630\ndont_measure fsname=overlay\ndont_measure fsname=sysfs\n";
    let text = format!("{rules}dont_measure fsmagic=0x62656572\n{good}");
    let overlay = FileSystem(0x794C_7630);
    assert_eq!(
        kinds(&text),
        [
            (Some(1), Level::Warning, LintKind::FileSystem(overlay)),
            (Some(2), Level::Warning, LintKind::FileSystemName("overlay".to_owned())),
        ]
    );
    let holes = parse(&text).coverage().holes;
    let by = vec!["fsname=overlay".to_owned()];
    assert!(holes.contains(&Hole::Excluded { hook: Hook::Bprm, line: 2, by }), "{holes:?}");
    assert!(!holes.iter().any(|hole| hole.to_string().contains("sysfs")), "{holes:?}");
}

#[test]
fn rule_behind_one_that_decides_is_named() {
    let found = kinds("measure\ndont_measure fsmagic=0x1021994\nmeasure func=KEY_CHECK\n");
    let unreachable = (Some(2), Level::Warning, LintKind::Unreachable { by: 1 });
    assert!(found.contains(&unreachable), "{found:?}");
    assert!(!found.iter().any(|(line, ..)| *line == Some(3)), "a rule without a hook matches no key: {found:?}");
    let lint = &lint(&parse("measure\nmeasure func=BPRM_CHECK\n"))[0];
    assert_eq!(lint.describe(), "warning: line 2: never matches, because line 1 decides first");
}
