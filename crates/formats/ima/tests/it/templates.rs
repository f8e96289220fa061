//! Every built-in template and custom ones, in both spellings of the kernel.

use avouch_crypto::Hash;
use avouch_ima::{
    Body, DigestAlg, Entry, Fault, OtherPcrs, Replay, detect_template_hash, parse_ascii, parse_ascii_of, parse_binary,
};
use avouch_tpm_wire::HashAlg;

use crate::build::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn v2(kind: &str, digest: &[u8]) -> Vec<u8> {
    [kind.as_bytes(), b":", digest].concat()
}

/// A template, its fields in binary, and the text that the kernel shows for them.
fn vectors() -> Vec<(&'static str, Vec<Vec<u8>>, String)> {
    let (digest, name) = (digest_ng("sha256", &[7; 32]), name_ng("/usr/bin/a_b"));
    let d = format!("sha256:{}", hex(&[7; 32]));
    let xattrs = [b"security.selinux|security.ima\0".to_vec(), [5, 0, 0, 0, 3, 0, 0, 0].to_vec(), b"labelima".to_vec()];
    let sha512 = digest_ng("sha512", &[9; 64]);
    vec![
        ("ima-ng", vec![digest.clone(), name.clone()], format!("{d} /usr/bin/a_b")),
        ("ima-sig", vec![digest.clone(), name.clone(), vec![3, 2, 4]], format!("{d} /usr/bin/a_b 030204")),
        ("ima-sig", vec![digest.clone(), name.clone(), vec![]], format!("{d} /usr/bin/a_b ")),
        ("ima-buf", vec![digest.clone(), name_ng(".ima"), vec![0x30, 0]], format!("{d} .ima 3000")),
        ("ima-ngv2", vec![v2("ima", &digest), name.clone()], format!("ima:{d} /usr/bin/a_b")),
        (
            "ima-sigv2",
            vec![v2("verity", &sha512), name.clone(), vec![6, 3]],
            format!("verity:sha512:{} /usr/bin/a_b 0603", hex(&[9; 64])),
        ),
        (
            "ima-modsig",
            vec![digest.clone(), name.clone(), vec![], sha512.clone(), vec![0x30, 1]],
            format!("{d} /usr/bin/a_b  sha512:{} 3001", hex(&[9; 64])),
        ),
        ("ima-modsig", vec![digest.clone(), name.clone(), vec![3], vec![], vec![]], format!("{d} /usr/bin/a_b 03  ")),
        (
            "evm-sig",
            [
                vec![digest.clone(), name.clone(), vec![5, 2, 4]],
                xattrs.to_vec(),
                vec![
                    0_u32.to_le_bytes().to_vec(),
                    100_u32.to_le_bytes().to_vec(),
                    0o100_755_u16.to_le_bytes().to_vec(),
                ],
            ]
            .concat(),
            format!(
                "{d} /usr/bin/a_b 050204 security.selinux|security.ima 0500000003000000 {} 0 100 33261",
                hex(b"labelima")
            ),
        ),
        (
            "evm-sig",
            [vec![digest.clone(), name_ng("boot_aggregate")], vec![vec![]; 7]].concat(),
            format!("{d} boot_aggregate       "),
        ),
        (
            "d-ng|n-ng|iuid|imode",
            vec![digest.clone(), name.clone(), 4_294_967_295_u32.to_le_bytes().to_vec(), vec![0xFF, 0xFF]],
            format!("{d} /usr/bin/a_b 4294967295 65535"),
        ),
        ("d|n", vec![vec![8; 20], name.clone()], format!("{} /usr/bin/a_b", hex(&[8; 20]))),
        ("d|n", vec![vec![8; 16], name.clone()], format!("{} /usr/bin/a_b", hex(&[8; 16]))),
        ("n-ng|d-ng", vec![name.clone(), digest.clone()], format!("/usr/bin/a_b {d}")),
        ("d-ng", vec![digest.clone()], d.clone()),
        ("sig|d-ngv2|n-ng", vec![vec![1], v2("ima", &digest), name.clone()], format!("01 ima:{d} /usr/bin/a_b")),
    ]
}

#[test]
fn every_template_reads_alike_in_both_spellings_and_every_width() {
    for alg in HashAlg::ALL {
        for (template, fields, text) in vectors() {
            let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
            let one = entry(10, &vec![0x5A; alg.size()], template, &fields);
            let list = one.repeat(3);
            let line = format!("10 {} {template} {text}\n", "5a".repeat(alg.size()));
            assert_eq!(detect_template_hash(&list), Ok(alg), "{template}");
            let ascii = parse_ascii(line.repeat(3).as_bytes(), 0);
            assert_eq!(ascii.as_binary(), list, "{line}");
            assert_eq!(ascii.template_hash(), alg);
            let binary: Vec<Entry<'_>> = parse_binary(&list, 0).template_hash(alg).map(Result::unwrap).collect();
            for (binary, ascii) in binary.iter().zip(ascii.entries()) {
                let ascii = ascii.unwrap();
                assert_eq!((binary.body, binary.template_data), (ascii.body, ascii.template_data), "{line}");
                assert_eq!(binary.fields().map(|(_, bytes)| bytes).collect::<Vec<_>>(), fields, "{line}");
            }
            assert_eq!(binary.len(), 3);
        }
    }
}

#[test]
fn every_cut_of_every_template_is_refused_and_every_other_length_too() {
    for (template, fields, _) in vectors() {
        let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
        let whole = entry(10, &[1; 20], template, &fields);
        assert!(parse_binary(&whole, 0).next().unwrap().is_ok(), "{template}");
        for end in 1..whole.len() {
            let error = parse_binary(&whole[..end], 0).next().unwrap().unwrap_err();
            assert!(error.is_cut() && error.offset <= end, "{template} {end}: {error}");
        }
        // Every length: of the name, of the data, of each field.
        let data = 28 + template.len();
        let mut lengths = vec![24, data];
        let mut at = data + 4;
        for field in &fields {
            lengths.push(at);
            at += 4 + field.len();
        }
        for place in lengths {
            let good = u32::from_le_bytes(whole[place..place + 4].try_into().unwrap());
            for bad in [0, good.wrapping_sub(1), good + 1, good + 4, 1 << 20, 1 << 31, u32::MAX] {
                let mut other = whole.clone();
                other[place..place + 4].copy_from_slice(&bad.to_le_bytes());
                let read: Vec<_> = parse_binary(&other, 0).collect();
                // Another way to cut the same bytes may be good where a field takes anything; the hash covers lengths.
                let same = read.iter().all(Result::is_ok) && bad != good;
                let hash = |list: &[u8]| {
                    let first = parse_binary(list, 0).next().unwrap().unwrap();
                    first.event_digest(HashAlg::Sha256, &Hash)
                };
                assert!(!same || hash(&other) != hash(&whole), "{template} {place} {bad}");
            }
        }
    }
}

#[test]
fn appended_signature_comes_with_the_digest_that_it_signs() {
    let (digest, signed) = (digest_ng("sha256", &[7; 32]), digest_ng("sha512", &[9; 64]));
    let list = entry(10, &[1; 20], "ima-modsig", &[&digest, &name_ng("/m.ko"), &[], &signed, b"pkcs7"]);
    let modsig = parse_binary(&list, 0).next().unwrap().unwrap().modsig().unwrap().unwrap();
    assert_eq!(
        (modsig.pkcs7, modsig.digest_alg, modsig.digest),
        (b"pkcs7".as_slice(), DigestAlg::Sha512, [9; 64].as_slice())
    );
    let list = entry(10, &[1; 20], "ima-modsig", &[&digest, &name_ng("/m.ko"), &[], &[], b"pkcs7"]);
    assert!(parse_binary(&list, 0).next().unwrap().unwrap().modsig().unwrap().is_err());
    let list = entry(10, &[1; 20], "ima-modsig", &[&digest, &name_ng("/m.ko"), &[], &[], &[]]);
    assert_eq!(parse_binary(&list, 0).next().unwrap().unwrap().modsig(), None);
}

#[test]
fn protected_attributes_are_read_and_must_fit() {
    let fields = |names: &[u8], lengths: &[u8], values: &[u8]| {
        let fixed = [digest_ng("sha256", &[7; 32]), name_ng("/a"), vec![5, 2]];
        let fields = [names, lengths, values, &1000_u32.to_le_bytes(), &[], &[0xA4, 0x81]];
        let all: Vec<&[u8]> = fixed.iter().map(Vec::as_slice).chain(fields).collect();
        entry(10, &[1; 20], "evm-sig", &all)
    };
    let list = fields(b"security.ima|security.capability\0", &[3, 0, 0, 0, 2, 0, 0, 0], b"imacp");
    let evm = parse_binary(&list, 0).next().unwrap().unwrap().evm().unwrap().unwrap();
    assert_eq!((evm.signature, evm.uid, evm.gid, evm.mode), ([5, 2].as_slice(), Some(1000), None, Some(0o100_644)));
    let xattrs: Vec<(&[u8], &[u8])> = vec![(b"security.ima", b"ima"), (b"security.capability", b"cp")];
    assert_eq!(evm.xattrs().collect::<Vec<_>>(), xattrs);
    for (names, lengths, values) in [
        (b"security.ima\0".as_slice(), [3, 0, 0, 0, 2, 0, 0, 0].as_slice(), b"imacp".as_slice()),
        (b"security.ima\0", &[4, 0, 0, 0], b"ima"),
        (b"security.ima\0", &[2, 0, 0, 0], b"ima"),
        (b"security.ima\0", &[3, 0, 0], b"ima"),
        (b"security.ima\0", &[0xFF; 4], b"ima"),
    ] {
        let list = fields(names, lengths, values);
        assert!(parse_binary(&list, 0).next().unwrap().unwrap().evm().unwrap().is_err(), "{lengths:?}");
    }
    assert_eq!(parse_binary(&file("/a"), 0).next().unwrap().unwrap().evm(), None);
}

#[test]
fn numbers_of_a_wrong_size_are_refused_in_both_spellings() {
    let digest = digest_ng("sha256", &[7; 32]);
    for wrong in [[0; 2].as_slice(), &[0; 8], &[0; 1]] {
        let list = entry(10, &[1; 20], "d-ng|n-ng|iuid", &[&digest, &name_ng("/a"), wrong]);
        let error = parse_binary(&list, 0).next().unwrap().unwrap_err();
        assert!(matches!(error.fault, Fault::Field { field: "iuid", .. }), "{error}");
    }
    let text = format!("10 {} d-ng|n-ng|imode sha256:{} /a 65536\n", "01".repeat(20), "07".repeat(32));
    let error = parse_ascii(text.as_bytes(), 0).entries().next().unwrap().unwrap_err();
    assert!(matches!(error.fault, Fault::Field { field: "imode", .. }), "{error}");
}

#[test]
fn violations_of_old_kernels_have_twenty_zeros_whatever_the_algorithm() {
    let digest = digest_ng("sha256", &[0; 20]);
    let list = entry(10, &[0; 20], "ima-ng", &[&digest, &name_ng("/a")]);
    let first = parse_binary(&list, 0).next().unwrap().unwrap();
    assert!(first.is_violation() && matches!(first.body, Body::File { digest_alg: DigestAlg::Sha256, .. }));
    for (hash, bytes) in [([1; 20], [0; 20]), ([0; 20], [1; 20])] {
        let list = entry(10, &hash, "ima-ng", &[&digest_ng("sha256", &bytes), &name_ng("/a")]);
        let error = parse_binary(&list, 0).next().unwrap().unwrap_err();
        assert_eq!(error.fault, Fault::DigestSize { wanted: 32, got: 20 });
    }
}

#[test]
fn entries_of_other_pcrs_are_shown_when_asked_for_and_never_counted() {
    let other = entry(11, &[1; 20], "ima-ng", &[&digest_ng("sha256", &[7; 32]), &name_ng("/b")]);
    let list = [file("/a"), other, file("/c")].concat();
    assert_eq!(parse_binary(&list, 0).map_while(Result::ok).count(), 1);
    let mut replay = Replay::new(HashAlg::Sha256);
    let mut alone = Replay::new(HashAlg::Sha256);
    let mut pcr_11 = Replay::new(HashAlg::Sha256).pcr(11);
    for entry in parse_binary(&list, 0).other_pcrs(OtherPcrs::Keep).map(Result::unwrap) {
        replay.push(&entry, &Hash);
        pcr_11.push(&entry, &Hash);
    }
    for entry in parse_binary(&[file("/a"), file("/c")].concat(), 0) {
        alone.push(&entry.unwrap(), &Hash);
    }
    assert_eq!((replay.value(), replay.count(), replay.others()), (alone.value(), 2, 1));
    assert_eq!((pcr_11.count(), pcr_11.others()), (1, 2));
    let hash = "01".repeat(20);
    let text = format!("10 {hash} ima-ng sha1:{hash} /a\n11 {hash} ima-ng sha1:{hash} /b\n");
    let kept = parse_ascii_of(text.as_bytes(), 0, 10, OtherPcrs::Keep);
    assert_eq!(kept.entries().map(|entry| entry.unwrap().pcr).collect::<Vec<_>>(), [10, 11]);
    assert!(parse_ascii(text.as_bytes(), 0).entries().nth(1).unwrap().is_err());
    let beyond = entry(24, &[1; 20], "ima-ng", &[&digest_ng("sha256", &[7; 32]), &name_ng("/b")]);
    assert!(parse_binary(&beyond, 0).other_pcrs(OtherPcrs::Keep).next().unwrap().is_err());
}

#[test]
fn list_of_a_big_endian_machine_is_named() {
    let mut list = file("/a");
    list[..4].copy_from_slice(&10_u32.to_be_bytes());
    assert_eq!(parse_binary(&list, 0).next().unwrap().unwrap_err().fault, Fault::ByteOrder);
}

#[test]
fn width_is_found_in_a_list_that_is_cut_and_in_one_that_begins_in_the_middle() {
    for alg in HashAlg::ALL {
        let fields: [&[u8]; 2] = [&digest_ng("sha256", &[7; 32]), &name_ng("/a")];
        let list = entry(10, &vec![0x11; alg.size()], "ima-ng", &fields).repeat(4);
        assert_eq!(detect_template_hash(&list[..list.len() - 9]), Ok(alg));
        assert_eq!(parse_binary(&list, 1000).template_hash(alg).last().unwrap().unwrap().index, 1003);
        for wrong in HashAlg::ALL.into_iter().filter(|wrong| *wrong != alg) {
            assert!(parse_binary(&list, 0).template_hash(wrong).any(|entry| entry.is_err()), "{alg} as {wrong}");
        }
    }
}
