use std::fs;

use super::world::Appliance;

#[test]
fn settings_are_explained_and_wrong_ones_are_refused_with_their_line() {
    let appliance = Appliance::new("require_tpm = true");
    let checked = appliance.run(&["check-config", "--json"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let document: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    let key = document["keys"].as_array().unwrap().iter().find(|key| key["key"] == "require_tpm").unwrap();
    assert_eq!((&key["value"], &key["from_file"]), (&"true".into(), &true.into()));

    fs::write(appliance.path("gate.toml"), "requre_tpm = true\n").unwrap();
    let refused = appliance.run(&["check-config"]);
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(78) && words.contains("require_tpm") && words.contains("line 1"), "{words}");
    assert_eq!(appliance.run(&[]).status.code(), Some(78), "a gate with wrong settings must not start");
}

#[test]
fn a_baseline_is_created_signed_and_binds() {
    let mut appliance = Appliance::new("");
    let (draft, key, signed) = (appliance.path("draft.json"), appliance.path("key"), appliance.path("signed.json"));
    let show = |path: &std::path::Path| path.display().to_string();
    let created = appliance.run(&["baseline", "create", "-o", &show(&draft)]);
    assert!(created.status.success() && fs::read_to_string(&draft).unwrap().contains("bin/first"), "{created:?}");
    let made = appliance.run(&["key", "baseline", "-o", &show(&key)]);
    let words = String::from_utf8(made.stdout).unwrap();
    let public = words.split('"').nth(3).unwrap();
    assert_eq!(
        appliance.run(&["key", "baseline", "-o", &show(&key)]).status.code(),
        Some(5),
        "a key is never replaced"
    );
    let sign = ["baseline", "sign", &show(&draft), "--key", &show(&key), "-o", &show(&signed), "--yes"];
    assert!(appliance.run(&sign).status.success());

    appliance.configure(&format!("baseline = {{ path = '{}', key = '{public}' }}", show(&signed)));
    let shown = appliance.run(&["baseline", "show"]);
    assert!(String::from_utf8(shown.stdout).unwrap().contains("signed by the key of the settings"));
    fs::write(appliance.path("bin/first"), "changed before the gate ever ran").unwrap();
    appliance.start();
    assert_eq!(appliance.settled(), (503, "degraded".into()), "{}", appliance.told());
    fs::write(appliance.path("bin/first"), "the program first\n").unwrap();
    assert_eq!(appliance.refresh()["release_baseline_verified"], true);
    assert_eq!(appliance.verify(), (200, "attested".into()));
}

#[test]
fn nobody_there_is_an_answer_of_its_own() {
    let appliance = Appliance::new("");
    let wait = appliance.run(&["wait", "--timeout", "300ms"]);
    let words = String::from_utf8(wait.stderr).unwrap();
    assert!(wait.status.code() == Some(3) && words.contains("the gate is silent"), "{words}");
    assert_eq!(appliance.run(&["status"]).status.code(), Some(3));
}

#[test]
fn a_line_taken_out_of_the_log_shows() {
    let mut appliance = Appliance::new("");
    appliance.start();
    appliance.settled();
    appliance.refresh();
    appliance.refresh();
    appliance.kill();
    let text = fs::read_to_string(appliance.audit_log()).unwrap();
    let cut: String =
        text.lines().enumerate().filter(|(at, _)| *at != 1).map(|(_, line)| format!("{line}\n")).collect();
    let path = appliance.path("cut.jsonl");
    fs::write(&path, cut).unwrap();
    let verified = appliance.run(&["audit", "verify", "--json", &path.display().to_string()]);
    let document: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!((verified.status.code(), &document["broken"]["line"]), (Some(1), &2.into()), "{document}");
}
