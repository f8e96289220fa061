//! Which digests cover their data.

use avouch_bootlog::{BootLog, DataCheck, EventType};
use avouch_crypto::Hash;
use avouch_tpm_wire::{HashAlg, Hasher};

use crate::build::*;

fn hash(data: &[u8]) -> Vec<u8> {
    Hash.hash(HashAlg::Sha256, &[data]).as_bytes().to_vec()
}

/// The answer for one event whose digest is of `hashed`.
fn checked(kind: EventType, data: &[u8], hashed: &[u8]) -> DataCheck {
    let mut log = agile_log(&[(SHA256, 32)]);
    agile_event(&mut log, 4, kind.0, &[(SHA256, &hash(hashed))], data);
    BootLog::parse(&log).unwrap().events()[1].check_data(HashAlg::Sha256, &Hash)
}

#[test]
fn a_variable_is_covered_whole_or_by_its_value() {
    let whole = variable(GLOBAL, "BootOrder", &[1, 0, 2, 0]);
    let kind = EventType::EFI_VARIABLE_BOOT;
    assert_eq!(checked(kind, &whole, &whole), DataCheck::Covered);
    assert_eq!(checked(kind, &whole, &[1, 0, 2, 0]), DataCheck::ValueCovered);
    assert_eq!(checked(kind, &whole, b"else"), DataCheck::Differs);
    assert_eq!(checked(kind, &whole[..20], b"else"), DataCheck::Differs);
}

#[test]
fn early_shim_leaves_its_padding_out_of_the_digest() {
    let mut data = variable(SHIM, "Shim", b"certificate");
    let whole = data.clone();
    data.extend([0; 6]);
    let kind = EventType::EFI_VARIABLE_AUTHORITY;
    assert_eq!(checked(kind, &data, &data[..data.len() - 1]), DataCheck::Covered);
    assert_eq!(checked(kind, &data, &whole), DataCheck::Covered);
    assert_eq!(checked(kind, &data, &data[..whole.len() - 1]), DataCheck::Differs);
}

#[test]
fn boot_loader_words_are_covered_without_their_label() {
    let ipl = EventType::IPL;
    assert_eq!(checked(ipl, b"grub_cmd: linux /vmlinuz\0", b"linux /vmlinuz"), DataCheck::ValueCovered);
    assert_eq!(checked(ipl, b"grub_cmd set a=b\0", b"set a=b\0"), DataCheck::ValueCovered);
    assert_eq!(checked(ipl, b"kernel_cmdline: /vmlinuz ro\0", b"/vmlinuz rw"), DataCheck::Differs);
    assert_eq!(checked(ipl, b"(hd0)/grub.cfg\0", b"content of the file"), DataCheck::NotDefined);
    let name = utf16(".linux\0");
    assert_eq!(checked(ipl, &name, b".linux\0"), DataCheck::Covered);
    assert_eq!(checked(ipl, &name, b"content of the section"), DataCheck::NotDefined);
    let line = utf16("root=/dev/vda ro\0");
    assert_eq!(checked(ipl, &line, &line), DataCheck::Covered);
    assert_eq!(checked(ipl, &line[..line.len() - 1], &line), DataCheck::Covered);
    assert_eq!(checked(ipl, &line, &utf16("root=/dev/vdb ro\0")), DataCheck::NotDefined);
}

#[test]
fn types_that_hash_their_data_must_agree_with_them() {
    for kind in [EventType::S_CRTM_VERSION, EventType::EFI_ACTION, EventType::EFI_GPT_EVENT, EventType::SEPARATOR] {
        assert_eq!(checked(kind, &[0; 4], &[0; 4]), DataCheck::Covered, "{kind}");
        assert_eq!(checked(kind, &[0; 4], b"else"), DataCheck::Differs, "{kind}");
    }
    assert_eq!(checked(EventType::EFI_BOOT_SERVICES_APPLICATION, b"x", b"x"), DataCheck::NotDefined);
    assert_eq!(checked(EventType::EFI_HCRTM_EVENT, b"HCRTM", b"code"), DataCheck::NotDefined);
    assert_eq!(checked(EventType::SEPARATOR, b"cannot measure", &[1, 0, 0, 0]), DataCheck::NotDefined);
}

#[test]
fn tagged_events_are_covered_whole_or_by_what_the_tag_carries() {
    let data = [&0x4001_0001_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"abc"].concat();
    assert_eq!(checked(EventType::EVENT_TAG, &data, &data), DataCheck::Covered);
    assert_eq!(checked(EventType::EVENT_TAG, &data, b"abc"), DataCheck::ValueCovered);
    assert_eq!(checked(EventType::EVENT_TAG, &data, b"else"), DataCheck::NotDefined);
}

#[test]
fn an_event_without_a_digest_in_the_bank_says_nothing() {
    let mut log = agile_log(&[(SHA1, 20), (SHA256, 32)]);
    agile_event(&mut log, 4, SEPARATOR, &[(SHA1, &[0; 20])], &[0; 4]);
    let log = BootLog::parse(&log).unwrap();
    assert_eq!(log.events()[1].check_data(HashAlg::Sha256, &Hash), DataCheck::NoDigest);
}
