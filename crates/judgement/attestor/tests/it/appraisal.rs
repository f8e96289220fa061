//! What facts come to.

use std::collections::BTreeMap;

use avouch_attestor::{
    Deployment, DeploymentKind, DeploymentSetting, Facts, FailureCode, Hash, Reading, SecureBoot, ServerWord, Settings,
    State, TpmFacts, levels_of,
};
use avouch_pairs::{Level, LevelResult, LevelVerdict, Observation};

use crate::scene::{Attestor, NOON, codes, facts, file, judged, later, process, service, settings};

fn found(change: impl FnOnce(&mut Facts, &mut Settings)) -> (State, Vec<FailureCode>) {
    let (mut facts, mut settings) = (facts(), settings());
    change(&mut facts, &mut settings);
    let appraisal = judged(&facts, &settings);
    for failure in appraisal.failures() {
        assert!(!failure.text.is_empty() && !failure.subject.is_empty());
    }
    (appraisal.outcome(), codes(&appraisal))
}

#[test]
fn machine_in_order_is_attested() {
    assert_eq!(found(|_, _| ()), (State::Attested, vec![]));
}

#[test]
fn settings_that_check_nothing_attest_nothing() {
    let (state, codes) = found(|facts, settings| {
        settings.service_binaries.clear();
        settings.policy_files.clear();
        facts.services.clear();
    });
    assert_eq!((state, codes), (State::Degraded, vec![FailureCode::NothingChecked]));
}

#[test]
fn facts_that_leave_something_out_are_no_pass() {
    assert_eq!(found(|facts, _| facts.services.clear()).1, [FailureCode::Unreadable]);
    assert_eq!(found(|facts, _| facts.policy_files.clear()).1, [FailureCode::Unreadable]);
    assert_eq!(found(|facts, _| facts.policy_digest = Reading::Absent).1, [FailureCode::Unreadable]);
    assert_eq!(found(|_, settings| settings.require_levels = vec![Level::V4]).1, [FailureCode::LevelNotReached]);
    assert_eq!(found(|_, settings| settings.ask_server = true).1, [FailureCode::ServerSilent]);
}

#[test]
fn what_cannot_be_read_is_a_finding() {
    let why = || "permission denied; give the service this right".to_owned();
    let unreadable = |change: fn(&mut Facts, String)| found(|facts, _| change(facts, why())).1;
    let one = [FailureCode::Unreadable];
    assert_eq!(unreadable(|facts, why| facts.cmdline = Reading::Unreadable(why)), one);
    assert_eq!(unreadable(|facts, _| facts.cmdline = Reading::Absent), one);
    assert_eq!(unreadable(|facts, why| facts.lockdown = Reading::Unreadable(why)), one);
    assert_eq!(unreadable(|facts, why| facts.registry = Reading::Unreadable(why)), one);
    assert_eq!(unreadable(|facts, why| facts.deployment = Reading::Unreadable(why)), one);
    assert_eq!(unreadable(|facts, why| facts.policy_files[0].1 = Reading::Unreadable(why)), one);
    assert_eq!(unreadable(|facts, why| facts.secure_boot.variable = Reading::Unreadable(why)), one);
    let of_service = |change: fn(&mut avouch_attestor::ServiceFacts, String)| {
        found(|facts, _| change(facts.services.get_mut("registry").unwrap(), why())).1
    };
    assert_eq!(of_service(|service, why| service.on_disk = Reading::Unreadable(why)), one);
    assert_eq!(of_service(|service, why| service.running = Reading::Unreadable(why)), one);
    assert_eq!(of_service(|service, why| service.in_ima = Reading::Unreadable(why)), one);
    // A kernel without the lockdown module has no such file.
    assert_eq!(unreadable(|facts, _| facts.lockdown = Reading::Absent), []);
}

#[test]
fn every_failure_is_listed() {
    let (state, codes) = found(|facts, settings| {
        settings.require_tpm = true;
        settings.require_secure_boot = true;
        facts.services.get_mut("registry").unwrap().on_disk = Reading::Absent;
        facts.policy_files[0].1 = Reading::Absent;
        facts.policy_digest = Reading::Absent;
    });
    assert_eq!(state, State::Failed);
    let wanted = [
        FailureCode::TpmAbsent,
        FailureCode::SecureBootOff,
        FailureCode::ServiceMissing,
        FailureCode::PolicyFileMissing,
    ];
    assert_eq!(codes, wanted);
}

#[test]
fn secure_boot_is_on_only_where_no_witness_says_otherwise() {
    use Reading::{Absent, Value};
    let with = |variable, log| {
        found(|facts, settings| {
            settings.require_secure_boot = true;
            facts.secure_boot = SecureBoot { variable, log };
        })
    };
    let off = (State::Failed, vec![FailureCode::SecureBootOff]);
    let disagree = (State::Failed, vec![FailureCode::SecureBootWitnessesDisagree]);
    assert_eq!(with(Value(true), Value(true)).0, State::Attested);
    assert_eq!(with(Value(true), Absent).0, State::Attested);
    assert_eq!(with(Absent, Value(true)).0, State::Attested);
    assert_eq!(with(Absent, Absent), off);
    assert_eq!(with(Value(false), Value(false)), off);
    assert_eq!(with(Value(false), Absent), off);
    assert_eq!(with(Value(true), Value(false)), disagree);
    assert_eq!(with(Value(false), Value(true)), disagree);
    let unreadable = with(Reading::Unreadable("no permission".into()), Value(true));
    assert_eq!(unreadable, (State::Failed, vec![FailureCode::Unreadable]));
    // Where it is not demanded, a contradiction still degrades, and "off" is nobody's business.
    let not_demanded = |variable, log| found(|facts, _| facts.secure_boot = SecureBoot { variable, log });
    assert_eq!(not_demanded(Value(true), Value(false)).0, State::Degraded);
    assert_eq!(not_demanded(Value(false), Value(false)).0, State::Attested);
}

#[test]
fn tpm_that_gives_no_quote_weighs_what_is_demanded() {
    let busy = |facts: &mut Facts| facts.tpm = TpmFacts::Unavailable { why: "busy for 5 s; try again".into() };
    assert_eq!(found(|facts, _| busy(facts)), (State::Degraded, vec![FailureCode::TpmUnavailable]));
    let demanded = found(|facts, settings| {
        settings.require_quote = true;
        busy(facts);
    });
    assert_eq!(demanded, (State::Failed, vec![FailureCode::TpmUnavailable]));
    let expected = found(|_, settings| settings.expected_pcrs = BTreeMap::from([(7, Hash([7; 32]))]));
    assert_eq!(expected, (State::Failed, vec![FailureCode::TpmAbsent]), "a PCR that nobody can read has no value");
}

#[test]
fn running_program_must_be_the_one_on_disk() {
    let with = |change: fn(&mut avouch_attestor::ServiceFacts)| {
        found(|facts, _| change(facts.services.get_mut("registry").unwrap()))
    };
    let other = |main| vec![process(7, main, "something else")];
    assert_eq!(with(|it| it.running = Reading::Value(vec![])).0, State::Attested, "it does not run yet");
    assert_eq!(with(|it| it.running = Reading::Absent).0, State::Attested, "it has no unit");
    let (state, codes) = found(|facts, _| {
        facts.services.get_mut("registry").unwrap().running = Reading::Value(other(true));
    });
    assert_eq!((state, codes), (State::Degraded, vec![FailureCode::ServiceRunsOtherProgram]));
    let helper = found(|facts, _| {
        facts.services.get_mut("registry").unwrap().running = Reading::Value(other(false));
    });
    assert_eq!(helper.0, State::Attested, "without a baseline nothing is known of helpers");
    let deleted = with(|it| {
        let gone = avouch_attestor::Running { deleted: true, ..process(7, true, "registry 0.9") };
        it.running = Reading::Value(vec![gone]);
    });
    assert_eq!(deleted.1, [FailureCode::ServiceProgramDeleted]);
    let unread = with(|it| {
        let unread = avouch_attestor::Running { sha256: Reading::Unreadable("why".into()), ..process(7, true, "") };
        it.running = Reading::Value(vec![unread]);
    });
    assert_eq!(unread.1, [FailureCode::Unreadable]);
}

#[test]
fn running_program_must_be_among_what_the_kernel_measured() {
    let measured = |digests: Vec<Hash>| {
        found(|facts, _| facts.services.get_mut("registry").unwrap().in_ima = Reading::Value(digests)).1
    };
    let (current, old) = (file("registry 1.0").sha256, file("registry 0.9").sha256);
    assert_eq!(measured(vec![old, current]), []);
    assert_eq!(measured(vec![current, old]), [], "an older content that came back is not measured again");
    assert_eq!(measured(vec![old]), [FailureCode::ServiceRunsOtherProgram]);
}

#[test]
fn without_a_baseline_a_change_since_the_first_attestation_is_drift() {
    let mut attestor = Attestor::new(settings());
    assert!(attestor.run(&facts()).at(NOON).verified());
    let mut changed = facts();
    changed.services.insert("registry".into(), service("registry 1.1"));
    let standing = attestor.run(&changed);
    assert_eq!(standing.at(NOON).codes(), [FailureCode::ServiceDrift]);
    assert_eq!(standing.at(NOON).state(), State::Degraded);
    assert!(attestor.run(&facts()).at(NOON).verified(), "restored");
    attestor.run(&changed);
    attestor.machine.acknowledge("uid 0", later(60)).unwrap();
    assert!(attestor.run(&changed).at(NOON).verified(), "an acknowledged update is what later runs are compared with");
    assert!(!attestor.run(&facts()).at(NOON).verified());
}

#[test]
fn named_deployment_must_be_there() {
    let demanded = |settings: &mut Settings| settings.deployment = DeploymentSetting::Of(DeploymentKind::Bootc);
    let absent = found(|_, settings| demanded(settings));
    assert_eq!(absent, (State::Failed, vec![FailureCode::DeploymentDrift]));
    let there = found(|facts, settings| {
        demanded(settings);
        let kind = DeploymentKind::Bootc;
        facts.deployment = Reading::Value(Deployment { kind, id: "quay.io/x:1".into(), digest: Hash([3; 32]) });
    });
    assert_eq!(there.0, State::Attested);
}

#[test]
fn demanded_levels_must_hold() {
    let told = |result| LevelVerdict { level: Level::V4, result, pairs: 9, discrepant: 1, inconclusive: 2 };
    let with = |result| {
        found(|facts, settings| {
            settings.require_levels = vec![Level::V4];
            facts.levels = Reading::Value(vec![told(result)]);
        })
    };
    for result in [LevelResult::Pass, LevelResult::NotApplicable] {
        assert_eq!(with(result).0, State::Attested);
    }
    for result in [LevelResult::Fail, LevelResult::Inconclusive, LevelResult::NotEvaluated] {
        assert_eq!(with(result), (State::Degraded, vec![FailureCode::LevelNotReached]));
    }
    let empty = levels_of(&Observation::default(), None);
    assert_eq!(empty.len(), 14);
    assert!(empty.iter().all(|told| told.result == LevelResult::NotEvaluated), "nothing observed is nothing reached");
}

#[test]
fn server_is_believed_where_it_is_asked_and_only_while_its_word_holds() {
    let now = NOON.unix_ms / 1_000;
    let with = |word| {
        found(|facts, settings| {
            settings.ask_server = true;
            facts.server = Some(word);
        })
    };
    let pass = |expires_unix| ServerWord::Pass { at_unix: now - 60, expires_unix };
    assert_eq!(with(pass(now + 60)).0, State::Attested);
    assert_eq!(with(pass(now)).1, [FailureCode::ServerSilent]);
    assert_eq!(with(ServerWord::Fail { what: "PCR 7".into() }).1, [FailureCode::ServerDisagrees]);
    assert_eq!(with(ServerWord::Silent { why: "no route".into() }).1, [FailureCode::ServerSilent]);
    let unasked = found(|facts, _| facts.server = Some(ServerWord::Fail { what: "PCR 7".into() }));
    assert_eq!(unasked.0, State::Attested, "a word that nobody asked for decides nothing");
}
