//! Boot events computed from artefacts, against boots that were recorded.

use std::fs;
use std::path::{Path, PathBuf};

use avouch_appraise::{Policy, PolicyDraft};
use avouch_bootlog::{BootLog, Event, EventType};
use avouch_crypto::{Hash, sha256};
use avouch_reference::ArtefactError;
use avouch_reference::boot::{self, BANKS, ExpectedEvents};
use avouch_tpm_wire::{HashAlg, Hasher};
use tempfile::TempDir;

/// A boot with Secure Boot, of firmware OVMF 2022.11 and a UKI with systemd-stub 252 and a kernel 6.1.
const RECORDED: &str = "../../formats/bootlog/tests/data/uefi-sb-custompolicy/binary_bios_measurements";
const COMMAND_LINE: &str = "console=ttyS0 rootfstype=ext4 quiet loglevel=3 systemd.show_status=0 net.ifnames=0 \
    random.trust_cpu=on mitigations=off nokaslr no_timer_check tsc=reliable cryptomgr.notests \
    systemd.condition-needs-update=no systemd.firstboot=no audit=0 panic=-1 rw root=/dev/nvme0n1 \
    ima_policy=tcb|critical_data";
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const DATABASE: &str = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";

fn recorded() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDED)).unwrap()
}

/// Name and value of a variable event.
fn variable(data: &[u8]) -> (String, &[u8]) {
    let length = |at: usize| u64::from_le_bytes(data[at..at + 8].try_into().unwrap()) as usize;
    let name = data[32..32 + 2 * length(16)].chunks(2).map(|unit| char::from(unit[0])).collect();
    (name, &data[32 + 2 * length(16)..][..length(24)])
}

/// The recorded variables as files of efivarfs.
fn efivars(log: &BootLog<'_>, folder: &Path) -> Vec<PathBuf> {
    let variables = log.events().iter().filter(|event| event.event_type == EventType::EFI_VARIABLE_DRIVER_CONFIG);
    variables
        .map(|event| {
            let (name, value) = variable(event.data);
            let guid = if name.starts_with("db") { DATABASE } else { GLOBAL };
            let path = folder.join(format!("{name}-{guid}"));
            fs::write(&path, [&[7, 0, 0, 0], value].concat()).unwrap();
            path
        })
        .collect()
}

/// An image whose signature carries `certificate`.
fn signed_with(certificate: &[u8]) -> Vec<u8> {
    const IMAGE: &[u8] = include_bytes!("../../../../formats/pe/tests/data/signed.efi");
    let directory = 0x80 + 24 + 112 + 32;
    let table = u32::from_le_bytes(IMAGE[directory..directory + 4].try_into().unwrap()) as usize;
    let mut entry = (certificate.len() as u32 + 8 + 4).to_le_bytes().to_vec();
    entry.extend([0, 2, 2, 0]);
    entry.extend(b"sign");
    entry.extend(certificate);
    entry.resize(entry.len().next_multiple_of(8), 0);
    let mut bytes = IMAGE[..table].to_vec();
    bytes[directory + 4..directory + 8].copy_from_slice(&(entry.len() as u32).to_le_bytes());
    bytes.extend(entry);
    bytes
}

fn is_expected(events: &ExpectedEvents, event: &Event<'_>) -> bool {
    events.find(event.pcr, &event.digest(HashAlg::Sha256).unwrap()).is_some()
}

#[test]
fn recorded_boot_has_the_computed_events_of_its_variables_and_actions() {
    let (bytes, folder) = (recorded(), TempDir::new().unwrap());
    let log = BootLog::parse(&bytes).unwrap();
    let paths = efivars(&log, folder.path());
    let mut events = boot::variables(&paths).unwrap();
    assert_eq!(events.len(), 5, "SecureBoot, PK, KEK, db and dbx");
    events.extend(boot::firmware_actions());

    let db = paths.iter().find(|path| path.to_string_lossy().contains("/db-")).unwrap();
    let authority = log.events().iter().find(|event| event.event_type == EventType::EFI_VARIABLE_AUTHORITY).unwrap();
    let (_, owner_and_certificate) = variable(authority.data);
    let (image, other) = (folder.path().join("signed.efi"), folder.path().join("other.efi"));
    fs::write(&image, signed_with(&owner_and_certificate[16..])).unwrap();
    fs::write(&other, signed_with(b"a certificate that db does not have")).unwrap();
    let authorities = boot::authorities(&[image, other], db).unwrap();
    assert_eq!((authorities.len(), authorities.gaps.len()), (1, 1), "{:?}", authorities.gaps);
    events.extend(authorities);

    let of = |pcr: u32| log.events().iter().filter(move |event| event.pcr == pcr && event.extends());
    for pcr in [3, 5, 6, 7] {
        assert!(of(pcr).all(|event| is_expected(&events, event)), "PCR {pcr}");
    }
    let missing: Vec<_> = of(4).filter(|event| !is_expected(&events, event)).map(|event| event.event_type).collect();
    assert_eq!(missing, [EventType::EFI_BOOT_SERVICES_APPLICATION], "of PCR 4 only the UKI is missing");
}

#[test]
fn recorded_boot_has_the_computed_load_options_and_phases_have_their_words() {
    let bytes = recorded();
    let log = BootLog::parse(&bytes).unwrap();
    let events = boot::command_line(COMMAND_LINE);
    let tagged: Vec<_> = log.events().iter().filter(|event| event.event_type == EventType::EVENT_TAG).collect();
    assert!(is_expected(&events, tagged[0]), "LOADED_IMAGE::LoadOptions");
    assert!(!is_expected(&events, tagged[1]), "the initial RAM disk is another artefact");
    assert!(!is_expected(&boot::command_line("quiet"), tagged[0]));
    let word = Hash.hash(HashAlg::Sha384, &[b"sysinit"]);
    assert_eq!(boot::phases().find(11, &word).unwrap().what, "phase sysinit");
}

#[test]
fn uki_leads_to_its_image_kernel_and_sections() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../formats/pe/tests/data/uki.efi");
    let events = boot::uki(&path).unwrap();
    let whats: Vec<_> = events.entries.iter().map(|event| (event.pcr, event.what.as_str())).collect();
    let wanted = [
        (4, "UKI"),
        (11, "UKI section name .linux"),
        (11, "UKI section .linux"),
        (11, "UKI section name .sbat"),
        (11, "UKI section .sbat"),
        (11, "UKI section name .profile"),
        (11, "UKI section .profile"),
        (11, "UKI section .profile"),
    ];
    assert_eq!(whats, wanted, "each event once, for all profiles");
    let name = events.find(11, &Hash.hash(HashAlg::Sha512, &[b".linux\0"])).unwrap();
    assert_eq!(name.artefact.sha256, Some(sha256(&[&fs::read(&path).unwrap()])));
    assert!(events.gaps.iter().any(|gap| gap.contains("no PE image")), "{:?}", events.gaps);
    assert!(matches!(boot::uki(Path::new(file!())), Err(ArtefactError::Read { .. } | ArtefactError::Image { .. })));
}

#[test]
fn kernel_and_initrd_in_files_are_known_as_loaded_and_as_read() {
    let folder = TempDir::new().unwrap();
    let (kernel, initrd) = (folder.path().join("vmlinuz"), folder.path().join("initrd.img"));
    fs::write(&kernel, signed_with(b"certificate")).unwrap();
    fs::write(&initrd, b"archive").unwrap();
    let events = boot::kernel(&kernel).unwrap();
    let whole = Hash.hash(HashAlg::Sha256, &[&fs::read(&kernel).unwrap()]);
    assert!(events.find(9, &whole).is_some() && events.find(4, &whole).is_none());
    assert_eq!(boot::loader(&kernel).unwrap().entries[0].digests, events.entries[0].digests);
    let initrd = boot::initrd_events(&initrd).unwrap();
    assert!(initrd.find(9, &Hash.hash(HashAlg::Sha256, &[b"archive"])).is_some());
}

#[test]
fn other_variables_and_damaged_ones_are_refused() {
    let folder = TempDir::new().unwrap();
    let write = |name: String, value: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, value).unwrap();
        boot::variables(&[path]).unwrap_err()
    };
    assert!(matches!(write(format!("BootOrder-{GLOBAL}"), &[7, 0, 0, 0, 1, 0]), ArtefactError::Variable { .. }));
    assert!(matches!(write("db".into(), &[7, 0, 0, 0]), ArtefactError::Variable { .. }));
    assert!(matches!(write(format!("db-{DATABASE}"), &[7, 0, 0, 0, 1]), ArtefactError::Image { .. }));
    assert!(matches!(write(format!("PK-{GLOBAL}"), &[7, 0]), ArtefactError::Image { .. }));
}

#[test]
fn policy_holds_the_events_with_what_they_were_computed_from() {
    let mut draft = PolicyDraft::new("boot", "2026-01-01");
    let events = boot::command_line("quiet");
    events.add_to(&mut draft).unwrap();
    draft.require_secure_boot();
    let bytes = draft.to_bytes();
    Policy::parse(&bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    for (event, alg) in events.entries.iter().flat_map(|event| BANKS.map(|alg| (event, alg))) {
        let digest = event.digests.iter().find(|digest| digest.alg() == alg).unwrap();
        assert!(text.contains(&format!("\"{alg}\": \"{digest}\"")), "{digest:?}");
    }
    assert!(text.contains("\"secure_boot\": \"required\"") && text.contains("\"artefact\": \"command line\""));
}

/// The recorded boot ran the image of Debian's package ovmf 2022.11-6+deb12u2. Debian may publish another at any time:
/// its events have the same shape, and its drivers need not be those of the record.
#[test]
fn recorded_boot_has_the_computed_driver_volume_of_its_firmware() {
    const RECORDED_IMAGE: &str = "d50189a486d22af418198226a3a5bcb6ddac775590f6a808bd629474ee034d62";
    let root = std::env::var_os("AVOUCH_EFI_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let path = root.join("usr/share/OVMF/OVMF_CODE_4M.secboot.fd");
    let Ok(image) = fs::read(&path) else {
        println!("skipped: install mmdebstrap for `cargo xtask test unit`, or unpack ovmf below AVOUCH_EFI_ROOT");
        return;
    };
    let events = boot::ovmf(&path).unwrap();
    let bytes = recorded();
    let log = BootLog::parse(&bytes).unwrap();
    let firmware: Vec<_> = log.events().iter().filter(|event| event.pcr == 0 && event.extends()).collect();
    let known: Vec<_> = firmware.iter().map(|event| is_expected(&events, event)).collect();
    // The version, the volume of the first phase as that has changed it, the drivers, and the separator.
    let image = sha256(&[&image]);
    let recorded_image = hex(&image) == RECORDED_IMAGE;
    let drivers = recorded_image || known[2];
    assert_eq!(known, [true, false, drivers, false]);
    let shape = ["firmware version, empty", "firmware volume 1 of ", "firmware volume 2 of "];
    assert_eq!(events.len(), shape.len(), "{:?}", events.entries);
    for (event, start) in events.entries.iter().zip(shape) {
        assert!(event.what.starts_with(start), "{}", event.what);
        assert_eq!((event.pcr, event.artefact.sha256, event.digests.len()), (0, Some(image), BANKS.len()));
    }
    assert_eq!(events.gaps.len(), 1, "{:?}", events.gaps);
    println!("firmware: {}", if recorded_image { "the recorded image" } else { "another image than the recorded one" });
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
