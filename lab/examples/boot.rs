//! Boots two nodes and keeps their measurement logs, to see what changes from boot to boot.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use avouch_lab::{Chip, Job, Lab, Machine, PowerOn, Ready};

const LONG: Duration = Duration::from_secs(120);

fn main() -> anyhow::Result<()> {
    let lab = Lab::prepare(&mut |step| println!("{:<10} {:>6.1?} {}", step.name, step.took, step.cached))?;
    let job = Job::new()
        .file("blame", "systemd-analyze; systemd-analyze blame | head -20; systemctl --failed --no-legend")
        .file("pcrs", "for i in {0..15}; do echo $i $(cat /sys/class/tpm/tpm0/pcr-sha256/$i); done")
        .file("clock", r"printf '\x80\x01\x00\x00\x00\x0a\x00\x00\x01\x81' >/run/readclock; exec 4<>/dev/tpmrm0; cat /run/readclock >&4; head -c 64 <&4 | od -An -tx1 -v");
    let out = Path::new("target/lab/probe");
    fs::create_dir_all(out)?;
    let look = |machine: &mut Machine<'_>, ready: &Ready, name: &str| -> anyhow::Result<()> {
        println!("{name}: ready {:.1?} after power-on, {ready:?}", machine.age());
        let dir = out.join(name);
        fs::create_dir_all(&dir)?;
        for (file, path) in [
            ("binary_bios_measurements", "/sys/kernel/security/tpm0/binary_bios_measurements"),
            ("binary_runtime_measurements", "/sys/kernel/security/ima/binary_runtime_measurements"),
            ("ascii_runtime_measurements", "/sys/kernel/security/ima/ascii_runtime_measurements"),
        ] {
            fs::write(dir.join(file), machine.get(path, LONG)?)?;
        }
        fs::write(dir.join("pcrs"), machine.run("pcrs", LONG)?.output)?;
        println!("{}", machine.run("clock", LONG)?.text());
        println!("{}", machine.run("blame", LONG)?.text());
        Ok(())
    };
    let how = PowerOn::new(lab.uki(), job);
    let mut node = lab.node("a", Chip::Reference, &lab.bare_image())?;
    let mut machine = node.power_on(&how)?;
    let ready = machine.wait_ready(LONG)?;
    look(&mut machine, &ready, "a1-first")?;
    let start = Instant::now();
    let ready = machine.reboot(LONG)?;
    println!("reboot took {:.1?}", start.elapsed());
    look(&mut machine, &ready, "a2-reboot")?;
    machine.cut_power()?;
    let mut machine = node.power_on(&how)?;
    let ready = machine.wait_ready(LONG)?;
    look(&mut machine, &ready, "a3-power-cut")?;
    let start = Instant::now();
    machine.shut_down(LONG)?;
    println!("shutdown took {:.1?}", start.elapsed());
    let mut node = lab.node("b", Chip::Node, &lab.bare_image())?;
    let mut machine = node.power_on(&how)?;
    let ready = machine.wait_ready(LONG)?;
    look(&mut machine, &ready, "b1-first")?;
    machine.shut_down(LONG)?;
    Ok(())
}
