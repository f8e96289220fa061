//! Why an artefact gives no reference values.

use std::io;
use std::path::PathBuf;

/// Why an artefact gives no reference values. None are given in part: a policy with holes would fail nodes at random.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtefactError {
    /// A file or directory could not be read.
    #[error("{} could not be read: {source}; run as a user who may read the whole artefact", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive itself could not be read.
    #[error("the artefact could not be read at byte {offset}: {source}")]
    Stream {
        /// How many bytes had been read.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// A file changed while it was hashed.
    #[error("{} changed while it was read; take reference values from an artefact that nothing is writing to", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// The archive is damaged or of another format.
    #[error("damaged or unknown archive at byte {offset}: {wanted} was wanted, {got} found")]
    Damaged {
        /// Where, counted in the unpacked archive.
        offset: u64,
        /// What should have been there.
        wanted: &'static str,
        /// What was.
        got: String,
    },
    /// A compression or a kind of archive member that is not read here.
    #[error("{what} is not supported (byte {offset}); repack the artefact, e.g. with zstd or gzip")]
    Unsupported {
        /// Which.
        what: &'static str,
        /// Where.
        offset: u64,
    },
    /// The artefact exceeds a limit that no honest one reaches.
    #[error("more than {limit} {what}: this is no root file system or initial RAM disk that Avouch reads")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// At most this many.
        limit: u64,
    },
    /// A path that leads out of the artefact or is none.
    #[error("{path:?} is not a path inside the artefact: {reason}")]
    Path {
        /// The path, bytes that are not UTF-8 escaped.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A boot artefact is damaged or of another format.
    #[error("{} is not what it was given as: {source}", path.display())]
    Image {
        /// Which.
        path: PathBuf,
        /// Why.
        source: avouch_pe::PeError,
    },
    /// A file that is no Secure Boot variable.
    #[error(
        "{} is not named like a measured variable in /sys/firmware/efi/efivars, e.g. db-d719b2cb-3d3a-4596-a3bc-dad00e67656f",
        path.display()
    )]
    Variable {
        /// Which.
        path: PathBuf,
    },
    /// A package database that cannot be read.
    #[error("the package database is damaged: {path}: {reason}")]
    Packages {
        /// File of the database.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is not one file in it: a wrong directory, or an empty archive.
    #[error("the artefact holds no file; check that it is the right one and that its file system is mounted")]
    Empty,
}
