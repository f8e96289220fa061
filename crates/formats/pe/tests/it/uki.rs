//! Which sections of a UKI are measured, in which order, with which digests.

use avouch_crypto::Hash;
use avouch_pe::{Image, PeError, uki};
use avouch_tpm_wire::{Digest, HashAlg, Hasher, extend};

use crate::build::Parts;

const RECENT: (&str, &[u8]) = (".sdmagic", b"#### LoaderInfo: systemd-stub 258.1-1 ####\0");

fn names(parts: &[(&'static str, &[u8])], profile: usize) -> Vec<&'static str> {
    let bytes = Parts::new(parts).build();
    let image = Image::parse(&bytes).unwrap();
    uki::sections(&image, profile).unwrap().iter().map(|measured| measured.name).collect()
}

#[test]
fn sections_are_measured_in_canonical_order_whatever_the_files() {
    let parts: [(&str, &[u8]); 16] = [
        RECENT,
        (".text", b"stub"),
        (".hwids", b"h"),
        (".dtbauto", b"d"),
        (".pcrpkey", b"k"),
        (".pcrsig", b"s"),
        (".sbat", b"sbat,1,a,b,c,d\n"),
        (".uname", b"6.1.0"),
        (".dtb", b"tree"),
        (".splash", b"bmp"),
        (".ucode", b"u"),
        (".initrd", b"i"),
        (".cmdline", b"quiet"),
        (".osrel", b"ID=debian"),
        (".linux", b"kernel"),
        (".efifw", b"f"),
    ];
    let wanted = [
        ".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".uname", ".sbat", ".pcrpkey",
        ".dtbauto", ".hwids", ".efifw",
    ];
    assert_eq!(names(&parts, 0), wanted);
}

#[test]
fn old_stub_measures_fewer_sections() {
    let parts: [(&str, &[u8]); 6] = [
        (".sdmagic", b"#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####\0"),
        (".sbat", b"sbat,1,a,b,c,d\n"),
        (".uname", b"6.1.0"),
        (".hwids", b"h"),
        (".linux", b"kernel"),
        (".pcrpkey", b"k"),
    ];
    assert_eq!(names(&parts, 0), [".linux", ".pcrpkey"]);
    let bytes = Parts::new(&parts).build();
    let stub = uki::stub(&Image::parse(&bytes).unwrap()).map(|stub| (stub.release, stub.version.to_owned()));
    assert_eq!(stub, Some((252, "252.39-1~deb12u2".to_owned())));
}

#[test]
fn name_with_its_zero_byte_is_measured_before_the_content() {
    let bytes = Parts::new(&[RECENT, (".linux", b"kernel"), (".cmdline", b"quiet")]).build();
    let image = Image::parse(&bytes).unwrap();
    let sections = uki::sections(&image, 0).unwrap();
    let sha256 = |part: &[u8]| Hash.hash(HashAlg::Sha256, &[part]);
    let wanted = [sha256(b".linux\0"), sha256(b"kernel"), sha256(b".cmdline\0"), sha256(b"quiet")];
    let events = uki::events(HashAlg::Sha256, &sections, &Hash);
    assert_eq!(events.iter().map(|event| event.digest).collect::<Vec<_>>(), wanted);
    let pcr = wanted.iter().fold(Digest::zero(HashAlg::Sha256), |pcr, digest| extend(&Hash, &pcr, digest));
    assert_eq!(uki::pcr11(HashAlg::Sha256, &sections, &Hash), Some(pcr));
}

#[test]
fn profile_overrides_the_base_and_nothing_else() {
    let parts: [(&str, &[u8]); 10] = [
        RECENT,
        (".linux", b"kernel"),
        (".osrel", b"ID=debian"),
        (".cmdline", b"quiet"),
        (".profile", b"ID=regular"),
        (".profile", b"ID=factory-reset"),
        (".cmdline", b"quiet systemd.unit=factory-reset.target"),
        (".profile", b"ID=storagetm"),
        (".cmdline", b"quiet rd.systemd.unit=storage-target-mode.target"),
        (".ucode", b"u"),
    ];
    let bytes = Parts::new(&parts).build();
    let image = Image::parse(&bytes).unwrap();
    assert_eq!(uki::profiles(&image), 3);
    let contents = |profile| -> Vec<(&str, Vec<u8>)> {
        let sections = uki::sections(&image, profile).unwrap();
        sections.iter().map(|measured| (measured.name, measured.section.data().to_vec())).collect()
    };
    let base = [(".linux", b"kernel".to_vec()), (".osrel", b"ID=debian".to_vec())];
    let with = |own: &[(&'static str, &[u8])]| {
        let own = own.iter().map(|(name, data)| (*name, data.to_vec()));
        base.iter().cloned().chain(own).collect::<Vec<_>>()
    };
    assert_eq!(contents(0), with(&[(".cmdline", b"quiet"), (".profile", b"ID=regular")]));
    let reset = b"quiet systemd.unit=factory-reset.target";
    assert_eq!(contents(1), with(&[(".cmdline", reset), (".profile", b"ID=factory-reset")]));
    let storage = b"quiet rd.systemd.unit=storage-target-mode.target";
    let wanted = with(&[(".cmdline", storage), (".ucode", b"u"), (".profile", b"ID=storagetm")]);
    assert_eq!(contents(2), wanted);
    assert!(matches!(uki::sections(&image, 3), Err(PeError::Missing { .. })));
}

#[test]
fn device_trees_of_one_name_are_all_measured_or_one_of_them() {
    let all = Parts::new(&[RECENT, (".linux", b"kernel"), (".dtb", b"first"), (".dtb", b"second")]).build();
    let image = Image::parse(&all).unwrap();
    let sections = uki::sections(&image, 0).unwrap();
    let contents: Vec<_> = sections.iter().map(|measured| measured.section.data()).collect();
    assert_eq!(contents, [b"kernel".as_slice(), b"first", b"second"]);
    assert!(uki::pcr11(HashAlg::Sha256, &sections, &Hash).is_some());

    let one = Parts::new(&[RECENT, (".linux", b"kernel"), (".dtbauto", b"first"), (".dtbauto", b"second")]).build();
    let image = Image::parse(&one).unwrap();
    let sections = uki::sections(&image, 0).unwrap();
    assert_eq!(sections.iter().filter(|measured| measured.one_of_several).count(), 2);
    assert_eq!(uki::pcr11(HashAlg::Sha256, &sections, &Hash), None, "which one it is, the hardware decides");
}

#[test]
fn image_that_is_no_uki_is_refused() {
    let bytes = Parts::new(&[RECENT, (".osrel", b"ID=debian")]).build();
    let image = Image::parse(&bytes).unwrap();
    assert!(!uki::is_uki(&image));
    assert!(matches!(uki::sections(&image, 0), Err(PeError::Missing { field: ".linux section", .. })));
    let bytes = Parts::new(&[RECENT, (".linux", b"one"), (".linux", b"two")]).build();
    assert!(matches!(uki::sections(&Image::parse(&bytes).unwrap(), 0), Err(PeError::Value { .. })));
}

#[test]
fn section_without_a_byte_in_memory_is_not_measured() {
    let mut parts = Parts::new(&[RECENT, (".linux", b"kernel"), (".cmdline", b"quiet")]);
    parts.sections[2].2 = Some(0);
    let bytes = parts.build();
    let image = Image::parse(&bytes).unwrap();
    assert_eq!(uki::sections(&image, 0).unwrap().len(), 1);
}
