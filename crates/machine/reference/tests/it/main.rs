//! Trees, archives and initial RAM disks, made here and by the tools that distributions use.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod boot;
mod build;
mod initrd;
mod packages;
mod policy;
mod tar;
mod tools;
mod tree;

use avouch_reference::{FileDigests, Progress};

fn quiet(_: Progress) {}

/// What a tree of these files gives.
fn digests(files: &[(&str, &[u8])]) -> FileDigests {
    FileDigests(files.iter().map(|(path, content)| ((*path).to_owned(), avouch_crypto::sha256(&[content]))).collect())
}
