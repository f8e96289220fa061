//! Reference values from artefacts: which files an image, an archive or an initial RAM disk holds, by SHA-256, which
//! package owns each, and which boot events a UKI, a loader, firmware and Secure Boot variables lead to.
//!
//! They are taken on a machine that the operator trusts, from what is going to be installed, never from the node that
//! will be judged by them. Contents are hashed as they stream by; memory holds paths and digests only, and every size
//! that an archive claims is bounded before it is believed.
//!
//! Paths are those that the kernel will see: a directory tree is walked without following a symbolic link, and in
//! archives the links among the directories (`/lib` → `usr/lib`) are resolved within the archive.
#![forbid(unsafe_code)]

mod archive;
pub mod boot;
mod compression;
mod digests;
mod error;
mod initrd;
mod input;
mod packages;
mod path;
mod single;
mod tree;

pub use digests::{FileDigests, Progress};
pub use error::ArtefactError;
pub use initrd::{initrd, initrd_file};
pub use packages::{OwnedFiles, Package, PackageDatabase};
pub use single::file;
pub use tree::{root_tar, root_tar_with_packages, root_tree};
