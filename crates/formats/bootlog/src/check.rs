//! Does the PCR cover the data?
//!
//! An event's digest is proven by the replay; its data are not, unless the digest is that of the data. The profile
//! says so for some types (PFP section 10.4.1, column "digest"), and boot loaders for theirs. Everything else is words
//! that anybody may have written.

use avouch_tpm_wire::{Digest, HashAlg, Hasher};

use crate::content::{Separator, Tagged, Text, Variable};
use crate::{Event, EventType};

/// What recomputing an event's digest from its data said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataCheck {
    /// The digest is that of the data, so the PCR proves the data. The type is still not proven.
    Covered,
    /// The digest is that of a value inside the data: a variable's value without its name, a command without its
    /// label. The value is proven, what stands around it is not.
    ValueCovered,
    /// The type defines the digest by the data, and they differ: one of them was changed, or the firmware is at fault.
    Differs,
    /// The digest is of something that is not in the log: an image, a table, a file. The data are a hint.
    NotDefined,
    /// No digest in this bank, so nothing can be said.
    NoDigest,
}

impl DataCheck {
    /// True for [`DataCheck::Covered`] and [`DataCheck::ValueCovered`]: the measured value is in the log.
    pub fn proves_value(self) -> bool {
        matches!(self, Self::Covered | Self::ValueCovered)
    }
}

/// Labels of GRUB and its forks, which stand in the data and not in the digest; and whether the digest has the NUL.
const LABELS: [&str; 6] =
    ["grub_cmd: ", "kernel_cmdline: ", "module_cmdline: ", "grub_cmd ", "grub_kernel_cmdline ", "grub_module_cmdline "];

impl Event<'_> {
    /// Recomputes the digest in `alg` from the data, in every way that firmware and boot loaders are known to.
    pub fn check_data(&self, alg: HashAlg, hasher: &impl Hasher) -> DataCheck {
        let Some(digest) = self.digest(alg) else { return DataCheck::NoDigest };
        Check { alg, hasher, digest }.event(self.event_type, self.data)
    }

    /// What this event is when it is a separator by its digest, whatever its type says.
    ///
    /// Only in PCR 2 to 7: in PCR 0 and 1 firmware measures pieces of code and tables, and a piece may be four zero
    /// bytes. BootOrder is the other exception: its value may be 0001, 0000, which is an error separator's.
    pub(crate) fn separator_digest(&self, known: &[(Digest, Separator)]) -> Option<Separator> {
        let (digest, _) = known.first()?;
        let digest = self.digest(digest.alg())?;
        let meaning = known.iter().find(|(known, _)| *known == digest).map(|(_, meaning)| *meaning)?;
        let labelled = self.event_type == EventType::SEPARATOR;
        let boot_order = matches!(self.event_type, EventType::EFI_VARIABLE_BOOT | EventType::EFI_VARIABLE_BOOT2);
        (labelled || ((2..8).contains(&self.pcr) && !boot_order)).then_some(meaning)
    }
}

/// The digests of every separator value in one bank.
pub(crate) fn separators(alg: HashAlg, hasher: &impl Hasher) -> [(Digest, Separator); 4] {
    Separator::VALUES.map(|(value, meaning)| (hasher.hash(alg, &[&value]), meaning))
}

pub(crate) struct Check<'h, H> {
    pub(crate) alg: HashAlg,
    pub(crate) hasher: &'h H,
    pub(crate) digest: Digest,
}

impl<H: Hasher> Check<'_, H> {
    pub(crate) fn is(&self, parts: &[&[u8]]) -> bool {
        self.hasher.hash(self.alg, parts) == self.digest
    }

    /// An event of a boot log.
    pub(crate) fn event(&self, event_type: EventType, data: &[u8]) -> DataCheck {
        match event_type {
            EventType::SEPARATOR => self.separator(data),
            EventType::S_CRTM_VERSION
            | EventType::EFI_ACTION
            | EventType::EFI_GPT_EVENT
            | EventType::EFI_GPT_EVENT2
            | EventType::EFI_SPDM_DEVICE_POLICY
            | EventType::EFI_SPDM_DEVICE_AUTHORITY => self.whole(data).unwrap_or(DataCheck::Differs),
            EventType::EFI_VARIABLE_DRIVER_CONFIG
            | EventType::EFI_VARIABLE_BOOT
            | EventType::EFI_VARIABLE_BOOT2
            | EventType::EFI_VARIABLE_AUTHORITY => self.variable(data),
            EventType::IPL => self.boot_loader(data),
            // Statements extend nothing, and an image is never hashed as its description is.
            EventType::NO_ACTION
            | EventType::EFI_BOOT_SERVICES_APPLICATION
            | EventType::EFI_BOOT_SERVICES_DRIVER
            | EventType::EFI_RUNTIME_SERVICES_DRIVER => DataCheck::NotDefined,
            EventType::EVENT_TAG => self.tagged(data),
            _ => self.whole(data).unwrap_or(DataCheck::NotDefined),
        }
    }

    fn whole(&self, data: &[u8]) -> Option<DataCheck> {
        self.is(&[data]).then_some(DataCheck::Covered)
    }

    /// An error separator may carry words instead of the value that was hashed (PFP section 3.3.1.2).
    fn separator(&self, data: &[u8]) -> DataCheck {
        match self.whole(data) {
            Some(covered) => covered,
            None if self.is(&[&[1, 0, 0, 0]]) => DataCheck::NotDefined,
            None => DataCheck::Differs,
        }
    }

    /// The whole structure; early shim leaves out a last byte of padding, and firmware for TPM 1.2 or for boot
    /// variables hashes the value alone.
    fn variable(&self, data: &[u8]) -> DataCheck {
        if self.is(&[data]) {
            return DataCheck::Covered;
        }
        let Some(variable) = Variable::parse(data) else { return DataCheck::Differs };
        let without_padding = (0..variable.trailing).any(|kept| {
            let end = data.len().saturating_sub(variable.trailing).saturating_add(kept);
            data.get(..end).is_some_and(|data| self.is(&[data]))
        });
        match without_padding {
            true => DataCheck::Covered,
            false if self.is(&[variable.data]) => DataCheck::ValueCovered,
            false => DataCheck::Differs,
        }
    }

    /// GRUB hashes a command without its label, with or without the NUL; systemd-boot and systemd-stub log UTF-16
    /// and hash that or the name in ASCII; shim and GRUB's files have only a name here.
    fn boot_loader(&self, data: &[u8]) -> DataCheck {
        let Some(text) = Text::of(data) else { return self.whole(data).unwrap_or(DataCheck::NotDefined) };
        let covered = match text {
            Text::Utf8(text) => self.narrow(text),
            Text::Utf16(text) => {
                let found = self.is(&[data]) || self.is(&[data, &[0]]) || self.is(&[data, &[0, 0]]);
                if found { Some(DataCheck::Covered) } else { self.section_name(text) }
            }
        };
        covered.unwrap_or(DataCheck::NotDefined)
    }

    fn narrow(&self, text: &str) -> Option<DataCheck> {
        for label in LABELS {
            if let Some(value) = text.strip_prefix(label) {
                let value = value.as_bytes();
                let found = self.is(&[value]) || self.is(&[value, &[0]]);
                return Some(if found { DataCheck::ValueCovered } else { DataCheck::Differs });
            }
        }
        let text = text.as_bytes();
        (self.is(&[text]) || self.is(&[text, &[0]])).then_some(DataCheck::Covered)
    }

    /// A section of a unified kernel image is measured twice: its name in ASCII with the NUL, then its content. Both
    /// events carry the name in UTF-16.
    fn section_name(&self, name: crate::content::Utf16<'_>) -> Option<DataCheck> {
        let mut ascii = [0; MAX_SECTION_NAME];
        let mut len = 0;
        for (slot, c) in ascii.iter_mut().zip(name.chars()) {
            *slot = u8::try_from(c).ok().filter(u8::is_ascii)?;
            len += 1;
        }
        let with_nul = ascii.get(..=len).filter(|_| len == name.len())?;
        self.is(&[with_nul]).then_some(DataCheck::Covered)
    }

    /// Windows hashes the whole event; systemd and the kernel hash what the tag names.
    fn tagged(&self, data: &[u8]) -> DataCheck {
        if self.is(&[data]) {
            return DataCheck::Covered;
        }
        match Tagged::parse(data) {
            Some(tagged) if self.is(&[tagged.data]) => DataCheck::ValueCovered,
            _ => DataCheck::NotDefined,
        }
    }
}

/// Room for the names of sections, which have eight bytes in PE and a NUL.
const MAX_SECTION_NAME: usize = 32;
