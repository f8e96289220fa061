//! What booted, from recorded and from built logs.

use avouch_bootlog::state::{CommandLineSource, Measured};
use avouch_bootlog::{Assumption, BootLog, DataCheck, EventType, ExitActions, Guid, SecureBoot};
use avouch_crypto::Hash;
use avouch_tpm_wire::{HashAlg, Hasher};

use crate::build::*;
use crate::golden::recorded;

#[test]
fn a_recorded_boot_is_told_with_its_proof() {
    let bytes = recorded("uefi-sb-custompolicy");
    let log = BootLog::parse(&bytes).unwrap();
    let state = log.check(HashAlg::Sha256, &Hash).boot_state();
    let secure_boot = state.secure_boot.unwrap();
    assert_eq!((secure_boot.value, secure_boot.covered()), (SecureBoot::On, true));
    for (guid, name) in [
        (Guid::GLOBAL_VARIABLE, "PK"),
        (Guid::GLOBAL_VARIABLE, "KEK"),
        (Guid::IMAGE_SECURITY, "db"),
        (Guid::IMAGE_SECURITY, "dbx"),
    ] {
        let fact = state.variable(guid, name).unwrap();
        assert!(fact.covered() && !fact.value.data.is_empty(), "{name}");
    }
    assert!(state.authorities.iter().any(|fact| fact.covered() && fact.value.is(Guid::IMAGE_SECURITY, "db")));
    let image = state.images.last().unwrap().value;
    assert!(image.application && !image.before_separator && image.pcr == 4);
    assert!(image.image.unwrap().path_text().unwrap().ends_with("BOOTX64.EFI"));
    let sections: Vec<String> = state.uki_sections.iter().map(|s| s.value.name.to_string()).collect();
    assert_eq!(sections, [".linux", ".osrel", ".cmdline", ".initrd"]);
    assert!(state.uki_sections.iter().all(|section| section.covered() && section.value.digest.is_some()));
    assert!(state.command_lines.iter().any(|line| line.value.source == CommandLineSource::KernelStub));
    assert_eq!(state.initrds.len(), 1);
    assert_eq!(state.boot_order.unwrap().check, DataCheck::ValueCovered);
    assert!(
        state.boot_options.iter().any(|fact| fact.value.option.is_some_and(|option| option.description == *"UiApp"))
    );
    assert!(state.contradictions.is_empty() && state.unknown.is_empty());
    assert_eq!(log.check(HashAlg::Sha256, &Hash).grammar(), []);
}

#[test]
fn a_boot_without_secure_boot_says_so() {
    let bytes = recorded("uefi-nosb");
    let state = BootLog::parse(&bytes).unwrap().check(HashAlg::Sha256, &Hash).boot_state();
    assert_eq!(state.secure_boot.unwrap().value, SecureBoot::Off);
    let seabios = recorded("seabios");
    assert_eq!(BootLog::parse(&seabios).unwrap().check(HashAlg::Sha256, &Hash).boot_state().secure_boot, None);
}

#[test]
fn what_grub_and_shim_measure_is_sorted() {
    let ipl = EventType::IPL;
    let boot = Boot::new()
        .hashing(8, ipl, b"grub_cmd: linux /vmlinuz root=/dev/vda\0", b"linux /vmlinuz root=/dev/vda")
        .hashing(8, ipl, b"kernel_cmdline: /vmlinuz root=/dev/vda\0", b"/vmlinuz root=/dev/vda")
        .hashing(9, ipl, b"(hd0)/initrd.img\0", b"initrd")
        .hashing(14, ipl, b"MokList\0", b"list")
        .hashing(7, EventType::EFI_VARIABLE_AUTHORITY, &variable(SHIM, "SbatLevel", b"sbat,1\n"), b"other");
    let log = BootLog::parse(&boot.0).unwrap();
    let state = log.check(HashAlg::Sha256, &Hash).boot_state();
    let lines: Vec<String> = state.command_lines.iter().map(|line| line.value.text.unwrap().to_string()).collect();
    assert_eq!(lines, ["/vmlinuz root=/dev/vda"; 2]);
    assert!(state.command_lines.iter().all(|line| line.check == DataCheck::ValueCovered));
    assert_eq!(state.commands.len(), 1);
    let Measured { name, digest } = state.files[0].value;
    assert!(name == *"(hd0)/initrd.img");
    assert_eq!(digest, Hash.hash(HashAlg::Sha256, &[b"initrd"]));
    assert!(state.mok[0].value.name == *"MokList");
    let sbat = state.sbat_level.unwrap();
    assert_eq!((sbat.value, sbat.check), (b"sbat,1\n".as_slice(), DataCheck::Differs));
}

#[test]
fn a_command_line_of_systemd_is_covered() {
    let line = utf16("root=/dev/vda ro\0");
    let boot = Boot::new().event(12, EventType::IPL, &line).event(11, EventType::IPL, b"enter-initrd");
    let log = BootLog::parse(&boot.0).unwrap();
    let state = log.check(HashAlg::Sha256, &Hash).boot_state();
    let fact = state.command_lines[0];
    assert!(fact.covered() && fact.value.text.unwrap() == *"root=/dev/vda ro");
    assert!(state.phases[0].covered() && state.phases[0].value == *"enter-initrd");
}

#[test]
fn a_missing_exit_is_assumed_and_said() {
    let boot = |actions: &[&str]| {
        actions
            .iter()
            .fold(Boot::new().separators(), |boot, action| boot.event(5, EventType::EFI_ACTION, action.as_bytes()))
    };
    let (one, two) = ("Exit Boot Services Invocation", "Exit Boot Services Returned with Success");
    let whole = boot(&[one, two]);
    let whole = BootLog::parse(&whole.0).unwrap();
    assert_eq!(whole.assumptions(), []);
    let wanted = whole.replay(HashAlg::Sha256, &Hash).unwrap();
    for (actions, missing) in [(&[][..], ExitActions::Both), (&[one], ExitActions::Success)] {
        let bytes = boot(actions);
        let log = BootLog::parse(&bytes.0).unwrap();
        let assumption = Assumption::UnloggedExit { missing };
        assert_eq!(log.assumptions(), [assumption]);
        let assumed = log.replay_assuming(HashAlg::Sha256, &Hash, assumption).unwrap();
        assert_eq!((assumed.assumption, assumed.bank), (assumption, wanted.clone()));
    }
}

#[test]
fn a_hardware_root_of_trust_leaves_two_values_of_pcr_0() {
    let boot = Boot::new().hashing(0, EventType::EFI_HCRTM_EVENT, b"HCRTM", b"code").policy(1).separators();
    let log = BootLog::parse(&boot.0).unwrap();
    assert!(log.assumptions().contains(&Assumption::HcrtmLocality4));
    let (logged, assumed) = log.pcr0_candidates(HashAlg::Sha256, &Hash).unwrap();
    let stated = Boot::new().event_without_digest(0, &startup_locality(4)).0;
    let stated = [stated.as_slice(), &boot.0[agile_log(&[(SHA256, 32)]).len()..]].concat();
    let stated = BootLog::parse(&stated).unwrap();
    assert_eq!(assumed, stated.replay(HashAlg::Sha256, &Hash).unwrap().value(0));
    assert_eq!(logged, log.replay(HashAlg::Sha256, &Hash).unwrap().value(0));
    assert_ne!(logged, assumed);
    assert_eq!(stated.pcr0_candidates(HashAlg::Sha256, &Hash).unwrap().1, None);
}
