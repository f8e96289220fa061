//! The same tree through the tools that make real artefacts.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use avouch_reference::{ArtefactError, FileDigests, initrd, root_tar, root_tree};

use crate::quiet;

/// A small root file system with what archives can hold.
fn make(root: &Path) {
    for (path, content) in [
        ("usr/lib/libc.so.6", vec![1; 100_000]),
        ("usr/bin/tool", b"tool".to_vec()),
        ("etc/empty", vec![]),
        (&format!("usr/share/{}/{}", "long".repeat(30), "name".repeat(20)), b"long".to_vec()),
    ] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), content).unwrap();
    }
    fs::hard_link(root.join("usr/bin/tool"), root.join("usr/bin/same")).unwrap();
    symlink("usr/lib", root.join("lib")).unwrap();
}

/// What a shell command writes; `None` when a tool of it is not installed.
fn output(root: &Path, tools: &[&str], script: &str) -> Option<Vec<u8>> {
    for tool in tools {
        if Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            println!("skipped: install {tool} to run this part");
            return None;
        }
    }
    let out = Command::new("sh").current_dir(root).args(["-ec", script]).output().unwrap();
    assert!(out.status.success(), "{script}: {}", String::from_utf8_lossy(&out.stderr));
    Some(out.stdout)
}

fn with_tree(each: impl FnOnce(&Path, &FileDigests)) {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let expected = root_tree(dir.path(), &quiet).unwrap();
    assert_eq!(expected.len(), 5);
    each(dir.path(), &expected);
}

#[test]
fn cpio_of_a_tree_holds_the_tree() {
    with_tree(|root, expected| {
        for (packer, pack) in [
            ("cat", "cat"),
            ("gzip", "gzip -9"),
            ("zstd", "zstd -q -19"),
            ("lz4", "lz4 -q -l -9"),
            ("lz4", "lz4 -q -9"),
        ] {
            let script = format!("find . | cpio --quiet -o -H newc | {pack}");
            if let Some(bytes) = output(root, &["cpio", packer], &script) {
                assert_eq!(&initrd(bytes.as_slice(), &quiet).unwrap(), expected, "{pack}");
            }
        }
        if let Some(bytes) = output(root, &["cpio", "xz"], "find . | cpio --quiet -o -H newc | xz --check=crc32") {
            assert!(matches!(initrd(bytes.as_slice(), &quiet), Err(ArtefactError::Unsupported { what: "xz", .. })));
        }
    });
}

#[test]
fn tar_of_a_tree_holds_the_tree() {
    with_tree(|root, expected| {
        for script in [
            "tar -c --format=gnu .",
            "tar -c --format=posix .",
            "tar -c --format=ustar --exclude=long* . && true",
            "tar -c --format=gnu . | gzip",
            "tar -c --format=posix . | zstd -q",
        ] {
            let Some(bytes) = output(root, &["tar", "zstd"], script) else { continue };
            let files = root_tar(bytes.as_slice(), &quiet).unwrap();
            let mut expected = expected.clone();
            if script.contains("ustar") {
                expected.0.retain(|path, _| !path.contains("long"));
            }
            assert_eq!(files, expected, "{script}");
        }
    });
}
