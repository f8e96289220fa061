//! Every attack of the acceptance suite has a test that bears its id.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::command::root;
use crate::lab;
use crate::tally::Tally;

/// Groups of the suite: letter, and number of its last row.
const GROUPS: [(char, u32); 5] = [('q', 20), ('c', 12), ('b', 19), ('i', 27), ('d', 12)];
/// Rows that have two parts, each with a test of its own.
const SPLIT: [&str; 1] = ["q12"];

/// Prints each row with the number of its tests.
pub(crate) fn run() -> Result<ExitCode> {
    let tests = tests()?;
    let mut tally = Tally::default();
    for row in rows() {
        let named = tests.get(&row).map_or(&[][..], Vec::as_slice);
        println!("{:<5} {}", row.to_uppercase(), if named.is_empty() { "NO TEST".into() } else { named.join(", ") });
        tally += Tally::one(&row, !named.is_empty());
    }
    println!("{tally}");
    Ok(tally.exit_code())
}

fn rows() -> Vec<String> {
    let numbered = GROUPS.iter().flat_map(|(group, last)| (1..=*last).map(move |number| format!("{group}{number}")));
    numbered
        .flat_map(|row| match SPLIT.contains(&row.as_str()) {
            true => vec![format!("{row}a"), format!("{row}b")],
            false => vec![row],
        })
        .collect()
}

/// Names of tests by the id that they begin with, and scenarios of the lab by the rows that they name.
fn tests() -> Result<BTreeMap<String, Vec<String>>> {
    let mut found = BTreeMap::new();
    for folder in ["crates", "lab"] {
        read(&root().join(folder), &mut found)?;
    }
    for (row, scenario) in lab::rows() {
        found.entry(row.to_owned()).or_insert_with(Vec::new).push(format!("lab: {scenario}"));
    }
    Ok(found)
}

fn read(folder: &Path, found: &mut BTreeMap<String, Vec<String>>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, found)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            for name in fs::read_to_string(&path)?.lines().filter_map(function) {
                for id in ids(name) {
                    found.entry(id.into()).or_default().push(name.to_owned());
                }
            }
        }
    }
    Ok(())
}

/// The ids that a name begins with; a test may stand for several rows.
fn ids(name: &str) -> impl Iterator<Item = &str> {
    name.split('_').take_while(|part| {
        let number = part.strip_prefix(['q', 'c', 'b', 'i', 'd']).map(|rest| rest.trim_end_matches(['a', 'b']));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// Name of the function that a line begins to define.
fn function(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("fn ")?.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_test_that_bears_its_id() {
        let tests = tests().unwrap();
        let missing: Vec<String> = rows().into_iter().filter(|row| !tests.contains_key(row)).collect();
        assert!(missing.is_empty(), "no test begins with {missing:?}");
    }
}
