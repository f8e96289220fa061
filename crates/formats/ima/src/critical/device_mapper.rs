//! Changes of device-mapper devices (`drivers/md/dm-ima.c`, `Documentation/admin-guide/device-mapper/dm-ima.rst`).

use alloc::string::String;
use alloc::vec::Vec;

use avouch_tpm_wire::{Digest, HashAlg};

use super::text::{Pairs, Records, Value, utf8};
use super::{CriticalError, CriticalFault, is_der_sequence};

/// A change of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceMapper<'a> {
    /// Version of the text's form, e.g. `4.47.0`.
    pub version: &'a str,
    /// The device: for a removal what its active table belonged to, else its inactive one.
    pub device: Device,
    /// What happened to it.
    pub event: Event<'a>,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name, e.g. `root`.
    pub name: String,
    /// Its UUID, e.g. `CRYPT-VERITY-…`; empty when it has none.
    pub uuid: String,
    /// Its numbers; `None` where the kernel had no table for it.
    pub numbers: Option<DeviceNumbers>,
}

/// Numbers of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceNumbers {
    /// Major number.
    pub major: u64,
    /// First minor number.
    pub minor: u64,
    /// Minor numbers.
    pub minor_count: u64,
    /// Targets of the whole table, which may be measured in several entries.
    pub num_targets: u64,
}

/// What happened to a device. Sizes are in sectors of 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// `dm_table_load`: a table was loaded, and governs nothing until the device resumes.
    TableLoad {
        /// Its targets, as far as this entry holds them.
        targets: Vec<Target<'a>>,
    },
    /// `dm_target_update`: a target changed its state, e.g. dm-verity found a wrong block.
    TargetUpdate {
        /// The target.
        target: Target<'a>,
    },
    /// `dm_device_resume`: the loaded table governs the device from here on.
    Resume {
        /// SHA-256 over the texts of the `dm_table_load` entries of that table, one after the other.
        active: Option<Digest>,
        /// Size.
        capacity: u64,
    },
    /// `dm_device_remove`.
    Remove {
        /// Table that governed the device.
        active: Option<Digest>,
        /// Table that was loaded and not yet used.
        inactive: Option<Digest>,
        /// Every device was removed at once.
        all: bool,
        /// Size.
        capacity: u64,
    },
    /// `dm_table_clear`: a table that was loaded and not yet used went away.
    TableClear {
        /// That table.
        inactive: Option<Digest>,
        /// Size.
        capacity: u64,
    },
    /// `dm_device_rename`.
    Rename {
        /// The name from here on.
        name: String,
        /// The UUID from here on.
        uuid: String,
        /// Size.
        capacity: u64,
    },
}

/// A target of a table: a range of the device and what is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Position in the table.
    pub index: u64,
    /// First sector.
    pub begin: u64,
    /// Sectors.
    pub len: u64,
    /// Kind and its version, e.g. `verity` and `1.9.0`; `None` for kinds that tell IMA nothing.
    pub kind: Option<(&'a str, &'a str)>,
    attributes: Pairs<'a>,
}

/// What a `verity` target enforces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verity<'a> {
    /// A wrong block was found before this was measured.
    pub failed: bool,
    /// The protected device, `major:minor`.
    pub data_device: &'a str,
    /// The device with the hash tree, `major:minor`.
    pub hash_device: &'a str,
    /// Hash of the tree.
    pub algorithm: &'a str,
    /// Root of the tree: it stands for every byte of the data device.
    pub root_digest: Vec<u8>,
    /// Salt of the tree.
    pub salt: Vec<u8>,
    /// Blocks of zeros are not read.
    pub ignore_zero_blocks: bool,
    /// A block is verified the first time only, so later changes on the disk are not seen.
    pub check_at_most_once: bool,
}

const EVENTS: [&[u8]; 6] = [
    b"dm_table_load",
    b"dm_target_update",
    b"dm_device_resume",
    b"dm_device_remove",
    b"dm_table_clear",
    b"dm_device_rename",
];

/// Reads the text of a `dm_…` event; `None` for any other name.
pub(super) fn parse<'a>(name: &[u8], buffer: &'a [u8]) -> Result<Option<DeviceMapper<'a>>, CriticalError> {
    if !EVENTS.contains(&name) || is_der_sequence(buffer) {
        return Ok(None);
    }
    let records = &mut Records::new(utf8(buffer)?);
    if name == b"dm_device_remove" {
        return remove(records).map(Some);
    }
    let version = version(records)?;
    let device = device(records)?;
    let event = match name {
        b"dm_table_load" => Event::TableLoad { targets: targets(records)? },
        b"dm_target_update" => target_update(records)?,
        b"dm_device_resume" => {
            let active = table_or_none(records, "active_table_hash", "device_resume")?;
            Event::Resume { active, capacity: capacity(records)? }
        }
        b"dm_table_clear" => {
            let inactive = table_or_none(records, "inactive_table_hash", "table_clear")?;
            Event::TableClear { inactive, capacity: capacity(records)? }
        }
        _ => rename(records)?,
    };
    records.finish()?;
    Ok(Some(DeviceMapper { version, device, event }))
}

fn version<'a>(records: &mut Records<'a>) -> Result<&'a str, CriticalError> {
    Ok(records.next_record("dm_version")?.only("dm_version")?.text)
}

fn device(records: &mut Records<'_>) -> Result<Device, CriticalError> {
    let mut pairs = records.next_record("name")?;
    let (name, uuid) = (pairs.value("name")?.unescaped(), pairs.value("uuid")?.unescaped());
    if pairs.is_empty() {
        return Ok(Device { name, uuid, numbers: None });
    }
    let mut number = |key| pairs.value(key)?.number(key);
    let (major, minor) = (number("major")?, number("minor")?);
    let (minor_count, num_targets) = (number("minor_count")?, number("num_targets")?);
    pairs.finish()?;
    Ok(Device { name, uuid, numbers: Some(DeviceNumbers { major, minor, minor_count, num_targets }) })
}

fn target_update<'a>(records: &mut Records<'a>) -> Result<Event<'a>, CriticalError> {
    let mut pairs = records.next_record("target_index")?;
    let target = target(&mut pairs)?;
    pairs.finish()?;
    Ok(Event::TargetUpdate { target })
}

fn rename<'a>(records: &mut Records<'_>) -> Result<Event<'a>, CriticalError> {
    let mut pairs = records.next_record("new_name")?;
    let name = pairs.value("new_name")?.unescaped();
    // The kernel writes a comma here, its documentation a semicolon.
    if pairs.is_empty() {
        pairs = records.next_record("new_uuid")?;
    }
    let uuid = pairs.value("new_uuid")?.unescaped();
    pairs.finish()?;
    Ok(Event::Rename { name, uuid, capacity: capacity(records)? })
}

fn remove<'a>(records: &mut Records<'a>) -> Result<DeviceMapper<'a>, CriticalError> {
    let version = version(records)?;
    let active_device = records.strip("device_active_metadata=").then(|| device(records)).transpose()?;
    let inactive_device = records.strip("device_inactive_metadata=").then(|| device(records)).transpose()?;
    let named = match active_device.or(inactive_device) {
        Some(device) => device,
        None => {
            let device = device(records)?;
            no_data(records, "device_remove")?;
            device
        }
    };
    let mut pairs = records.next_record("remove_all")?;
    let mut table = |key| -> Result<Option<Digest>, CriticalError> {
        pairs.begins_with(key).then(|| table_hash(key, &pairs.value(key)?)).transpose()
    };
    let (active, inactive) = (table("active_table_hash")?, table("inactive_table_hash")?);
    let all = pairs.value("remove_all")?.yes("remove_all")?;
    pairs.finish()?;
    let capacity = capacity(records)?;
    records.finish()?;
    Ok(DeviceMapper { version, device: named, event: Event::Remove { active, inactive, all, capacity } })
}

/// `KEY=HASH;`, or `EVENT=no_data;` where the kernel had no table.
fn table_or_none(
    records: &mut Records<'_>,
    key: &'static str,
    event: &'static str,
) -> Result<Option<Digest>, CriticalError> {
    let pairs = records.next_record(key)?;
    if pairs.begins_with(event) {
        return pairs.only(event).and_then(|value| is_no_data(event, &value)).map(|()| None);
    }
    table_hash(key, &pairs.only(key)?).map(Some)
}

fn no_data(records: &mut Records<'_>, event: &'static str) -> Result<(), CriticalError> {
    is_no_data(event, &records.next_record(event)?.only(event)?)
}

fn is_no_data(event: &'static str, value: &Value<'_>) -> Result<(), CriticalError> {
    if value.text == "no_data" { Ok(()) } else { Err(value.refused(event, "no_data")) }
}

fn table_hash(key: &'static str, value: &Value<'_>) -> Result<Digest, CriticalError> {
    let digest = value.text.split_once(':').and_then(|(alg, hex)| Digest::new(HashAlg::from_name(alg)?, &unhex(hex)?));
    digest.ok_or(value.refused(key, "an algorithm, a colon and its digest in hexadecimal"))
}

fn capacity(records: &mut Records<'_>) -> Result<u64, CriticalError> {
    let key = "current_device_capacity";
    records.next_record(key)?.only(key)?.number(key)
}

/// Targets end with a semicolon, but for kinds that tell IMA nothing, which end with a comma.
fn targets<'a>(records: &mut Records<'a>) -> Result<Vec<Target<'a>>, CriticalError> {
    let mut targets = Vec::new();
    while !records.is_empty() {
        let ended = records.has_record();
        let mut pairs = if ended { records.next_record("target_index")? } else { records.rest() };
        let cut = CriticalError {
            offset: pairs.offset.saturating_add(pairs.text.len()),
            fault: CriticalFault::Cut { wanted: "a semicolon" },
        };
        if !ended && !pairs.text.ends_with(',') {
            return Err(cut);
        }
        loop {
            let target = target(&mut pairs)?;
            if !ended && target.kind.is_some() {
                return Err(cut);
            }
            targets.push(target);
            if pairs.is_empty() {
                break;
            }
        }
    }
    Ok(targets)
}

fn target<'a>(pairs: &mut Pairs<'a>) -> Result<Target<'a>, CriticalError> {
    let mut number = |key| pairs.value(key)?.number(key);
    let (index, begin, len) = (number("target_index")?, number("target_begin")?, number("target_len")?);
    if !pairs.begins_with("target_name") {
        return Ok(Target { index, begin, len, kind: None, attributes: Pairs { text: "", offset: pairs.offset } });
    }
    let kind = Some((pairs.value("target_name")?.text, pairs.value("target_version")?.text));
    let attributes = *pairs;
    while !pairs.is_empty() {
        let fault = CriticalFault::Word { wanted: "a name, an equals sign and a value" };
        pairs.pair().ok_or(CriticalError { offset: pairs.offset, fault })?;
    }
    Ok(Target { index, begin, len, kind, attributes })
}

impl<'a> Target<'a> {
    /// What the target says of itself, in its order, e.g. `root_digest`.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut pairs = self.attributes;
        core::iter::from_fn(move || pairs.pair()).map(|(key, value)| (key, value.text))
    }

    /// What the target enforces when it is a `verity` target.
    ///
    /// # Errors
    /// [`CriticalError`] when an attribute that every such target has is missing or not of its form.
    pub fn verity(&self) -> Result<Option<Verity<'a>>, CriticalError> {
        if self.kind.is_none_or(|(name, _)| name != "verity") {
            return Ok(None);
        }
        let state = self.find("hash_failed")?;
        let failed = match state.text {
            "V" => false,
            "C" => true,
            _ => return Err(state.refused("hash_failed", "V or C")),
        };
        let salt = self.find("salt")?;
        Ok(Some(Verity {
            failed,
            data_device: self.find("data_device_name")?.text,
            hash_device: self.find("hash_device_name")?.text,
            algorithm: self.find("verity_algorithm")?.text,
            root_digest: bytes("root_digest", &self.find("root_digest")?)?,
            // A dash stands for none.
            salt: if salt.text == "-" { Vec::new() } else { bytes("salt", &salt)? },
            ignore_zero_blocks: self.find("ignore_zero_blocks")?.yes("ignore_zero_blocks")?,
            check_at_most_once: self.find("check_at_most_once")?.yes("check_at_most_once")?,
        }))
    }

    fn find(&self, key: &'static str) -> Result<Value<'a>, CriticalError> {
        let mut pairs = self.attributes;
        let missing = CriticalError { offset: pairs.offset, fault: CriticalFault::Cut { wanted: key } };
        core::iter::from_fn(|| pairs.pair()).find(|(name, _)| *name == key).map(|(_, value)| value).ok_or(missing)
    }
}

fn bytes(field: &'static str, value: &Value<'_>) -> Result<Vec<u8>, CriticalError> {
    unhex(value.text).filter(|bytes| !bytes.is_empty()).ok_or(value.refused(field, "bytes in hexadecimal"))
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let (pairs, tail) = hex.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some((crate::ascii::nibble(*high)? << 4) | crate::ascii::nibble(*low)?));
    if tail.is_empty() { bytes.collect() } else { None }
}
