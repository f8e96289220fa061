//! What one look at an appliance costs: `look FILE… UNIT.service…`.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use avouch_collect::appliance::{Appliance, Asked, Found};
use rustix::time::{ClockId, clock_gettime};

fn main() {
    let (files, units): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word.starts_with('/'));
    let measured = files.clone();
    let asked = Asked { files, units, measured, boot_log: true, deployment: true, ..Asked::default() };
    let cpu = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    };
    let (started, before) = (Instant::now(), cpu());
    let seen = Appliance::running().read(&asked);
    let (took, used) = (started.elapsed().as_millis(), cpu() - before);
    let read: Vec<_> = seen.files.values().filter_map(Found::value).collect();
    let bytes: u64 = read.iter().map(|file| file.size).sum();
    println!("{} of {} files, {bytes} bytes: {took} ms, {used} ms CPU", read.len(), asked.files.len());
    for (unit, running) in &seen.units {
        println!("{unit}: {running:?}");
    }
}
