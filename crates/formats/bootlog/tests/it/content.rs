//! Event data by type.

use avouch_bootlog::content::{LoadOption, Separator, Tag};
use avouch_bootlog::{BootLog, Content, EventType, Guid, NoAction, sipa};

use crate::build::*;

fn with_content<T>(kind: u32, data: &[u8], read: impl FnOnce(Content<'_>) -> T) -> T {
    let mut log = agile_log(&[(SHA256, 32)]);
    agile_event(&mut log, 1, kind, &[(SHA256, &[0; 32])], data);
    read(BootLog::parse(&log).unwrap().events()[1].content())
}

#[test]
fn guids_are_spelled_as_everywhere() {
    assert_eq!(Guid::GLOBAL_VARIABLE.to_string(), "8be4df61-93ca-11d2-aa0d-00e098032b8c");
    assert_eq!(Guid::IMAGE_SECURITY.to_string(), "d719b2cb-3d3a-4596-a3bc-dad00e67656f");
    assert_eq!(Guid::SHIM_LOCK.to_string(), "605dab50-e046-4300-abb6-3dd810dd8b23");
}

#[test]
fn a_variable_gives_name_and_value() {
    let data = variable(GLOBAL, "Boot00A1", b"value");
    with_content(EventType::EFI_VARIABLE_BOOT.0, &data, |content| {
        let Content::Variable(variable) = content else { panic!("{content:?}") };
        assert!(variable.is(Guid::GLOBAL_VARIABLE, "Boot00A1"));
        assert_eq!((variable.data, variable.trailing, variable.boot_number()), (b"value".as_slice(), 0, Some(0xA1)));
    });
    for broken in [&data[..data.len() - 1], &[data.as_slice(), &[0; 9]].concat()] {
        with_content(EventType::EFI_VARIABLE_BOOT.0, broken, |content| assert_eq!(content, Content::Opaque(broken)));
    }
    with_content(EventType::EFI_VARIABLE_BOOT.0, &[0xFF; 40], |content| {
        assert_eq!(content, Content::Opaque(&[0xFF; 40]))
    });
}

#[test]
fn a_load_option_gives_its_parts() {
    let path = [4, 4, 12, 0, b'a', 0, b'b', 0, 0, 0, 0, 0, 0x7F, 0xFF, 4, 0];
    let value = [[1, 0, 0, 0].as_slice(), &16_u16.to_le_bytes(), &utf16("debian"), &[0, 0], &path, b"quiet"].concat();
    let option = LoadOption::parse(&value).unwrap();
    assert_eq!((option.attributes, option.data), (1, b"quiet".as_slice()));
    assert!(option.description == *"debian");
    assert_eq!(option.path_text().as_deref(), Some("ab"));
    assert!((0..value.len() - 5).all(|cut| LoadOption::parse(&value[..cut]).is_none()));
}

#[test]
fn separators_say_what_they_end() {
    for (value, meaning) in [
        (&[0; 4], Separator::End),
        (&[0xFF; 4], Separator::End),
        (&[1, 0, 0, 0], Separator::Error),
        (b"WBCL", Separator::Windows),
    ] {
        with_content(SEPARATOR, value, |content| assert_eq!(content, Content::Separator(meaning)));
    }
}

#[test]
fn platform_manifests_of_three_versions_are_read() {
    let strings: Vec<u8> = ["maker", "model", "version", "firmware"]
        .iter()
        .flat_map(|s| [&[s.len() as u8], s.as_bytes()].concat())
        .collect();
    let version2 = [&strings[..], &7_u32.to_le_bytes(), &[1, b'1']].concat();
    let version3 = [&version2[..], &1_u32.to_le_bytes(), &3_u32.to_le_bytes(), b"uri", &[0; 8]].concat();
    for (version, signature, tail) in
        [(1, b"SP800-155 Event\0", &[][..]), (2, b"SP800-155 Event2", &version2), (3, b"SP800-155 Event3", &version3)]
    {
        let data = [signature.as_slice(), &9_u32.to_le_bytes(), &GLOBAL, tail].concat();
        with_content(NO_ACTION, &data, |content| {
            let Content::NoAction(NoAction::Sp800155(event)) = content else { panic!("{content:?}") };
            assert_eq!((event.version, event.vendor_id, event.manifest), (version, 9, Guid::GLOBAL_VARIABLE));
            assert_eq!(event.strings[1], if version == 1 { &b""[..] } else { b"model" });
            assert_eq!(event.manifest_locator, (version == 3).then_some((1, b"uri".as_slice())));
        });
        with_content(NO_ACTION, &data[..data.len() - 1], |content| {
            assert!(matches!(content, Content::NoAction(NoAction::Other(_))), "{content:?}");
        });
    }
}

#[test]
fn hcrtm_components_and_localities_are_read() {
    let data = [b"H-CRTM CompMeas\0".as_slice(), &[3], b"ACM", &[0, 2, 0xAB, 0xCD]].concat();
    let wanted = NoAction::HcrtmComponent { description: b"ACM", measurement: &[0xAB, 0xCD] };
    with_content(NO_ACTION, &data, |content| assert_eq!(content, Content::NoAction(wanted)));
    with_content(NO_ACTION, &startup_locality(4), |content| {
        assert_eq!(content, Content::NoAction(NoAction::StartupLocality(4)));
    });
}

#[test]
fn tags_of_linux_and_systemd_are_known() {
    for (id, tag) in [(0x8F3B_22EC_u32, Tag::LinuxInitrd), (0xF5BC_582A, Tag::LoaderConf)] {
        let data = [&id.to_le_bytes()[..], &4_u32.to_le_bytes(), b"word"].concat();
        with_content(EventType::EVENT_TAG.0, &data, |content| {
            let Content::Tagged(tagged) = content else { panic!("{content:?}") };
            assert_eq!((tagged.tag(), tagged.data), (Some(tag), b"word".as_slice()));
        });
    }
}

#[test]
fn statements_of_windows_are_named() {
    let statement =
        |id: u32, value: &[u8]| [&id.to_le_bytes()[..], &(value.len() as u32).to_le_bytes(), value].concat();
    let inner = [statement(0x0005_0002, &[1]), statement(0x0007_0001, b"x")].concat();
    let list = statement(0x4001_0001, &inner);
    let outer: Vec<_> = sipa::statements(&list).collect();
    assert_eq!(outer[0].name(), Some("trust boundary"));
    let names: Vec<_> = outer[0].children().map(|child| child.name().unwrap()).collect();
    assert_eq!(names, ["code integrity", "file path"]);
    with_content(NO_ACTION, &list, |content| assert_eq!(content, Content::NoAction(NoAction::Windows(&list))));
}
