//! Root file systems: a directory on this machine, or a tar archive.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat};

use crate::archive::{Members, tar};
use crate::compression::Compression;
use crate::input::Input;
use crate::path::absolute;
use crate::single::hash_open;
use crate::{ArtefactError, FileDigests, PackageDatabase, Progress};

/// Hashing is bound by memory and disk; more threads than this bring little.
const THREADS: usize = 2;
/// Files of one directory that a thread takes at a time.
const BATCH: usize = 64;
/// The largest distributions have some 500,000 files.
const MAX_FILES: u64 = 4_000_000;
/// What an archive may unpack to.
const MAX_UNPACKED: u64 = 1024 * 1024 * 1024 * 1024;

/// The regular files below `root`, hashed by two threads.
///
/// Symbolic links are never followed, so every file appears under its real path and none from outside the tree; hard
/// links appear under each name. Device nodes, FIFOs and sockets are passed over, and so are directories on which
/// another file system is mounted: give each file system of an image by itself. `progress` is called from both threads.
///
/// # Errors
/// [`ArtefactError`]; one unreadable file is an error that names it.
pub fn root_tree(root: &Path, progress: &(dyn Fn(Progress) + Sync)) -> Result<FileDigests, ArtefactError> {
    let tree = Tree::open(root)?;
    let batches = tree.list()?;
    let total = batches.iter().map(|batch| batch.names.len() as u64).sum();
    if total == 0 {
        return Err(ArtefactError::Empty);
    }
    let work = Work {
        tree: &tree,
        batches: &batches,
        total,
        progress,
        next: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        failed: AtomicBool::new(false),
        linked: Mutex::default(),
    };
    let parts = thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| work.run())).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Vec<_>>()
    });
    let mut files = BTreeMap::new();
    for (path, sha256) in parts.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        if let Some(_other) = files.insert(path.clone(), sha256) {
            return Err(ArtefactError::Path { path, reason: "another path of the tree is written the same way" });
        }
    }
    Ok(FileDigests(files))
}

/// The regular files of a tar archive, plain or compressed with gzip, zstd or LZ4, under the paths at which they end
/// up when it is unpacked as a root file system: links among the directories are resolved inside the archive. Whiteouts
/// of container layers are not interpreted.
///
/// # Errors
/// [`ArtefactError`]; sparse members and xz are [`ArtefactError::Unsupported`].
pub fn root_tar(reader: impl Read, progress: &dyn Fn(Progress)) -> Result<FileDigests, ArtefactError> {
    root_tar_with_packages(reader, progress).map(|(files, _)| files)
}

/// [`root_tar`], with dpkg's database where the archive has one.
///
/// # Errors
/// As [`root_tar`]; [`ArtefactError::TooLarge`] when the database has a file that no honest one has.
pub fn root_tar_with_packages(
    reader: impl Read,
    progress: &dyn Fn(Progress),
) -> Result<(FileDigests, Option<PackageDatabase>), ArtefactError> {
    let mut input = Input::new(reader, MAX_UNPACKED);
    let mut members = Members::default();
    let mut each = |done| progress(Progress { done, total: None });
    let magic = input.peek(Compression::MAGIC)?.to_vec();
    match Compression::detect(&magic, 0)? {
        Some(compression) => {
            let mut unpacked = Input::new(compression.unpack(&mut input)?, MAX_UNPACKED);
            tar::read(&mut unpacked, &mut members, &mut each)?;
        }
        None => tar::read(&mut input, &mut members, &mut each)?,
    }
    let packages = members.packages();
    let files = members.finish()?;
    if files.is_empty() { Err(ArtefactError::Empty) } else { Ok((files, packages)) }
}

/// Some files of one directory.
struct Batch {
    directory: Vec<u8>,
    names: Vec<Vec<u8>>,
}

/// What one directory holds, by name.
#[derive(Default)]
struct Entries {
    files: Vec<Vec<u8>>,
    directories: Vec<Vec<u8>>,
}

struct Tree {
    root: OwnedFd,
    path: PathBuf,
    device: u64,
}

struct Work<'a> {
    tree: &'a Tree,
    batches: &'a [Batch],
    total: u64,
    progress: &'a (dyn Fn(Progress) + Sync),
    next: AtomicUsize,
    done: AtomicUsize,
    failed: AtomicBool,
    /// Digests of files with several names, by inode.
    linked: Mutex<HashMap<u64, [u8; 32]>>,
}

// === impl Tree ===

impl Tree {
    fn open(path: &Path) -> Result<Self, ArtefactError> {
        let failed = |error: rustix::io::Errno| ArtefactError::Read { path: path.to_owned(), source: error.into() };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, path, flags, Mode::empty()).map_err(failed)?;
        let device = fstat(&root).map_err(failed)?.st_dev;
        Ok(Self { root, path: path.to_owned(), device })
    }

    /// Every regular file, directory by directory.
    fn list(&self) -> Result<Vec<Batch>, ArtefactError> {
        let mut batches = Vec::new();
        let mut count = 0;
        let mut ahead = vec![Vec::new()];
        while let Some(directory) = ahead.pop() {
            let opened = self.directory(&directory)?;
            if self.stat(&opened, &directory)?.st_dev != self.device {
                continue;
            }
            let entries = self.entries(opened, &directory)?;
            count += entries.files.len() as u64;
            if count > MAX_FILES {
                return Err(ArtefactError::TooLarge { what: "files", limit: MAX_FILES });
            }
            let batch = |names: &[Vec<u8>]| Batch { directory: directory.clone(), names: names.to_vec() };
            batches.extend(entries.files.chunks(BATCH).map(batch));
            ahead.extend(entries.directories.into_iter().map(|name| join(&directory, &name)));
        }
        Ok(batches)
    }

    fn entries(&self, opened: OwnedFd, directory: &[u8]) -> Result<Entries, ArtefactError> {
        let mut entries = Entries::default();
        let failed = |error| self.failed(directory, error);
        for entry in Dir::read_from(&opened).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems do not tell in the directory.
                FileType::Unknown => {
                    let stat = statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
                    FileType::from_raw_mode(stat.st_mode)
                }
                kind => kind,
            };
            match kind {
                FileType::RegularFile => entries.files.push(name.to_bytes().to_vec()),
                FileType::Directory => entries.directories.push(name.to_bytes().to_vec()),
                _ => {}
            }
        }
        Ok(entries)
    }

    /// Opens a directory component by component, none of which may have become a link.
    fn directory(&self, path: &[u8]) -> Result<OwnedFd, ArtefactError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |from: &OwnedFd, name: &[u8]| {
            openat(from, name, flags, Mode::empty()).map_err(|error| self.failed(path, error))
        };
        let mut opened = open(&self.root, b".")?;
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            opened = open(&opened, name)?;
        }
        Ok(opened)
    }

    fn stat(&self, opened: &OwnedFd, path: &[u8]) -> Result<Stat, ArtefactError> {
        fstat(opened).map_err(|error| self.failed(path, error))
    }

    fn failed(&self, path: &[u8], error: rustix::io::Errno) -> ArtefactError {
        ArtefactError::Read { path: self.here(path), source: error.into() }
    }

    fn here(&self, path: &[u8]) -> PathBuf {
        self.path.join(OsStr::from_bytes(path))
    }
}

// === impl Work ===

impl Work<'_> {
    fn run(&self) -> Result<Vec<(String, [u8; 32])>, ArtefactError> {
        let mut files = Vec::new();
        while !self.failed.load(Ordering::Relaxed) {
            let Some(batch) = self.batches.get(self.next.fetch_add(1, Ordering::Relaxed)) else { break };
            if let Err(error) = self.batch(batch, &mut files) {
                self.failed.store(true, Ordering::Relaxed);
                return Err(error);
            }
            let done = self.done.fetch_add(batch.names.len(), Ordering::Relaxed) + batch.names.len();
            (self.progress)(Progress { done: done as u64, total: Some(self.total) });
        }
        Ok(files)
    }

    fn batch(&self, batch: &Batch, files: &mut Vec<(String, [u8; 32])>) -> Result<(), ArtefactError> {
        let directory = self.tree.directory(&batch.directory)?;
        for name in &batch.names {
            let path = join(&batch.directory, name);
            let sha256 = self.file(&directory, name, &path)?;
            files.push((absolute(&path), sha256));
        }
        Ok(())
    }

    fn file(&self, directory: &OwnedFd, name: &[u8], path: &[u8]) -> Result<[u8; 32], ArtefactError> {
        // NONBLOCK: should the name have become a FIFO meanwhile, opening it must not wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = openat(directory, name, flags, Mode::empty()).map_err(|error| self.tree.failed(path, error))?;
        let stat = self.tree.stat(&opened, path)?;
        let linked = || self.linked.lock().unwrap_or_else(PoisonError::into_inner);
        let known = if stat.st_nlink > 1 { linked().get(&stat.st_ino).copied() } else { None };
        if let Some(sha256) = known {
            return Ok(sha256);
        }
        let sha256 = hash_open(&File::from(opened), &self.tree.here(path))?;
        if stat.st_nlink > 1 {
            linked().insert(stat.st_ino, sha256);
        }
        Ok(sha256)
    }
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}
