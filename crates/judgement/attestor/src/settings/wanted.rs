//! What has to be read for a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use avouch_tpm_wire::{HashAlg, PcrSelection};

use super::{DeploymentSetting, Service, Settings};
use crate::baseline::Baseline;

/// PCRs that are quoted whatever is expected: firmware, boot loader, its settings, Secure Boot.
const ALWAYS: [u32; 4] = [0, 2, 4, 7];

/// Everything that the facts of a run must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// PCRs to quote and to read: 0, 2, 4, 7 and every expected one, bank sha256.
    pub pcrs: PcrSelection,
    /// Services whose binary, processes and IMA entries are read.
    pub services: BTreeMap<String, Service>,
    /// Files of the policy digest, in this order.
    pub policy_files: Vec<PathBuf>,
    /// Files of the baseline that are none of those.
    pub files: BTreeSet<PathBuf>,
    /// The registry manifest.
    pub registry_manifest: Option<PathBuf>,
    /// Which deployment to look for.
    pub deployment: DeploymentSetting,
    /// Whether both witnesses are asked about every unit.
    pub levels: bool,
    /// Whether the server's word is needed.
    pub server: bool,
}

impl Wanted {
    /// What a run with these settings and this baseline needs.
    pub fn of(settings: &Settings, baseline: Option<&Baseline>) -> Self {
        let pcrs: Vec<u32> =
            ALWAYS.into_iter().chain(settings.expected_pcrs.keys().map(|pcr| u32::from(*pcr))).collect();
        let elsewhere = |path: &PathBuf| {
            settings.policy_files.contains(path) || settings.service_binaries.values().any(|it| it.path == *path)
        };
        Self {
            pcrs: PcrSelection::of(HashAlg::Sha256, &pcrs),
            services: settings.service_binaries.clone(),
            policy_files: settings.policy_files.clone(),
            files: baseline.into_iter().flat_map(Baseline::paths).filter(|path| !elsewhere(path)).collect(),
            registry_manifest: settings.registry_manifest_path.clone(),
            deployment: settings.deployment,
            levels: !settings.require_levels.is_empty(),
            server: settings.ask_server,
        }
    }
}
