//! Where and when it was measured.

use std::fmt;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// Load average over one minute; `None` where the system does not say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load(Option<f64>);

impl Load {
    pub(crate) fn now() -> Self {
        Self(read_to_string("/proc/loadavg").ok().and_then(|text| text.split(' ').next()?.parse().ok()))
    }

    /// More than an idle machine shows.
    pub(crate) fn is_busy(self) -> bool {
        self.0.is_some_and(|load| load > 0.7)
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(load) => write!(f, "{load:.2}"),
            None => f.write_str("unknown"),
        }
    }
}

/// This moment in UTC, to the second.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Names and values for the page.
pub(crate) fn machine() -> Vec<(&'static str, String)> {
    let unknown = || "unknown".to_string();
    let cpu = read_to_string("/proc/cpuinfo").ok();
    let model = cpu.as_deref().and_then(|text| field(text, "model name")).map_or_else(unknown, str::to_owned);
    let cores = std::thread::available_parallelism().map_or_else(|_| unknown(), |cores| cores.to_string());
    let memory = read_to_string("/proc/meminfo").ok();
    let memory = memory.as_deref().and_then(|text| field(text, "MemTotal")).map_or_else(unknown, str::to_owned);
    let kernel = read_to_string("/proc/sys/kernel/osrelease").map_or_else(|_| unknown(), |text| text.trim().to_owned());
    let rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version").output();
    let rustc = rustc.map_or_else(|_| unknown(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let profile = if cfg!(debug_assertions) {
        "dev (**not** the figures of a release)"
    } else {
        "release (opt-level 3, thin LTO)"
    };
    vec![
        ("CPU", format!("{model}, {cores} logical cores")),
        ("Memory", memory),
        ("Kernel", format!("Linux {kernel}")),
        ("Compiler", rustc),
        ("Profile", profile.into()),
    ]
}

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// A new folder below the target directory: on the disk that is built on, never in a file system of memory.
pub(crate) fn work_folder() -> Result<tempfile::TempDir> {
    let target = programs_folder()?;
    tempfile::Builder::new().prefix("bench-").tempdir_in(target).context("cannot make a folder to work in")
}

/// Where this program is, and its siblings of the same profile.
pub(crate) fn programs_folder() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("a program lies in a folder")?;
    // Tests lie one deeper.
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}

/// Kind and device of the file system at `path`, as /proc/mounts tells.
pub(crate) fn file_system(path: &Path) -> String {
    let mounts = read_to_string("/proc/mounts").unwrap_or_default();
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mounted = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (device, at, kind) = (fields.next()?, fields.next()?, fields.next()?);
        path.starts_with(at).then(|| (at.len(), format!("{kind} on {device}")))
    });
    mounted.max_by_key(|(length, _)| *length).map_or_else(|| "unknown".into(), |(_, text)| text)
}

/// The value of `name: value` or `name : value`.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}
