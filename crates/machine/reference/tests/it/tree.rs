use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::sync::Mutex;

use avouch_reference::{ArtefactError, file, root_tree};

use crate::{digests, quiet};

fn write(path: impl AsRef<std::path::Path>, content: &[u8]) {
    fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn files_appear_under_their_real_paths_and_nothing_else_does() {
    let outside = tempfile::tempdir().unwrap();
    write(outside.path().join("secret"), b"outside");
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root.join("usr/lib/a.so"), b"library");
    write(root.join("usr/bin/tool"), b"tool");
    write(root.join("empty"), b"");
    fs::hard_link(root.join("usr/bin/tool"), root.join("usr/bin/same")).unwrap();
    symlink("usr/lib", root.join("lib")).unwrap();
    symlink("tool", root.join("usr/bin/link")).unwrap();
    symlink(outside.path(), root.join("out")).unwrap();
    symlink(outside.path().join("secret"), root.join("out-file")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    let fifo = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, fifo, 0).unwrap();
    let expected = digests(&[
        ("/usr/lib/a.so", b"library"),
        ("/usr/bin/tool", b"tool"),
        ("/usr/bin/same", b"tool"),
        ("/empty", b""),
    ]);
    assert_eq!(root_tree(root, &quiet).unwrap(), expected);
}

#[test]
fn names_that_are_not_text_are_escaped() {
    let dir = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    if fs::write(dir.path().join(name), b"x").is_err() {
        println!("skipped: this file system takes UTF-8 names only");
        return;
    }
    assert_eq!(root_tree(dir.path(), &quiet).unwrap(), digests(&[("/caf\\xe9", b"x")]));
    // A file whose name is spelled like the escape cannot be told from it any more.
    fs::write(dir.path().join("caf\\xe9"), b"y").unwrap();
    assert!(matches!(root_tree(dir.path(), &quiet), Err(ArtefactError::Path { .. })));
}

#[test]
fn unreadable_things_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let error = root_tree(&missing, &quiet).unwrap_err();
    assert!(error.to_string().contains(missing.to_str().unwrap()), "{error}");
    assert!(matches!(root_tree(dir.path(), &quiet), Err(ArtefactError::Empty)));
    if rustix::process::geteuid().is_root() {
        println!("skipped in part: root may read everything");
        return;
    }
    let locked = dir.path().join("locked");
    write(&locked, b"x");
    fs::set_permissions(&locked, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let error = root_tree(dir.path(), &quiet).unwrap_err();
    assert!(matches!(&error, ArtefactError::Read { path, .. } if *path == locked), "{error}");
}

#[test]
fn many_files_are_all_there_and_progress_reaches_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let content = |n: usize| n.to_string().repeat(n % 50);
    for n in 0..2_000 {
        write(dir.path().join(format!("{}/{}/{n}", n % 7, n % 11)), content(n).as_bytes());
    }
    let seen = Mutex::new(Vec::new());
    let files = root_tree(dir.path(), &|progress| seen.lock().unwrap().push(progress)).unwrap();
    assert_eq!(files.len(), 2_000);
    for n in 0..2_000 {
        let path = format!("/{}/{}/{n}", n % 7, n % 11);
        assert_eq!(files.get(&path), Some(&avouch_crypto::sha256(&[content(n).as_bytes()])), "{path}");
    }
    let seen = seen.into_inner().unwrap();
    assert!(seen.iter().all(|progress| progress.total == Some(2_000)));
    assert_eq!(seen.iter().map(|progress| progress.done).max(), Some(2_000));
}

#[test]
fn single_file_appears_under_its_path_on_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("avouch-agent");
    write(&here, &[3; 300_000]);
    let expected = digests(&[("/usr/bin/avouch-agent", &[3; 300_000])]);
    assert_eq!(file(&here, "/usr/bin/avouch-agent").unwrap(), expected);
    assert_eq!(file(&here, "/usr//bin/./avouch-agent").unwrap(), expected);
    for bad in ["usr/bin/agent", "/", "/usr/bin/", "/usr/../bin/agent", ""] {
        assert!(matches!(file(&here, bad), Err(ArtefactError::Path { .. })), "{bad:?}");
    }
    assert!(matches!(file(dir.path(), "/a"), Err(ArtefactError::Changed { .. } | ArtefactError::Read { .. })));
    assert!(matches!(file(&dir.path().join("none"), "/a"), Err(ArtefactError::Read { .. })));
}
