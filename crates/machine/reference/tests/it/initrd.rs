use std::io::Write;

use avouch_reference::{ArtefactError, FileDigests, initrd, initrd_file};

use crate::build::{DEVICE, DIRECTORY, FILE, Member, SYMLINK, cpio, entry, linked};
use crate::{digests, quiet};

fn read(bytes: &[u8]) -> Result<FileDigests, ArtefactError> {
    initrd(bytes, &quiet)
}

fn small() -> Vec<u8> {
    cpio(&[
        entry(".", DIRECTORY, b""),
        entry("init", FILE, b"#!/bin/sh\n"),
        entry("usr/bin/busybox", FILE, b"\x7fELF busybox"),
        entry("dev/console", DEVICE, b""),
        entry("empty", FILE, b""),
    ])
}

fn small_digests() -> FileDigests {
    digests(&[("/init", b"#!/bin/sh\n"), ("/usr/bin/busybox", b"\x7fELF busybox"), ("/empty", b"")])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 3).unwrap()
}

fn lz4_frame(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lz4_legacy(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x02, 0x21, 0x4C, 0x18];
    for block in bytes.chunks(8 * 1024 * 1024) {
        let packed = lz4_flex::block::compress(block);
        out.extend_from_slice(&u32::try_from(packed.len()).unwrap().to_le_bytes());
        out.extend_from_slice(&packed);
    }
    out
}

type Pack = fn(&[u8]) -> Vec<u8>;
const PACKS: [Pack; 4] = [gzip, zstd, lz4_frame, lz4_legacy];

#[test]
fn every_compression_gives_the_same_files() {
    assert_eq!(read(&small()).unwrap(), small_digests());
    for pack in PACKS {
        assert_eq!(read(&pack(&small())).unwrap(), small_digests());
    }
}

#[test]
fn archive_cut_at_any_byte_is_refused() {
    let whole = small();
    for end in 0..whole.len() {
        assert!(read(&whole[..end]).is_err(), "cut at {end}");
    }
    for pack in PACKS {
        let packed = pack(&whole);
        for end in 0..packed.len() - 1 {
            // A legacy LZ4 stream and a frame may lose their end marks, but never a byte of the archive inside.
            if let Ok(files) = read(&packed[..end]) {
                assert_eq!(files, small_digests(), "cut at {end}");
                assert!(packed.len() - end <= 8, "cut at {end} of {}", packed.len());
            }
        }
    }
}

#[test]
fn changed_bytes_never_panic() {
    for whole in [small(), gzip(&small()), zstd(&small()), lz4_frame(&small()), lz4_legacy(&small())] {
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xFF] {
                let mut changed = whole.clone();
                changed[at] ^= flip;
                let _ = read(&changed);
            }
        }
    }
}

#[test]
fn archives_one_after_the_other_add_up_and_later_ones_win() {
    let microcode = cpio(&[entry("kernel/x86/microcode/GenuineIntel.bin", FILE, b"microcode")]);
    let replacing = cpio(&[entry("init", FILE, b"another init")]);
    let expected = digests(&[
        ("/init", b"another init"),
        ("/usr/bin/busybox", b"\x7fELF busybox"),
        ("/empty", b""),
        ("/kernel/x86/microcode/GenuineIntel.bin", b"microcode"),
    ]);
    for pack in PACKS {
        let whole =
            [microcode.clone(), vec![0; 508], pack(&small()), vec![0; 4], pack(&replacing), vec![0; 512]].concat();
        assert_eq!(read(&whole).unwrap(), expected);
    }
    let inside = gzip(&[microcode, vec![0; 12], small(), replacing].concat());
    assert_eq!(read(&inside).unwrap(), expected);
}

#[test]
fn links_among_directories_lead_to_the_real_paths() {
    let archive = cpio(&[
        entry("lib", SYMLINK, b"usr/lib"),
        entry("lib64", SYMLINK, b"/lib/../lib64-real"),
        entry("usr/lib64-real", SYMLINK, b"lib"),
        entry("lib/modules/a.ko", FILE, b"a"),
        entry("usr/lib/b.so", FILE, b"b"),
        entry("lib64/c.so", FILE, b"c"),
        entry("up", SYMLINK, b"../../../etc"),
        entry("up/d", FILE, b"d"),
        entry("bin/link-to-file", SYMLINK, b"busybox"),
    ]);
    let expected =
        digests(&[("/usr/lib/modules/a.ko", b"a"), ("/usr/lib/b.so", b"b"), ("/usr/lib/c.so", b"c"), ("/etc/d", b"d")]);
    assert_eq!(read(&archive).unwrap(), expected);
}

#[test]
fn links_in_a_circle_are_refused() {
    let archive = cpio(&[entry("a", SYMLINK, b"b"), entry("b", SYMLINK, b"a"), entry("a/file", FILE, b"x")]);
    assert!(matches!(read(&archive), Err(ArtefactError::Path { .. })));
}

#[test]
fn names_of_one_file_share_its_content_wherever_it_comes() {
    let expected = digests(&[("/a", b"same"), ("/b", b"same"), ("/c", b"same"), ("/d", b"")]);
    for contents in [[b"".as_slice(), b"", b"same"], [b"same", b"", b""], [b"", b"same", b""], [b"same", b"same", b""]]
    {
        let archive = cpio(&[
            linked("a", 7, contents[0]),
            linked("b", 7, contents[1]),
            linked("c", 7, contents[2]),
            linked("d", 8, b""),
        ]);
        assert_eq!(read(&archive).unwrap(), expected);
    }
    let archive = cpio(&[linked("a", 7, b"one"), linked("b", 7, b"two")]);
    assert!(matches!(read(&archive), Err(ArtefactError::Damaged { .. })));
    // Inode numbers count within one archive only.
    let two = [cpio(&[linked("a", 7, b"one")]), cpio(&[linked("b", 7, b"")])].concat();
    assert_eq!(read(&two).unwrap(), digests(&[("/a", b"one"), ("/b", b"")]));
}

#[test]
fn member_that_replaces_a_file_takes_it_away() {
    let archive = cpio(&[
        entry("a", FILE, b"x"),
        entry("b", FILE, b"x"),
        entry("a", SYMLINK, b"b"),
        entry("c", FILE, b"x"),
        entry("c", DEVICE, b""),
    ]);
    assert_eq!(read(&archive).unwrap(), digests(&[("/b", b"x")]));
}

#[test]
fn compressions_that_are_not_read_are_named() {
    let cases: [(&[u8], &str); 4] = [
        (b"\xfd7zXZ\0\0\x04", "xz"),
        (b"\x5d\0\0\x80\0\xff", "lzma"),
        (b"BZh91AY", "bzip2"),
        (b"\x89LZO\0\r\n", "lzo"),
    ];
    for (start, name) in cases {
        let error = read(start).unwrap_err();
        assert!(matches!(error, ArtefactError::Unsupported { what, offset: 0 } if what == name), "{error}");
        assert!(error.to_string().starts_with(&format!("{name} is not supported")), "{error}");
        let behind = [small(), start.to_vec()].concat();
        assert!(matches!(read(&behind), Err(ArtefactError::Unsupported { .. })));
    }
}

#[test]
fn bytes_that_are_no_archive_are_refused() {
    assert!(matches!(read(b""), Err(ArtefactError::Empty)));
    assert!(matches!(read(&[0; 4096]), Err(ArtefactError::Empty)));
    assert!(matches!(read(&cpio(&[])), Err(ArtefactError::Empty)));
    assert!(matches!(read(&[b'x'; 200]), Err(ArtefactError::Damaged { offset: 0, .. })));
    let behind = [small(), vec![b'x'; 200]].concat();
    let at = small().len() as u64;
    assert!(matches!(read(&behind), Err(ArtefactError::Damaged { offset, .. }) if offset == at));
}

#[test]
fn sizes_and_names_that_lie_are_refused() {
    let mut huge = small();
    let size = 6 + 6 * 8 + 112;
    huge[size..size + 8].copy_from_slice(b"ffffffff");
    assert!(matches!(read(&huge), Err(ArtefactError::Damaged { .. })));
    let mut signed = small();
    signed[6..14].copy_from_slice(b"+0000000");
    assert!(matches!(read(&signed), Err(ArtefactError::Damaged { offset: 6, .. })));
    for name in [b"../etc/shadow".as_slice(), b"a/../../b", b"/", &[b'a'; 4096]] {
        let member = Member { name, mode: FILE, inode: 0, links: 1, content: b"x" };
        assert!(read(&cpio(&[member])).is_err());
    }
    let member = Member { name: b"a\0b", mode: FILE, inode: 0, links: 1, content: b"x" };
    assert!(matches!(read(&cpio(&[member])), Err(ArtefactError::Damaged { .. })));
}

#[test]
fn missing_file_is_named() {
    let error = initrd_file("/nonexistent/initrd.img".as_ref(), &quiet).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/initrd.img"), "{error}");
}

#[test]
fn progress_counts_members() {
    let last = std::cell::Cell::new(0);
    initrd(small().as_slice(), &|progress| last.set(progress.done)).unwrap();
    assert_eq!(last.get(), 5);
}
