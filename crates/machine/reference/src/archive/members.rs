//! The tree that the members of an archive make, the later ones replacing the earlier.

use std::collections::{BTreeMap, HashMap};

use super::Other;
use crate::packages::MAX_FILE;
use crate::path::{absolute, plain};
use crate::{ArtefactError, FileDigests, PackageDatabase};

/// The largest distributions have some 500,000 files.
const MAX_MEMBERS: u64 = 4_000_000;
/// Symbolic links on the way to a file, as the kernel bounds them (MAXSYMLINKS).
const MAX_LINKS: usize = 40;

/// Regular files and symbolic links of an archive.
#[derive(Debug, Default)]
pub(crate) struct Members {
    files: BTreeMap<Vec<u8>, (u64, [u8; 32])>,
    links: HashMap<Vec<u8>, Vec<u8>>,
    count: u64,
    packages: PackageDatabase,
}

impl Members {
    /// A regular file.
    pub(crate) fn file(&mut self, path: &[u8], sha256: [u8; 32]) -> Result<(), ArtefactError> {
        let order = self.next()?;
        let path = self.file_path(path)?;
        self.links.remove(&path);
        self.files.insert(path, (order, sha256));
        Ok(())
    }

    /// A symbolic link.
    pub(crate) fn symlink(&mut self, path: &[u8], target: Vec<u8>) -> Result<(), ArtefactError> {
        self.next()?;
        let path = self.file_path(path)?;
        self.files.remove(&path);
        self.links.insert(path, target);
        Ok(())
    }

    /// Anything else; it replaces what stood at its path.
    pub(crate) fn other(&mut self, path: &[u8], kind: Other) -> Result<(), ArtefactError> {
        self.next()?;
        let path = plain(path)?;
        self.files.remove(&path);
        // A directory that unpacks onto a link to a directory leaves the link.
        if kind == Other::Special {
            self.links.remove(&path);
        }
        Ok(())
    }

    /// The digest of a file that came before.
    pub(crate) fn digest(&self, path: &[u8]) -> Result<Option<[u8; 32]>, ArtefactError> {
        Ok(self.files.get(&plain(path)?).map(|(_, sha256)| *sha256))
    }

    /// True for a file whose content is wanted, not only its digest.
    pub(crate) fn keeps(&self, path: &[u8], size: u64) -> Result<bool, ArtefactError> {
        if !PackageDatabase::wants(&plain(path)?) {
            return Ok(false);
        }
        if size > MAX_FILE {
            return Err(ArtefactError::TooLarge { what: "bytes in a file of the package database", limit: MAX_FILE });
        }
        Ok(true)
    }

    /// A regular file of the package database.
    pub(crate) fn kept(&mut self, path: &[u8], content: Vec<u8>) -> Result<(), ArtefactError> {
        let sha256 = avouch_crypto::sha256(&[&content]);
        self.packages.take(&plain(path)?, content);
        self.file(path, sha256)
    }

    /// The package database, where the archive had one.
    pub(crate) fn packages(&mut self) -> Option<PackageDatabase> {
        Some(core::mem::take(&mut self.packages)).filter(|packages| !packages.is_empty())
    }

    /// How many members there were.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The files under the paths at which they end up.
    pub(crate) fn finish(self) -> Result<FileDigests, ArtefactError> {
        let mut parents = HashMap::new();
        let mut placed: BTreeMap<Vec<u8>, (u64, [u8; 32])> = BTreeMap::new();
        for (path, (order, sha256)) in &self.files {
            let (parent, name) = split(path);
            let real = match parents.get(parent) {
                Some(real) => real,
                None => {
                    let real = self.resolve(parent)?;
                    parents.entry(parent).or_insert(real)
                }
            };
            let place = join(real, name);
            if placed.get(&place).is_none_or(|(earlier, _)| earlier < order) {
                placed.insert(place, (*order, *sha256));
            }
        }
        Ok(FileDigests(placed.into_iter().map(|(path, (_, sha256))| (absolute(&path), sha256)).collect()))
    }

    /// Follows the links on the way to a directory. The root's parent is the root, as in a chroot.
    fn resolve(&self, directory: &[u8]) -> Result<Vec<u8>, ArtefactError> {
        let mut real: Vec<u8> = Vec::new();
        let mut ahead: Vec<Vec<u8>> = components(directory);
        let mut followed = 0;
        while let Some(name) = ahead.pop() {
            if name == b".." {
                real = split(&real).0.to_vec();
                continue;
            }
            let next = join(&real, &name);
            let Some(target) = self.links.get(&next) else {
                real = next;
                continue;
            };
            followed += 1;
            if followed > MAX_LINKS {
                let reason = "more than 40 symbolic links lead to it";
                return Err(ArtefactError::Path { path: absolute(directory), reason });
            }
            if target.starts_with(b"/") {
                real.clear();
            }
            ahead.extend(components(target));
        }
        Ok(real)
    }

    fn file_path(&self, path: &[u8]) -> Result<Vec<u8>, ArtefactError> {
        let plain = plain(path)?;
        if plain.is_empty() {
            return Err(ArtefactError::Path { path: absolute(path), reason: "the root is no file" });
        }
        Ok(plain)
    }

    fn next(&mut self) -> Result<u64, ArtefactError> {
        self.count += 1;
        if self.count > MAX_MEMBERS {
            return Err(ArtefactError::TooLarge { what: "archive members", limit: MAX_MEMBERS });
        }
        Ok(self.count)
    }
}

/// The components in reverse, so that the next one is last.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    let mut names: Vec<_> = names.map(<[u8]>::to_vec).collect();
    names.reverse();
    names
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}
