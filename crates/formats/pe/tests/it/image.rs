//! Headers, sections, certificates and digests.

use std::path::Path;

use avouch_crypto::Hash;
use avouch_pe::{Certificate, Image, PeError};
use avouch_tpm_wire::{HashAlg, Hasher};

use crate::build::Parts;

/// For an image whose parts follow one another without a gap, the digest is that of the file without the three places
/// that are left out.
fn without_holes(bytes: &[u8], wide: bool, certificates: usize) -> String {
    let optional = 0x80 + 24;
    let checksum = optional + 64;
    let directory = optional + if wide { 112 } else { 96 } + 4 * 8;
    let end = bytes.len() - certificates;
    let parts = [&bytes[..checksum], &bytes[checksum + 4..directory], &bytes[directory + 8..end]];
    Hash.hash(HashAlg::Sha256, &parts).to_string()
}

fn sha256(bytes: &[u8]) -> String {
    Image::parse(bytes).unwrap().authenticode(HashAlg::Sha256, &Hash).to_string()
}

#[test]
fn parts_of_an_image_are_found() {
    let bytes = Parts::signed().build();
    let image = Image::parse(&bytes).unwrap();
    assert_eq!((image.machine(), image.subsystem(), image.size_of_image()), (0x8664, 10, 0x40_0000));
    let names: Vec<_> = image.sections().iter().map(|section| section.name().unwrap()).collect();
    assert_eq!(names, [".text", ".data", ".sbat"]);
    assert_eq!(image.section(".data").unwrap().data(), b"data that is longer");
    assert_eq!(image.section(".nothing").map(|section| section.index), None);
    let [certificate] = image.certificates() else { panic!("{:?}", image.certificates()) };
    assert_eq!((certificate.kind, certificate.revision), (Certificate::PKCS_SIGNED_DATA, 0x0200));
    assert_eq!(certificate.data, b"PKCS#7 would stand here");
    assert_eq!(image.sbat().unwrap().unwrap().generation("grub.debian"), Some(4));
}

#[test]
fn digest_leaves_out_checksum_and_signature_alone() {
    for wide in [false, true] {
        let signed = Parts { wide, ..Parts::signed() };
        let unsigned = Parts { certificates: Vec::new(), checksum: 0, ..signed.clone() };
        let (with, without) = (signed.build(), unsigned.build());
        let table = with.len() - without.len();
        assert_eq!(sha256(&with), without_holes(&with, wide, table));
        assert_eq!(sha256(&with), sha256(&without), "a signature does not change what is signed");
        for at in [0x70, 0x80 + 24 + 4, without.len() - 1, without.len() - 0x300] {
            let mut changed = without.clone();
            changed[at] ^= 1;
            assert_ne!(sha256(&changed), sha256(&without), "byte {at} is not in the digest");
        }
    }
}

/// pesign 0.112 prints this digest for the same bytes.
#[test]
fn digest_is_the_one_that_signing_tools_compute() {
    assert_eq!(sha256(&Parts::signed().build()), "953415923945406f43373bd58db93c7234767821cf060cce8f64c85fbce55a73");
}

/// The stored images are seeds of fuzzing and examples for other tools; they are made here.
#[test]
fn stored_images_are_the_built_ones() {
    for (name, parts) in [("signed.efi", Parts::signed()), ("uki.efi", Parts::uki())] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
        let built = parts.build();
        if std::env::var_os("AVOUCH_WRITE").is_some() {
            std::fs::write(&path, &built).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == built, "{name} differs; AVOUCH_WRITE=1 writes it anew");
    }
}

#[test]
fn header_without_a_certificate_directory_is_hashed_whole() {
    let bytes = Parts { directories: 4, certificates: Vec::new(), ..Parts::signed() }.build();
    let checksum = 0x80 + 24 + 64;
    let wanted = Hash.hash(HashAlg::Sha256, &[&bytes[..checksum], &bytes[checksum + 4..]]).to_string();
    assert_eq!(sha256(&bytes), wanted);
}

#[test]
fn sections_are_hashed_in_the_order_of_the_file() {
    let bytes = Parts { reversed: true, ..Parts::signed() }.build();
    let image = Image::parse(&bytes).unwrap();
    assert!(image.sections()[0].data_offset > image.sections()[2].data_offset);
    let table = image.certificates()[0].data.len() + 8 + 1;
    assert_eq!(sha256(&bytes), without_holes(&bytes, true, table));
}

#[test]
fn bytes_behind_the_sections_are_hashed() {
    let plain = Parts::signed();
    let longer = Parts { trailing: b"debug symbols".to_vec(), ..plain.clone() };
    assert_ne!(sha256(&plain.build()), sha256(&longer.build()));
    let bytes = longer.build();
    let table = Image::parse(&bytes).unwrap().certificates()[0].data.len() + 8 + 1;
    assert_eq!(sha256(&bytes), without_holes(&bytes, true, table));
}

/// With a gap of one block, the specification's sum ends one block before the sections do: the last block of the
/// section is hashed again as the bytes behind the sum.
#[test]
fn gap_between_sections_is_hashed_as_the_specification_counts() {
    let mut parts = Parts::new(&[(".a", &[1; 0x200]), (".b", &[2; 0x200]), (".c", &[3; 0x200])]);
    parts.directories = 16;
    let mut bytes = parts.build();
    // The section table follows 16 directories; `.b` gets no bytes of the file.
    let table = 0x80 + 24 + 112 + 128;
    bytes[table + 40 + 16..table + 40 + 20].copy_from_slice(&0_u32.to_le_bytes());
    let headers = bytes.len() - 0x600;
    let (checksum, directory) = (0x80 + 24 + 64, 0x80 + 24 + 112 + 32);
    let wanted = Hash.hash(
        HashAlg::Sha256,
        &[
            &bytes[..checksum],
            &bytes[checksum + 4..directory],
            &bytes[directory + 8..headers],
            &[1; 0x200],
            &[3; 0x200],
            &[3; 0x200],
        ],
    );
    assert_eq!(sha256(&bytes), wanted.to_string());
}

#[test]
fn section_in_memory_is_cut_or_filled_to_its_size() {
    let mut parts = Parts::new(&[(".cut", b"0123456789"), (".fill", b"ab")]);
    parts.sections[0].2 = Some(4);
    parts.sections[1].2 = Some(10_000);
    let bytes = parts.build();
    let image = Image::parse(&bytes).unwrap();
    let digest = |name: &str| image.section(name).unwrap().digest(HashAlg::Sha256, &Hash);
    assert_eq!(digest(".cut"), Hash.hash(HashAlg::Sha256, &[b"0123"]));
    let mut filled = b"ab".to_vec();
    filled.resize(10_000, 0);
    assert_eq!(digest(".fill"), Hash.hash(HashAlg::Sha256, &[&filled]));
}

#[test]
fn several_certificates_are_read() {
    let mut parts = Parts::signed();
    parts.certificates = vec![(2, b"first".to_vec()), (0x0EF1, b"the second one".to_vec()), (2, vec![])];
    let bytes = parts.build();
    let image = Image::parse(&bytes).unwrap();
    let kinds: Vec<_> = image.certificates().iter().map(|entry| (entry.kind, entry.data.len())).collect();
    assert_eq!(kinds, [(2, 5), (0x0EF1, 14), (2, 0)]);
}

#[test]
fn bytes_behind_the_certificate_table_are_refused() {
    let mut bytes = Parts::signed().build();
    let end = bytes.len();
    bytes.extend(b"smuggled");
    let error = Image::parse(&bytes).unwrap_err();
    assert_eq!(error, PeError::Trailing { offset: end, field: "the certificate table", got: 8 });
}
