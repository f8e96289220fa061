//! Measured buffers: recorded ones, ones by the kernel's formats, broken ones.

use avouch_crypto::Hash;
use avouch_ima::critical::{self, CriticalData, CriticalFault, DeviceMapper, Event, KexecList, parse};
use avouch_ima::{Body, parse_binary};
use avouch_tpm_wire::{HashAlg, Hasher};
use proptest::prelude::*;

use crate::golden::binary;

const DEVICE: &str = "dm_version=4.47.0;name=t1,uuid=,major=254,minor=0,minor_count=1,num_targets=1;";
const TABLE: &str = "sha256:2acffdc995146ee63357f3307180b853bd1f8b2df88c1b8baf4021c239150b42";

fn mapper<'a>(name: &'a str, text: &'a str) -> DeviceMapper<'a> {
    match parse(name.as_bytes(), text.as_bytes()) {
        Ok(CriticalData::DeviceMapper(event)) => *event,
        other => panic!("{name} {text}: {other:?}"),
    }
}

/// Every buffer of a recording, with its name.
fn recorded(folder: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let list = binary(folder);
    let bodies = parse_binary(&list, 0).map(|entry| entry.unwrap().body);
    let buffers = bodies.filter_map(|body| match body {
        Body::Buffer { name, data, .. } => Some((name.to_vec(), data.to_vec())),
        _ => None,
    });
    buffers.collect()
}

#[test]
fn recorded_verity_root_is_read_with_its_root_digest() {
    let buffers = recorded("uefi-sb-verity");
    let (name, text) = buffers.iter().find(|(name, _)| name == b"dm_table_load").unwrap();
    let Ok(CriticalData::DeviceMapper(loaded)) = parse(name, text) else { panic!() };
    assert_eq!((loaded.version, &*loaded.device.name, &*loaded.device.uuid), ("4.47.0", "root", "CRYPT-VERITY-root"));
    let Event::TableLoad { targets } = &loaded.event else { panic!("{loaded:?}") };
    assert_eq!((targets.len(), targets[0].kind, targets[0].len), (1, Some(("verity", "1.9.0")), 614_400));
    let verity = targets[0].verity().unwrap().unwrap();
    assert_eq!((verity.algorithm, verity.data_device, verity.hash_device), ("sha256", "259:0", "259:0"));
    assert_eq!(verity.root_digest[..4], [0xCA, 0x59, 0xE1, 0xC8]);
    assert_eq!((verity.root_digest.len(), verity.salt.as_slice()), (32, [0xAA, 0x55].repeat(16).as_slice()));
    assert!(!verity.failed && !verity.ignore_zero_blocks && !verity.check_at_most_once);

    // The device then resumes with exactly that table.
    let (name, resumed) = buffers.iter().find(|(name, _)| name == b"dm_device_resume").unwrap();
    let Ok(CriticalData::DeviceMapper(resumed)) = parse(name, resumed) else { panic!() };
    let active = Some(Hash.hash(HashAlg::Sha256, &[text]));
    assert_eq!(resumed.event, Event::Resume { active, capacity: 614_400 });
}

#[test]
fn every_recorded_buffer_is_known() {
    let mut keys = 0;
    for folder in ["uefi-sb-verity", "after-violation", "uefi-nosb"] {
        for (name, buffer) in recorded(folder) {
            match parse(&name, &buffer) {
                Ok(CriticalData::KernelVersion(version)) => assert_eq!(version, "6.1.0-50-cloud-amd64"),
                Ok(CriticalData::Key { keyring, certificate }) => {
                    assert_eq!((keyring, certificate), (name.as_slice(), buffer.as_slice()));
                    keys += 1;
                }
                Ok(CriticalData::DeviceMapper(_)) => {}
                other => panic!("{folder} {}: {other:?}", String::from_utf8_lossy(&name)),
            }
        }
    }
    assert!(keys >= 5, "{keys} keys");
    let list = binary("uefi-sb-verity");
    let read = parse_binary(&list, 0).filter(|entry| critical::of(&entry.as_ref().unwrap().body).is_some()).count();
    assert_eq!(read, recorded("uefi-sb-verity").len());
}

#[test]
fn every_device_mapper_event_is_read() {
    let linear =
        "target_index=0,target_begin=0,target_len=8,target_name=linear,target_version=1.4.0,device_name=7:0,start=0;";
    let update = format!("{DEVICE}{linear}");
    let Event::TargetUpdate { target } = mapper("dm_target_update", &update).event else { panic!() };
    assert_eq!(target.attributes().collect::<Vec<_>>(), [("device_name", "7:0"), ("start", "0")]);
    assert_eq!(target.verity(), Ok(None));

    let clear = format!("{DEVICE}inactive_table_hash={TABLE};current_device_capacity=8;");
    assert!(matches!(mapper("dm_table_clear", &clear).event, Event::TableClear { inactive: Some(_), capacity: 8 }));
    for end in ["new_name=t2,new_uuid=u;", "new_name=t2;new_uuid=u;"] {
        let rename = format!("{DEVICE}{end}current_device_capacity=8;");
        let renamed = Event::Rename { name: "t2".into(), uuid: "u".into(), capacity: 8 };
        assert_eq!(mapper("dm_device_rename", &rename).event, renamed);
    }
    let device = DEVICE.strip_prefix("dm_version=4.47.0;").unwrap();
    let remove = format!(
        "dm_version=4.47.0;device_active_metadata={device}device_inactive_metadata={device}\
         active_table_hash={TABLE},inactive_table_hash={TABLE},remove_all=y;current_device_capacity=8;"
    );
    let removed = mapper("dm_device_remove", &remove);
    assert!(matches!(removed.event, Event::Remove { active: Some(_), inactive: Some(_), all: true, capacity: 8 }));
    assert_eq!(removed.device.name, "t1");
}

#[test]
fn events_without_a_table_and_their_padding_are_read() {
    for padding in ["", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"] {
        let named = "dm_version=4.47.0;name=t1,uuid=;";
        let resume = format!("{named}device_resume=no_data;{padding}current_device_capacity=8;");
        let resumed = mapper("dm_device_resume", &resume);
        assert_eq!((resumed.event, resumed.device.numbers), (Event::Resume { active: None, capacity: 8 }, None));
        let remove = format!("{named}device_remove=no_data;{padding}remove_all=n;current_device_capacity=8;");
        let wanted = Event::Remove { active: None, inactive: None, all: false, capacity: 8 };
        assert_eq!(mapper("dm_device_remove", &remove).event, wanted);
        let clear = format!("{named}table_clear=no_data;{padding}current_device_capacity=8;");
        assert_eq!(mapper("dm_table_clear", &clear).event, Event::TableClear { inactive: None, capacity: 8 });
    }
}

#[test]
fn targets_that_tell_nothing_stand_beside_others() {
    let silent = |index: u32| format!("target_index={index},target_begin=0,target_len=8,");
    let linear = "target_index=1,target_begin=8,target_len=8,target_name=linear,target_version=1.4.0,start=0;";
    let text = format!("{DEVICE}{}{linear}{}{}", silent(0), silent(2), silent(3));
    let Event::TableLoad { targets } = mapper("dm_table_load", &text).event else { panic!() };
    let kinds: Vec<_> = targets.iter().map(|target| (target.index, target.kind.is_some())).collect();
    assert_eq!(kinds, [(0, false), (1, true), (2, false), (3, false)]);
}

#[test]
fn escaped_names_cannot_add_fields() {
    let text = "dm_version=4.47.0;name=a\\,uuid\\=x\\;b\\\\,uuid=CRYPT,major=1,minor=2,minor_count=1,num_targets=0;";
    let loaded = mapper("dm_table_load", text);
    assert_eq!((&*loaded.device.name, &*loaded.device.uuid), ("a,uuid=x;b\\", "CRYPT"));
}

#[test]
fn other_buffers_are_told_by_their_names() {
    assert_eq!(parse(b"kexec-cmdline", b"root=/dev/sda \xFF"), Ok(CriticalData::KexecCmdline(b"root=/dev/sda \xFF")));
    let counts = b"kexec_segment_size=4096;ima_binary_runtime_size=900;ima_runtime_measurements_count=7;";
    let counted = |executed| KexecList { executed, segment_bytes: 4096, list_bytes: 900, entries: 7 };
    assert_eq!(parse(b"kexec_load", counts), Ok(CriticalData::KexecList(counted(false))));
    assert_eq!(parse(b"kexec_execute", counts), Ok(CriticalData::KexecList(counted(true))));
    assert_eq!(parse(b"blacklisted-hash", &[7; 32]), Ok(CriticalData::RefusedDigest(&[7; 32])));
    assert_eq!(parse(b"selinux-policy-hash", &[7; 32]), Ok(CriticalData::SelinuxPolicyHash(&[7; 32])));
    assert!(parse(b"selinux-policy-hash", &[7; 65]).is_err());
    let state = b"initialized=1;enforcing=0;checkreqprot=0;network_peer_controls=1;open_perms=0;";
    let Ok(CriticalData::SelinuxState(state)) = parse(b"selinux-state", state) else { panic!() };
    assert!(state.initialized && !state.enforcing && !state.checkreqprot);
    assert_eq!(state.capabilities().collect::<Vec<_>>(), [("network_peer_controls", true), ("open_perms", false)]);
    assert_eq!(parse(b"new_event", b"text"), Ok(CriticalData::Unknown));
}

#[test]
fn keyring_with_the_name_of_an_event_holds_a_certificate_all_the_same() {
    let der = [&[0x30, 0x82, 0x01, 0x00][..], &[7; 256]].concat();
    for name in [b"dm_table_load".as_slice(), b".ima", b"_ima"] {
        assert_eq!(parse(name, &der), Ok(CriticalData::Key { keyring: name, certificate: &der }));
        assert_ne!(parse(name, &der[..200]), Ok(CriticalData::Key { keyring: name, certificate: &der[..200] }));
    }
}

#[test]
fn wrong_text_is_refused_with_its_place() {
    let resume = |rest: &str| format!("{DEVICE}{rest}");
    for (name, text, offset) in [
        ("dm_device_resume", resume("active_table_hash=sha256:00;current_device_capacity=8;"), DEVICE.len() + 18),
        ("dm_device_resume", resume("current_device_capacity=8;"), DEVICE.len()),
        ("dm_device_resume", resume(&format!("active_table_hash={TABLE};current_device_capacity=x;")), 0),
        ("dm_device_resume", resume(&format!("active_table_hash={TABLE};current_device_capacity=8;more=1;")), 0),
        ("dm_table_load", resume("target_index=0,target_begin=0,target_len=8,target_name=linear;"), 0),
        ("dm_table_load", "dm_version=4.47.0;name=t1,uuid=,major=x,minor=0,minor_count=1,num_targets=1;".into(), 38),
        ("dm_table_load", "name=t1,uuid=;".into(), 0),
        ("selinux-state", "initialized=1;enforcing=2;checkreqprot=0;".into(), 24),
        ("selinux-state", "initialized=1;enforcing=1;checkreqprot=0;open_perms=yes;".into(), 52),
        ("kernel_version", "6.1 evil".into(), 0),
    ] {
        let error = parse(name.as_bytes(), text.as_bytes()).unwrap_err();
        assert!(offset == 0 || error.offset == offset, "{name} {text}: {error:?}");
        assert!(error.offset <= text.len());
    }
    let error = parse(b"dm_table_load", b"dm_version=\xFF").unwrap_err();
    assert_eq!((error.offset, error.fault), (11, CriticalFault::Encoding));
}

#[test]
fn text_cut_at_any_byte_is_refused_or_names_fewer_targets() {
    for (name, text) in recorded("uefi-sb-verity").iter().filter(|(name, _)| name.starts_with(b"dm_")) {
        assert!(matches!(parse(name, text), Ok(CriticalData::DeviceMapper(_))));
        for end in 0..text.len() {
            match parse(name, &text[..end]) {
                Err(error) => assert!(error.offset <= end),
                Ok(CriticalData::DeviceMapper(cut)) => {
                    let Event::TableLoad { targets } = cut.event else { panic!("{end}") };
                    assert!(targets.iter().all(|target| target.kind.is_none()), "{end}: {targets:?}");
                }
                Ok(other) => panic!("{end}: {other:?}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read(name in 0_usize..9, text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let names = ["dm_table_load", "dm_device_resume", "dm_device_remove", "dm_table_clear", "dm_device_rename",
            "dm_target_update", "selinux-state", "kexec_load", "kernel_version"];
        if let Err(error) = parse(names[name].as_bytes(), &text) {
            prop_assert!(error.offset <= text.len());
        }
    }
}
