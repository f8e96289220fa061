//! Device-mapper devices by ioctl.

use std::os::fd::AsFd;

use rustix::fs::OFlags;

use super::{opened_here, refused};
use crate::parse::dm;
use crate::source::{MappedDevice, Refusal};
use crate::sys;

/// The longest answer that is taken.
const MOST: usize = 1 << 20;
/// DM_STATUS_TABLE_FLAG: the table instead of the state.
const TABLE: u32 = 1 << 4;
/// DM_BUFFER_FULL_FLAG.
const BUFFER_FULL: u32 = 1 << 8;
/// Targets whose tables are asked for.
const KEYLESS: [&str; 6] = ["verity", "linear", "striped", "snapshot", "zero", "error"];
/// Bytes of the name in struct dm_ioctl, with its NUL.
const NAME: usize = 128;

pub(super) fn devices() -> Result<Vec<MappedDevice>, Refusal> {
    // The node is a door to the kernel, not a fact: which directory it is found in does not matter.
    let control = opened_here("/dev/mapper/control", OFlags::RDWR)
        .map_err(|error| refused(&error.into(), "CAP_SYS_ADMIN and /dev/mapper/control"))?;
    let ask = |request, name: &str, flags| asked(control.as_fd(), request, name, flags);
    let names = dm::names(&ask(sys::DM_LIST_DEVICES, "", 0)?).map_err(|error| Refusal::Failed(error.to_string()))?;
    let mut devices = Vec::new();
    for (name, minor) in names {
        let status = ask(sys::DM_TABLE_STATUS, &name, 0);
        let keyless = status.as_ref().is_ok_and(|status| keyless(status));
        let table = if keyless { ask(sys::DM_TABLE_STATUS, &name, TABLE).map(Some) } else { Ok(None) };
        match (status, table) {
            (Ok(status), Ok(table)) => devices.push(MappedDevice { name, minor, status, table }),
            // Removed since it was listed.
            (Err(Refusal::Absent), _) | (_, Err(Refusal::Absent)) => {}
            (Err(refusal), _) | (_, Err(refusal)) => return Err(refusal),
        }
    }
    Ok(devices)
}

/// Whether every target is of a kind whose table holds no key: that of crypt does, in plain.
fn keyless(status: &[u8]) -> bool {
    dm::targets(status).is_ok_and(|targets| targets.iter().all(|target| KEYLESS.contains(&target.kind.as_str())))
}

fn asked(control: std::os::fd::BorrowedFd<'_>, request: u64, name: &str, flags: u32) -> Result<Vec<u8>, Refusal> {
    if name.len() >= NAME {
        return Err(Refusal::Failed("a device's name is longer than the kernel takes".to_owned()));
    }
    let mut size = 16 * 1024;
    while size <= MOST {
        let mut buffer = vec![0; size];
        for (offset, value) in [(0, 4_u32), (12, u32::try_from(size).unwrap_or(0)), (16, 312), (28, flags)] {
            if let Some(field) = buffer.get_mut(offset..offset + 4) {
                field.copy_from_slice(&value.to_ne_bytes());
            }
        }
        if let Some(field) = buffer.get_mut(48..48 + name.len()) {
            field.copy_from_slice(name.as_bytes());
        }
        match sys::device_mapper(control, request, &mut buffer) {
            // ENXIO: no such device any more.
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return Err(Refusal::Absent),
            Err(error) => return Err(refused(&error, "CAP_SYS_ADMIN")),
            Ok(()) => {}
        }
        let answered = crate::parse::u32_at(&buffer, 28).unwrap_or(0);
        if answered & BUFFER_FULL == 0 {
            return Ok(buffer);
        }
        size *= 4;
    }
    Err(Refusal::TooLong(MOST))
}
