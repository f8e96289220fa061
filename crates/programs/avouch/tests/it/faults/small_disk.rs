//! File systems that are soon full.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A tmpfs of its own, taken away when the test ends, also by a panic.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None`, with a line that says `skipped:`, where the test may not mount.
    pub(crate) fn mount(kib: u32) -> Option<Self> {
        let at = tempfile::Builder::new().prefix("avouch-").tempdir().unwrap();
        let options = format!("size={kib}k,mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "avouch-test"]).arg(at.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        println!("skipped: a file system of {kib} KiB needs root (mount -t tmpfs); run this test as root");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A file of `bytes`, to be removed when space shall be free again.
    pub(crate) fn ballast(&self, bytes: usize) -> PathBuf {
        let path = self.path().join("ballast");
        fs::write(&path, vec![0; bytes]).unwrap();
        path
    }

    /// Fills it up to the last page, then gives `pages` back.
    pub(crate) fn leave(&self, pages: u64) {
        const PAGE: usize = 4096;
        let path = self.path().join("ballast");
        let mut file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        loop {
            match file.write_all(&[0; PAGE]) {
                Ok(()) => (),
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
        let length = File::metadata(&file).unwrap().len();
        file.set_len(length.saturating_sub(pages * PAGE as u64)).unwrap();
    }

    /// Removes the ballast.
    pub(crate) fn free(&self) {
        fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}
