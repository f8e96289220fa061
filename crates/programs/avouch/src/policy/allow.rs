//! Additions to a policy that answer findings.

use std::path::PathBuf;

use avouch_appraise::{Fix, FixError, PolicyDraft};
use clap::{ArgGroup, Args};
use serde_json::json;

use super::file::{malformed, read, write};
use crate::arguments::Global;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) const ALLOW: &str = "\
Add to a policy what findings named: the smallest change that allows each of them

`avouch node why` prints this command with its arguments below each finding that a policy change would answer. It allows \
that digest, that buffer or that event and nothing else. Whether it should be allowed is your decision: know where the \
file or the event comes from first. Apply the policy afterwards with `avouch policy apply`.";

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").args(["fixes", "files", "buffers", "boot_events"]).required(true).multiple(true))]
pub(crate) struct Allow {
    /// The policy file to complete
    policy: PathBuf,
    /// What `node why` printed: file:DIGEST:PATH, buffer:SHA256:NAME, key:SHA256:KEYRING, boot-event:PCR:BANK:DIGEST:WHAT,
    /// tolerate:DIRECTORY or window:UNTIL:PACKAGE:VERSION
    #[arg(value_name = "FIX")]
    fixes: Vec<Fix>,
    /// A file, by its absolute path on nodes and its digest; may be repeated
    #[arg(long = "file", value_name = "PATH=DIGEST", value_parser = file_fix)]
    files: Vec<Fix>,
    /// A measured buffer, by its name and SHA-256; may be repeated
    #[arg(long = "buffer", value_name = "NAME=SHA256", value_parser = buffer_fix)]
    buffers: Vec<Fix>,
    /// A boot event, by its PCR and its SHA-256, SHA-384 or SHA-512 digest; may be repeated
    #[arg(long = "boot-event", value_name = "PCR:DIGEST", value_parser = boot_event_fix)]
    boot_events: Vec<Fix>,
    /// Where to write the result [default: the policy file itself]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(global: &Global, options: &Allow) -> Result<Output, Failure> {
    let bytes = read(&options.policy)?;
    let mut draft = PolicyDraft::from_bytes(&bytes).map_err(|error| malformed(&options.policy, error))?;
    let fixes = options.fixes.iter().chain(&options.files).chain(&options.buffers).chain(&options.boot_events);
    let mut added: Vec<(&Fix, bool)> = Vec::new();
    for fix in fixes {
        let new = draft.apply(fix).map_err(|error| {
            Failure::new("NOT_ALLOWED", format!("{fix}: {error}"), "Nothing was written; correct this argument.")
        })?;
        added.push((fix, new));
    }
    let output = options.output.as_ref().unwrap_or(&options.policy);
    let changed = added.iter().any(|(_, new)| *new);
    if changed || output != &options.policy {
        write(output, &draft.to_bytes())?;
    }
    if global.json {
        let fixes: Vec<_> = added.iter().map(|(fix, new)| json!({ "fix": fix.to_string(), "new": new })).collect();
        let reference = draft.reference().to_hex();
        return Ok(Output::json(&json!({ "policy": output, "policy_ref": reference, "allowed": fixes })));
    }
    let mut lines: Vec<String> =
        added.iter().map(|(fix, new)| format!("{} {fix}", if *new { "allowed" } else { "allowed before:" })).collect();
    let output = output.display();
    lines.push(if changed {
        format!("wrote {output}; next: avouch policy apply {output} --default")
    } else {
        format!("{output} allowed all of it before and stays as it is")
    });
    Ok(Output::lines(&lines))
}

/// `PATH=DIGEST` as a fix; the last `=` parts them, for paths may hold others.
fn file_fix(text: &str) -> Result<Fix, String> {
    let (path, digest) = text.rsplit_once('=').ok_or("write the absolute path on the node, =, and the digest")?;
    format!("file:{digest}:{path}").parse().map_err(|error: FixError| error.to_string())
}

fn buffer_fix(text: &str) -> Result<Fix, String> {
    let (name, sha256) = text.rsplit_once('=').ok_or("write the name, =, and the SHA-256")?;
    format!("buffer:{sha256}:{name}").parse().map_err(|error: FixError| error.to_string())
}

/// The digest's length tells the bank.
fn boot_event_fix(text: &str) -> Result<Fix, String> {
    let (pcr, digest) = text.split_once(':').ok_or("write the PCR, a colon, and the digest")?;
    let bank = match digest.len() {
        64 => "sha256",
        96 => "sha384",
        128 => "sha512",
        _ => return Err("write a SHA-256, SHA-384 or SHA-512 digest in hexadecimal".into()),
    };
    format!("boot-event:{pcr}:{bank}:{digest}:allowed by hand").parse().map_err(|error: FixError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_is_written_as_a_fix() {
        let digest = "ab".repeat(32);
        assert_eq!(file_fix(&format!("/a=b={digest}")).unwrap().to_string(), format!("file:{digest}:/a=b"));
        assert_eq!(buffer_fix(&format!("x={digest}")).unwrap().to_string(), format!("buffer:{digest}:x"));
        assert!(boot_event_fix(&format!("4:{digest}")).unwrap().to_string().starts_with("boot-event:4:sha256:"));
        for wrong in ["", "/a=zz", "4:zz", "99:ab"] {
            assert!(
                file_fix(wrong).is_err() && buffer_fix(wrong).is_err() && boot_event_fix(wrong).is_err(),
                "{wrong}"
            );
        }
    }
}
