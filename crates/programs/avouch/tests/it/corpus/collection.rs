//! The collection: its index, its files, its truth.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// What comparing a file came to.
pub(super) enum Outcome {
    Agree,
    Refused,
    Nothing,
    Disagree(String),
}

/// A line of the index.
pub(super) struct Input {
    pub(super) path: String,
    pub(super) kind: String,
    pub(super) expected: String,
}

pub(super) struct Collection {
    folder: PathBuf,
    inputs: Vec<Input>,
    index_sha256: String,
    truth: BTreeMap<String, Value>,
}

impl Collection {
    /// `None` with a line that says how to run this.
    pub(super) fn open() -> Option<Self> {
        let Some(folder) = std::env::var_os("AVOUCH_CORPUS").map(PathBuf::from) else {
            println!("skipped: set AVOUCH_CORPUS to the folder of the collected files (the one with INDEX.tsv)");
            return None;
        };
        let index = fs::read(folder.join("INDEX.tsv"));
        let index = index.unwrap_or_else(|error| panic!("{} has no readable INDEX.tsv: {error}", folder.display()));
        let index_sha256 = data_encoding::HEXLOWER.encode(&avouch_crypto::sha256(&[&index]));
        let index = String::from_utf8(index).unwrap();
        let columns = index.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
        let inputs = columns
            .map(|c| Input { path: c[0].to_owned(), kind: c[6].to_owned(), expected: c[8].to_owned() })
            .collect();
        let truth = fs::read_dir(folder.join("truth")).into_iter().flatten().map(|file| {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_slice(&fs::read(&path).unwrap()).unwrap())
        });
        Some(Self { truth: truth.collect(), folder, inputs, index_sha256 })
    }

    pub(super) fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    pub(super) fn index_sha256(&self) -> &str {
        &self.index_sha256
    }

    pub(super) fn bytes(&self, path: &str) -> Vec<u8> {
        self.find(path).unwrap_or_else(|| panic!("{path} is in the index and cannot be read"))
    }

    pub(super) fn find(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.join("files").join(path)).ok()
    }

    /// Names of the files beside `path` and below its folder.
    pub(super) fn beside(&self, folder: &str) -> impl Iterator<Item = &Input> {
        self.inputs.iter().filter(move |input| input.path.starts_with(folder))
    }

    /// A file of truth that is a map by path.
    pub(super) fn truth(&self, name: &str, path: &str) -> Option<&Value> {
        self.truth.get(name)?.get(path)
    }

    /// A file of truth that is a list.
    pub(super) fn truths(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.truth.get(name).and_then(Value::as_array).into_iter().flatten()
    }

    /// A whole file of truth.
    pub(super) fn whole(&self, name: &str) -> Option<&Value> {
        self.truth.get(name)
    }
}

/// Values that are compared one by one; every difference is kept.
#[derive(Default)]
pub(super) struct Comparison {
    compared: usize,
    differences: Vec<String>,
}

impl Comparison {
    pub(super) fn equal(&mut self, what: impl std::fmt::Display, got: impl Into<Value>, wanted: impl Into<Value>) {
        let (got, wanted) = (got.into(), wanted.into());
        self.compared += 1;
        if got != wanted {
            self.differences.push(format!("{what} is {got}, truth says {wanted}"));
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        match (self.compared, self.differences.is_empty()) {
            (0, _) => Outcome::Nothing,
            (_, true) => Outcome::Agree,
            (_, false) => Outcome::Disagree(self.differences.join("; ")),
        }
    }

    /// The outcome for a file that was refused where truth says that it must be.
    pub(super) fn refused(self) -> Outcome {
        if self.differences.is_empty() { Outcome::Refused } else { self.outcome() }
    }
}

pub(super) fn is_refused(report: &Value) -> bool {
    report["read"] == "not" || report["problems"].as_array().is_some_and(|problems| !problems.is_empty())
}

pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
