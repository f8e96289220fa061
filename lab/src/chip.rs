//! TPMs as a manufacturer makes them: each with its own endorsement key, certified by the lab's one CA.

use std::path::PathBuf;

use anyhow::Result;

use crate::cache::{Cache, Step};

/// One of the lab's manufactured TPMs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chip {
    /// The reference machine's: boot reference values are confirmed with it, never with the node's own.
    Reference,
    /// The attested node's.
    Node,
    /// A third one, for a second node or an attacker's machine.
    Spare,
}

impl Chip {
    const ALL: [Self; 3] = [Self::Reference, Self::Node, Self::Spare];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Node => "node",
            Self::Spare => "spare",
        }
    }
}

/// Manufactures every [`Chip`]; the result holds their states by name and `ek-roots.pem`.
pub(crate) fn manufacture(cache: &Cache, progress: &mut dyn FnMut(Step)) -> Result<PathBuf> {
    cache.step("tpm", &[include_bytes!("chip.rs").as_slice(), include_bytes!("manufacture.rs")], progress, |out| {
        crate::manufacture::manufacture(&Chip::ALL.map(Chip::name), "Lab", out)
    })
}
