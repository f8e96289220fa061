//! The programs of the host that the lab runs, and the Debian packages that bring them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::tool;

/// The mark by which a package is found to be there.
enum Mark {
    Program(&'static str),
    File(&'static str),
}

/// Every package that the lab, the tests and the build need on Debian or Ubuntu, with one mark each.
const PACKAGES: &[(&str, Mark)] = &[
    ("binutils", Mark::Program("objcopy")),
    ("cpio", Mark::Program("cpio")),
    ("debian-archive-keyring", Mark::File("/usr/share/keyrings/debian-archive-keyring.gpg")),
    ("e2fsprogs", Mark::Program("mke2fs")),
    ("fakeroot", Mark::Program("fakeroot")),
    ("gcc", Mark::Program("gcc")),
    ("gnutls-bin", Mark::Program("certtool")),
    ("kmod", Mark::Program("depmod")),
    ("libc6-dev", Mark::File("/usr/include/stdlib.h")),
    ("mmdebstrap", Mark::Program("mmdebstrap")),
    ("mtools", Mark::Program("mcopy")),
    ("openssl", Mark::Program("openssl")),
    ("pesign", Mark::Program("pesign")),
    ("qemu-system-x86", Mark::Program("qemu-system-x86_64")),
    ("sbsigntool", Mark::Program("sbsign")),
    ("strace", Mark::Program("strace")),
    ("swtpm", Mark::Program("swtpm")),
    ("swtpm-tools", Mark::Program("swtpm_setup")),
    ("tpm2-tools", Mark::Program("tpm2_quote")),
    ("uidmap", Mark::Program("newuidmap")),
    ("util-linux", Mark::Program("setpriv")),
];

/// Directories that hold programs but are missing from the PATH of an ordinary Debian user.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";

/// The PATH that the lab's programs are looked up in: the caller's, then the system's own directories.
pub(crate) fn search_path() -> String {
    match std::env::var("PATH") {
        Ok(path) => format!("{path}:{SYSTEM_PATH}"),
        Err(_) => SYSTEM_PATH.to_owned(),
    }
}

/// The full path of `program`, if it is installed.
pub fn find(program: &str) -> Option<PathBuf> {
    search_path().split(':').map(|dir| Path::new(dir).join(program)).find(|path| path.is_file())
}

/// The packages that are missing on this host, found by looking for their programs.
pub fn missing() -> Vec<&'static str> {
    let there = |mark: &Mark| match mark {
        Mark::Program(name) => find(name).is_some(),
        Mark::File(path) => Path::new(path).exists(),
    };
    PACKAGES.iter().filter(|(_, mark)| !there(mark)).map(|(package, _)| *package).collect()
}

/// The one line that a person runs to install `packages`.
pub fn install_line(packages: &[&str]) -> String {
    format!("sudo apt-get update && sudo apt-get install --yes --no-install-recommends {}", packages.join(" "))
}

/// What [`ensure`] found or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packages {
    /// Everything was there already.
    Present,
    /// These were missing and are installed now.
    Installed(Vec<&'static str>),
    /// These are missing and this process may not install them: a person has to run `line`.
    Missing {
        /// The missing packages.
        packages: Vec<&'static str>,
        /// The command that installs them.
        line: String,
    },
}

/// Makes sure that every package is there: installs what is missing when run as root, otherwise says what to run.
/// It never asks for more rights than it was started with.
pub fn ensure() -> Result<Packages> {
    let packages = missing();
    if packages.is_empty() {
        return Ok(Packages::Present);
    }
    if !rustix::process::geteuid().is_root() {
        let line = install_line(&packages);
        return Ok(Packages::Missing { packages, line });
    }
    let Some(apt) = find("apt-get") else {
        bail!("these packages are missing and there is no apt-get to install them: {}", packages.join(" "));
    };
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new(&apt);
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        tool::run(&mut command, Duration::from_secs(900))
    };
    apt_get(&["update"]).context("reading the package lists")?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(&packages);
    apt_get(&install).context("installing the lab's packages")?;
    let still = missing();
    if !still.is_empty() {
        bail!("installed, but their programs are still not found: {}", still.join(" "));
    }
    Ok(Packages::Installed(packages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_for_a_person_names_every_package() {
        let line = install_line(&["swtpm", "mtools"]);
        assert!(line.contains("apt-get install") && line.ends_with("swtpm mtools"), "{line}");
    }

    #[test]
    fn a_program_that_does_not_exist_is_not_found() {
        assert_eq!(find("avouch-no-such-program"), None);
        assert!(find("sh").is_some());
    }
}
