//! The files that a machine finds under `/job`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::tool;

/// Files for the guest: scripts for [`crate::Machine::run`], tokens, configuration.
#[derive(Debug, Clone, Default)]
pub struct Job {
    files: Vec<(String, Vec<u8>)>,
}

impl Job {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file; every file may be executed.
    #[must_use]
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    /// Writes the files into an ext4 image, which IMA measures like any disk.
    pub(crate) fn write_image(&self, image: &Path) -> Result<()> {
        let dir = tempfile::tempdir()?;
        let mut bytes = 0;
        for (name, content) in &self.files {
            if name.contains('/') || name.contains(char::is_whitespace) || name.is_empty() {
                bail!("'{name}' cannot be the name of a job file: one word without slashes");
            }
            bytes += content.len();
            let path = dir.path().join(name);
            fs::write(&path, content)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        let mebibytes = 4 + 2 * bytes.div_ceil(1 << 20);
        let _ = fs::remove_file(image);
        let mut make = tool::command("mke2fs");
        make.args(["-q", "-t", "ext4", "-b", "4096", "-O", "^has_journal,^metadata_csum", "-m", "0"]);
        make.args(["-E", "root_owner=0:0", "-d"]).arg(dir.path()).arg(image).arg(format!("{mebibytes}M"));
        tool::run(&mut make, Duration::from_secs(60)).map(drop)
    }
}
