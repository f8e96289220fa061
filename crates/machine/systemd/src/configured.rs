//! What systemd applies at boot, from files.

use std::path::Path;

use avouch_pairs::Observation;

/// The configuration that systemd and its helpers apply at boot, read from the files below `root`, as the orchestrator
/// column of the host, of sysctls, of dm devices and of the `paths` that were asked for.
pub fn configured(root: &Path, paths: &[String]) -> Observation {
    let _ = (root, paths);
    Observation::default()
}
