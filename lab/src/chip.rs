//! TPMs as a manufacturer makes them: each with its own endorsement key, certified by the lab's one CA.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cache::{Cache, Step};
use crate::tool;

/// One of the lab's manufactured TPMs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chip {
    /// The reference machine's: boot reference values are confirmed with it, never with the node's own.
    Reference,
    /// The attested node's.
    Node,
    /// A third one, for a second node or an attacker's machine.
    Spare,
}

impl Chip {
    const ALL: [Self; 3] = [Self::Reference, Self::Node, Self::Spare];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Node => "node",
            Self::Spare => "spare",
        }
    }
}

/// The banks that the TPMs have active, as shipped machines do.
const BANKS: &str = "sha1,sha256";

const SETUP: Duration = Duration::from_secs(60);

/// Manufactures every [`Chip`]; the result holds their states by name and `ek-roots.pem`.
pub(crate) fn manufacture(cache: &Cache, progress: &mut dyn FnMut(Step)) -> Result<PathBuf> {
    cache.step("tpm", &[BANKS.as_bytes(), include_bytes!("chip.rs")], progress, |out| {
        // swtpm's AppArmor profile on Ubuntu lets it write under /tmp only.
        let work = tempfile::Builder::new().prefix("avouch-").tempdir_in("/tmp")?;
        let dir = work.path();
        let ca = dir.join("ca");
        fs::create_dir(&ca)?;
        write_configuration(dir, &ca)?;
        for chip in Chip::ALL {
            let state = dir.join(chip.name());
            fs::create_dir(&state)?;
            let mut setup = tool::command("swtpm_setup");
            setup.args(["--tpm2", "--create-ek-cert", "--rsa-keysize", "2048", "--pcr-banks", BANKS, "--overwrite"]);
            setup.arg("--config").arg(dir.join("setup.conf")).arg("--tpmstate").arg(&state);
            setup.arg("--logfile").arg(dir.join("setup.log"));
            let log = || fs::read_to_string(dir.join("setup.log")).unwrap_or_default();
            tool::run(&mut setup, SETUP).with_context(|| format!("swtpm_setup wrote:\n{}", log()))?;
            copy_files(&state, &out.join(chip.name()))?;
        }
        let mut roots = fs::read(ca.join("issuercert.pem")).context("the CA's certificate")?;
        roots.extend(fs::read(ca.join("swtpm-localca-rootca-cert.pem")).context("the CA's root certificate")?);
        Ok(fs::write(out.join("ek-roots.pem"), roots)?)
    })
}

fn write_configuration(dir: &Path, ca: &Path) -> Result<()> {
    let (dir_text, ca) = (dir.display(), ca.display());
    let program = tool::command("swtpm_localca");
    let setup = format!(
        "create_certs_tool={}\ncreate_certs_tool_config={dir_text}/localca.conf\n\
         create_certs_tool_options={dir_text}/localca.options\nactive_pcr_banks={BANKS}\n",
        program.get_program().to_string_lossy(),
    );
    let localca = format!(
        "statedir = {ca}\nsigningkey = {ca}/signkey.pem\nissuercert = {ca}/issuercert.pem\n\
         certserial = {ca}/certserial\n"
    );
    let options = "--platform-manufacturer Avouch\n--platform-version 1.0\n--platform-model Lab\n";
    fs::write(dir.join("setup.conf"), setup)?;
    fs::write(dir.join("localca.conf"), localca)?;
    Ok(fs::write(dir.join("localca.options"), options)?)
}

/// Copies the files of one directory, which has no subdirectories, into a new one.
pub(crate) fn copy_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
