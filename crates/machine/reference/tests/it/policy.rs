use avouch_appraise::{Policy, PolicyDraft};
use avouch_reference::FileDigests;

use crate::digests;

#[test]
fn policy_knows_the_files_of_the_artefacts() {
    let files = digests(&[("/usr/bin/a", b"a"), ("/usr/bin/also-a", b"a"), ("/usr/bin/b", b"b")]);
    let mut draft = PolicyDraft::new("web", "2026-11-21");
    files.add_to(&mut draft).unwrap();
    let policy = Policy::parse(&draft.to_bytes()).unwrap();
    assert_eq!(policy.file_count(), 2, "files are judged by digest");
}

#[test]
fn path_that_no_policy_can_hold_is_refused() {
    let files = FileDigests([("relative".to_owned(), [0; 32])].into());
    assert!(files.add_to(&mut PolicyDraft::new("web", "2026-11-21")).is_err());
}
