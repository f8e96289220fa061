//! Why a finding probably came about.

use serde::{Deserialize, Serialize};

/// One explanation of a finding; a finding lists them likeliest first. It is a guess made from the policy and the entry
/// alone, so it decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Machine word.
    pub kind: CauseKind,
    /// What speaks for it, fit to be shown.
    pub what: String,
}

macro_rules! kinds {
    ($( $(#[$doc:meta])* $name:ident = $text:literal, )*) => {
        /// Kinds of causes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum CauseKind {
            $( $(#[$doc])* #[serde(rename = $text)] $name, )*
        }

        impl CauseKind {
            /// Every kind.
            pub const ALL: &'static [CauseKind] = &[$(Self::$name),*];

            /// The word as it stands in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// Image, firmware, variable or command line of the boot is another one.
    BootChanged = "boot-changed",
    /// Somebody wrote to the kernel behind systemd's back.
    DirectWrite = "direct-write",
    /// Unpackaged: a file where the policy knows nothing of that name.
    DropIn = "drop-in",
    /// An exclusion used to cover it and has ended.
    ExclusionEnded = "exclusion-ended",
    /// A program without a file: memfd_create(2).
    FromMemory = "from-memory",
    /// The IMA policy was replaced, or loaded too late.
    ImaPolicyReplaced = "ima-policy-replaced",
    /// Another kernel took over without a TPM reset.
    KernelReplaced = "kernel-replaced",
    /// A key was put into a keyring.
    KeyAdded = "key-added",
    /// A known file at a place where the policy does not have it.
    Moved = "moved",
    /// The list is of another boot.
    OtherBoot = "other-boot",
    /// The policy has the path with another digest: its package was updated, or the file was altered.
    PackageChanged = "package-changed",
    /// A unit was changed after its start.
    PendingRestart = "pending-restart",
    /// The kernel was told to measure in a way that identifies nothing.
    Setting = "setting",
    /// A signature that is not over this file.
    SignatureOfOther = "signature-of-other",
    /// systemd tried to set something, and the kernel refused.
    SwallowedError = "swallowed-error",
    /// Signed by nobody whom the policy knows.
    UnknownSigner = "unknown-signer",
    /// Not signed, where the policy expects a signature.
    Unsigned = "unsigned",
    /// The update window of its package is over.
    WindowOver = "window-over",
    /// Somebody wrote the file while it was in use.
    Writer = "writer",
    /// Nothing speaks for any of the others.
    Unknown = "unknown",
}

impl Cause {
    pub(crate) fn new(kind: CauseKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into() }
    }
}

impl CauseKind {
    /// The kind that is written `text`.
    pub fn from_name(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_word() {
        for kind in CauseKind::ALL {
            assert_eq!(CauseKind::from_name(kind.as_str()), Some(*kind));
            assert_eq!(serde_json::to_string(kind).unwrap(), format!("\"{}\"", kind.as_str()));
        }
        assert_eq!(CauseKind::from_name("nothing"), None);
    }
}
