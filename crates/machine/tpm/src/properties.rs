//! What the TPM says about itself. Unsigned: for people, never for a verdict.

use avouch_tpm_wire::command::{GetCapability, ReadClock};
use avouch_tpm_wire::{Capability, ClockInfo, Handle, Property, response};

use crate::error::Error;
use crate::tpm::Tpm;
use crate::transport::Transport;

/// Most handles that are asked for at once.
const MAX_HANDLES: u32 = 254;

/// Manufacturer and firmware as the TPM reports them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Vendor registry name, e.g. `IBM`, `INTC`.
    pub manufacturer: String,
    /// Vendor's own text.
    pub vendor: String,
    /// Both halves of the firmware version, as in a quote of an endorsement-hierarchy key.
    pub firmware_version: u64,
}

impl<T: Transport> Tpm<T> {
    /// Manufacturer and firmware. One command.
    ///
    /// # Errors
    /// [`Error`] as of the command.
    pub fn properties(&mut self) -> Result<Properties, Error> {
        let first = Property::MANUFACTURER;
        let count = Property::FIRMWARE_VERSION_2 - first + 1;
        let Capability::Properties(list) = self.capability(Capability::PROPERTIES, first, count)? else {
            return Err(other_capability());
        };
        let value = |tag| list.iter().find(|property| property.tag == tag).map_or(0, |property| property.value);
        let vendor = (0..4).flat_map(|part| value(Property::VENDOR_STRING_1 + part).to_be_bytes());
        Ok(Properties {
            manufacturer: text(value(first).to_be_bytes()),
            vendor: text(vendor),
            firmware_version: u64::from(value(Property::FIRMWARE_VERSION_1)) << 32
                | u64::from(value(Property::FIRMWARE_VERSION_2)),
        })
    }

    /// Clock and counters, which name the boot session. Unsigned, as all of this module. One command.
    ///
    /// # Errors
    /// [`Error`] as of the command.
    pub fn clock(&mut self) -> Result<ClockInfo, Error> {
        Ok(self.execute(&ReadClock {}, &[])?.read::<response::ReadClock>()?.clock)
    }

    /// Handles in use from `first` on, within its kind: [`Handle::FIRST_TRANSIENT`],
    /// [`Handle::FIRST_LOADED_SESSION`], [`Handle::FIRST_PERSISTENT`]. One command.
    ///
    /// # Errors
    /// [`Error`] as of the command.
    pub fn handles(&mut self, first: Handle) -> Result<Vec<Handle>, Error> {
        match self.capability(Capability::HANDLES, first.0, MAX_HANDLES)? {
            Capability::Handles(handles) => Ok(handles),
            _ => Err(other_capability()),
        }
    }

    fn capability(&mut self, capability: u32, property: u32, property_count: u32) -> Result<Capability, Error> {
        let command = GetCapability { capability, property, property_count };
        Ok(self.execute(&command, &[])?.read::<response::GetCapability>()?.data)
    }
}

fn other_capability() -> Error {
    Error::Unexpected { command: "TPM2_GetCapability", what: "another capability than asked for" }
}

/// Letters up to the padding; what is not printable ASCII cannot reach a terminal.
fn text(bytes: impl IntoIterator<Item = u8>) -> String {
    let printable = |byte: u8| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '?' };
    let text: String = bytes.into_iter().filter(|byte| *byte != 0).map(printable).collect();
    text.trim().to_owned()
}
