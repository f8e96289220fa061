//! B11 to B14: what was booted.

use avouch_protocol::Status;
use serde_json::json;

use super::log::*;
use crate::machine::{MASK, Machine};

const CMDLINE: &str = "/vmlinuz root=/dev/vda2 ro lockdown=integrity";

#[test]
fn b11_an_old_loader_fails_by_level_by_digest_and_by_dbx() {
    let judged = |generation| {
        let mut machine = booted(|log| {
            let data = sbat_level(generation);
            log.push(7, AUTHORITY, &data, &data);
        });
        let policy = policy(&machine, |file| file["boot"]["sbat"] = json!({"shim": 4}));
        let appraisal = machine.judged(&policy, None);
        told(&appraisal)
    };
    assert_eq!(judged(4), (Status::Pass, vec![]));
    assert_eq!(judged(3), (Status::Fail, vec!["SBAT_TOO_OLD"]));
    let mut machine = Machine::new();
    let wants = policy(&machine, |file| file["boot"]["sbat"] = json!({"shim": 4}));
    assert_eq!(told(&machine.judged(&wants, None)), (Status::Unverifiable, vec!["SBAT_UNPROVEN"]));
    // The digest of a loader that was good when the boot was confirmed.
    let mut log = Log::of(&machine.boot_log);
    let loader = log.find(4, APPLICATION, 0).digests.iter().find(|(_, digest)| digest.len() == 32).unwrap().1.clone();
    let hex: String = loader.iter().map(|byte| format!("{byte:02x}")).collect();
    let denies = policy(&machine, |file| file["boot"]["denied"] = json!([{"digest": hex, "why": "CVE-2022-21894"}]));
    assert_eq!(told(&machine.judged(&denies, None)), (Status::Fail, vec!["BOOT_EVENT_DENIED"]));
    // The measured dbx has it, and it was loaded all the same.
    let list = |digest: &[u8]| {
        let kind = [0x26, 0x16, 0xC4, 0xC1, 0x4C, 0x50, 0x92, 0x40, 0xAC, 0xA9, 0x41, 0xF9, 0x36, 0x93, 0x43, 0x28];
        let sizes = [76u32, 0, 48].map(u32::to_le_bytes).concat();
        [kind.as_slice(), &sizes, &[9; 16], digest].concat()
    };
    let with_dbx = |digest: &[u8]| {
        let mut machine = booted(|log| {
            let guid: [u8; 16] = log.find(7, VARIABLE, 4).data[..16].try_into().unwrap();
            log.find(7, VARIABLE, 4).data = variable(&guid, "dbx", &list(digest));
            log.rehash(7, VARIABLE, 4);
        });
        let policy = machine.policy();
        told(&machine.judged(&policy, None))
    };
    assert_eq!(with_dbx(&[7; 32]), (Status::Pass, vec![]));
    assert_eq!(with_dbx(&loader), (Status::Fail, vec!["BOOT_IMAGE_REVOKED"]));
}

#[test]
fn b12_secure_boot_off_fails_although_somebody_confirmed_it() {
    let judged = |alter: fn(&mut Log)| {
        let mut machine = booted(alter);
        let policy = policy(&machine, |file| file["boot"]["secure_boot"] = json!("required"));
        let appraisal = machine.judged(&policy, None);
        (told(&appraisal), appraisal.verdict.booted.unwrap().secure_boot.map(|fact| (fact.value, fact.covered)))
    };
    let (verdict, told) = judged(|_| {});
    assert_eq!(verdict, (Status::Pass, vec![]));
    assert_eq!(told, Some(("on".into(), true)));
    let (verdict, told) = judged(|log| {
        *log.find(7, VARIABLE, 0).data.last_mut().unwrap() = 0;
        log.rehash(7, VARIABLE, 0);
    });
    assert_eq!(verdict, (Status::Fail, vec!["SECURE_BOOT_OFF"]));
    assert_eq!(told, Some(("off".into(), true)));
    let (verdict, told) = judged(|log| log.events.retain(|event| event.pcr != 7 || event.kind == SEPARATOR));
    assert_eq!((verdict.0, verdict.1.contains(&"SECURE_BOOT_UNPROVEN"), told), (Status::Fail, true, None));
}

#[test]
fn b13_denied_and_missing_words_of_the_command_line_fail() {
    let judged = |line: &str, measured: &str| {
        let mut machine = booted(|log| {
            let data = [b"kernel_cmdline: ".as_slice(), line.as_bytes(), &[0]].concat();
            log.push(8, IPL, &data, measured.as_bytes());
        });
        machine.mask |= 1 << 8;
        let policy = policy(&machine, |file| {
            file["boot"]["command_line"] = json!({
                "denied": ["ima=off", "ima_policy=", "init=", "ima_appraise=off", "ima_appraise=fix", "ima_appraise=log"],
                "required": ["lockdown"],
            });
        });
        told(&machine.judged(&policy, None))
    };
    assert_eq!(judged(CMDLINE, CMDLINE), (Status::Pass, vec![]));
    for word in ["ima=off", "ima_policy=tcb", "ima-policy=tcb", "init=/bin/sh", "\"ima=off\"", "ima_appraise=log"] {
        let line = format!("{CMDLINE} {word}");
        assert_eq!(judged(&line, &line), (Status::Fail, vec!["COMMAND_LINE_DENIED"]), "{word}");
    }
    for word in ["ima=on", "rdinit=/bin/sh", "ima_appraise=enforce"] {
        let line = format!("{CMDLINE} {word}");
        assert_eq!(judged(&line, &line), (Status::Pass, vec![]), "{word}");
    }
    let open = "/vmlinuz root=/dev/vda2 ro";
    assert_eq!(judged(open, open), (Status::Fail, vec!["COMMAND_LINE_MISSING"]));
    // Words that the digest is not of are no words.
    assert_eq!(judged(CMDLINE, "something else"), (Status::Unverifiable, vec!["COMMAND_LINE_UNPROVEN"]));
}

#[test]
fn b14_another_initial_ram_disk_fails_and_an_unquoted_one_is_a_hole() {
    twin_passes();
    let swapped = altered(|log| {
        let last = log.events.iter_mut().rfind(|event| event.pcr == 9).unwrap();
        last.digests.iter_mut().for_each(|(_, digest)| digest[0] ^= 1);
    });
    assert_eq!(told(&swapped), (Status::Fail, vec!["BOOT_EVENT_UNKNOWN"]));
    let mut machine = Machine::new();
    machine.mask = MASK & !(1 << 9);
    let policy = machine.policy();
    let appraisal = machine.judged(&policy, None);
    assert!(holes(&appraisal).contains(&"INITRD_NOT_QUOTED"), "{:?}", holes(&appraisal));
    assert!(!holes(&altered(|_| {})).contains(&"INITRD_NOT_QUOTED"));
}

#[test]
fn what_booted_stands_in_the_verdict_with_its_proof() {
    let booted = altered(|_| {}).verdict.booted.unwrap();
    assert!(!booted.images.is_empty() && booted.images.iter().all(|image| image.digest.len() == 64));
    assert!(booted.images.iter().any(|image| !image.covered && !image.name.is_empty()), "paths are hints");
    assert!(!booted.uki.is_empty() || !booted.initrds.is_empty());
    let json = serde_json::to_string(&booted).unwrap();
    assert_eq!(serde_json::from_str::<avouch_appraise::Booted>(&json).unwrap(), booted);
}
