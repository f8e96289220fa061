//! Package ownership from dpkg's database, in a tree and in an archive.

use std::fs;
use std::path::Path;

use avouch_appraise::{Policy, PolicyDraft};
use avouch_crypto::sha256;
use avouch_reference::{ArtefactError, OwnedFiles, PackageDatabase, root_tar_with_packages, root_tree};
use tempfile::TempDir;

use crate::build::{tar, tar_member};

const STATUS: &str = "Package: coreutils\nStatus: install ok installed\nArchitecture: amd64\nVersion: 9.1-1\n\
    Description: tools\n more about them\n\nPackage: libc6\nStatus: install ok installed\nArchitecture: amd64\n\
    Multi-Arch: same\nVersion: 2.36-9\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n";

const FILES: [(&str, &str); 8] = [
    ("usr/bin/ls", "list"),
    ("usr/lib/libc.so.6", "library"),
    ("usr/local/bin/own", "made here"),
    ("etc/gone.conf", "left behind"),
    ("var/lib/dpkg/status", STATUS),
    ("var/lib/dpkg/info/coreutils.list", "/.\n/bin\n/bin/ls\n/usr/share/doc/missing\n"),
    ("var/lib/dpkg/info/libc6:amd64.list", "/.\n/lib/libc.so.6\n"),
    ("var/lib/dpkg/info/gone.list", "/etc/gone.conf\n"),
];

fn tree() -> TempDir {
    let root = TempDir::new().unwrap();
    for (path, content) in FILES {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

fn owned(root: &Path) -> OwnedFiles {
    let files = root_tree(root, &|_| {}).unwrap();
    PackageDatabase::in_tree(root).unwrap().unwrap().owners(files).unwrap()
}

#[test]
fn files_go_to_the_packages_that_list_them() {
    let root = tree();
    let owned = owned(root.path());
    let packages: Vec<_> = owned.packages.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect();
    assert_eq!(packages, [("coreutils", "9.1-1"), ("libc6", "2.36-9")]);
    assert_eq!(owned.packages[0].files, [(sha256(&[b"list"]), vec!["/usr/bin/ls".to_owned()])].into());
    assert_eq!(owned.packages[1].files, [(sha256(&[b"library"]), vec!["/usr/lib/libc.so.6".to_owned()])].into());
    assert!(owned.others.get("/usr/local/bin/own").is_some() && owned.others.get("/etc/gone.conf").is_some());
    assert!(owned.others.get("/usr/bin/ls").is_none(), "a file is known by its package or by itself");
}

#[test]
fn archive_gives_the_same_owners_as_the_tree() {
    let root = tree();
    let members: Vec<_> =
        FILES.iter().map(|(path, content)| tar_member(path.as_bytes(), b'0', b"", content.as_bytes())).collect();
    let (files, database) = root_tar_with_packages(tar(&members).as_slice(), &|_| {}).unwrap();
    assert_eq!(files, root_tree(root.path(), &|_| {}).unwrap());
    assert_eq!(database.unwrap().owners(files).unwrap(), owned(root.path()));
}

#[test]
fn policy_keeps_packages_apart_from_other_files() {
    let root = tree();
    let mut draft = PolicyDraft::new("packages", "2026-01-01");
    owned(root.path()).add_to(&mut draft).unwrap();
    assert_eq!(draft.file_count(), FILES.len());
    let bytes = draft.to_bytes();
    Policy::parse(&bytes).unwrap();
    assert!(String::from_utf8(bytes).unwrap().contains("\"name\": \"coreutils\""));
}

#[test]
fn damaged_status_is_refused_and_a_root_without_one_has_no_packages() {
    let root = tree();
    fs::write(root.path().join("var/lib/dpkg/status"), "Package: x\nVersion: 1\n").unwrap();
    let files = root_tree(root.path(), &|_| {}).unwrap();
    let damaged = PackageDatabase::in_tree(root.path()).unwrap().unwrap();
    assert!(matches!(damaged.owners(files), Err(ArtefactError::Packages { .. })));
    fs::remove_file(root.path().join("var/lib/dpkg/status")).unwrap();
    assert_eq!(PackageDatabase::in_tree(root.path()).unwrap(), None);
}
