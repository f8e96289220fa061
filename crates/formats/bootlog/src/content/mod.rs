//! Event data by type.
//!
//! Reading data proves nothing: whether the PCR covers it is [`crate::Event::check_data`]'s answer, and the type that
//! chose the reading is covered by no digest at all.

mod image;
mod no_action;
mod tagged;
mod text;
mod variable;

pub use image::{FirmwareBlob, Gpt, HandoffTables, Image};
pub use no_action::{NoAction, Sp800155, SpecId};
pub use tagged::{Tag, Tagged};
pub use text::{Text, Utf16};
pub use variable::{LoadOption, Variable};

use crate::{Event, EventType};

/// The data of one event, read by the event's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content<'a> {
    /// A UEFI variable.
    Variable(Variable<'a>),
    /// An image that was loaded.
    Image(Image<'a>),
    /// The end of a phase.
    Separator(Separator),
    /// A tagged event.
    Tagged(Tagged<'a>),
    /// Words: an action, a version, a boot loader's command.
    Text(Text<'a>),
    /// A piece of firmware.
    FirmwareBlob(FirmwareBlob<'a>),
    /// Tables handed to the operating system.
    HandoffTables(HandoffTables<'a>),
    /// A partition table.
    Gpt(Gpt<'a>),
    /// A statement that extends nothing.
    NoAction(NoAction<'a>),
    /// Data that is not what its type says, or whose type has no form.
    Opaque(&'a [u8]),
}

/// What a separator says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// 0x00000000 or 0xFFFFFFFF: the pre-boot phase ended.
    End,
    /// 0x00000001: firmware failed to measure something, and nothing behind it can be trusted.
    Error,
    /// `WBCL`: the Windows loader closed its registers.
    Windows,
}

impl Separator {
    /// Every value that a separator's digest may be of, with its meaning.
    pub(crate) const VALUES: [([u8; 4], Self); 4] =
        [([0; 4], Self::End), ([0xFF; 4], Self::End), ([1, 0, 0, 0], Self::Error), (*b"WBCL", Self::Windows)];

    fn parse(data: &[u8]) -> Option<Self> {
        Self::VALUES.iter().find(|(value, _)| value.as_slice() == data).map(|(_, meaning)| *meaning)
    }
}

impl<'a> Event<'a> {
    /// The data, read by the event's type. Allocates nothing.
    pub fn content(&self) -> Content<'a> {
        self.typed().unwrap_or(Content::Opaque(self.data))
    }

    fn typed(&self) -> Option<Content<'a>> {
        let data = self.data;
        match self.event_type {
            EventType::NO_ACTION => Some(Content::NoAction(NoAction::parse(data))),
            EventType::SEPARATOR => Separator::parse(data).map(Content::Separator),
            EventType::EFI_VARIABLE_DRIVER_CONFIG
            | EventType::EFI_VARIABLE_BOOT
            | EventType::EFI_VARIABLE_BOOT2
            | EventType::EFI_VARIABLE_AUTHORITY
            | EventType::EFI_SPDM_DEVICE_POLICY
            | EventType::EFI_SPDM_DEVICE_AUTHORITY => Variable::parse(data).map(Content::Variable),
            EventType::EFI_BOOT_SERVICES_APPLICATION
            | EventType::EFI_BOOT_SERVICES_DRIVER
            | EventType::EFI_RUNTIME_SERVICES_DRIVER => Image::parse(data).map(Content::Image),
            EventType::EFI_GPT_EVENT | EventType::EFI_GPT_EVENT2 => Gpt::parse(data).map(Content::Gpt),
            EventType::EFI_PLATFORM_FIRMWARE_BLOB => {
                FirmwareBlob::parse(data).map(Content::FirmwareBlob).or_else(|| Text::of(data).map(Content::Text))
            }
            EventType::EFI_PLATFORM_FIRMWARE_BLOB2 => FirmwareBlob::parse_named(data).map(Content::FirmwareBlob),
            EventType::EFI_HANDOFF_TABLES | EventType::TABLE_OF_DEVICES => {
                HandoffTables::parse(data).map(Content::HandoffTables)
            }
            EventType::EFI_HANDOFF_TABLES2 => HandoffTables::parse_named(data).map(Content::HandoffTables),
            EventType::EVENT_TAG => Tagged::parse(data).map(Content::Tagged),
            _ => Text::of(data).map(Content::Text),
        }
    }
}
