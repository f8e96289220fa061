//! What the machine booted, in words, each with how far it is proven. For people and for the policy's own rule; the
//! judgement itself reads the log.

use serde::{Deserialize, Serialize};

/// What the boot log says that the machine booted. It stands in the verdict of the evidence that brought the log: the
/// first of a boot session, and the first under another policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booted {
    /// `on` or `off`; absent when the firmware measured no such variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure_boot: Option<BootedFact>,
    /// Version of the firmware, as it measured itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<BootedFact>,
    /// Drivers, loaders and kernels that the firmware loaded, in order: device path and Authenticode digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<BootedPart>,
    /// Sections of the unified kernel image: name and digest of the content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uki: Vec<BootedPart>,
    /// Command lines, as the loader and the kernel's EFI stub measured them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command_lines: Vec<BootedFact>,
    /// Initial RAM disks: what measured them, and their digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub initrds: Vec<BootedPart>,
    /// Parts that are not listed here because there were too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u64,
}

/// A text that was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootedFact {
    /// The text, escaped.
    pub value: String,
    /// Event of the boot log, from zero.
    pub event: u64,
    /// The event's digest is that of this text, so the PCR proves it. Otherwise the text is a hint that whoever wrote
    /// the log could choose.
    pub covered: bool,
}

/// Something that was loaded, by digest. The digest is what the PCR proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootedPart {
    /// Device path, section or file name, escaped.
    pub name: String,
    /// Digest in the quoted bank, hexadecimal.
    pub digest: String,
    /// Event of the boot log, from zero.
    pub event: u64,
    /// The digest also covers the name.
    pub covered: bool,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
