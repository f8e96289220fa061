//! Software TPMs as a manufacturer makes them: each with endorsement keys of its own, certified by one local CA.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::tool;

/// The banks that the TPMs have active, as shipped machines do.
const BANKS: &str = "sha1,sha256";

const SETUP: Duration = Duration::from_secs(60);

/// Manufactures a TPM for each of `names`. `out` holds the state of each in a directory of its name, and
/// `ek-roots.pem`, the certificates that vouch for all of them; `model` is what those certificates call the platform.
///
/// # Errors
/// When swtpm_setup is missing or fails; the error holds what it wrote.
pub fn manufacture(names: &[&str], model: &str, out: &Path) -> Result<()> {
    // swtpm's AppArmor profile on Ubuntu lets it write under /tmp only.
    let work = tempfile::Builder::new().prefix("avouch-").tempdir_in("/tmp")?;
    let dir = work.path();
    let ca = dir.join("ca");
    fs::create_dir(&ca)?;
    write_configuration(dir, &ca, model)?;
    for name in names {
        let state = dir.join(name);
        fs::create_dir(&state)?;
        // The key size is said aloud because distributions differ in the default; older releases do not know it.
        let made = setup(dir, &state, true).or_else(|_| setup(dir, &state, false));
        let log = || fs::read_to_string(dir.join("setup.log")).unwrap_or_default();
        made.with_context(|| format!("swtpm_setup wrote:\n{}", log()))?;
        copy_files(&state, &out.join(name))?;
    }
    let mut roots = fs::read(ca.join("issuercert.pem")).context("the CA's certificate")?;
    roots.extend(fs::read(ca.join("swtpm-localca-rootca-cert.pem")).context("the CA's root certificate")?);
    Ok(fs::write(out.join("ek-roots.pem"), roots)?)
}

fn setup(dir: &Path, state: &Path, key_size: bool) -> Result<()> {
    let mut setup = tool::command("swtpm_setup");
    setup.args(["--tpm2", "--create-ek-cert", "--pcr-banks", BANKS, "--overwrite"]);
    if key_size {
        setup.args(["--rsa-keysize", "2048"]);
    }
    setup.arg("--config").arg(dir.join("setup.conf")).arg("--tpmstate").arg(state);
    setup.arg("--logfile").arg(dir.join("setup.log"));
    tool::run(&mut setup, SETUP).map(drop)
}

fn write_configuration(dir: &Path, ca: &Path, model: &str) -> Result<()> {
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
    let options = format!("--platform-manufacturer Avouch\n--platform-version 1.0\n--platform-model {model}\n");
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
