//! V9: security modules of the machine.

use avouch_pairs::{Reading, attribute as a};

use crate::Pass;
use crate::pass::{LARGE, SMALL};
use crate::reading::{Facts, agreed, clean, content, hex, listed, put, put_both, reading};
use crate::source::{Directory, Refusal, Root};

/// Most profiles, and how deep they may be nested.
const MOST: usize = 16_384;
const DEEPEST: usize = 16;

/// What is told of a profile: the first of these files that its directory has, and how.
#[derive(Clone, Copy)]
struct Told {
    files: &'static [&'static str],
    line: fn(&str, &str) -> String,
}

const MODES: Told = Told { files: &["mode"], line: |name, mode| format!("{name} ({mode})") };
/// Digests that the kernel made of what was loaded: sha1 before 6.8 (CONFIG_SECURITY_APPARMOR_HASH).
const DIGESTS: Told = Told { files: &["sha256", "sha1"], line: |name, digest| format!("{name} {digest}") };

pub(super) fn read(pass: &Pass<'_>, facts: &mut Facts) {
    put(facts, a::LSM, pass.file(Root::Security, "lsm"));
    put(facts, a::SELINUX_ENFORCE, pass.file(Root::Selinux, "enforce"));
    put(facts, a::SELINUX_POLICY, reading(selinux_policy(pass)));
    put(facts, a::APPARMOR_MODE, reading(apparmor_mode(pass)));
    let (first, second) = agreed(|| (profiles(pass), from_directory(pass)));
    let profiled = first.as_ref().is_ok_and(|profiles| profiles != "none");
    put_both(facts, a::APPARMOR_PROFILES, reading(first), reading(second));
    put(facts, a::SELINUX_SETTINGS, reading(selinux_settings(pass)));
    let digests = loaded(pass, DIGESTS).and_then(|lines| match lines.as_slice() {
        [] if profiled => {
            let why = "this kernel keeps no digests of profiles (CONFIG_SECURITY_APPARMOR_HASH)";
            Err(Refusal::NotSupported(why.to_owned()))
        }
        lines => Ok(counted(lines)),
    });
    put(facts, a::APPARMOR_POLICY, reading(digests));
    let why = "the kernel tells changes of enforcement to its audit log alone, which other programs may clear";
    put(facts, a::MAC_HISTORY, Reading::NotSupported(why.to_owned()));
}

/// What changes how a loaded policy is enforced.
fn selinux_settings(pass: &Pass<'_>) -> Result<String, Refusal> {
    let mut lines = Vec::new();
    for name in ["mls", "deny_unknown", "checkreqprot"] {
        lines.push(format!("{name}\t{}", pass.content(Root::Selinux, name)?));
    }
    let mut booleans = Vec::new();
    for entry in pass.noted(pass.root(Root::Selinux)?.list("booleans", MOST))? {
        let value = pass.content(Root::Selinux, &format!("booleans/{}", entry.name))?;
        booleans.push(format!("{} {value}", clean(entry.name.as_bytes())));
    }
    booleans.sort();
    lines.push(format!("booleans\t{}", counted(&booleans)));
    Ok(lines.join("\n"))
}

/// How many lines, and the SHA-256 of all.
fn counted(lines: &[String]) -> String {
    format!("{} {}", lines.len(), hex(&avouch_crypto::sha256(&[lines.join("\n").as_bytes()])))
}

fn selinux_policy(pass: &Pass<'_>) -> Result<String, Refusal> {
    let version = pass.content(Root::Selinux, "policyvers")?;
    let policy = pass.read(pass.root(Root::Selinux)?, "policy", LARGE * 4)?;
    Ok(format!("{version}\t{}", hex(&avouch_crypto::sha256(&[&policy]))))
}

fn apparmor_mode(pass: &Pass<'_>) -> Result<String, Refusal> {
    let parameter = |name: &str| pass.content(Root::Sys, &format!("module/apparmor/parameters/{name}"));
    Ok(format!("{}\t{}", parameter("enabled")?, parameter("mode")?))
}

fn profiles(pass: &Pass<'_>) -> Result<String, Refusal> {
    let bytes = pass.read(pass.root(Root::Security)?, "apparmor/profiles", LARGE)?;
    let text = content(&bytes);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    Ok(listed(lines))
}

fn from_directory(pass: &Pass<'_>) -> Result<String, Refusal> {
    loaded(pass, MODES).map(listed)
}

/// A line for each profile of the policy directory, sorted.
fn loaded(pass: &Pass<'_>, told: Told) -> Result<Vec<String>, Refusal> {
    let mut lines = Vec::new();
    match pass.root(Root::AppArmor) {
        Ok(directory) => collect(pass, directory, "", (DEEPEST, told), &mut lines)?,
        // A recording holds it as a folder of securityfs.
        Err(Refusal::Absent) => {
            let directory = pass.noted(pass.root(Root::Security)?.open("apparmor/policy"))?;
            collect(pass, directory.as_ref(), "", (DEEPEST, told), &mut lines)?;
        }
        Err(refusal) => return Err(refusal),
    }
    lines.sort();
    Ok(lines)
}

/// Profiles below a directory; those inside of another one are named `OUTER//INNER`.
fn collect(
    pass: &Pass<'_>,
    directory: &dyn Directory,
    outer: &str,
    (depth, told): (usize, Told),
    lines: &mut Vec<String>,
) -> Result<(), Refusal> {
    let entries = match pass.noted(directory.list("profiles", MOST)) {
        Err(Refusal::Absent) => return Ok(()),
        entries => entries?,
    };
    for entry in entries.into_iter().filter(|entry| entry.directory) {
        if lines.len() >= MOST || depth == 0 {
            return Err(Refusal::TooLong(MOST));
        }
        let profile = match pass.noted(directory.open(&format!("profiles/{}", entry.name))) {
            // Removed since.
            Err(Refusal::Absent) => continue,
            profile => profile?,
        };
        let field = |file: &str| pass.read(profile.as_ref(), file, SMALL).map(|bytes| clean(bytes.trim_ascii_end()));
        let told_of = || told.files.iter().map(|file| field(file)).find(|told| !matches!(told, Err(Refusal::Absent)));
        let (name, what) = match (field("name"), told_of()) {
            (Err(Refusal::Absent), _) | (_, None) => continue,
            (name, Some(what)) => (name?, what?),
        };
        let name = if outer.is_empty() { name } else { format!("{outer}//{name}") };
        lines.push((told.line)(&name, &what));
        collect(pass, profile.as_ref(), &name, (depth - 1, told), lines)?;
    }
    Ok(())
}
