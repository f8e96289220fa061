//! Numbers of block devices: systemd names a device by a path, the kernel by its number.

use std::path::Path;

use rustix::fs::{FileType, major, minor, stat};

/// `MAJOR:MINOR` of the disk that limits on `path` govern: of a block device itself, else of the file system's device;
/// of a partition its whole disk, as systemd does. `None` where there is none.
pub(crate) fn number(path: &str) -> Option<String> {
    let found = stat(path).ok()?;
    let block = FileType::from_raw_mode(found.st_mode) == FileType::BlockDevice;
    let device = if block { found.st_rdev } else { found.st_dev };
    let number = format!("{}:{}", major(device), minor(device));
    if major(device) == 0 {
        return None;
    }
    let entry = Path::new("/sys/dev/block").join(&number);
    if !entry.join("partition").exists() {
        return Some(number);
    }
    let disk = std::fs::canonicalize(entry).ok()?.parent()?.join("dev");
    Some(std::fs::read_to_string(disk).ok()?.trim().to_owned())
}
