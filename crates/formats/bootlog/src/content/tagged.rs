//! Tagged events: systemd's, the kernel's, Windows'.

use crate::cursor::Cursor;

/// `TCG_PCClientTaggedEvent` (PFP section 10.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tagged<'a> {
    /// The tag as it stands.
    pub id: u32,
    /// Data behind the tag; for systemd and Linux a description, for Windows what was measured.
    pub data: &'a [u8],
}

/// Tags that have a meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tag {
    /// systemd-boot: its loader.conf.
    LoaderConf,
    /// systemd-stub: a device tree from an addon.
    DeviceTreeAddon,
    /// systemd-stub: an initrd from an addon.
    InitrdAddon,
    /// systemd-stub: microcode from an addon.
    MicrocodeAddon,
    /// systemd-stub: the profile of the unified kernel image that was chosen.
    UkiProfile,
    /// systemd-stub: SMBIOS structures of the type that is given, 1, 2 or 11.
    Smbios(u8),
    /// The Linux EFI stub: the initrd that it loaded.
    LinuxInitrd,
    /// The Linux EFI stub: the load options, which are the command line in UTF-16.
    LinuxLoadOptions,
}

impl<'a> Tagged<'a> {
    pub(crate) fn parse(data: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(data, 0);
        let id = cursor.u32("tag").ok()?;
        let len = cursor.length("tagged size").ok()?;
        let tagged = cursor.take(len, "tagged data").ok()?;
        cursor.rest().is_empty().then_some(Self { id, data: tagged })
    }

    /// The tag's meaning, when it is one of Linux or systemd. Windows' tags are [`crate::sipa`] identifiers.
    pub fn tag(&self) -> Option<Tag> {
        Some(match self.id {
            0xF5BC_582A => Tag::LoaderConf,
            0x6C46_F751 => Tag::DeviceTreeAddon,
            0x49DF_FE0F => Tag::InitrdAddon,
            0xDAC0_8E1A => Tag::MicrocodeAddon,
            0x13AE_D6DB => Tag::UkiProfile,
            0xD5CB_7CBC => Tag::Smbios(1),
            0xE0D4_7BC8 => Tag::Smbios(2),
            0xC0B3_BD23 => Tag::Smbios(11),
            0x8F3B_22EC => Tag::LinuxInitrd,
            0x8F3B_22ED => Tag::LinuxLoadOptions,
            _ => return None,
        })
    }
}
