//! What the demo saw, in one file; every value is copied from an answer of the API that is kept beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value};

/// The summary while it grows.
pub(crate) struct Summary {
    folder: PathBuf,
    values: Map<String, Value>,
}

impl Summary {
    /// An empty summary in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.into(), values: Map::from_iter([("enrolled".to_owned(), Value::Bool(false))]) }
    }

    /// Keeps an answer of the API under `name`.
    pub(crate) fn answer(&self, name: &str, answer: &Value) -> Result<()> {
        fs::write(self.folder.join("answers").join(format!("{name}.json")), serde_json::to_vec_pretty(answer)?)?;
        Ok(())
    }

    /// Sets a value.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.into(), value);
    }

    /// Writes `summary.json`.
    pub(crate) fn write(&mut self, took: Duration) -> Result<()> {
        self.set("seconds", Value::from(took.as_secs()));
        let mut bytes = serde_json::to_vec_pretty(&self.values)?;
        bytes.push(b'\n');
        fs::write(self.folder.join("summary.json"), bytes)?;
        Ok(())
    }
}
