//! Short texts of the kernel.

use std::io::Read;

use super::{Appliance, Found};

/// Longest text that is taken: the kernel's own command line has at most 4,096 bytes.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;

// === impl Appliance ===

impl Appliance {
    /// The kernel's command line, without its newline; bytes that are no UTF-8 are replaced.
    pub fn command_line(&self) -> Found<String> {
        self.text("/proc/cmdline")
    }

    /// The kernel's lockdown modes, the one in force in brackets, e.g. `none [integrity] confidentiality`.
    pub fn lockdown(&self) -> Found<String> {
        self.text("/sys/kernel/security/lockdown")
    }

    fn text(&self, path: &str) -> Found<String> {
        let bytes = match self.kernels_bytes(path, MAX_TEXT_BYTES) {
            Ok(bytes) => bytes,
            Err(found) => return found,
        };
        Found::Value(String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned())
    }

    /// The bytes of a file that the kernel makes, at most `limit`.
    pub(super) fn kernels_bytes<T>(&self, path: &str, limit: usize) -> Result<Vec<u8>, Found<T>> {
        let file = self.open_kernels(path)?;
        let mut bytes = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        file.take(most).read_to_end(&mut bytes).map_err(|error| Found::refusal(path, &error))?;
        if bytes.len() > limit {
            return Err(Found::Failed(format!("{path} has more than {limit} bytes, the most that is taken")));
        }
        Ok(bytes)
    }
}
