//! Archives, and the tree that their members make.

pub(crate) mod cpio;
mod members;
pub(crate) mod tar;

pub(crate) use members::Members;

/// Kinds of members whose content does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    Directory,
    /// Device node, FIFO or socket.
    Special,
}
