//! What the disk gives: durable commits, one after the other.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rusqlite::Connection;
use rustix::fs::{major, minor, stat};

use crate::measure::{Spread, per_second};

const BLOCK: [u8; 4096] = [0xA5; 4096];
/// Repetitions of each figure.
const REPETITIONS: usize = 5;

/// Single durable commits of SQLite (WAL, synchronous=FULL, 4 KiB each) per second of wall time.
pub(crate) fn sqlite_commits(folder: &Path, slice: Duration) -> Result<Spread> {
    let connection = Connection::open(folder.join("limit.db"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute("CREATE TABLE block (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)", [])?;
    repeat(slice, || {
        connection.prepare_cached("INSERT INTO block (bytes) VALUES (?1)")?.execute([BLOCK.as_slice()])?;
        Ok(())
    })
}

/// 4 KiB appended to a file and made durable, per second of wall time.
pub(crate) fn appends(folder: &Path, slice: Duration) -> Result<Spread> {
    let mut file = File::create(folder.join("limit.log"))?;
    repeat(slice, || {
        file.write_all(&BLOCK)?;
        Ok(file.sync_data()?)
    })
}

fn repeat(slice: Duration, mut work: impl FnMut() -> Result<()>) -> Result<Spread> {
    let slice = slice.div_f64(f64::from(u32::try_from(REPETITIONS)?));
    let values: Result<Vec<f64>> = (0..REPETITIONS).map(|_| per_second(slice, &mut work)).collect();
    Ok(Spread::of(values?))
}

/// Flushes that the block device under `path` has completed since the machine started, whoever asked for them; `None`
/// where the kernel does not count them (before 5.5) or there is no such device.
pub(crate) fn flushes(path: &Path) -> Option<u64> {
    let device = stat(path).ok()?.st_dev;
    let counters = std::fs::read_to_string(format!("/sys/dev/block/{}:{}/stat", major(device), minor(device))).ok()?;
    // Documentation/block/stat.rst: the sixteenth field.
    counters.split_whitespace().nth(15)?.parse().ok()
}

/// Bytes that a process has caused to be written to disks.
pub(crate) fn written(pid: u32) -> Result<u64> {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io"))?;
    crate::place::field(&io, "write_bytes").context("write_bytes in /proc/PID/io")?.parse().context("a number of bytes")
}
