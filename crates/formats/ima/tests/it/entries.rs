//! Templates and spellings that the recordings do not have.

use avouch_crypto::Hash;
use avouch_ima::{Body, DigestAlg, Entry, Fault, ImaError, TemplateData, parse_ascii, parse_binary};
use avouch_tpm_wire::{HashAlg, Hasher};

use crate::build::*;

fn one(list: &[u8]) -> Result<Entry<'_>, ImaError> {
    let mut entries = parse_binary(list, 0);
    let first = entries.next().unwrap();
    assert!(entries.next().is_none());
    first
}

/// The one entry of an ASCII list, as body and template data in the binary spelling.
fn ascii(text: &str, check: impl Fn(Entry<'_>)) {
    let list = parse_ascii(text.as_bytes(), 0);
    let mut entries = list.entries();
    check(entries.next().unwrap().unwrap());
    assert!(entries.next().is_none());
}

const ZERO_HASH: &str = "0000000000000000000000000000000000000000";

#[test]
fn modsig_entry_gives_both_signatures_as_bytes() {
    let digest = digest_ng("sha256", &[7; 32]);
    let list = entry(10, &[1; 20], "ima-modsig", &[&digest, &name_ng("/boot/vmlinuz"), &[], &digest, b"pkcs7"]);
    let Body::File { path, signature, modsig, .. } = one(&list).unwrap().body else { panic!() };
    assert_eq!((path, signature, modsig), (b"/boot/vmlinuz".as_slice(), None, Some(b"pkcs7".as_slice())));
}

#[test]
fn verity_digest_is_told_from_a_file_digest() {
    for (kind, expected) in [("ima", false), ("verity", true)] {
        let digest = [kind.as_bytes(), b":", digest_ng("sha256", &[7; 32]).as_slice()].concat();
        let list = entry(10, &[1; 20], "ima-sigv2", &[&digest, &name_ng("/a"), b"sig"]);
        let Body::File { verity, digest, signature, .. } = one(&list).unwrap().body else { panic!() };
        assert_eq!((verity, digest, signature), (expected, [7; 32].as_slice(), Some(b"sig".as_slice())));
    }
}

#[test]
fn unknown_template_is_replayable_and_says_nothing() {
    let list = entry(10, &[1; 20], "ima-next", &[b"anything"]);
    let read = one(&list).unwrap();
    assert_eq!(read.body, Body::Unknown);
    let TemplateData::Framed(data) = read.template_data else { panic!() };
    assert_eq!(read.event_digest(HashAlg::Sha256, &Hash), Hash.hash(HashAlg::Sha256, &[data]));
}

#[test]
fn unknown_digest_algorithm_is_replayable_and_says_nothing() {
    let list = entry(10, &[1; 20], "ima-ng", &[&digest_ng("blake9", &[7; 32]), &name_ng("/a")]);
    assert_eq!(one(&list).unwrap().body, Body::Unknown);
}

#[test]
fn old_template_hashes_the_name_padded_to_256_bytes() {
    let mut list = 10_u32.to_le_bytes().to_vec();
    list.extend([1; 20]);
    list.extend(3_u32.to_le_bytes());
    list.extend(b"ima");
    list.extend([9; 20]);
    list.extend(5_u32.to_le_bytes());
    list.extend(b"/init");
    let read = one(&list).unwrap();
    let mut covered = [[9; 20].as_slice(), b"/init"].concat();
    covered.resize(20 + 256, 0);
    assert_eq!(read.event_digest(HashAlg::Sha256, &Hash), Hash.hash(HashAlg::Sha256, &[&covered]));
    assert!(matches!(read.body, Body::File { digest_alg: DigestAlg::Sha1, path: b"/init", .. }));
}

#[test]
fn template_hashes_of_every_width_are_read_when_told() {
    for alg in HashAlg::ALL {
        let fields: [&[u8]; 2] = [&digest_ng("sha256", &[7; 32]), &name_ng("/a")];
        let list =
            [entry(10, &vec![1; alg.size()], "ima-ng", &fields), entry(10, &vec![0; alg.size()], "ima-ng", &fields)];
        let list = list.concat();
        let entries: Vec<_> = parse_binary(&list, 5).template_hash(alg).map(Result::unwrap).collect();
        assert_eq!(entries.iter().map(|e| (e.index, e.is_violation())).collect::<Vec<_>>(), [(5, false), (6, true)]);
        assert_eq!(entries[1].end_offset, list.len());
    }
}

#[test]
fn entry_of_another_pcr_is_refused_unless_the_list_is_read_for_it() {
    let list = entry(11, &[1; 20], "ima-ng", &[&digest_ng("sha256", &[7; 32]), &name_ng("/etc/ima/ima-policy")]);
    let error = one(&list).unwrap_err();
    assert_eq!((error.offset, error.fault), (0, Fault::Pcr { wanted: 10, got: 11 }));
    assert_eq!(parse_binary(&list, 0).pcr(11).next().unwrap().unwrap().pcr, 11);
}

#[test]
fn entries_before_a_cut_stay_usable() {
    let list = [file("/a"), file("/b"), file("/c")].concat();
    let cut = &list[..list.len() - 1];
    let read: Vec<_> = parse_binary(cut, 0).collect();
    assert_eq!(read.iter().filter(|entry| entry.is_ok()).count(), 2);
    let error = read[2].as_ref().unwrap_err();
    assert!(error.is_cut() && error.index == 2, "{error}");
}

#[test]
fn names_with_spaces_are_read_from_text() {
    let digest = "07".repeat(32);
    for (tail, path, signature) in [
        ("/a b c 0304ab\n", "/a b c", Some([3, 4, 0xAB].as_slice())),
        ("/a b c \n", "/a b c", None),
        ("/a b ABBA \n", "/a b ABBA", None),
        ("/plain\n", "/plain", None),
        (" \n", "", None),
    ] {
        ascii(&format!("10 {ZERO_HASH} ima-sig sha256:{digest} {tail}"), |entry| {
            let Body::File { path: got, signature: sig, .. } = entry.body else { panic!() };
            assert_eq!((std::str::from_utf8(got).unwrap(), sig), (path, signature));
        });
    }
}

#[test]
fn modsig_fields_are_read_from_text() {
    let digest = "07".repeat(32);
    for (tail, modsig_wanted) in
        [("   ", None), (&*format!(" 0304 sha256:{digest} aabb"), Some([0xAA, 0xBB].as_slice()))]
    {
        ascii(&format!("10 {ZERO_HASH} ima-modsig sha256:{digest} /m o.ko{tail}\n"), |entry| {
            let Body::File { path, modsig, .. } = entry.body else { panic!() };
            assert_eq!((path, modsig), (b"/m o.ko".as_slice(), modsig_wanted));
        });
    }
}

#[test]
fn padded_register_and_missing_last_newline_are_read() {
    let text = format!(" 9 {ZERO_HASH} ima-ng sha1:{ZERO_HASH} /a");
    let list = parse_ascii(text.as_bytes(), 0);
    assert_eq!(list.entries().next().unwrap().unwrap_err().fault, Fault::Pcr { wanted: 10, got: 9 });
    ascii(&text.replace(" 9 ", " 10 "), |entry| assert!(entry.is_violation()));
}

#[test]
fn wide_template_hashes_are_recognised_in_text() {
    let hash = "11".repeat(32);
    ascii(&format!("10 {hash} ima-ng sha256:{hash} /a\n"), |entry| assert_eq!(entry.template_hash, [0x11; 32]));
    let mixed = format!("10 {hash} ima-ng sha256:{hash} /a\n10 {ZERO_HASH} ima-ng sha256:{hash} /a\n");
    let list = parse_ascii(mixed.as_bytes(), 0);
    let items: Vec<_> = list.entries().collect();
    assert!(items[0].is_ok());
    assert_eq!(items[1].as_ref().unwrap_err().fault, Fault::DigestSize { wanted: 32, got: 20 });
}

#[test]
fn template_that_text_cannot_carry_is_refused() {
    for template in ["d-ng|n-ng|secret", "ima-next", "d-ng|", "|"] {
        let text = format!("10 {ZERO_HASH} {template} sha1:{ZERO_HASH} /a 0\n");
        let list = parse_ascii(text.as_bytes(), 7);
        let error = list.entries().next().unwrap().unwrap_err();
        assert_eq!((error.index, error.offset, error.fault), (7, 0, Fault::Template { got: template.len() }));
    }
}

#[test]
fn digest_of_a_wrong_size_is_refused_in_both_spellings() {
    let list = entry(10, &[1; 20], "ima-ng", &[&digest_ng("sha256", &[7; 20]), &name_ng("/a")]);
    assert_eq!(one(&list).unwrap_err().fault, Fault::DigestSize { wanted: 32, got: 20 });
    let hash = "01".repeat(20);
    let text = format!("10 {hash} ima-ng sha1:{ZERO_HASH} /a\n10 {hash} ima-ng sha256:{ZERO_HASH} /b\n");
    let list = parse_ascii(text.as_bytes(), 0);
    let error = list.entries().nth(1).unwrap().unwrap_err();
    assert_eq!(error.fault, Fault::DigestSize { wanted: 32, got: 20 });
    assert_eq!(error.offset, text.find("10 ").map(|_| text.lines().next().unwrap().len() + 1).unwrap());
}

#[test]
fn name_that_hides_bytes_behind_a_nul_is_refused() {
    let list = entry(10, &[1; 20], "ima-ng", &[&digest_ng("sha256", &[7; 32]), b"/a\0/b\0"]);
    assert!(matches!(one(&list).unwrap_err().fault, Fault::Field { field: "name", .. }));
    let list = entry(10, &[1; 20], "ima-ng", &[&digest_ng("sha256", &[7; 32]), b"/a"]);
    assert!(matches!(one(&list).unwrap_err().fault, Fault::Field { field: "name", .. }));
}

#[test]
fn bytes_behind_the_last_field_are_refused() {
    let list = entry(10, &[1; 20], "ima-ng", &[&digest_ng("sha256", &[7; 32]), &name_ng("/a"), b"more"]);
    let error = one(&list).unwrap_err();
    assert_eq!(error.fault, Fault::Trailing { got: 8 });
    assert_eq!(error.offset, list.len() - 8);
}
