//! Broken input is refused with the byte at which it breaks, and never panics.

use avouch_crypto::Hash;
use avouch_pe::efivar::Variable;
use avouch_pe::sbat::{Level, Table};
use avouch_pe::siglist::{self, SignatureKind};
use avouch_pe::update::Update;
use avouch_pe::{Guid, Image, PeError, uki};
use avouch_tpm_wire::HashAlg;
use proptest::prelude::*;

use crate::build::{Parts, SBAT, list, update};

/// Everything a reader can do with bytes that may be an image.
fn exercise(bytes: &[u8]) -> bool {
    let Ok(image) = Image::parse(bytes) else { return false };
    image.authenticode(HashAlg::Sha256, &Hash);
    let _ = image.sbat();
    uki::stub(&image);
    for profile in 0..=uki::profiles(&image) {
        let Ok(sections) = uki::sections(&image, profile) else { continue };
        if sections.iter().all(|measured| measured.section.zeros() < 1 << 20) {
            uki::events(HashAlg::Sha256, &sections, &Hash);
        }
    }
    true
}

#[test]
fn image_cut_at_any_byte_is_refused_or_loses_only_what_follows_the_sections() {
    let signed = Parts::signed().build();
    for cut in 0..signed.len() {
        let error = Image::parse(&signed[..cut]).unwrap_err();
        assert!(error.offset() <= cut, "{cut}: {error}");
    }
    let mut parts = Parts::new(&[(".text", b"code")]);
    parts.trailing = vec![5; 16];
    let unsigned = parts.build();
    for cut in 0..unsigned.len() {
        assert_eq!(Image::parse(&unsigned[..cut]).is_ok(), cut >= unsigned.len() - 16, "{cut}");
    }
}

#[test]
fn every_length_field_of_an_image_may_have_any_value() {
    let good = Parts::uki().build();
    let optional = 0x80 + 24;
    let table = optional + 112 + 128;
    let mut fields = vec![(0x3C, 4), (0x80 + 6, 2), (0x80 + 20, 2), (optional + 60, 4), (optional + 108, 4)];
    fields.extend([(optional + 112 + 32, 4), (optional + 112 + 36, 4), (good.len() - 24, 4)]);
    for section in 0..5 {
        fields.extend([8, 12, 16, 20].map(|field| (table + section * 40 + field, 4)));
    }
    let mut refused = 0;
    for (at, width) in fields {
        for value in [0, 1, 2, 7, 0x1FF, 0x200, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF_u32] {
            let mut bytes = good.clone();
            bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
            refused += usize::from(!exercise(&bytes));
        }
    }
    assert!(refused > 100, "only {refused} changed length fields are refused");
}

#[test]
fn wrong_magic_is_refused_where_it_stands() {
    for (at, byte, offset) in [(0, b'Z', 0), (0x80, b'N', 0x80), (0x80 + 24, 0x0C, 0x80 + 24)] {
        let mut bytes = Parts::signed().build();
        bytes[at] = byte;
        let error = Image::parse(&bytes).unwrap_err();
        assert!(matches!(error, PeError::Value { .. }) && error.offset() == offset, "{error}");
    }
    assert!(Image::parse(b"").is_err());
}

#[test]
fn more_zeros_behind_a_section_than_any_kernel_has_are_refused() {
    let mut parts = Parts::new(&[(".linux", b"kernel")]);
    parts.sections[0].2 = Some(0xFFFF_FFFF);
    let error = Image::parse(&parts.build()).unwrap_err();
    assert!(matches!(error, PeError::TooMany { field: "zero bytes behind a section", .. }), "{error}");
}

#[test]
fn lists_cut_at_any_byte_are_refused_or_are_whole_lists() {
    let first = list(SignatureKind::Sha256.guid(), &[], &[(Guid([1; 16]), &[1; 32])]);
    let lists = [first.clone(), list(SignatureKind::X509.guid(), &[], &[(Guid([1; 16]), b"certificate")])].concat();
    let updated = update([0; 16], b"signature", &lists);
    let before = updated.len() - lists.len();
    for cut in 0..lists.len() {
        let whole = cut == 0 || cut == first.len();
        assert_eq!(siglist::parse(&lists[..cut]).is_ok(), whole, "{cut}");
        let update = Update::parse(&updated[..before + cut]).unwrap();
        assert_eq!(update.signature_lists().is_ok(), whole, "{cut}");
        if let Err(error) = update.signature_lists() {
            assert!(error.offset() >= before && error.offset() <= before + cut, "{error}");
        }
    }
    for cut in 0..before {
        let error = Update::parse(&updated[..cut]).unwrap_err();
        assert!(error.offset() <= cut, "{cut}: {error}");
    }
}

#[test]
fn sbat_cut_at_any_byte_never_panics() {
    for cut in 0..SBAT.len() {
        let _ = Table::parse(&SBAT.as_bytes()[..cut]);
        let _ = Level::parse(&SBAT.as_bytes()[..cut]);
    }
}

proptest! {
    #[test]
    fn one_changed_byte_never_panics(position in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = Parts::uki().build();
        // The headers are where it matters.
        let position = position.index(0x280);
        bytes[position] = byte;
        exercise(&bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise(&bytes);
        let _ = siglist::parse(&bytes);
        let _ = Update::parse(&bytes).map(|update| update.signature_lists().is_ok());
        let _ = Variable::parse(&bytes).map(|variable| variable.signature_lists().is_ok());
        let _ = Table::parse(&bytes);
        let _ = Level::parse(&bytes);
    }
}
