//! V6: mounts as the main process of a unit sees them.

use avouch_pairs::{Reading, attribute as a, subject};

use super::members::Members;
use super::namespaces::private;
use crate::Pass;
use crate::parse::mountinfo::{Mount, has_option, mounts};
use crate::pass::LARGE;
use crate::reading::{Facts, clean, put, reading};
use crate::source::{Directory, Refusal};

/// Most mounts that are stated of one unit.
const MOST: usize = 4096;
/// Options of a mount that are stated, beside ro and rw.
const OPTIONS: [&str; 3] = ["nosuid", "nodev", "noexec"];

pub(super) fn read(pass: &Pass<'_>, members: &Members, facts: &mut Facts) {
    let Some(main) = members.main() else { return };
    let stated = match pass.first_namespace("mnt") {
        Err(refusal) => refusal.reading(),
        Ok(_) if private(pass, main, "mnt") => reading(all(pass, main.directory.as_ref())),
        Ok(_) => match pass.namespace(main.directory.as_ref(), "mnt") {
            Ok(_) => Reading::Value("host".to_owned()),
            Err(refusal) => refusal.reading(),
        },
    };
    put(facts, a::MOUNTS, stated);
}

fn all(pass: &Pass<'_>, process: &dyn Directory) -> Result<String, Refusal> {
    let bytes = pass.read(process, "mountinfo", LARGE)?;
    let text = String::from_utf8_lossy(&bytes);
    let mounts = mounts(&text)?;
    if mounts.len() > MOST {
        return Err(Refusal::TooLong(MOST));
    }
    Ok(mounts.iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// `MOUNTPOINT<tab>ro|rw[,OPTION…]<tab>FSTYPE<tab>ROOT`
fn line(mount: &Mount<'_>) -> String {
    let mut options = vec![if has_option(mount.options, "ro") { "ro" } else { "rw" }];
    options.extend(OPTIONS.into_iter().filter(|option| has_option(mount.options, option)));
    if mount.kind == "proc" {
        let of_proc = |option: &&str| option.starts_with("hidepid=") || option.starts_with("subset=");
        options.extend(mount.super_options.split(',').filter(of_proc));
    }
    let path = |path: &str| subject::without_user(&clean(path.as_bytes()));
    format!("{}\t{}\t{}\t{}", path(mount.point), options.join(","), clean(mount.kind.as_bytes()), path(mount.root))
}
