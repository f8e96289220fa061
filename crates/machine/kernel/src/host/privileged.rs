//! V11: files of programs that give privileges to whoever runs them, or that everybody may write.

use avouch_pairs::attribute as a;

use super::storage::mounts_of_first;
use crate::Pass;
use crate::parse::mountinfo::{Mount, mounts};
use crate::reading::{Facts, clean, hex, listed, put, reading};
use crate::source::{Directory, Refusal, Root};

/// Directories of programs, and how many levels are looked at. Of `/usr/lib` the deeper ones hold what programs load,
/// which nobody runs by its path; what is kept there is not covered.
const PLACES: [(&str, usize); 9] = [
    ("bin", 1),
    ("sbin", 1),
    ("usr/bin", 2),
    ("usr/sbin", 2),
    ("usr/local/bin", 2),
    ("usr/local/sbin", 2),
    ("usr/libexec", 3),
    ("usr/lib", 2),
    ("opt", 3),
];
/// File systems whose server may hang, and with it whoever looks: they are left out.
const REMOTE: [&str; 9] = ["9p", "afs", "autofs", "ceph", "cifs", "nfs", "nfs4", "smb3", "virtiofs"];
/// Most files that are looked at, in all places.
const MOST: usize = 32_768;
/// Folders of libraries alone that have thousands of files.
const LIBRARIES: [&str; 4] = ["firmware", "locale", "modules", "terminfo"];

/// `S_IFMT` and what it tells apart.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
/// setuid, setgid; write and execute bits; the sticky bit, under which others' files stay theirs.
const SET_ID: u32 = 0o6000;
const WRITE_OF_ALL: u32 = 0o002;
const EXECUTE: u32 = 0o111;
const STICKY: u32 = 0o1000;

pub(super) fn read(pass: &Pass<'_>, facts: &mut Facts) {
    put(facts, a::PRIVILEGED_FILES, reading(census(pass).map(listed)));
}

fn census(pass: &Pass<'_>) -> Result<Vec<String>, Refusal> {
    let host = pass.root(Root::Host)?;
    let text = mounts_of_first(pass)?;
    let remote = remote(&mounts(&text)?);
    let mut walk = Walk { pass, remote: &remote, left: MOST, lines: Vec::new() };
    let local = |place: &str| !remote.iter().any(|point| is_below(place, point));
    if !local("usr/bin") {
        let why = "the programs of this machine are on the file system of a server, which is not searched";
        return Err(Refusal::NotSupported(why.to_owned()));
    }
    for (place, levels) in PLACES.into_iter().filter(|(place, _)| local(place)) {
        match pass.noted(host.stat(place, false)) {
            // `/bin` is a link to `/usr/bin` where the two are merged.
            Ok(stat) if stat.mode & KIND == DIRECTORY => walk.enter(host, place, place, levels)?,
            Ok(_) | Err(Refusal::Absent) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    walk.lines.sort();
    Ok(walk.lines)
}

/// Where such file systems are mounted, without the slash at the beginning.
fn remote<'m>(mounts: &[Mount<'m>]) -> Vec<&'m str> {
    let away = |mount: &&Mount<'_>| REMOTE.contains(&mount.kind) || mount.kind.starts_with("fuse");
    mounts.iter().filter(away).map(|mount| mount.point.trim_start_matches('/')).collect()
}

/// Whether the path is the mount point, or something below it.
fn is_below(path: &str, point: &str) -> bool {
    point.is_empty() || path.strip_prefix(point).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

struct Walk<'p> {
    pass: &'p Pass<'p>,
    remote: &'p [&'p str],
    /// How many more files may be looked at.
    left: usize,
    lines: Vec<String>,
}

// === impl Walk ===

impl Walk<'_> {
    fn enter(&mut self, parent: &dyn Directory, name: &str, path: &str, levels: usize) -> Result<(), Refusal> {
        let opened = self.pass.noted(parent.open(name));
        let directory = match opened {
            // Removed since.
            Err(Refusal::Absent) => return Ok(()),
            directory => directory?,
        };
        for entry in self.pass.noted(directory.list("", self.left))? {
            self.left = self.left.checked_sub(1).ok_or(Refusal::TooLong(MOST))?;
            let below = format!("{path}/{}", entry.name);
            if self.remote.contains(&below.as_str()) {
                continue;
            }
            self.look(directory.as_ref(), &entry.name, &below)?;
            let skipped = LIBRARIES.contains(&entry.name.as_str());
            if entry.directory && levels > 1 && !skipped {
                self.enter(directory.as_ref(), &entry.name, &below, levels - 1)?;
            }
        }
        Ok(())
    }

    fn look(&mut self, directory: &dyn Directory, name: &str, path: &str) -> Result<(), Refusal> {
        let stat = match self.pass.noted(directory.stat(name, false)) {
            Err(Refusal::Absent) => return Ok(()),
            stat => stat?,
        };
        let (kind, mode) = (stat.mode & KIND, stat.mode & !KIND);
        let writable = mode & WRITE_OF_ALL != 0 && (kind == REGULAR || kind == DIRECTORY && mode & STICKY == 0);
        let program = kind == REGULAR && mode & EXECUTE != 0;
        let capability = if program { self.capability(directory, name)? } else { None };
        if writable || capability.is_some() || kind == REGULAR && mode & SET_ID != 0 {
            let capability = capability.map_or_else(|| "-".to_owned(), |bytes| hex(&bytes));
            let (path, uid, gid) = (clean(path.as_bytes()), stat.uid, stat.gid);
            self.lines.push(format!("/{path}\t{mode:04o} {uid} {gid} {capability}"));
        }
        Ok(())
    }

    fn capability(&self, directory: &dyn Directory, name: &str) -> Result<Option<Vec<u8>>, Refusal> {
        match self.pass.noted(directory.capability(name)) {
            Err(Refusal::Absent) => Ok(None),
            capability => capability,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_below_a_server_is_left_out_and_a_neighbour_of_the_same_beginning_is_not() {
        let text = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:40 / /usr/local rw - nfs4 server:/x rw\n\
            3 1 0:41 / /opt/tools rw - fuse.sshfs x rw\n4 1 8:2 / /usr/lib rw - ext4 /dev/sda2 rw\n";
        let mounts = mounts(text).unwrap();
        let remote = remote(&mounts);
        assert_eq!(remote, ["usr/local", "opt/tools"]);
        let left_out = |place: &str| remote.iter().any(|point| is_below(place, point));
        assert!(left_out("usr/local/bin") && left_out("usr/local"));
        assert!(!left_out("usr/localbin") && !left_out("usr/lib") && !left_out("opt"));
        assert!(is_below("usr/bin", ""), "everything is below a root that is remote");
    }
}
