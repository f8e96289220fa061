//! Prints what the kernel shows of a unit, or of the machine, and what a pass over many units costs.
//!
//! `pass unit CGROUP MAIN_PID`, `pass host`, `pass cost COUNT` (COUNT children of its own, each taken for a unit)
use std::process::{Child, Command};
use std::time::Instant;

use avouch_kernel::{HostAsk, Kernel, UnitAsk};
use avouch_pairs::{Observation, Reading, Subject};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let kernel = Kernel::open()?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["unit", group, pid] => {
            let ask = UnitAsk {
                name: "asked.service".to_owned(),
                control_group: (*group).to_owned(),
                main_pid: pid.parse()?,
                ..UnitAsk::default()
            };
            print(group, &kernel.unit(&ask));
        }
        ["host"] => {
            let ask = HostAsk {
                sysctls: vec!["kernel.kptr_restrict".to_owned()],
                paths: vec!["/etc/passwd".to_owned()],
                ..HostAsk::default()
            };
            let Observation { subjects } = kernel.host(&ask);
            subjects.iter().for_each(|(name, subject)| print(name, subject));
        }
        ["cost", count] => cost(&kernel, count.parse()?)?,
        _ => return Err("unit CGROUP PID, host, or cost COUNT".into()),
    }
    Ok(())
}

fn print(name: &str, subject: &Subject) {
    println!("{name}");
    let spelled = |reading: &Reading| match reading {
        Reading::Value(value) => value.replace('\n', "\n        "),
        other => format!("{other:?}"),
    };
    for (attribute, fact) in &subject.facts {
        let name = attribute.spec().map_or("?", |spec| spec.name);
        print!("  {name}: {}", spelled(&fact.kernel));
        if fact.second != Reading::NotRead {
            print!("   | {}", spelled(&fact.second));
        }
        println!();
    }
}

/// CPU time of this process so far, in milliseconds.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn cost(kernel: &Kernel, count: usize) -> Result<(), Box<dyn std::error::Error>> {
    let group = std::fs::read_to_string("/proc/self/cgroup")?;
    let group = group.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/").to_owned();
    let root = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .into_iter()
        .find(|root| std::path::Path::new(root).join("cgroup.procs").exists());
    let root = root.ok_or("no cgroup2")?;
    let mut children: Vec<(Child, String)> = Vec::new();
    for number in 0..count {
        let below = format!("{}/avouch-cost-{number}", group.trim_end_matches('/'));
        std::fs::create_dir(format!("{root}{below}"))?;
        let child = Command::new("sleep").arg("60").spawn()?;
        std::fs::write(format!("{root}{below}/cgroup.procs"), child.id().to_string())?;
        children.push((child, below));
    }
    for round in ["first", "second"] {
        let (wall, before) = (Instant::now(), cpu());
        let pass = kernel.begin();
        let mut values = 0;
        for (number, (child, below)) in children.iter().enumerate() {
            let ask = UnitAsk {
                name: format!("cost-{number}.service"),
                control_group: below.clone(),
                main_pid: child.id(),
                ..UnitAsk::default()
            };
            values += pass.unit(&ask).facts.values().filter(|fact| fact.kernel.value().is_some()).count();
        }
        let units = cpu() - before;
        let subjects = pass.host(&HostAsk::default()).subjects.len();
        println!(
            "{round} pass: {count} units, {values} values, {units:.1} ms CPU; host, {subjects} subjects, {:.1} ms CPU; {:.1} ms in all",
            cpu() - before - units,
            wall.elapsed().as_secs_f64() * 1e3
        );
    }
    for (mut child, below) in children {
        child.kill()?;
        child.wait()?;
        std::fs::remove_dir(format!("{root}{below}"))?;
    }
    Ok(())
}
