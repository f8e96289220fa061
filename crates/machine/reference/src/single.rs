//! One file that is installed by other means than an image, e.g. the agent's own binary.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FileType, Stat, fstat};

use crate::input::Input;
use crate::path::{absolute, plain};
use crate::{ArtefactError, FileDigests};

/// The file at `path` here, under the absolute path `on_node` that it will have on the node.
///
/// # Errors
/// [`ArtefactError::Read`], [`ArtefactError::Changed`]; [`ArtefactError::Path`] when `on_node` is no absolute path of
/// a file.
pub fn file(path: &Path, on_node: &str) -> Result<FileDigests, ArtefactError> {
    let bad = |reason| ArtefactError::Path { path: on_node.to_owned(), reason };
    let place = plain(on_node.as_bytes())?;
    if !on_node.starts_with('/') || place.is_empty() || on_node.ends_with('/') {
        return Err(bad("an absolute path of a file is wanted"));
    }
    let opened = File::open(path).map_err(|source| ArtefactError::Read { path: path.to_owned(), source })?;
    let sha256 = hash_open(&opened, path)?;
    Ok(FileDigests([(absolute(&place), sha256)].into()))
}

/// Hashes an open regular file and makes sure that it was not written to meanwhile.
pub(crate) fn hash_open(opened: &File, path: &Path) -> Result<[u8; 32], ArtefactError> {
    let stat = || fstat(opened).map_err(|error| ArtefactError::Read { path: path.to_owned(), source: error.into() });
    let before = stat()?;
    let changed = || ArtefactError::Changed { path: path.to_owned() };
    if FileType::from_raw_mode(before.st_mode) != FileType::RegularFile {
        return Err(changed());
    }
    let (length, sha256) = contents(opened, u64::try_from(before.st_size).unwrap_or_default(), path)?;
    let after = stat()?;
    let state = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec);
    let whole = u64::try_from(after.st_size).is_ok_and(|size| size == length);
    if whole && state(&before) == state(&after) { Ok(sha256) } else { Err(changed()) }
}

/// Contents are hashed to the end of the file, of whatever length.
fn contents(opened: &File, expected: u64, path: &Path) -> Result<(u64, [u8; 32]), ArtefactError> {
    let read = |error| match error {
        ArtefactError::Stream { source, .. } => ArtefactError::Read { path: path.to_owned(), source },
        other => other,
    };
    let mut input = Input::expecting(opened, u64::MAX, expected);
    let sha256 = input.sha256_to_end().map_err(read)?;
    Ok((input.offset(), sha256))
}
