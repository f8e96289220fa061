//! Files: I5 to I10, I12, I13, I15, I16, I23, I24.

use avouch_appraise::{CauseKind, Policy, PolicyError};
use avouch_protocol::Status;
use serde_json::{Value, json};

use super::scene::{Scene, names_hole};
use crate::machine::{content, entry, file, violation};

/// Before every round here.
const PAST: u64 = 1_699_999_999;
/// After every round here, unless [`a_month_later`].
const FUTURE: u64 = 1_701_000_000;

fn a_month_later(scene: &mut Scene) {
    scene.machine.clock.clock += 30 * 86_400 * 1_000;
}

fn exclude(directory: &'static str, until: u64) -> impl FnOnce(&mut Value) {
    move |policy| {
        policy["ima"]["exclusions"] =
            json!([{ "directory": directory, "owner": "build team", "until": until, "why": "build output" }]);
    }
}

fn refused(edit: impl FnOnce(&mut Value)) -> PolicyError {
    Policy::parse(&Scene::new(edit).policy).unwrap_err()
}

#[test]
fn i5_a_violation_of_data_has_a_fix_and_one_of_a_program_has_none() {
    let finding = Scene::standard().red(violation("/srv/data/db.journal"), "IMA_VIOLATION", CauseKind::Writer, true);
    assert_eq!(finding.fix.unwrap().to_string(), "tolerate:/srv/data");
    Scene::standard().red(violation("/usr/bin/ls"), "IMA_VIOLATION", CauseKind::Writer, false);
    Scene::standard().red(violation("/x"), "IMA_VIOLATION", CauseKind::Writer, false);
}

#[test]
fn i6_an_exclusion_covers_whole_components_only() {
    let scene = || Scene::new(exclude("/tmp", FUTURE));
    scene().comes_to(&[file("/tmp/out"), file("/tmp/a/out")], Status::Pass, &[]);
    scene().red(file("/tmpx/evil"), "IMA_UNKNOWN_DIGEST", CauseKind::DropIn, true);
    scene().red(file("/usr/bin/foo-evil"), "IMA_UNKNOWN_DIGEST", CauseKind::DropIn, true);
    let stars = || Scene::new(exclude("/home/*/build", FUTURE));
    stars().comes_to(&[file("/home/ann/build/out")], Status::Pass, &[]);
    stars().red(file("/home/ann/x/build/out"), "IMA_UNKNOWN_DIGEST", CauseKind::DropIn, true);
}

#[test]
fn i7_a_pattern_is_refused_at_load_and_never_run() {
    for directory in ["/tmp/a*", "/tmp/**", "(/tmp)+", "^/tmp", "/tmp/[*]", "/tmp/..", "tmp", ""] {
        let error = refused(exclude(directory, FUTURE));
        assert!(matches!(error, PolicyError::Exclusion { .. }), "{directory}: {error}");
    }
    // What looks like a pattern and has no star is the name that it is.
    let scene = Scene::new(exclude("/tmp/(a+)+$", FUTURE));
    scene.red(file(&format!("/tmp/{}", "a".repeat(200))), "IMA_UNKNOWN_DIGEST", CauseKind::DropIn, true);
}

#[test]
fn i8_a_name_that_deceives_is_covered_by_nothing() {
    for path in ["/tmp/../usr/bin/evil", "/tmp/a\nPASS", "tmp/evil", "/tmp//evil", "/tmp/./evil", "/tmp/\u{1b}[2J"] {
        let scene = Scene::new(exclude("/tmp", FUTURE));
        let appraisal = scene.comes_to(&[file(path)], Status::Fail, &["IMA_UNKNOWN_DIGEST"]);
        let finding = appraisal.verdict.findings().last().unwrap();
        assert!(!finding.evidence.contains(['\n', '\u{1b}']) && finding.fix.is_none(), "{finding:?}");
        Scene::new(exclude("/tmp", FUTURE)).comes_to(&[violation(path)], Status::Fail, &["IMA_VIOLATION"]);
    }
    // The digest decides: a known file may have a space in its name.
    Scene::standard().comes_to(&[entry("/srv/my tools/ls", &content("/usr/bin/ls"))], Status::Pass, &[]);
    Scene::standard().red(file("/srv/my tools/evil"), "IMA_UNKNOWN_DIGEST", CauseKind::DropIn, true);
}

#[test]
fn i9_a_known_file_in_the_place_of_another_fails_under_a_bound_directory() {
    let bound = || Scene::new(|policy| policy["ima"]["bound"] = json!(["/usr/sbin"]));
    let masked = || entry("/usr/sbin/sshd", &content("/usr/bin/ls"));
    Scene::standard().comes_to(&[masked()], Status::Pass, &[]);
    let finding = bound().red(masked(), "IMA_WRONG_PATH", CauseKind::Moved, true);
    assert!(finding.causes[0].what.contains("/usr/bin/ls"), "{:?}", finding.causes);
    bound().comes_to(&[entry("/usr/sbinx/sshd", &content("/usr/bin/ls"))], Status::Pass, &[]);
}

#[test]
fn i10_an_exclusion_never_covers_programs_and_always_costs_coverage() {
    for directory in ["/", "/usr", "/usr/bin", "/bin", "/lib64/security", "/*", "/*/bin", "/boot"] {
        let error = refused(exclude(directory, FUTURE));
        assert!(matches!(error, PolicyError::Exclusion { .. }), "{directory}: {error}");
    }
    assert!(matches!(
        refused(|policy| {
            exclude("/srv/app/tmp", FUTURE)(policy);
            policy["ima"]["bound"] = json!(["/srv/app"]);
        }),
        PolicyError::Exclusion { .. }
    ));
    let appraisal = Scene::new(exclude("/tmp", FUTURE)).comes_to(&[file("/tmp/tool")], Status::Pass, &[]);
    assert!(names_hole(&appraisal, "DIRECTORY_EXCLUDED", "/tmp"));
    assert!(names_hole(&appraisal, "DIRECTORY_EXCLUDED", "build team"));
    assert!(names_hole(&appraisal, "DIRECTORY_EXCLUDED", "moved out of there"));
    assert!(names_hole(&appraisal, "FILES_EXCLUDED", "1 "));
    assert!(!names_hole(&Scene::standard().comes_to(&[], Status::Pass, &[]), "DIRECTORY_EXCLUDED", ""));
}

#[test]
fn i10_debris_of_an_exclusion_that_ended_is_named() {
    let ended = || Scene::new(exclude("/tmp", PAST));
    let finding = ended().red(file("/tmp/tool"), "IMA_UNKNOWN_DIGEST", CauseKind::ExclusionEnded, true);
    assert!(finding.causes[0].what.contains("build team") && finding.causes[0].what.contains("2023-11-14"));
    // What it covered while it was in force stays as it was judged.
    let mut scene = Scene::new(exclude("/tmp", FUTURE));
    scene.machine.ima.push(file("/tmp/tool"));
    let session = scene.judge(None).session.unwrap();
    a_month_later(&mut scene);
    assert_eq!(scene.judge(Some(&session)).verdict.status, Status::Pass);
    scene.machine.ima.push(file("/tmp/other"));
    assert_eq!(crate::machine::codes(&scene.judge(Some(&session))), ["IMA_UNKNOWN_DIGEST"]);
}

#[test]
fn i10_overlaps_are_told() {
    let policy = Scene::new(|policy| {
        let owner = |directory: &str| json!({ "directory": directory, "owner": "o", "until": 1, "why": "w" });
        policy["ima"]["exclusions"] = json!([owner("/home/*"), owner("/home/ann/build")]);
        policy["ima"]["files"]["ab".repeat(32)] = json!(["/home/ann/build/tool"]);
    });
    let lints = policy.policy().lints();
    assert_eq!(lints.len(), 3, "{lints:?}");
    assert_eq!(Scene::standard().policy().lints(), Vec::<String>::new());
}

#[test]
fn i12_a_measured_script_is_judged_and_the_rest_is_a_hole() {
    Scene::standard().red(file("/home/ann/evil.py"), "IMA_UNKNOWN_DIGEST", CauseKind::DropIn, true);
    let appraisal = Scene::standard().comes_to(&[], Status::Pass, &[]);
    assert!(names_hole(&appraisal, "INTERPRETERS", "standard input"));
}

#[test]
fn i13_a_program_in_memory_needs_its_name_and_its_digest() {
    Scene::standard().red(file("memfd:kernel"), "IMA_UNKNOWN_DIGEST", CauseKind::FromMemory, true);
    let copied = entry("memfd:ls", &content("/usr/bin/ls"));
    Scene::standard().red(copied.clone(), "IMA_WRONG_PATH", CauseKind::FromMemory, true);
    // No exclusion covers memory, and a listed name covers its own digest only.
    let scene = || {
        Scene::new(|policy| {
            exclude("/tmp", FUTURE)(policy);
            let digest = avouch_protocol::Hash(content("memfd:kernel")).to_hex();
            policy["ima"]["files"][digest] = json!(["memfd:kernel"]);
        })
    };
    scene().comes_to(&[file("memfd:kernel")], Status::Pass, &[]);
    scene().red(entry("memfd:kernel", &[9; 32]), "IMA_UNKNOWN_DIGEST", CauseKind::FromMemory, true);
    scene().red(entry("memfd:other", &content("memfd:kernel")), "IMA_WRONG_PATH", CauseKind::FromMemory, true);
    for bad in ["memfd:", "memfd:a/b", "memfd"] {
        let error = refused(|policy| policy["ima"]["files"]["ab".repeat(32)] = json!([bad]));
        assert!(matches!(error, PolicyError::Path { .. }), "{bad}");
    }
}

#[test]
fn i15_i16_an_unknown_library_or_module_fails() {
    Scene::standard().red(file("/usr/lib/libhook.so"), "IMA_UNKNOWN_DIGEST", CauseKind::DropIn, true);
    Scene::standard().red(file("/lib/modules/6.1.0/rootkit.ko"), "IMA_UNKNOWN_DIGEST", CauseKind::DropIn, true);
}

fn packages(until: u64) -> impl FnOnce(&mut Value) {
    move |policy| {
        let file = |version: &str| json!({ hex(version): ["/usr/bin/tool"] });
        policy["ima"]["packages"] = json!([
            { "name": "tool", "version": "1.2", "files": file("1.2"), "until": until },
            { "name": "tool", "version": "1.3", "files": file("1.3") },
        ]);
    }
}

fn hex(version: &str) -> String {
    avouch_protocol::Hash(content(version)).to_hex()
}

fn tool(version: &str) -> Vec<u8> {
    entry("/usr/bin/tool", &content(version))
}

#[test]
fn i23_a_superseded_file_fails_when_it_is_new_after_the_window() {
    let finding = Scene::new(packages(PAST)).red(tool("1.2"), "IMA_SUPERSEDED", CauseKind::WindowOver, true);
    assert!(finding.causes[0].what.contains("tool 1.2"), "{:?}", finding.causes);
    let finding = Scene::new(packages(PAST)).red(tool("1.4"), "IMA_UNKNOWN_DIGEST", CauseKind::PackageChanged, true);
    assert!(finding.causes[0].what.contains("tool 1.3"), "the current version owns the path: {:?}", finding.causes);
}

#[test]
fn i24_an_update_without_a_reboot_passes() {
    let mut scene = Scene::new(packages(FUTURE));
    scene.machine.ima.extend([tool("1.2"), tool("1.3")]);
    let inside = scene.judge(None);
    assert_eq!(inside.verdict.status, Status::Pass);
    assert!(names_hole(&inside, "UPDATE_WINDOW", "tool 1.2"));
    // The window ends; what was proven inside it stays good, also under the next policy.
    a_month_later(&mut scene);
    let session = inside.session.unwrap();
    let after = scene.judge(Some(&session));
    assert_eq!(after.verdict.status, Status::Pass);
    assert!(!names_hole(&after, "UPDATE_WINDOW", ""));
    let mut next = Scene::new(|policy| {
        packages(FUTURE)(policy);
        policy["ima"]["packages"] = json!([policy["ima"]["packages"][1]]);
    });
    std::mem::swap(&mut next.machine, &mut scene.machine);
    let session = after.session.unwrap();
    assert_eq!(next.judge(Some(&session)).verdict.status, Status::Pass);
    next.machine.ima.push(tool("1.2"));
    assert_eq!(crate::machine::codes(&next.judge(Some(&session))), ["IMA_UNKNOWN_DIGEST"]);
}
