//! What booted, with its proof.
//!
//! One pass over the log. Every fact names its event and says whether the PCR covers it; what is not covered is a hint
//! for people. The log must have been replayed against a quote before any of this means something.

mod loaders;
mod reader;

use alloc::vec::Vec;

use avouch_tpm_wire::Digest;

pub use loaders::{CommandLine, CommandLineSource, Measured, UkiSection};

use crate::DataCheck;
use crate::content::{Image, LoadOption, Text, Variable};
pub(crate) use reader::read;

/// A fact taken from an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact<T> {
    /// The fact.
    pub value: T,
    /// Index of the event that says so.
    pub event: usize,
    /// What the digest says about the event's data.
    pub check: DataCheck,
}

impl<T> Fact<T> {
    /// True when the PCR covers the whole of what was read, so the fact is proven by the quote.
    pub fn covered(&self) -> bool {
        self.check == DataCheck::Covered
    }
}

/// What the SecureBoot variable said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecureBoot {
    /// One: images were checked against db and dbx.
    On,
    /// Zero.
    Off,
    /// The variable was measured without a value: the firmware does not have it.
    Absent,
}

/// A UEFI image that was started or loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadedImage<'a> {
    /// Authenticode digest in the bank that was read: the event's digest.
    pub digest: Digest,
    /// Register it is in.
    pub pcr: u32,
    /// True for an application, false for a driver; by type, which is not proven.
    pub application: bool,
    /// True when it stands before its register's separator: firmware ran it, not the boot manager.
    pub before_separator: bool,
    /// Where the firmware says it was; never covered.
    pub image: Option<Image<'a>>,
}

/// A `Boot####` variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootOption<'a> {
    /// The number in its name.
    pub number: u16,
    /// The option; `None` when the value is not one.
    pub option: Option<LoadOption<'a>>,
}

/// Where the log contradicts itself, so that a fact was left out or must be weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contradiction {
    /// A variable that is measured once is there twice with different values; the fact is left out.
    Value {
        /// The variable.
        name: &'static str,
        /// Index of the later event.
        event: usize,
    },
    /// A Secure Boot variable stands behind the separator of its register; it is left out.
    BehindSeparator {
        /// Index of the event.
        event: usize,
    },
    /// A register has a second separator, so what was measured before it is not what firmware alone measured.
    SeparatorTwice {
        /// The register.
        pcr: u32,
        /// Index of the second separator.
        event: usize,
    },
    /// SecureBoot is on and no key that could have verified anything was measured.
    OnWithoutKeys,
}

/// Everything that a boot log tells about the boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootState<'a> {
    /// Whether Secure Boot was on; `None` when it was not measured before the separator, or said twice.
    pub secure_boot: Option<Fact<SecureBoot>>,
    /// SetupMode, where the firmware measures it.
    pub setup_mode: Option<Fact<bool>>,
    /// AuditMode, where the firmware measures it.
    pub audit_mode: Option<Fact<bool>>,
    /// DeployedMode, where the firmware measures it.
    pub deployed_mode: Option<Fact<bool>>,
    /// Variables measured as configuration: PK, KEK, db, dbx, shim's MokList and the firmware's own. Values are raw.
    pub variables: Vec<Fact<Variable<'a>>>,
    /// What verified an image (PFP section 3.3.4.8): an entry of db, of MokList, or shim's own certificate.
    pub authorities: Vec<Fact<Variable<'a>>>,
    /// SbatLevel as shim measured it.
    pub sbat_level: Option<Fact<&'a [u8]>>,
    /// Images in the order in which they were loaded.
    pub images: Vec<Fact<LoadedImage<'a>>>,
    /// BootOrder: option numbers, little-endian, in order.
    pub boot_order: Option<Fact<&'a [[u8; 2]]>>,
    /// BootCurrent, where the firmware measures it.
    pub boot_current: Option<Fact<u16>>,
    /// Boot options.
    pub boot_options: Vec<Fact<BootOption<'a>>>,
    /// Command lines of kernels.
    pub command_lines: Vec<Fact<CommandLine<'a>>>,
    /// Commands that GRUB ran.
    pub commands: Vec<Fact<Text<'a>>>,
    /// Initial ram disks by digest.
    pub initrds: Vec<Fact<Measured<'a>>>,
    /// Files that GRUB read and measured in PCR 9, by digest.
    pub files: Vec<Fact<Measured<'a>>>,
    /// MokList and the like as shim measures them in PCR 14, by digest.
    pub mok: Vec<Fact<Measured<'a>>>,
    /// Sections of a unified kernel image in PCR 11.
    pub uki_sections: Vec<Fact<UkiSection<'a>>>,
    /// Words in PCR 11 that are no section: boot phases.
    pub phases: Vec<Fact<Text<'a>>>,
    /// EV_S_CRTM_VERSION: the firmware's version.
    pub firmware_version: Option<Fact<Text<'a>>>,
    /// Events of types that the profile does not define, by index.
    pub unknown: Vec<usize>,
    /// Where the log contradicts itself.
    pub contradictions: Vec<Contradiction>,
}

impl<'a> BootState<'a> {
    /// The first measured configuration variable with this GUID and name.
    pub fn variable(&self, guid: crate::Guid, name: &str) -> Option<&Fact<Variable<'a>>> {
        self.variables.iter().find(|fact| fact.value.is(guid, name))
    }
}
