//! Prints how many durable rounds per second 32 submitters reach: `store_load DIRECTORY`.

use std::path::Path;

use avouch_store::contract::specimen::cluster;
use avouch_store::load::Load;
use avouch_store::{SqliteStore, StoreError};

fn main() -> Result<(), StoreError> {
    let Some(directory) = std::env::args().nth(1) else {
        eprintln!("usage: store_load DIRECTORY (an empty one on the disk to be measured)");
        std::process::exit(2)
    };
    let store = SqliteStore::open(&Path::new(&directory).join("measure.db"))?;
    let load = Load { submitters: 32, rounds: 400, evidence_bytes: 4_000 };
    let elapsed = load.run(&store, &cluster(), &|_, _| ())?;
    let rounds = load.submitters * load.rounds;
    println!("{rounds} rounds in {elapsed:.2?}: {:.0} per second", rounds as f64 / elapsed.as_secs_f64());
    Ok(())
}
