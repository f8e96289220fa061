//! Build steps whose results are kept under a name that holds the hash of their inputs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use crate::tool::POLL;

/// How long to wait for another process that is preparing the same lab.
const LOCK_LIMIT: Duration = Duration::from_secs(900);

/// One finished step of the lab's preparation.
#[derive(Debug, Clone)]
pub struct Step {
    /// The step's name, for people.
    pub name: &'static str,
    /// True when the result of an earlier run was used.
    pub cached: bool,
    /// How long it took.
    pub took: Duration,
}

/// The directory of cached steps; one process at a time builds in it.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
}

impl Cache {
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// The directory holding the result of step `name` for `inputs`. When it is not there, `build` makes it in an
    /// empty directory that gets its final name only after success.
    pub(crate) fn step(
        &self,
        name: &'static str,
        inputs: &[&[u8]],
        progress: &mut dyn FnMut(Step),
        build: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let start = Instant::now();
        let dir = self.dir.join(format!("{name}-{}", key(name, inputs)));
        let _lock = self.lock()?;
        let cached = dir.is_dir();
        if !cached {
            let part = dir.with_extension("part");
            if part.exists() {
                fs::remove_dir_all(&part).with_context(|| format!("removing {}", part.display()))?;
            }
            fs::create_dir(&part)?;
            build(&part).with_context(|| format!("lab step {name}"))?;
            fs::rename(&part, &dir)?;
        }
        progress(Step { name, cached, took: start.elapsed() });
        Ok(dir)
    }

    fn lock(&self) -> Result<File> {
        let path = self.dir.join("lock");
        let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        let end = Instant::now() + LOCK_LIMIT;
        while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            if Instant::now() >= end {
                bail!("another process has held {} for {} s", path.display(), LOCK_LIMIT.as_secs());
            }
            std::thread::sleep(POLL);
        }
        Ok(file)
    }
}

/// Sixteen hexadecimal digits of SHA-256 over the length-prefixed name and inputs.
fn key(name: &str, inputs: &[&[u8]]) -> String {
    let mut bytes = Vec::new();
    for part in std::iter::once(name.as_bytes()).chain(inputs.iter().copied()) {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part);
    }
    hex(&Sha256::digest(&bytes)[..8])
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of every file under `dir` with their paths, in the order of their names: a step's input.
pub(crate) fn tree_bytes(dir: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut entries: Vec<_> =
        fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?.collect::<Result<_, _>>()?;
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let path = entry.path();
        let content = if entry.file_type()?.is_dir() { tree_bytes(&path)? } else { fs::read(&path)? };
        for part in [entry.file_name().as_encoded_bytes(), content.as_slice()] {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_runs_once_per_input_and_never_leaves_a_half_made_result() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let mut seen = Vec::new();
        let mut step = |input: &[u8], fail: bool| {
            cache.step("s", &[input], &mut |step| seen.push(step.cached), |out| {
                fs::write(out.join("result"), input)?;
                if fail { bail!("on purpose") } else { Ok(()) }
            })
        };
        assert!(step(b"a", true).is_err());
        let first = step(b"a", false).unwrap();
        let again = step(b"a", false).unwrap();
        let other = step(b"b", false).unwrap();
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert_eq!(fs::read(first.join("result")).unwrap(), b"a");
        assert_eq!(seen, [false, true, false]);
    }

    #[test]
    fn moving_a_byte_between_inputs_changes_the_key() {
        assert_ne!(key("s", &[b"ab", b"c"]), key("s", &[b"a", b"bc"]));
    }
}
