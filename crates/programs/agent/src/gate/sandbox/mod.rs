//! What the gate gives up before it answers anybody: files but those that it has to read, ports but its own, and system
//! calls but those of a reviewed table. Done by the process itself, so that it holds however it was started; the unit
//! takes the rest.
//!
//! The filter has no execve: the gate starts no program, and nobody who takes it over does. Inside Landlock the kernel
//! shows a process no other one, so what runs is asked of the collector.

mod calls;

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, NetPort, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, make_bitflags, path_beneath_rules,
};
use thiserror::Error;

/// Rights of the newest kernel that is asked for (Linux 6.12); an older one grants what it can.
const NEWEST: ABI = ABI::V6;

/// What stays within reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Files and directories to read. Of a file its directory is opened up, because a file that is replaced is another
    /// one to the kernel.
    pub read: Vec<PathBuf>,
    /// Files to read that nobody replaces.
    pub files: Vec<PathBuf>,
    /// Directories to make, write and remove files in.
    pub write: Vec<PathBuf>,
    /// Devices to read and write.
    pub devices: Vec<PathBuf>,
    /// TCP ports to call.
    pub call: Vec<u16>,
}

/// How much of it the kernel enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforced {
    /// All.
    Fully,
    /// Less than was asked for; why, in words.
    Less(&'static str),
}

/// Why there is no sandbox.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The kernel refuses the rules.
    #[error("Landlock cannot be set up: {0}")]
    Landlock(#[from] RulesetError),
    /// The kernel refuses the filter.
    #[error("the filter of system calls cannot be set up: {0}")]
    Filter(#[from] seccompiler::Error),
}

/// Enters the sandbox: this thread, and every one that it starts from now on. To be called while there is no other.
///
/// # Errors
/// [`SandboxError`]. A kernel without Landlock is no error; it is [`Enforced::Less`].
pub fn enter(reach: &Reach) -> Result<Enforced, SandboxError> {
    let enforced = restrict(reach)?;
    seccompiler::apply_filter(&calls::filter()?)?;
    Ok(enforced)
}

fn restrict(reach: &Reach) -> Result<Enforced, RulesetError> {
    let look = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let keep = look | make_bitflags!(AccessFs::{WriteFile | Truncate | MakeReg | MakeDir | MakeSock | RemoveFile});
    let device = make_bitflags!(AccessFs::{ReadFile | WriteFile | IoctlDev});
    let read = reach.read.iter().filter_map(|path| opened_up(path)).chain(reach.files.iter().map(PathBuf::as_path));
    let ports = reach.call.iter().map(|port| Ok::<_, RulesetError>(NetPort::new(*port, AccessNet::ConnectTcp)));
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(read, look))?
        .add_rules(path_beneath_rules(&reach.write, keep))?
        .add_rules(path_beneath_rules(&reach.devices, device))?
        .add_rules(ports)?;
    let RestrictionStatus { ruleset, .. } = rules.restrict_self()?;
    Ok(match ruleset {
        RulesetStatus::FullyEnforced => Enforced::Fully,
        RulesetStatus::PartiallyEnforced => Enforced::Less("the kernel's Landlock is older than the rules"),
        RulesetStatus::NotEnforced => Enforced::Less("the kernel has no Landlock"),
    })
}

/// A directory itself; of anything else the nearest directory above it that exists. Never the root: what is only
/// reached from there cannot be read, and that is a finding.
fn opened_up(path: &Path) -> Option<&Path> {
    let below_root = |dir: &&Path| dir.is_dir() && dir.parent().is_some();
    path.ancestors().find(below_root)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::process::Command;
    use std::thread;

    use super::*;

    /// In a thread of its own: a sandbox holds for a thread and those that it starts, and is never left.
    fn inside<T: Send>(reach: &Reach, body: impl FnOnce() -> T + Send) -> T {
        let within = || {
            assert_eq!(enter(reach).unwrap(), Enforced::Fully, "this kernel cannot show what is tested");
            body()
        };
        thread::scope(|scope| scope.spawn(within).join().unwrap())
    }

    fn has_landlock() -> bool {
        let enforces = || restrict(&Reach::default()).unwrap() == Enforced::Fully;
        let enforced = thread::scope(|scope| scope.spawn(enforces).join().unwrap());
        if !enforced {
            println!("skipped: this kernel has no Landlock of the sixth version (Linux 6.12)");
        }
        enforced
    }

    #[test]
    fn files_are_within_reach_or_not() {
        if !has_landlock() {
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        for dir in ["read", "write", "other"] {
            fs::create_dir(at(dir)).unwrap();
            fs::write(at(dir).join("file"), dir).unwrap();
        }
        let reach = Reach { read: vec![at("read/file")], write: vec![at("write")], ..Reach::default() };
        inside(&reach, || {
            let denied = |result: std::io::Result<()>| result.unwrap_err().kind() == ErrorKind::PermissionDenied;
            assert_eq!(fs::read(at("read/file")).unwrap(), b"read");
            assert!(denied(fs::write(at("read/file"), "x")));
            assert!(denied(fs::write(at("read/new"), "x")));
            fs::write(at("write/new"), "x").unwrap();
            fs::remove_file(at("write/new")).unwrap();
            assert!(denied(fs::read(at("other/file")).map(drop)));
            assert!(denied(fs::write(at("other/new"), "x")));
            assert!(denied(fs::read("/etc/passwd").map(drop)));
        });
        // A file that is replaced is another one, at the same place.
        fs::write(at("read/beside"), "new").unwrap();
        inside(&reach, || {
            assert_eq!(fs::read(at("read/beside")).unwrap(), b"new");
        });
    }

    #[test]
    fn no_program_is_started_and_no_other_process_is_seen() {
        if !has_landlock() {
            return;
        }
        let mut other = Command::new("sleep").arg("60").spawn().unwrap();
        let exe = format!("/proc/{}/exe", other.id());
        assert!(fs::read_link(&exe).is_ok());
        let reach = Reach { read: vec!["/usr".into(), "/proc".into()], ..Reach::default() };
        inside(&reach, || {
            assert!(fs::read("/proc/cmdline").is_ok(), "the kernel's command line must stay readable");
            assert_eq!(Command::new("/usr/bin/true").spawn().unwrap_err().kind(), ErrorKind::PermissionDenied);
            assert_eq!(fs::read_link(&exe).unwrap_err().kind(), ErrorKind::PermissionDenied);
            // Another thread is no way out.
            let started = thread::spawn(|| Command::new("/usr/bin/true").spawn().map(drop)).join().unwrap();
            assert_eq!(started.unwrap_err().kind(), ErrorKind::PermissionDenied);
        });
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn only_its_own_ports_are_spoken_with() {
        if !has_landlock() {
            return;
        }
        let allowed = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let (allowed_at, other_at) = (allowed.local_addr().unwrap(), other.local_addr().unwrap());
        let reach = Reach { call: vec![allowed_at.port()], ..Reach::default() };
        inside(&reach, || {
            assert!(TcpStream::connect(allowed_at).is_ok());
            assert_eq!(TcpStream::connect(other_at).unwrap_err().kind(), ErrorKind::PermissionDenied);
            assert_eq!(TcpListener::bind("127.0.0.1:0").unwrap_err().kind(), ErrorKind::PermissionDenied);
            assert!(UnixStream::pair().is_ok());
        });
    }

    #[test]
    fn a_path_that_is_not_there_opens_up_what_is_above_it_but_never_the_root() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(opened_up(&temp.path().join("a/b/c")), Some(temp.path()));
        assert_eq!(opened_up(temp.path()), Some(temp.path()));
        assert_eq!(opened_up(Path::new("/no-such-directory/file")), None);
    }
}
