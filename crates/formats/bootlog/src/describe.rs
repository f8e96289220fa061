//! Events in words, for people. Nothing here decides anything: event data is not what the digest covers.

use alloc::format;
use alloc::string::String;

use crate::cursor::Cursor;
use crate::{Event, EventType, LogError, device_path, sipa, text};

impl Event<'_> {
    /// A short line about the event's data: the variable's name, the path that was loaded, the action's words.
    ///
    /// The text comes from the node; control and formatting characters are replaced, and it is at most a few hundred
    /// characters long. It is a hint for people and never a fact for an appraiser.
    pub fn describe(&self) -> String {
        let data = self.data;
        let words = match self.event_type {
            EventType::NO_ACTION => no_action(self),
            EventType::SEPARATOR => separator(data),
            EventType::EFI_VARIABLE_DRIVER_CONFIG
            | EventType::EFI_VARIABLE_BOOT
            | EventType::EFI_VARIABLE_BOOT2
            | EventType::EFI_VARIABLE_AUTHORITY => variable(data).ok(),
            EventType::EFI_BOOT_SERVICES_APPLICATION
            | EventType::EFI_BOOT_SERVICES_DRIVER
            | EventType::EFI_RUNTIME_SERVICES_DRIVER => image(data).ok(),
            EventType::EFI_GPT_EVENT | EventType::EFI_GPT_EVENT2 => partition_table(data),
            EventType::EFI_PLATFORM_FIRMWARE_BLOB => firmware_blob(data).ok(),
            EventType::EFI_PLATFORM_FIRMWARE_BLOB2 | EventType::EFI_HANDOFF_TABLES2 => counted_name(data),
            EventType::EVENT_TAG if sipa::is_list(data) => Some(windows(data)),
            EventType::EVENT_TAG => tagged(data).ok(),
            EventType::EFI_HANDOFF_TABLES | EventType::TABLE_OF_DEVICES | EventType::PREBOOT_CERT => None,
            _ => text::any(data),
        };
        words.unwrap_or_else(|| format!("{} bytes", data.len()))
    }
}

fn no_action(event: &Event<'_>) -> Option<String> {
    if let Some(locality) = event.startup_locality() {
        return Some(format!("StartupLocality {locality}"));
    }
    if sipa::is_list(event.data) {
        return Some(windows(event.data));
    }
    let signature = event.data.get(..16).unwrap_or(event.data);
    text::utf8(signature)
}

/// Names of the first statements of the Windows loader, those inside an aggregation behind a colon.
fn windows(data: &[u8]) -> String {
    const MAX_SHOWN: usize = 8;
    let mut out = String::from("Windows");
    for statement in sipa::statements(data).take(MAX_SHOWN) {
        out.push_str(", ");
        out.push_str(statement.name().unwrap_or("unknown statement"));
        for (position, child) in statement.children().take(MAX_SHOWN).enumerate() {
            out.push_str(if position == 0 { ": " } else { ", " });
            out.push_str(child.name().unwrap_or("unknown statement"));
        }
    }
    out
}

fn separator(data: &[u8]) -> Option<String> {
    match data {
        [0, 0, 0, 0] | [0xFF, 0xFF, 0xFF, 0xFF] => Some(String::from("end of the pre-boot phase")),
        [1, 0, 0, 0] => Some(String::from("an error was measured instead of the phase's end")),
        b"WBCL" => Some(String::from("end of the Windows loader's measurements")),
        other => text::any(other),
    }
}

/// `UEFI_VARIABLE_DATA` (PFP section 10.2.6).
fn variable(data: &[u8]) -> Result<String, LogError> {
    let mut cursor = Cursor::new(data, 0);
    let vendor = device_path::guid(cursor.take(16, "variable GUID")?).unwrap_or_default();
    let name_len = usize::try_from(cursor.u64("variable name length")?).unwrap_or(usize::MAX);
    let value_len = usize::try_from(cursor.u64("variable data length")?).unwrap_or(usize::MAX);
    let name = cursor.take(name_len.saturating_mul(2), "variable name")?;
    let name = text::utf16(name).unwrap_or(vendor);
    let value = cursor.take(value_len, "variable data")?;
    Ok(match (name.as_str(), value) {
        ("SecureBoot" | "SetupMode" | "AuditMode" | "DeployedMode", [on]) => format!("{name} = {on}"),
        ("BootOrder", order) => format!("{name} = {}", boot_order(order)),
        (_, option) if is_load_option(&name) => load_option(&name, option),
        (_, value) => format!("{name}, {} bytes", value.len()),
    })
}

fn boot_order(value: &[u8]) -> String {
    const MAX_SHOWN: usize = 16;
    let mut out = String::new();
    for option in value.as_chunks::<2>().0.iter().take(MAX_SHOWN) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&format!("{:04X}", u16::from_le_bytes(*option)));
    }
    out
}

fn is_load_option(name: &str) -> bool {
    name.strip_prefix("Boot").is_some_and(|number| number.len() == 4 && number.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// `EFI_LOAD_OPTION` (UEFI 2.10 section 3.1.3): attributes, path length, description in UTF-16.
fn load_option(name: &str, option: &[u8]) -> String {
    match option.get(6..).map(|tail| tail.get(..tail.len() & !1).unwrap_or_default()).and_then(text::utf16) {
        Some(description) => format!("{name} \"{description}\""),
        None => format!("{name}, {} bytes", option.len()),
    }
}

/// `UEFI_IMAGE_LOAD_EVENT` (PFP section 10.2.3).
fn image(data: &[u8]) -> Result<String, LogError> {
    let mut cursor = Cursor::new(data, 0);
    cursor.u64("image location")?;
    let size = cursor.u64("image length")?;
    cursor.u64("link time address")?;
    let path_len = usize::try_from(cursor.u64("device path length")?).unwrap_or(usize::MAX);
    let path = cursor.take(path_len, "device path")?;
    Ok(match device_path::describe(path) {
        Some(path) => format!("{path} ({size} bytes)"),
        None => format!("an image of {size} bytes without a path"),
    })
}

/// `UEFI_GPT_DATA` (PFP section 10.2.5): the 92-byte header, then the number of partitions.
fn partition_table(data: &[u8]) -> Option<String> {
    let partitions = u64::from_le_bytes(*data.get(92..)?.first_chunk()?);
    Some(format!("partition table with {partitions} partitions"))
}

/// `UEFI_PLATFORM_FIRMWARE_BLOB` (PFP section 10.2.4); older firmware logs a name instead.
fn firmware_blob(data: &[u8]) -> Result<String, LogError> {
    if data.len() != 16 {
        return Ok(text::any(data).unwrap_or_else(|| format!("{} bytes", data.len())));
    }
    let mut cursor = Cursor::new(data, 0);
    let (base, len) = (cursor.u64("blob base")?, cursor.u64("blob length")?);
    Ok(format!("firmware of {len} bytes at 0x{base:x}"))
}

/// `UEFI_PLATFORM_FIRMWARE_BLOB2` and `UEFI_HANDOFF_TABLE_POINTERS2`: a name of one length byte, then the rest.
fn counted_name(data: &[u8]) -> Option<String> {
    let (len, tail) = data.split_first()?;
    text::any(tail.get(..usize::from(*len))?)
}

/// `TCG_PCClientTaggedEvent` (PFP section 10.2.7); the kernel's EFI stub names initrd and load options so.
fn tagged(data: &[u8]) -> Result<String, LogError> {
    let mut cursor = Cursor::new(data, 0);
    let id = cursor.u32("tag")?;
    let len = cursor.length("tagged size")?;
    let words = text::any(cursor.take(len, "tagged data")?);
    Ok(match words {
        Some(words) => format!("tag 0x{id:08x}: {words}"),
        None => format!("tag 0x{id:08x}, {len} bytes"),
    })
}
