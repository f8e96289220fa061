use avouch_reference::{ArtefactError, FileDigests, root_tar};

use crate::build::{seal, tar, tar_member};
use crate::{digests, quiet};

fn read(bytes: &[u8]) -> Result<FileDigests, ArtefactError> {
    root_tar(bytes, &quiet)
}

fn small() -> Vec<u8> {
    tar(&[
        tar_member(b"./", b'5', b"", b""),
        tar_member(b"./lib", b'2', b"usr/lib", b""),
        tar_member(b"./lib/a.so", b'0', b"", b"library"),
        tar_member(b"./usr/lib/b.so", b'1', b"./lib/a.so", b""),
        tar_member(b"./dev/null", b'3', b"", b""),
        tar_member(b"./etc/old", 0, b"", &[7; 600]),
    ])
}

fn small_digests() -> FileDigests {
    digests(&[("/usr/lib/a.so", b"library"), ("/usr/lib/b.so", b"library"), ("/etc/old", &[7; 600])])
}

#[test]
fn members_end_up_where_unpacking_puts_them() {
    assert_eq!(read(&small()).unwrap(), small_digests());
    let packed = zstd::stream::encode_all(small().as_slice(), 3).unwrap();
    assert_eq!(read(&packed).unwrap(), small_digests());
}

#[test]
fn archive_cut_at_any_byte_before_its_end_mark_is_refused() {
    let whole = small();
    for end in 0..whole.len() - 512 {
        assert!(read(&whole[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn every_changed_byte_of_a_header_is_refused() {
    let whole = small();
    for at in 0..512 {
        let mut changed = whole.clone();
        changed[at] ^= 0x01;
        assert!(read(&changed).is_err(), "byte {at}");
    }
}

#[test]
fn long_names_of_both_kinds_are_read() {
    let long = format!("usr/share/{}/file", "d".repeat(200));
    let gnu = [
        tar_member(b"././@LongLink", b'L', b"", format!("{long}\0").as_bytes()),
        tar_member(b"usr/share/cut", b'0', b"", b"gnu"),
    ];
    assert_eq!(read(&tar(&gnu)).unwrap(), digests(&[(&format!("/{long}"), b"gnu")]));
    let record = |key: &str, value: &str| {
        let body = format!(" {key}={value}\n");
        let length = (0..).find(|n: &usize| n.to_string().len() + body.len() == *n).unwrap();
        format!("{length}{body}")
    };
    let pax = [
        tar_member(b"g", b'g', b"", record("comment", "made by a test").as_bytes()),
        tar_member(b"x", b'x', b"", [record("path", &long), record("mtime", "1.5")].concat().as_bytes()),
        tar_member(b"cut", b'0', b"", b"pax"),
        tar_member(b"x", b'x', b"", record("linkpath", &long).as_bytes()),
        tar_member(b"second", b'1', b"cut", b""),
    ];
    assert_eq!(read(&tar(&pax)).unwrap(), digests(&[(&format!("/{long}"), b"pax"), ("/second", b"pax")]));
    for bad in ["5 path=a\n", "x path=a\n", "99 path=a\n", "10 path a\n\n", "0 a=b\n"] {
        let archive = tar(&[tar_member(b"x", b'x', b"", bad.as_bytes()), tar_member(b"a", b'0', b"", b"")]);
        assert!(matches!(read(&archive), Err(ArtefactError::Damaged { .. })), "{bad:?}");
    }
}

#[test]
fn members_that_would_be_misread_are_refused() {
    let refused = |member: Vec<u8>| read(&tar(&[tar_member(b"a", b'0', b"", b"x"), member])).unwrap_err();
    assert!(matches!(refused(tar_member(b"s", b'S', b"", b"")), ArtefactError::Unsupported { .. }));
    assert!(matches!(refused(tar_member(b"s", b'M', b"", b"")), ArtefactError::Unsupported { .. }));
    assert!(matches!(refused(tar_member(b"h", b'1', b"missing", b"")), ArtefactError::Damaged { .. }));
    assert!(matches!(refused(tar_member(b"../out", b'0', b"", b"x")), ArtefactError::Path { .. }));
    let mut huge = tar_member(b"huge", b'0', b"", b"");
    huge[124..136].copy_from_slice(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
    seal(&mut huge);
    assert!(matches!(refused(huge), ArtefactError::Damaged { .. }));
    let mut extended = tar_member(b"x", b'x', b"", b"");
    extended[124..136].copy_from_slice(b"77777777777\0");
    seal(&mut extended);
    assert!(matches!(refused(extended), ArtefactError::TooLarge { .. }));
    assert!(matches!(read(&tar(&[])), Err(ArtefactError::Empty)));
    assert!(read(b"").is_err());
}
