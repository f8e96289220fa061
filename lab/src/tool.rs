//! Running programs of the host: with a deadline, in a process group of their own, and never outliving us.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::packages;

/// How often a condition is looked at while waiting for it.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// How much of a failed program's output an error carries, in bytes from its end.
const TAIL: u64 = 4_000;

/// A `Command` for `program`, looked up in the lab's search path too.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(packages::find(program).unwrap_or_else(|| program.into()));
    command.env("PATH", packages::search_path());
    command
}

/// Runs `command` to its end and returns its standard output. A failure carries the end of its standard error.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut output = tempfile::tempfile().context("making a file for a program's output")?;
    let mut errors = tempfile::tempfile().context("making a file for a program's errors")?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(errors.try_clone()?);
    let mut group = Group::spawn(command)?;
    let Some(status) = group.wait(limit)? else {
        group.kill();
        bail!("{name} did not end within {} s:\n{}", limit.as_secs(), tail(&mut errors)?);
    };
    if !status.success() {
        bail!("{name} failed ({status}):\n{}{}", tail(&mut output)?, tail(&mut errors)?);
    }
    let mut bytes = Vec::new();
    output.seek(SeekFrom::Start(0))?;
    output.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A child process that leads its own process group; the whole group is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Group {
    /// Starts `command` as the leader of a new process group.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.process_group(0).spawn().with_context(|| format!("starting {name}"))?;
        Ok(Self { child, ended: None })
    }

    /// Starts `program` so that the kernel kills it when the calling *thread* ends, however that happens, and so that
    /// it ends by itself after `life`.
    pub(crate) fn spawn_bound(command: &Command, life: Duration, log: &Path) -> Result<Self> {
        let log = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let mut bound = self::command("setpriv");
        bound.args(["--pdeathsig", "KILL"]).arg("timeout").arg("--kill-after=1").arg(life.as_secs().to_string());
        bound.args(["setpriv", "--pdeathsig", "KILL"]).arg(command.get_program()).args(command.get_args());
        bound.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Self::spawn(&mut bound)
    }

    /// The exit status, if the child has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// Waits until the child ends; `None` when it did not within `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Kills the whole group at once and reaps the child.
    pub(crate) fn kill(&mut self) {
        if self.ended.is_some() {
            return;
        }
        // The child is not reaped yet, so its process id cannot belong to anyone else.
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            // ESRCH: every member ended between our look and the signal.
            let _ = kill_process_group(group, Signal::KILL);
        }
        self.ended = self.child.wait().ok();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

fn tail(file: &mut File) -> Result<String> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_tells_its_last_words() {
        let error = run(command("sh").args(["-c", "echo why >&2; exit 3"]), Duration::from_secs(10)).unwrap_err();
        assert!(error.to_string().contains("why"), "{error}");
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        let mut group = Group::spawn(command("sh").args(["-c", &script])).unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        let pid = loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if text.ends_with('\n') {
                break text.trim().to_owned();
            }
            assert!(Instant::now() < end, "the shell never started its child");
            std::thread::sleep(POLL);
        };
        group.kill();
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        // A zombie waiting for init to reap it is dead enough.
        while state().is_some_and(|stat| !stat.contains(") Z")) {
            assert!(Instant::now() < end, "the grandchild still runs");
            std::thread::sleep(POLL);
        }
    }
}
