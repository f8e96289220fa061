//! The policy file: refused when it could be misread, deterministic when it is written.

use avouch_appraise::{DraftError, Policy, PolicyDraft, PolicyError, ReferenceBoot, ReferenceError};
use avouch_protocol::Hash;
use serde_json::{Value, json};

use crate::data;
use crate::machine::{BANK, IMA_POLICY, MASK, Machine, file, raw, violation};

fn json_of(machine: &Machine) -> Value {
    serde_json::from_slice(&machine.draft().to_bytes()).unwrap()
}

fn parse(file: &Value) -> Result<Policy, PolicyError> {
    Policy::parse(file.to_string().as_bytes())
}

fn refused(alter: impl Fn(&mut Value)) -> PolicyError {
    let mut file = json_of(&Machine::new());
    assert!(parse(&file).is_ok());
    alter(&mut file);
    parse(&file).unwrap_err()
}

#[test]
fn a_policy_is_named_by_its_exact_bytes() {
    let bytes = Machine::new().draft().to_bytes();
    let policy = Policy::parse(&bytes).unwrap();
    assert_eq!(policy.reference(), Hash(avouch_crypto::sha256(&[&bytes])));
    let with_space = [bytes.as_slice(), b" "].concat();
    assert_ne!(Policy::parse(&with_space).unwrap().reference(), policy.reference());
}

#[test]
fn an_empty_policy_parses() {
    let empty = json!({"v": 1, "name": "", "created": "", "boot": {"confirmed": []},
        "ima": {"policies": [], "early": [], "files": {}, "buffers": []}});
    let policy = parse(&empty).unwrap();
    assert_eq!((policy.file_count(), policy.boot_count()), (0, 0));
}

#[test]
fn unknown_fields_and_other_versions_are_refused() {
    assert!(matches!(refused(|file| file["extra"] = json!(1)), PolicyError::Json { .. }));
    assert!(matches!(refused(|file| file["ima"]["extra"] = json!(1)), PolicyError::Json { .. }));
    assert!(matches!(refused(|file| file["boot"]["confirmed"][0]["x"] = json!(1)), PolicyError::Json { .. }));
    assert!(matches!(refused(|file| file["ima"]["early"][0]["x"] = json!(1)), PolicyError::Json { .. }));
    assert_eq!(refused(|file| file["v"] = json!(3)), PolicyError::Version { got: 3 });
    let error = Policy::parse(b"{\n  \"v\": 1,\n  oops").unwrap_err();
    assert!(matches!(error, PolicyError::Json { line: 3, .. }), "{error}");
}

#[test]
fn a_policy_cut_at_any_byte_is_refused() {
    let bytes = Machine::new().draft().to_bytes();
    // The last byte is a newline, which JSON does not need.
    for cut in 0..bytes.len() - 1 {
        assert!(Policy::parse(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn relative_and_climbing_paths_are_refused() {
    for bad in ["usr/bin/ls", "", "/usr/../bin/ls", "/usr/./ls", "/usr//ls", "/usr/"] {
        let key = "ab".repeat(32);
        assert!(matches!(refused(|file| file["ima"]["files"][&key] = json!([bad])), PolicyError::Path { .. }), "{bad}");
        let early = json!([{ "path": bad, "sha256": key }]);
        assert!(matches!(refused(|file| file["ima"]["early"] = early.clone()), PolicyError::Path { .. }), "{bad}");
        let tolerated = json!([bad]);
        let error = refused(|file| file["ima"]["tolerated_violations"] = tolerated.clone());
        assert!(matches!(error, PolicyError::Path { .. }), "{bad}");
        assert!(matches!(refused(|file| file["ima"]["policies"][0]["path"] = json!(bad)), PolicyError::Path { .. }));
    }
}

#[test]
fn digests_and_numbers_of_the_wrong_form_are_refused() {
    for bad in ["", "ab", "zz", &"ab".repeat(31), &"xy".repeat(32), &format!("+{}", "a".repeat(63))] {
        assert!(
            matches!(refused(|file| file["ima"]["files"][bad] = json!(["/x"])), PolicyError::Digest { .. }),
            "{bad}"
        );
        assert!(matches!(refused(|file| file["boot"]["confirmed"][0]["ek"] = json!(bad)), PolicyError::Digest { .. }));
        let error = refused(|file| file["boot"]["confirmed"][0]["pcrs"]["7"][0] = json!(bad));
        assert!(matches!(error, PolicyError::Digest { .. }), "{bad}");
    }
    for bad in ["24", "-1", "07", "x", " 7", "+7"] {
        let error = refused(|file| file["boot"]["confirmed"][0]["pcrs"][bad] = json!([]));
        assert!(matches!(error, PolicyError::Pcr { .. }), "{bad}");
    }
    let error = refused(|file| file["ima"]["policies"][0]["text"] = json!("mesure func=BPRM_CHECK"));
    assert!(matches!(error, PolicyError::ImaPolicy { .. }), "{error}");
}

#[test]
fn a_draft_writes_the_same_bytes_whatever_the_order() {
    let (a, b) = ([1; 32], [2; 32]);
    let make = |order: &[(&[u8; 32], &str)]| {
        let mut draft = PolicyDraft::new("n", "c");
        order.iter().for_each(|(digest, path)| draft.add_file(digest, path).unwrap());
        draft.to_bytes()
    };
    let forward = make(&[(&a, "/a"), (&a, "/b"), (&b, "/c")]);
    assert_eq!(forward, make(&[(&b, "/c"), (&a, "/b"), (&a, "/a"), (&a, "/b")]));
    let read_back = PolicyDraft::from_bytes(&forward).unwrap();
    assert_eq!((read_back.to_bytes(), read_back.file_count()), (forward, 2));
}

#[test]
fn confirming_lists_what_did_not_come_from_the_artefacts() {
    let machine = Machine::new();
    let mut draft = PolicyDraft::new("n", "c");
    draft.add_ima_policy(IMA_POLICY, str::from_utf8(data!("ima-policy")).unwrap()).unwrap();
    draft.add_file(&crate::machine::content("/init"), "/init").unwrap();
    let confirmation = draft.confirm(&machine.reference(), "l", "w").unwrap();
    let paths: Vec<_> = confirmation.not_from_artefacts.iter().map(|early| early.path.as_str()).collect();
    assert_eq!(paths, ["/usr/lib/systemd/systemd"]);
    assert_eq!(confirmation.new_buffers.len(), 1);
    assert!(!confirmation.already_confirmed);
    let before = draft.to_bytes();
    assert!(draft.confirm(&machine.reference(), "again", "later").unwrap().already_confirmed);
    assert_eq!(draft.to_bytes(), before);
}

#[test]
fn a_boot_without_an_approved_ima_policy_is_not_confirmed() {
    let mut machine = Machine::new();
    let mut draft = PolicyDraft::new("n", "c");
    let refused = draft.confirm(&machine.reference(), "l", "w").unwrap_err();
    assert!(matches!(refused, DraftError::ImaPolicyNotApproved { .. }), "{refused}");
    machine.ima.remove(4);
    assert_eq!(draft.confirm(&machine.reference(), "l", "w"), Err(DraftError::NoImaPolicy));
    assert_eq!(draft.to_bytes(), PolicyDraft::new("n", "c").to_bytes(), "a refused boot leaves nothing behind");
    let mut empty = Machine::new().reference();
    empty.pcrs.values_mut().for_each(Vec::clear);
    assert_eq!(Machine::new().draft().confirm(&empty, "l", "w"), Err(DraftError::NoBootEvents));
}

#[test]
fn a_reference_boot_holds_early_files_and_all_buffers() {
    let mut machine = Machine::new();
    machine.ima.push(crate::machine::buffer("selinux-state", b"enforcing"));
    machine.ima.push(violation("/var/log/x"));
    let reference = machine.reference();
    let early: Vec<_> = reference.early.iter().map(|early| early.path.as_str()).collect();
    assert_eq!(early, ["/init", "/usr/lib/systemd/systemd"]);
    let buffers: Vec<_> = reference.buffers.iter().map(|buffer| buffer.name.as_str()).collect();
    assert_eq!(buffers, ["kernel_version", "selinux-state"]);
    assert_eq!(reference.ima_policy.as_ref().unwrap().path, IMA_POLICY);
    assert!(!reference.pcrs.contains_key(&10) && !reference.pcrs.contains_key(&11));
    let text = serde_json::to_string(&reference).unwrap();
    assert_eq!(serde_json::from_str::<ReferenceBoot>(&text).unwrap(), reference);
}

#[test]
fn an_early_entry_that_no_policy_can_name_gives_no_reference() {
    let extract = |alter: fn(&mut Machine)| {
        let mut machine = Machine::new();
        alter(&mut machine);
        ReferenceBoot::extract(&machine.boot_log, &machine.ima.concat(), BANK, MASK, Hash::ZERO)
    };
    assert!(extract(|_| {}).is_ok());
    let index = |result| match result {
        Err(ReferenceError::EarlyEntry { index, .. }) => Some(index),
        _ => None,
    };
    assert_eq!(index(extract(|machine| machine.ima.insert(2, violation("/init")))), Some(2));
    assert_eq!(index(extract(|machine| machine.ima.insert(2, file("init")))), Some(2));
    let weak = |machine: &mut Machine| machine.ima.insert(3, raw("ima-ng", "sha1", &[1; 20], b"/x", None, [1; 20]));
    assert_eq!(index(extract(weak)), Some(3));
    let cut = |machine: &mut Machine| machine.ima.last_mut().unwrap().truncate(30);
    assert!(matches!(extract(cut), Err(ReferenceError::Ima(_))));
}
