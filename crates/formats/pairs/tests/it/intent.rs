//! The third column.

use std::collections::BTreeMap;

use avouch_pairs::PairVerdict::{self, IntentDrift, KernelStricter, KernelWeaker, Match, Unmanaged, Unreadable};
use avouch_pairs::attribute::*;
use avouch_pairs::{Attribute, Intent, Level, LevelResult, Reading, learn};

use crate::machine::{Machine, codes, of, value};

fn demanding(subject: &str, attribute: Attribute, demanded: &str) -> Intent {
    let attributes = BTreeMap::from([(attribute, demanded.to_owned())]);
    Intent { subjects: BTreeMap::from([(subject.to_owned(), attributes)]), ..Intent::default() }
}

#[test]
fn t14_set_property_changes_both_witnesses_and_is_found() {
    let before = Machine::running("t.service").pair(MEMORY_MAX, "100000001", "99999744").pair(PIDS_MAX, "726", "726");
    let intent = learn(&before.observation);
    assert_eq!(intent.subjects["unit:t.service"][&MEMORY_MAX], "100000001");
    assert_eq!(before.beside(&intent).findings, Vec::new());
    let after = Machine::running("t.service").pair(MEMORY_MAX, "18446744073709551615", "max").pair(
        PIDS_MAX,
        "18446744073709551615",
        "max",
    );
    assert_eq!(after.codes(), Vec::<String>::new());
    assert_eq!(
        codes(&after.beside(&intent)),
        ["unit:t.service V4.memory.max.intent_drift", "unit:t.service V4.pids.max.intent_drift"]
    );
}

#[test]
fn what_the_kernel_does_not_enforce_is_weaker_and_not_drift() {
    let machine = Machine::running("t.service").pair(MEMORY_MAX, "4096", "max");
    let judged = machine.beside(&demanding("unit:t.service", MEMORY_MAX, "8192"));
    assert_eq!(of(&judged, "unit:t.service", MEMORY_MAX).unwrap().verdict, KernelWeaker);
}

#[test]
fn an_option_without_evidence_of_its_own_can_drift() {
    let machine = Machine::running("t.service").stated(DELEGATE, "yes").stated(READ_WRITE_PATHS, "/opt\n/srv");
    let verdict = |attribute, demanded: &str| {
        let judged = machine.beside(&demanding("unit:t.service", attribute, demanded));
        of(&judged, "unit:t.service", attribute).unwrap().verdict
    };
    assert_eq!(verdict(DELEGATE, "no"), IntentDrift);
    assert_eq!(verdict(DELEGATE, "yes"), Match);
    assert_eq!(verdict(READ_WRITE_PATHS, "/opt; /srv"), Match);
    assert_eq!(verdict(READ_WRITE_PATHS, "/opt"), IntentDrift);
    let unset = Machine::running("t.service").stated(PROTECT_SYSTEM, "no").seen(MOUNTS, "host");
    let judged = unset.beside(&demanding("unit:t.service", PROTECT_SYSTEM, "strict"));
    assert_eq!(of(&judged, "unit:t.service", PROTECT_SYSTEM).unwrap().verdict, IntentDrift);
}

#[test]
fn of_the_kernels_own_state_the_intent_is_a_bound() {
    #[rustfmt::skip]
    let cases: &[(Attribute, &str, &str, PairVerdict)] = &[
        (LOCKDOWN, "integrity", "none", KernelWeaker),
        (LOCKDOWN, "integrity", "integrity", Match),
        (LOCKDOWN, "integrity", "confidentiality", KernelStricter),
        (MODULES, "loop, veth", "loop", Match),
        (MODULES, "loop, veth", "loop\nrootkit", Unmanaged),
        (TAINTED, "4096", "4096", Match),
        (TAINTED, "4096", "12288", KernelWeaker),
        (KEXEC, "0 1", "0 0", Match),
        (KEXEC, "0 1", "1 0", KernelWeaker),
        (MODULE_SIG_ENFORCE, "Y", "N", KernelWeaker),
        (COMMAND_LINE, "aa", "aa", Match),
        (COMMAND_LINE, "aa", "bb", IntentDrift),
    ];
    for &(attribute, demanded, kernel, verdict) in cases {
        let machine = Machine::running("t.service").subject("host").fact(attribute, Reading::NotRead, value(kernel));
        let judged = machine.beside(&demanding("host", attribute, demanded));
        assert_eq!(of(&judged, "host", attribute).unwrap().verdict, verdict, "{attribute:?} {demanded} {kernel}");
    }
}

#[test]
fn programs_that_give_privileges_are_those_that_were_signed_for() {
    const SUDO: &str = "/usr/bin/sudo\t4755 0 0 -";
    const PING: &str = "/usr/bin/ping\t0755 0 0 0100000200200000000000000000000000000000";
    let of_host = |shown: &str| Machine::running("t.service").subject("host").seen(PRIVILEGED_FILES, shown);
    let both = format!("{PING}\n{SUDO}");
    let intent = learn(&of_host(&both).observation);
    let verdict = |shown: &str| of(&of_host(shown).beside(&intent), "host", PRIVILEGED_FILES).unwrap();
    assert_eq!(verdict(&both).verdict, Match);
    assert_eq!(verdict(SUDO).verdict, KernelStricter);
    let more = verdict(&format!("{both}\n/usr/bin/x\t4755 0 0 -"));
    assert_eq!(
        (more.verdict, more.note.as_deref()),
        (IntentDrift, Some("the intent does not name /usr/bin/x 4755 0 0 -"))
    );
    assert_eq!(verdict(&format!("{both}\n/usr/bin/y\t0777 0 0 -")).verdict, KernelWeaker);
    // What everybody may write needs no intent to be wrong.
    assert_eq!(of_host(&both).codes(), Vec::<String>::new());
    assert_eq!(of_host("/usr/bin/y\t0777 0 0 -").codes(), ["host V11.privileged_files.kernel_weaker"]);
    assert_eq!(of_host("none").codes(), Vec::<String>::new());
}

#[test]
fn a_path_is_held_field_by_field() {
    let verdict = |demanded: &str, kernel: &str| {
        let machine = Machine::running("t.service").subject("path:/etc/x").fact(PATH, Reading::Absent, value(kernel));
        of(&machine.beside(&demanding("path:/etc/x", PATH, demanded)), "path:/etc/x", PATH).unwrap().verdict
    };
    assert_eq!(verdict("0644 0 0", "0644 0 0 - aa"), Match);
    assert_eq!(verdict("0644 0 0", "0600 0 0 - aa"), KernelStricter);
    assert_eq!(verdict("0644 0 0 - aa", "0644 0 0 - bb"), IntentDrift);
    assert_eq!(verdict("0644 0 0", "0666 0 0 - aa"), IntentDrift);
}

#[test]
fn units_that_must_run_and_do_not_are_absent() {
    let intent = Intent { units: ["gone.service".to_owned(), "t.service".to_owned()].into(), ..Intent::default() };
    let judged = Machine::running("t.service").beside(&intent);
    assert_eq!(codes(&judged), ["unit:gone.service UNIT_ABSENT"]);
    assert_eq!(judged.level(Level::V13).result, LevelResult::Fail);
    let silent = Machine::running("t.service").subject("host").fact(
        MANAGER,
        Reading::Unreadable("systemd did not answer".to_owned()),
        Reading::NotRead,
    );
    let judged = silent.beside(&intent);
    assert_eq!(judged.findings, Vec::new());
    assert_eq!(judged.level(Level::V13).result, LevelResult::Inconclusive);
    let narrow = intent.restricted_to(|subject| subject == "unit:t.service");
    assert_eq!(Machine::running("t.service").beside(&narrow).findings, Vec::new());
}

#[test]
fn what_the_intent_demands_and_nobody_read_is_not_in_order() {
    let machine = Machine::running("t.service").pair(NO_NEW_PRIVS, "yes", "1");
    let judged = machine.beside(&demanding("unit:t.service", UMASK, "0077"));
    assert_eq!(of(&judged, "unit:t.service", UMASK).unwrap().verdict, Unreadable);
    assert_eq!(judged.level(Level::V5).result, LevelResult::Inconclusive);
    // A level that was not observed at all stays silent.
    let judged = machine.beside(&demanding("unit:t.service", MEMORY_MAX, "4096"));
    assert_eq!(judged.level(Level::V4).result, LevelResult::NotEvaluated);
}

#[test]
fn levels_make_a_ladder() {
    let machine = Machine::running("t.service").pair(MEMORY_MAX, "4096", "4096").pair(NO_NEW_PRIVS, "yes", "0");
    let mut judged = machine.judged();
    assert_eq!(judged.attained(), None);
    for level in [Level::V1, Level::V2, Level::V3] {
        judged.set(level, LevelResult::Pass);
    }
    assert_eq!(judged.attained(), Some(Level::V4));
    judged.set(Level::V5, LevelResult::Pass);
    assert_eq!(judged.level(Level::V5).result, LevelResult::Fail);
    let intent = Intent { not_applicable: [Level::V1, Level::V2, Level::V3].into(), ..Intent::default() };
    assert_eq!(machine.beside(&intent).attained(), Some(Level::V4));
}

#[test]
fn an_undecided_level_passes_only_where_the_intent_tolerates_it() {
    let machine = Machine::running("t.service").pair(NO_NEW_PRIVS, "yes", "1").fact(
        SECURE_BITS,
        value("4"),
        Reading::NotSupported("hidden".to_owned()),
    );
    assert_eq!(machine.judged().level(Level::V5).result, LevelResult::Inconclusive);
    let tolerant = Intent { tolerate_inconclusive: true, ..Intent::default() };
    assert_eq!(machine.beside(&tolerant).level(Level::V5).result, LevelResult::Pass);
    let harmless = machine.fact(SECURE_BITS, value("0"), Reading::NotSupported("hidden".to_owned()));
    assert_eq!(harmless.judged().level(Level::V5).result, LevelResult::Pass);
}

#[test]
fn what_is_learned_holds_of_what_it_was_learned_from() {
    let machine = Machine::running("t.service")
        .pair(CPU_MAX, "5000\t10000", "1000 200000")
        .pair(CAP_BOUNDING, "0000000000000400", "0000000000000400")
        .stated(SYSTEM_CALL_FILTER, "allow\nread\nwrite")
        .stated(PROTECT_SYSTEM, "full")
        .seen(MOUNTS, "/\trw\text4\t/\n/usr\tro\text4\t/usr\n/etc\tro\text4\t/etc")
        .seen(SECCOMP, "2 1")
        .pair(PROCESSES, "221", "221")
        .subject("listener:tcp:0.0.0.0:22")
        .fact(LISTENER, Reading::Absent, value("t.service\t0"))
        .subject("host")
        .seen(LOCKDOWN, "integrity")
        .fact(MANAGER, value("bus\t252"), Reading::NotRead);
    let intent = learn(&machine.observation);
    assert_eq!(intent.units, ["t.service".to_owned()].into());
    assert_eq!(intent.listeners, ["listener:tcp:0.0.0.0:22".to_owned()].into());
    assert_eq!(intent.subjects["host"][&LOCKDOWN], "integrity");
    let unit = &intent.subjects["unit:t.service"];
    assert_eq!(unit[&CPU_MAX], "5000");
    assert_eq!(unit[&SYSTEM_CALL_FILTER], "allow; read; write");
    assert!(!unit.contains_key(&PROCESSES));
    let judged = machine.beside(&intent);
    assert_eq!(judged.findings, Vec::new());
    assert!(judged.pairs.iter().all(|pair| pair.verdict.is_green()), "{:?}", judged.pairs);
}
