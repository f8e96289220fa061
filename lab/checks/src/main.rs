//! Checks the lab's machines with their own logs, four boots long: `cargo run -p avouch-lab-checks [AGENT]`.

mod checks;
mod observe;

use std::path::Path;
use std::time::Instant;

use avouch_lab::{Lab, Step};

fn main() -> anyhow::Result<()> {
    let mut progress =
        |step: Step| eprintln!("{:<10} {:>6.1?} {}", step.name, step.took, if step.cached { "kept" } else { "made" });
    let lab = Lab::prepare(&mut progress)?;
    let disk = match std::env::args().nth(1) {
        Some(agent) => lab.image(Path::new(&agent), &mut progress)?,
        None => lab.bare_image(),
    };
    let start = Instant::now();
    let counts = checks::run(&lab, &disk, &mut |name, result| match result {
        Ok(()) => eprintln!("{:>4} s  held    {name}", start.elapsed().as_secs()),
        Err(error) => eprintln!("{:>4} s  FAILED  {name}: {error:#}", start.elapsed().as_secs()),
    });
    println!("{} passed, {} failed, 0 skipped", counts.passed, counts.failed);
    anyhow::ensure!(counts.failed == 0, "the lab is not what it should be");
    Ok(())
}
