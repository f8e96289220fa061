//! Descriptions of real and of hostile events.

use avouch_bootlog::{BootLog, EventType};

use crate::build::*;
use crate::golden::recorded;

fn described(bytes: &[u8]) -> Vec<String> {
    let log = BootLog::parse(bytes).unwrap();
    log.events().iter().map(|event| format!("{} {}", event.event_type, event.describe())).collect()
}

#[test]
fn secure_boot_and_image_paths_are_named() {
    let lines = described(&recorded("uefi-sb-custompolicy"));
    let has = |wanted: &str| assert!(lines.iter().any(|line| line.contains(wanted)), "{wanted} in {lines:#?}");
    has("EV_NO_ACTION Spec ID Event03");
    has("EV_EFI_VARIABLE_DRIVER_CONFIG SecureBoot = 1");
    has("EV_EFI_BOOT_SERVICES_APPLICATION ");
    has("\\EFI\\BOOT\\BOOTX64.EFI");
    has("EV_SEPARATOR end of the pre-boot phase");
    has("EV_EFI_ACTION Exit Boot Services Invocation");
}

#[test]
fn control_and_reordering_characters_are_replaced() {
    let mut log = agile_log(&[(SHA256, 32)]);
    agile_event(&mut log, 5, EFI_ACTION, &[(SHA256, &[0; 32])], "ok\u{1b}[2J\u{202e}gnp\nx".as_bytes());
    assert_eq!(described(&log)[1], "EV_EFI_ACTION ok\u{FFFD}[2J\u{FFFD}gnp\u{FFFD}x");
}

#[test]
fn variable_name_and_load_option_are_shown() {
    let mut data = vec![0; 16];
    let option = [[1, 0, 0, 0, 0, 0].as_slice(), &utf16("debian"), &[0, 0], &[0x7F, 0xFF, 4, 0]].concat();
    data.extend(8_u64.to_le_bytes());
    data.extend((option.len() as u64).to_le_bytes());
    data.extend(utf16("Boot0003"));
    data.extend(option);
    let mut log = agile_log(&[(SHA256, 32)]);
    agile_event(&mut log, 1, EventType::EFI_VARIABLE_BOOT.0, &[(SHA256, &[0; 32])], &data);
    assert_eq!(described(&log)[1], "EV_EFI_VARIABLE_BOOT Boot0003 \"debian\"");
}

#[test]
fn data_that_is_not_what_its_type_says_is_only_counted() {
    let mut log = agile_log(&[(SHA256, 32)]);
    agile_event(&mut log, 1, EventType::EFI_VARIABLE_BOOT.0, &[(SHA256, &[0; 32])], &[0xFF; 33]);
    agile_event(&mut log, 1, 0x1234_5678, &[(SHA256, &[0; 32])], &[0x80, 0xFE]);
    let lines = described(&log);
    assert_eq!(lines[1], "EV_EFI_VARIABLE_BOOT 33 bytes");
    assert_eq!(lines[2], "EV_UNKNOWN(0x12345678) 2 bytes");
}
