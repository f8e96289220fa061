//! A directory laid out like a machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use avouch_collect::appliance::Appliance;
use tempfile::TempDir;

pub(crate) struct Tree(TempDir);

impl Tree {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn appliance(&self) -> Appliance {
        Appliance::at(self.path())
    }

    /// Writes a file, with the directories above it.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("it is below the tree")).expect("directories");
        fs::write(path, content).expect("a file");
        self
    }

    pub(crate) fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("it is below the tree")).expect("directories");
        symlink(target, path).expect("a link");
        self
    }

    /// Processes of a unit, and the procfs of this machine.
    pub(crate) fn unit(&self, cgroup: &str, pids: &[u32]) -> &Self {
        let lines: String = pids.iter().map(|pid| format!("{pid}\n")).collect();
        self.write("sys/fs/cgroup/cgroup.procs", "").write(&format!("sys/fs/cgroup/{cgroup}/cgroup.procs"), lines)
    }

    pub(crate) fn procfs(&self) -> &Self {
        self.link("proc", "/proc")
    }
}
