//! `gate baseline`: what the files of this machine should be, read by a person and signed with a key kept elsewhere.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use avouch_attestor::{BaselineFile, DeploymentSetting, PinnedBaseline, Settings, SignedBaseline};
use avouch_crypto::signing::SigningKey;
use data_encoding::BASE64;
use serde_json::json;
use zeroize::Zeroizing;

use super::GateError;
use super::arguments::{BaselineCreateArgs, BaselineShowArgs, BaselineSignArgs};
use super::commands::read;
use super::facts::{Reader, Request};
use crate::clock::{rfc3339, wall_clock_ms};
use crate::durable;
use crate::intent::{answered_yes, printable};

/// A baseline holds no secret.
const FILE_MODE: u32 = 0o644;
/// Base64 in the envelope takes four bytes for three; what is longer than this is no baseline.
const MAX_BYTES: usize = 64 << 20;

/// What this machine is now; the text of the file.
pub(super) fn create(mut settings: Settings, args: &BaselineCreateArgs) -> Result<Option<String>, GateError> {
    // Nothing of the TPM goes into it, and no key is made in one by whoever runs this.
    settings.tpm.clear();
    // Files that are to be in it and are no service's are read as policy files are; they are no part of the digest then.
    settings.policy_files.extend(args.files.iter().cloned());
    if args.files_only {
        settings.deployment = DeploymentSetting::None;
        settings.registry_manifest_path = None;
    }
    let facts = Reader::new(&settings, None).read(Request { nonce: None, server: None }, None);
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let file = BaselineFile::of(&facts, &name, &rfc3339(wall_clock_ms()));
    let missing: Vec<_> = wanted(&settings).filter(|path| !file.files.contains_key(path.as_str())).collect();
    if !missing.is_empty() {
        tracing::warn!("not in the baseline, for they cannot be read: {}", missing.join(", "));
    }
    let text = file.to_json();
    let Some(output) = &args.output else { return Ok(Some(text)) };
    write(output, durable::create, &text).map(|()| None)
}

fn write(path: &Path, how: fn(&Path, u32, &[u8]) -> io::Result<()>, text: &str) -> Result<(), GateError> {
    how(path, FILE_MODE, text.as_bytes()).map_err(|error| GateError::Write { path: path.to_owned(), error })
}

fn wanted(settings: &Settings) -> impl Iterator<Item = String> {
    let services = settings.service_binaries.values().map(|service| &service.path);
    services.chain(&settings.policy_files).map(|path| path.display().to_string())
}

/// Signs exactly the bytes that were read and shown.
pub(super) fn sign(args: &BaselineSignArgs, say: impl Fn(&str)) -> Result<(), GateError> {
    let bytes = read(&args.baseline, MAX_BYTES)?;
    let wrong = |error| GateError::Baseline { path: args.baseline.clone(), error };
    let file = BaselineFile::from_json(&bytes).map_err(wrong)?;
    let key = private_key(&args.key)?;
    say(&text_of(&file));
    if !args.yes && !answered_yes("This is what the machine should be. Sign it? [y/N] ") {
        return Err(GateError::Declined);
    }
    let signature = key.sign(&SignedBaseline::signed_bytes(&bytes));
    let signed = SignedBaseline::of(&bytes, &key.public(), &signature).to_json();
    write(&args.output, durable::exchange, &signed)?;
    say(&format!("Signed: {}\nKey:    {}\n", args.output.display(), BASE64.encode(&key.public())));
    Ok(())
}

/// A baseline for people or, as JSON, for programs; and who stands for it.
pub(super) fn show(settings: &Settings, args: &BaselineShowArgs) -> Result<String, GateError> {
    let pinned = settings.baseline.as_ref();
    let path = args.baseline.clone().or_else(|| pinned.map(|pinned| pinned.path.clone()));
    let path = path.ok_or(GateError::NotNamed("baseline"))?;
    let bytes = read(&path, MAX_BYTES)?;
    let wrong = |error| GateError::Baseline { path: path.clone(), error };
    let (file, by) = match SignedBaseline::from_json(&bytes) {
        Ok(signed) => (signed_by(&signed, pinned, &path)?, "signed by the key of the settings"),
        Err(_) => (BaselineFile::from_json(&bytes).map_err(wrong)?, "not signed"),
    };
    if !args.json {
        return Ok(format!("{}, {by}\n{}", path.display(), text_of(&file)));
    }
    let document = json!({ "version": 1, "path": path, "signed": by != "not signed", "baseline": file });
    serde_json::to_string_pretty(&document)
        .map(|text| text + "\n")
        .map_err(|error| GateError::Answer(error.to_string()))
}

fn signed_by(signed: &SignedBaseline, pinned: Option<&PinnedBaseline>, path: &Path) -> Result<BaselineFile, GateError> {
    let pinned = pinned.ok_or(GateError::NotNamed("key that a baseline must be signed with"))?;
    let opened = signed.open(&pinned.key).map_err(|error| GateError::Baseline { path: path.to_owned(), error })?;
    Ok(opened.file().clone())
}

/// Every word of it: what a person signs, the person has seen.
fn text_of(file: &BaselineFile) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12}{}", printable(value));
    };
    line("Name:", &file.name);
    line("Made:", &file.created);
    if let Some(commit) = &file.source_commit {
        line("Source:", commit);
    }
    if let Some(deployment) = &file.deployment {
        line("Deployment:", &format!("{} {}", deployment.id, deployment.digest));
    }
    if let Some(registry) = &file.registry {
        line("Registry:", registry);
    }
    for (path, entry) in &file.files {
        line("File:", &format!("{} {} {path}", entry.sha256, entry.size));
    }
    text
}

fn private_key(path: &Path) -> Result<SigningKey, GateError> {
    let pem = fs::read_to_string(path).map_err(|error| GateError::Read { path: path.to_owned(), error })?;
    let pem = Zeroizing::new(pem);
    SigningKey::from_pem(&pem).map_err(|error| GateError::Key { path: path.to_owned(), error })
}
