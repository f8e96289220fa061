//! The signed baseline.

use std::collections::BTreeMap;

use avouch_attestor::{
    Baseline, BaselineError, BaselineFile, Deployment, DeploymentKind, Facts, FailureCode, Hash, PinnedBaseline,
    Reading, References, SignedBaseline, State, Wanted, appraise,
};
use avouch_crypto::signing::SigningKey;

use crate::scene::{POLICY, REGISTRY, facts, file, process, service, settings};

const MANIFEST: &str = "/var/lib/secure-ai/registry/manifest.json";
const HELPER: &str = "/usr/libexec/secure-ai/helper";

/// A machine with a deployment, a registry manifest and one file more.
fn whole() -> Facts {
    let mut facts = facts();
    let deployment = Deployment { kind: DeploymentKind::RpmOstree, id: "commit 1".into(), digest: Hash([3; 32]) };
    facts.deployment = Reading::Value(deployment);
    facts.registry = Reading::Value(file("{}"));
    facts.files = BTreeMap::from([(HELPER.into(), Reading::Value(file("helper")))]);
    facts
}

fn signed(file: &BaselineFile, key: &SigningKey) -> SignedBaseline {
    let text = file.to_json();
    let signature = key.sign(&SignedBaseline::signed_bytes(text.as_bytes()));
    SignedBaseline::of(text.as_bytes(), &key.public(), &signature)
}

fn opened(file: &BaselineFile) -> Result<Baseline, BaselineError> {
    let key = SigningKey::generate().unwrap();
    signed(file, &key).open(&key.public())
}

fn found(facts: &Facts, baseline: Option<&Result<Baseline, BaselineError>>) -> (State, Vec<FailureCode>) {
    let mut settings = settings();
    settings.registry_manifest_path = Some(MANIFEST.into());
    settings.baseline = Some(PinnedBaseline { path: "/etc/avouch/baseline.json".into(), key: [0; 32] });
    let appraisal = appraise(facts, &settings, &References { baseline, first_seen: None });
    (appraisal.outcome(), appraisal.failures().iter().map(|failure| failure.code).collect())
}

#[test]
fn machine_that_is_as_it_was_signed_is_attested() {
    let baseline = opened(&BaselineFile::of(&whole(), "appliance", "2026-03-13"));
    assert_eq!(found(&whole(), Some(&baseline)), (State::Attested, vec![]));
    let mut wanted = settings();
    wanted.registry_manifest_path = Some(MANIFEST.into());
    let wanted = Wanted::of(&wanted, Some(baseline.as_ref().unwrap()));
    assert_eq!(wanted.files.iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>(), [HELPER]);
    assert_eq!(wanted.pcrs.pcrs().collect::<Vec<_>>(), [0, 2, 4, 7]);
}

#[test]
fn every_drift_is_found() {
    let baseline = opened(&BaselineFile::of(&whole(), "appliance", "2026-03-13"));
    let with = |change: fn(&mut Facts)| {
        let mut facts = whole();
        change(&mut facts);
        found(&facts, Some(&baseline))
    };
    let degraded = |code| (State::Degraded, vec![code]);
    let drift = degraded(FailureCode::ServiceDrift);
    assert_eq!(with(|it| drop(it.services.insert("registry".into(), service("registry 1.1")))), drift);
    assert_eq!(with(|it| it.policy_files[0].1 = Reading::Value(file("mode: lax\n"))), drift);
    assert_eq!(with(|it| drop(it.files.insert(HELPER.into(), Reading::Value(file("other"))))), drift);
    assert_eq!(with(|it| it.registry = Reading::Value(file("[]"))), degraded(FailureCode::RegistryDrift));
    assert_eq!(with(|it| it.registry = Reading::Absent), degraded(FailureCode::RegistryDrift));
    let gone = degraded(FailureCode::ServiceMissing);
    assert_eq!(with(|it| drop(it.files.insert(HELPER.into(), Reading::Absent))), gone);
    assert_eq!(with(|it| it.files.clear()), degraded(FailureCode::Unreadable), "not looked at is not in order");
    let elsewhere = (State::Failed, vec![FailureCode::DeploymentDrift]);
    assert_eq!(with(|it| it.deployment = Reading::Absent), elsewhere);
    let other = |it: &mut Facts| {
        let deployment = Deployment { kind: DeploymentKind::RpmOstree, id: "2".into(), digest: Hash([4; 32]) };
        it.deployment = Reading::Value(deployment);
    };
    assert_eq!(with(other), elsewhere);
}

#[test]
fn helper_of_a_service_must_be_in_the_baseline() {
    let baseline = opened(&BaselineFile::of(&whole(), "appliance", "2026-03-13"));
    let with = |helper: &str| {
        let mut facts = whole();
        let running = vec![process(7, true, "registry 1.0"), process(8, false, helper)];
        facts.services.get_mut("registry").unwrap().running = Reading::Value(running);
        found(&facts, Some(&baseline)).1
    };
    assert_eq!(with("helper"), []);
    assert_eq!(with("a shell"), [FailureCode::ServiceRunsOtherProgram]);
}

#[test]
fn service_that_the_baseline_does_not_name_is_drift() {
    let mut file = BaselineFile::of(&whole(), "appliance", "2026-03-13");
    file.files.remove(REGISTRY);
    file.files.remove(POLICY);
    let baseline = opened(&file);
    assert_eq!(found(&whole(), Some(&baseline)).1, [FailureCode::ServiceDrift], "policy files are the operator's");
}

#[test]
fn baseline_that_is_missing_or_not_believed_degrades() {
    let degraded = |code| (State::Degraded, vec![code]);
    assert_eq!(found(&whole(), None), degraded(FailureCode::BaselineMissing));
    assert_eq!(found(&whole(), Some(&Err(BaselineError::Missing))), degraded(FailureCode::BaselineMissing));
    let unreadable = Err(BaselineError::Unreadable("no permission; chmod it".into()));
    assert_eq!(found(&whole(), Some(&unreadable)), degraded(FailureCode::BaselineMissing));
    assert_eq!(found(&whole(), Some(&Err(BaselineError::Signature))), degraded(FailureCode::BaselineInvalid));
}

#[test]
fn only_the_pinned_key_opens_a_baseline() {
    let (key, stranger) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let file = BaselineFile::of(&whole(), "appliance", "2026-03-13");
    let good = signed(&file, &key);
    assert_eq!(SignedBaseline::from_json(good.to_json().as_bytes()), Ok(good.clone()));
    assert_eq!(good.open(&key.public()).unwrap().file(), &file);
    assert!(matches!(good.open(&stranger.public()), Err(BaselineError::Key { .. })));
    let text = file.to_json();
    let forged = stranger.sign(&SignedBaseline::signed_bytes(text.as_bytes()));
    let forged = SignedBaseline::of(text.as_bytes(), &key.public(), &forged);
    assert_eq!(forged.open(&key.public()), Err(BaselineError::Signature));
    let without_context = SignedBaseline::of(text.as_bytes(), &key.public(), &key.sign(text.as_bytes()));
    assert_eq!(without_context.open(&key.public()), Err(BaselineError::Signature));
}

#[test]
fn malformed_baselines_are_refused() {
    let good = BaselineFile::of(&whole(), "appliance", "2026-03-13");
    let text = good.to_json();
    assert_eq!(BaselineFile::from_json(text.as_bytes()), Ok(good.clone()));
    for end in 0..text.trim_end().len() {
        let cut = BaselineFile::from_json(&text.as_bytes()[..end]);
        assert!(matches!(cut, Err(BaselineError::Json { .. })), "cut at {end}");
    }
    let with = |change: fn(&mut BaselineFile)| {
        let mut file = good.clone();
        change(&mut file);
        BaselineFile::from_json(file.to_json().as_bytes()).unwrap_err()
    };
    assert_eq!(with(|it| it.v = 2), BaselineError::Version { got: 2 });
    assert!(matches!(with(|it| it.registry = Some("AB".repeat(32))), BaselineError::Digest { .. }));
    assert!(matches!(with(|it| it.source_commit = Some("abc".into())), BaselineError::Digest { .. }));
    let rename = |to: &str| {
        let mut file = good.clone();
        let entry = file.files.remove(HELPER).unwrap();
        file.files.insert(to.into(), entry);
        BaselineFile::from_json(file.to_json().as_bytes())
    };
    for path in ["usr/bin/x", "/usr//x", "/usr/../x", "/usr/./x", "/usr/x/", "/", "", "/x\0y"] {
        assert!(matches!(rename(path), Err(BaselineError::Path { .. })), "{path:?}");
    }
    let twice = text.replace(HELPER, REGISTRY);
    assert!(BaselineFile::from_json(twice.as_bytes()).unwrap_err().to_string().contains("twice"));
    let empty = r#"{"v":1,"name":"n","created":"c","files":{}}"#;
    assert_eq!(BaselineFile::from_json(empty.as_bytes()), Err(BaselineError::Empty));
    assert!(BaselineFile::from_json(br#"{"v":1,"name":"n","created":"c","files":{},"more":1}"#).is_err());
}

#[test]
fn release_baseline_of_an_image_is_read() {
    let release = |commit: &str, path: &str, more: &str| {
        let sha256 = "ab".repeat(32);
        let text = format!(
            r#"{{"version":1,"source_commit":"{commit}","files":[{{"path":"{path}","sha256":"{sha256}","size":7}}{more}]}}"#
        );
        BaselineFile::from_release(text.as_bytes(), "release", "2026-03-13")
    };
    let commit = "0f".repeat(20);
    let file = release(&commit, REGISTRY, "").unwrap();
    assert_eq!((file.files[REGISTRY].size, file.source_commit.as_deref()), (7, Some(commit.as_str())));
    assert!(opened(&file).is_ok(), "it can be signed");
    assert!(matches!(release("main", REGISTRY, ""), Err(BaselineError::Digest { .. })));
    assert!(matches!(release(&commit, "usr/bin/x", ""), Err(BaselineError::Path { .. })));
    let again = format!(r#",{{"path":"{REGISTRY}","sha256":"{}","size":8}}"#, "cd".repeat(32));
    assert!(matches!(release(&commit, REGISTRY, &again), Err(BaselineError::Path { .. })));
}
