//! Where the configuration comes from, and what time it is.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use avouch_server::Config;

use crate::arguments::Global;
use crate::failure::Failure;

/// Read when no file is named and this one exists.
const DEFAULT_FILE: &str = "/etc/avouch/avouch.toml";

/// The configuration that `global` names, the default file, or the defaults.
pub(crate) fn configuration(global: &Global) -> Result<Config, Failure> {
    let default = Path::new(DEFAULT_FILE);
    let path = match &global.config {
        Some(path) => path,
        None if default.exists() => default,
        None => return Ok(Config::default()),
    };
    Config::from_file(path).map_err(|error| {
        let remedy = format!("Correct {}, or name another file with --config.", path.display());
        Failure::new("CONFIG", error, remedy)
    })
}

/// Unix seconds of this machine's clock. Verdicts never depend on it; texts and token expiry do.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// This moment as people write it, in UTC.
pub(crate) fn now_text() -> String {
    timestamp(now())
}

/// Unix seconds as RFC 3339 in UTC.
pub(crate) fn timestamp(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    moment.map_or_else(|| seconds.to_string(), |moment| moment.to_string())
}
