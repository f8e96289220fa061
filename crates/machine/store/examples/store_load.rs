//! Runs rounds on a store until it is killed, and prints a line for each acknowledged record: node, number, hash.
//!
//! The test that kills it compares these lines with what the store holds afterwards. `store_load measure DIRECTORY`
//! instead prints how many durable rounds per second 32 submitters reach there.

use std::io::Write;
use std::path::Path;

use avouch_store::contract::specimen::cluster;
use avouch_store::load::Load;
use avouch_store::{SqliteStore, StoreError};

fn main() -> Result<(), StoreError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["measure", directory] => measure(Path::new(directory)),
        [database] => run(Path::new(database)),
        _ => {
            eprintln!("usage: store_load DATABASE | store_load measure DIRECTORY");
            std::process::exit(2)
        }
    }
}

fn run(database: &Path) -> Result<(), StoreError> {
    let store = SqliteStore::open(database)?;
    let endless = Load { submitters: 8, rounds: u64::MAX, evidence_bytes: 3_000 };
    let print = |n: u64, record: &avouch_store::Record| {
        let mut out = std::io::stdout().lock();
        // One write per line, flushed: what the parent reads is what was acknowledged. A closed pipe means that the
        // parent is gone.
        if writeln!(out, "{n} {} {}", record.seq, record.hash).and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
    };
    endless.run(&store, &cluster(), &print).map(|_| ())
}

fn measure(directory: &Path) -> Result<(), StoreError> {
    let store = SqliteStore::open(&directory.join("measure.db"))?;
    let load = Load { submitters: 32, rounds: 400, evidence_bytes: 4_000 };
    let elapsed = load.run(&store, &cluster(), &|_, _| ())?;
    let rounds = load.submitters * load.rounds;
    println!("{rounds} rounds in {elapsed:.2?}: {:.0} per second", rounds as f64 / elapsed.as_secs_f64());
    Ok(())
}
