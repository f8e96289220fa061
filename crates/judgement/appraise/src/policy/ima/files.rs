//! Files by digest: the table that every measured file is looked up in.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, Hasher};

use super::super::file::{ImaSection, Package};
use super::super::{PolicyError, is_plain_path};
use crate::text::unhex;

/// Prefix of the name that the kernel gives a file without a path, memfd_create(2).
pub(crate) const MEMFD: &str = "memfd:";

/// A digest that the policy knows.
#[derive(Debug)]
pub(crate) struct KnownFile {
    /// Where it may be.
    pub(crate) paths: Vec<String>,
    /// Its package, as an index into [`FileTable::packages`]; the current one where several versions have it.
    pub(crate) package: Option<u32>,
    /// Unix seconds of server time after which it is superseded; `u64::MAX` for a current one.
    pub(crate) until: u64,
}

/// A package of the policy.
#[derive(Debug)]
pub(crate) struct PackageVersion {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) until: Option<u64>,
}

/// Every digest of `ima.files` and `ima.packages`.
#[derive(Debug)]
pub(crate) struct FileTable {
    sha256: HashMap<Sha256, Slot, Seed>,
    /// SHA-384 and SHA-512: few policies have any.
    wide: HashMap<Vec<u8>, Slot, Seed>,
    known: Vec<KnownFile>,
    /// `(file, path)` sorted by path, for explanations only.
    by_path: Vec<(u32, u32)>,
    pub(crate) packages: Vec<PackageVersion>,
}

/// What a lookup needs at once; the rest is in [`FileTable::known`].
#[derive(Clone, Copy, Debug)]
struct Slot {
    until: u64,
    file: u32,
}

impl FileTable {
    /// `reference` is SHA-256 of the whole policy file.
    pub(super) fn from_file(ima: &ImaSection, reference: &[u8; 32]) -> Result<Self, PolicyError> {
        let seed = Seed::of(reference);
        let mut table = Self {
            sha256: HashMap::with_capacity_and_hasher(ima.files.len(), seed),
            wide: HashMap::with_hasher(seed),
            known: Vec::with_capacity(ima.files.len()),
            by_path: Vec::new(),
            packages: Vec::with_capacity(ima.packages.len()),
        };
        table.add("ima.files", &ima.files, None, u64::MAX)?;
        for package in &ima.packages {
            table.add_package(package)?;
        }
        table.sort_paths();
        Ok(table)
    }

    fn add_package(&mut self, package: &Package) -> Result<(), PolicyError> {
        if package.name.is_empty() || package.version.is_empty() {
            return Err(PolicyError::Package { name: package.name.clone(), version: package.version.clone() });
        }
        let number = u32::try_from(self.packages.len()).unwrap_or(u32::MAX);
        let Package { name, version, until, .. } = package;
        self.packages.push(PackageVersion { name: name.clone(), version: version.clone(), until: *until });
        self.add("ima.packages", &package.files, Some(number), until.unwrap_or(u64::MAX))
    }

    fn add(
        &mut self,
        section: &'static str,
        files: &BTreeMap<String, Vec<String>>,
        package: Option<u32>,
        until: u64,
    ) -> Result<(), PolicyError> {
        for (text, paths) in files {
            let bad_digest = || PolicyError::Digest { section, got: text.clone() };
            let digest = unhex(text).ok_or_else(bad_digest)?;
            if !matches!(digest.len(), 32 | 48 | 64) {
                return Err(bad_digest());
            }
            if let Some(bad) = paths.iter().find(|path| !is_file_name(path)) {
                return Err(PolicyError::Path { section, got: bad.clone() });
            }
            self.insert(digest, paths, package, until);
        }
        Ok(())
    }

    /// The longest right that any section gives a digest holds.
    fn insert(&mut self, digest: Vec<u8>, paths: &[String], package: Option<u32>, until: u64) {
        let file = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        let new = Slot { until, file };
        let slot = match <[u8; 32]>::try_from(digest.as_slice()) {
            Ok(sha256) => self.sha256.entry(Sha256(sha256)).or_insert(new),
            Err(_) => self.wide.entry(digest).or_insert(new),
        };
        if slot.file == file {
            self.known.push(KnownFile { paths: paths.to_vec(), package, until });
            return;
        }
        let later = slot.until < until;
        slot.until = slot.until.max(until);
        let held = usize::try_from(slot.file).ok().and_then(|index| self.known.get_mut(index));
        if let Some(held) = held {
            held.until = held.until.max(until);
            if later || held.package.is_none() {
                held.package = package.or(held.package);
            }
            let fresh: Vec<_> = paths.iter().filter(|path| !held.paths.contains(path)).cloned().collect();
            held.paths.extend(fresh);
        }
    }

    fn sort_paths(&mut self) {
        let wide = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let known = &self.known;
        let all = known
            .iter()
            .enumerate()
            .flat_map(|(file, known)| (0..known.paths.len()).map(move |path| (wide(file), wide(path))));
        self.by_path = all.collect();
        self.by_path.sort_by(|a, b| path_of(known, *a).cmp(&path_of(known, *b)));
    }

    /// True when the policy knows a file with this SHA-256 that no update superseded.
    #[inline]
    pub(crate) fn is_current(&self, sha256: &[u8; 32]) -> bool {
        self.sha256.get(sha256).is_some_and(|slot| slot.until == u64::MAX)
    }

    /// The file with this digest, SHA-256, SHA-384 or SHA-512 by its length.
    pub(crate) fn known(&self, digest: &[u8]) -> Option<&KnownFile> {
        let slot = match <&[u8; 32]>::try_from(digest) {
            Ok(sha256) => self.sha256.get(sha256),
            Err(_) => self.wide.get(digest),
        };
        self.known.get(usize::try_from(slot?.file).ok()?)
    }

    /// Every file that the policy lists under this path.
    pub(crate) fn at_path(&self, path: &str) -> impl Iterator<Item = &KnownFile> {
        let first = self.by_path.partition_point(|place| path_of(&self.known, *place) < Some(path));
        let rest = self.by_path.get(first..).unwrap_or_default().iter();
        rest.take_while(move |place| path_of(&self.known, **place) == Some(path))
            .filter_map(|(file, _)| self.known.get(usize::try_from(*file).ok()?))
    }

    /// True when some listed path lies in or under a directory that `covers` takes.
    pub(crate) fn any_path(&self, covers: impl Fn(&str) -> bool) -> bool {
        self.known.iter().flat_map(|file| &file.paths).any(|path| covers(path))
    }

    pub(crate) fn package(&self, number: Option<u32>) -> Option<&PackageVersion> {
        self.packages.get(usize::try_from(number?).ok()?)
    }

    /// How many digests there are.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}

fn path_of(known: &[KnownFile], (file, path): (u32, u32)) -> Option<&str> {
    let file = known.get(usize::try_from(file).ok()?)?;
    file.paths.get(usize::try_from(path).ok()?).map(String::as_str)
}

/// An absolute path, or the name of a file in memory.
fn is_file_name(path: &str) -> bool {
    is_plain_path(path) || path.strip_prefix(MEMFD).is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

// === The hash function of the table ===

/// A digest is as good as random, so a few of its bits are a hash. They are mixed with the policy's own reference, which
/// is fixed only when the whole file is: whoever contributes a file to it, and whoever has a file measured, cannot aim
/// at one bucket of the table.
#[derive(Clone, Copy, Debug)]
struct Seed(u64);

#[derive(Clone, Copy)]
struct Bits {
    seed: u64,
    value: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct Sha256([u8; 32]);

impl Seed {
    fn of(reference: &[u8; 32]) -> Self {
        Self(reference.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes)))
    }
}

impl BuildHasher for Seed {
    type Hasher = Bits;

    fn build_hasher(&self) -> Bits {
        Bits { seed: self.0, value: 0 }
    }
}

impl Hasher for Bits {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks_exact(8).take(2) {
            let word = chunk.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            // Multiplication carries every bit of the word upwards; the fold brings the upper half back down.
            let product =
                u128::from(self.seed ^ self.value ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
            let [low, high] =
                [product, product >> 64].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0));
            self.value = low ^ high;
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.value
    }
}

impl Hash for Sha256 {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

impl std::borrow::Borrow<[u8; 32]> for Sha256 {
    fn borrow(&self) -> &[u8; 32] {
        &self.0
    }
}
