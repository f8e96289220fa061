//! Which package owns which file, from dpkg's database in a root tree or archive (dpkg(1), files `status` and `info`).
//!
//! The database says names, versions and paths; the digests are those of the files themselves. RPM's database is of
//! another kind and is not read: files of such a root are known without their packages.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::Path;

use avouch_appraise::{PolicyDraft, PolicyError};

use crate::{ArtefactError, FileDigests};

const STATUS: &str = "var/lib/dpkg/status";
const INFO: &str = "var/lib/dpkg/info/";
/// Directories that are links into /usr on merged systems; the database keeps the old paths.
const MERGED: [&str; 6] = ["/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/"];
/// Largest file of the database; the status of the largest installations has some 20 MiB.
pub(crate) const MAX_FILE: u64 = 128 * 1024 * 1024;

/// The files of dpkg's database: `status` and the lists of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageDatabase {
    status: Vec<u8>,
    /// By the file's name without `.list`: `NAME` or `NAME:ARCHITECTURE`.
    lists: HashMap<String, Vec<u8>>,
}

/// An installed package with its files in the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name; with the architecture behind a colon where the database writes it so.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Paths by SHA-256 of the content.
    pub files: BTreeMap<[u8; 32], Vec<String>>,
}

/// The files of a root by owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedFiles {
    /// Packages with at least one file.
    pub packages: Vec<Package>,
    /// Files that no package owns.
    pub others: FileDigests,
}

// === impl PackageDatabase ===

impl PackageDatabase {
    /// The database in a root tree; `None` when there is none.
    ///
    /// # Errors
    /// [`ArtefactError::Read`].
    pub fn in_tree(root: &Path) -> Result<Option<Self>, ArtefactError> {
        let failed = |path: &Path, source| ArtefactError::Read { path: path.to_owned(), source };
        let status = root.join(STATUS);
        // A link would lead out of the tree.
        if !fs::symlink_metadata(&status).is_ok_and(|status| status.is_file()) {
            return Ok(None);
        }
        let mut database = Self { status: content(&status)?, lists: HashMap::new() };
        let info = root.join(INFO);
        for entry in fs::read_dir(&info).map_err(|error| failed(&info, error))? {
            let entry = entry.map_err(|error| failed(&info, error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".list")) else { continue };
            if entry.file_type().map_err(|error| failed(&entry.path(), error))?.is_file() {
                database.lists.insert(name.to_owned(), content(&entry.path())?);
            }
        }
        Ok(Some(database))
    }

    /// True for a member of an archive that belongs to the database; `path` has no leading slash.
    pub(crate) fn wants(path: &[u8]) -> bool {
        path == STATUS.as_bytes() || (path.starts_with(INFO.as_bytes()) && path.ends_with(b".list"))
    }

    /// Takes in such a member.
    pub(crate) fn take(&mut self, path: &[u8], content: Vec<u8>) {
        if path == STATUS.as_bytes() {
            self.status = content;
        } else if let Some(name) = list_name(path) {
            self.lists.insert(name.to_owned(), content);
        }
    }

    /// True when the archive had no database.
    pub(crate) fn is_empty(&self) -> bool {
        self.status.is_empty()
    }

    /// Gives each file to the package that lists it. Where two packages list a path, the later in the database has it,
    /// and a file is known under each package's paths.
    ///
    /// # Errors
    /// [`ArtefactError::Packages`] when the status file is damaged.
    pub fn owners(&self, files: FileDigests) -> Result<OwnedFiles, ArtefactError> {
        let mut others = files;
        let mut packages = Vec::new();
        for stanza in self.installed()? {
            let Some(list) = self.list(&stanza) else { continue };
            let mut owned: BTreeMap<[u8; 32], Vec<String>> = BTreeMap::new();
            for path in list.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()) {
                if let Some((path, sha256)) = take_file(&mut others, path) {
                    owned.entry(sha256).or_default().push(path);
                }
            }
            if !owned.is_empty() {
                let (name, version) = (stanza.package.to_owned(), stanza.version.to_owned());
                packages.push(Package { name, version, files: owned });
            }
        }
        Ok(OwnedFiles { packages, others })
    }

    fn list(&self, stanza: &Stanza<'_>) -> Option<&Vec<u8>> {
        let with_architecture = || self.lists.get(&format!("{}:{}", stanza.package, stanza.architecture));
        self.lists.get(stanza.package).or_else(with_architecture)
    }

    fn installed(&self) -> Result<Vec<Stanza<'_>>, ArtefactError> {
        let damaged = |reason| ArtefactError::Packages { path: format!("/{STATUS}"), reason };
        let text = std::str::from_utf8(&self.status).map_err(|_| damaged("it is not UTF-8"))?;
        let stanzas = text.split("\n\n").filter(|stanza| !stanza.trim().is_empty());
        let stanzas: Vec<_> = stanzas
            .map(|text| Stanza::parse(text).ok_or_else(|| damaged("a package without name, version or status")))
            .collect::<Result<_, _>>()?;
        Ok(stanzas.into_iter().filter(|stanza| stanza.is_unpacked).collect())
    }
}

// === impl OwnedFiles ===

impl OwnedFiles {
    /// Adds packages and other files to the policy that is being made.
    ///
    /// # Errors
    /// [`PolicyError::Path`] for a path that a policy cannot hold; what came before it has been added.
    pub fn add_to(&self, draft: &mut PolicyDraft) -> Result<(), PolicyError> {
        let add = |package: &Package| draft.add_package(&package.name, &package.version, &package.files);
        self.packages.iter().try_for_each(add)?;
        self.others.add_to(draft)
    }
}

/// What is used of one package's stanza.
struct Stanza<'a> {
    package: &'a str,
    version: &'a str,
    architecture: &'a str,
    /// Its files are there: any state but config-files and not-installed.
    is_unpacked: bool,
}

impl<'a> Stanza<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let field = |name: &str| {
            let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            values.next().map(str::trim_end)
        };
        let state = field("Status")?.rsplit(' ').next()?;
        let is_unpacked = !matches!(state, "config-files" | "not-installed");
        // A package that was never unpacked may have no version.
        let version = field("Version").or(if is_unpacked { None } else { Some("") })?;
        Some(Self {
            package: field("Package")?,
            version,
            architecture: field("Architecture").unwrap_or(""),
            is_unpacked,
        })
    }
}

/// The file at a path of the database, under its real path.
fn take_file(files: &mut FileDigests, path: &str) -> Option<(String, [u8; 32])> {
    if let Some(found) = files.0.remove_entry(path) {
        return Some(found);
    }
    MERGED.iter().any(|old| path.starts_with(old)).then(|| files.0.remove_entry(&format!("/usr{path}")))?
}

fn list_name(path: &[u8]) -> Option<&str> {
    std::str::from_utf8(path).ok()?.strip_prefix(INFO)?.strip_suffix(".list")
}

fn content(path: &Path) -> Result<Vec<u8>, ArtefactError> {
    use io::Read;
    let failed = |source| ArtefactError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(ArtefactError::TooLarge { what: "bytes in a file of the package database", limit: MAX_FILE });
    }
    Ok(bytes)
}
