//! Hashes a tree and says how long it took: `cargo run --release -p avouch-reference --example measure -- DIR`.
use std::io::IsTerminal;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::env::args_os().nth(1).ok_or("give a directory")?;
    let terminal = std::io::stderr().is_terminal();
    let start = Instant::now();
    let files = avouch_reference::root_tree(root.as_ref(), &|progress| {
        if terminal {
            eprint!("\r{} of {}", progress.done, progress.total.unwrap_or_default());
        }
    })?;
    println!("{} files in {:.1} s", files.len(), start.elapsed().as_secs_f64());
    Ok(())
}
