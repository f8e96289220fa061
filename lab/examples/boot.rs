//! Boots the lab's machine once and prints how long each part took.

use std::time::Duration;

use avouch_lab::{Chip, Job, Lab, PowerOn};

fn main() -> anyhow::Result<()> {
    let lab = Lab::prepare(&mut |step| println!("{:<10} {:>6.1?} {}", step.name, step.took, step.cached))?;
    let job = Job::new().file("look", "uname -r; cat /proc/cmdline; ls -l /sys/kernel/security/ima /sys/kernel/security; wc -l /sys/kernel/security/ima/ascii_runtime_measurements; systemd-analyze; systemd-analyze blame | head -20; systemctl --failed; cat /proc/mounts; lsmod");
    let mut node = lab.node("example", Chip::Node, &lab.bare_image())?;
    for kept in [false, true] {
        let mut machine = node.power_on(&PowerOn::new(lab.uki(), &job))?;
        let ready = machine.wait_ready(Duration::from_secs(120))?;
        println!("kept={kept}: ready {:.1?} after power-on, {ready:?}", machine.age());
        println!("{}", machine.run("look", Duration::from_secs(60))?.text());
        machine.shut_down(Duration::from_secs(60))?;
    }
    Ok(())
}
