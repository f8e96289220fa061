//! Prepares the lab and checks its machines: `cargo run -p avouch-lab --example checks [AGENT]`.

use std::path::Path;

use avouch_lab::{Lab, Step, checks};

fn main() -> anyhow::Result<()> {
    let mut progress =
        |step: Step| println!("{:<10} {:>6.1?} {}", step.name, step.took, if step.cached { "kept" } else { "made" });
    let lab = Lab::prepare(&mut progress)?;
    let disk = match std::env::args().nth(1) {
        Some(agent) => lab.image(Path::new(&agent), &mut progress)?,
        None => lab.bare_image(),
    };
    let start = std::time::Instant::now();
    let counts = checks::run(&lab, &disk, &mut |name, result| match result {
        Ok(()) => println!("{:>4} s  held    {name}", start.elapsed().as_secs()),
        Err(error) => println!("{:>4} s  FAILED  {name}: {error:#}", start.elapsed().as_secs()),
    });
    println!("{counts:?}");
    anyhow::ensure!(counts.failed == 0, "the lab is not what it should be");
    Ok(())
}
