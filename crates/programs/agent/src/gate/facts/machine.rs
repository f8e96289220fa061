//! What was seen of the machine, as facts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use avouch_attestor::{
    Deployment, DeploymentKind, DeploymentSetting, FileDigest, Reading, Running, Service, ServiceFacts, Wanted,
};
use avouch_collect::appliance::{self, Appliance, Asked, FileSeen, Found, MAX_ITEMS, Seen};
use avouch_protocol::Hash;

use crate::collector::{Collector, LinkError};

/// What this process and the collector saw together.
pub(super) struct Look {
    pub(super) seen: Seen,
    /// Why the collector did not help.
    trouble: Option<String>,
}

// === impl Look ===

impl Look {
    /// Reads what is wanted; what this process may not read is asked of the collector.
    pub(super) fn of(appliance: &Appliance, collector: &Collector, wanted: &Wanted) -> Self {
        let mut look = Self { seen: Seen::default(), trouble: None };
        let asked = asked(wanted);
        look.seen = look.read(appliance, collector, &asked);
        // The IMA list knows files by where their paths lead.
        let services = wanted.services.values().map(|service| look.led_to(&service.path));
        let measured = services.collect::<BTreeSet<_>>().into_iter().collect();
        let listed = look.read(appliance, collector, &Asked { measured, ..Asked::default() });
        look.seen.measured = listed.measured;
        look
    }

    fn read(&mut self, appliance: &Appliance, collector: &Collector, asked: &Asked) -> Seen {
        let mut seen = appliance.read(asked);
        let lacking = seen.lacking(asked);
        // Of another root the collector knows nothing.
        if lacking.is_empty() || !appliance.is_running() {
            return seen;
        }
        for part in parts(lacking) {
            match collector.appliance(part.clone()) {
                Ok(other) => seen.fill(&part, other),
                Err(error) => {
                    self.trouble = Some(format!("{error}; {}", remedy(&error)));
                    break;
                }
            }
        }
        seen
    }

    fn led_to(&self, path: &Path) -> String {
        let asked = text(path);
        self.seen.files.get(&asked).and_then(Found::value).map_or(asked, |file| file.path.clone())
    }

    /// What was found, with what to do where this process may not read it.
    pub(super) fn reading<T: Clone>(&self, found: Option<&Found<T>>) -> Reading<T> {
        match found {
            Some(Found::Value(value)) => Reading::Value(value.clone()),
            Some(Found::Absent) => Reading::Absent,
            Some(Found::Denied(why)) => Reading::Unreadable(match &self.trouble {
                Some(trouble) => format!("{why}; {trouble}"),
                None => format!("{why}; let the gate's user read it"),
            }),
            Some(Found::Failed(why)) => Reading::Unreadable(why.clone()),
            None => Reading::Unreadable("it was not read; report this with the settings".to_owned()),
        }
    }

    /// A file that was asked for.
    pub(super) fn file(&self, path: &Path) -> Reading<FileDigest> {
        self.reading(self.seen.files.get(&text(path))).map(digest)
    }

    pub(super) fn services(&self, wanted: &Wanted) -> std::collections::BTreeMap<String, ServiceFacts> {
        let facts = wanted.services.iter().map(|(name, service)| (name.clone(), self.service(service)));
        facts.collect()
    }

    fn service(&self, service: &Service) -> ServiceFacts {
        let running = self.reading(self.seen.units.get(&service.unit));
        ServiceFacts {
            path: service.path.clone(),
            on_disk: self.file(&service.path),
            running: running.map(|running| running.iter().map(|process| self.process(process)).collect()),
            in_ima: self.reading(self.seen.measured.get(&self.led_to(&service.path))),
        }
    }

    fn process(&self, process: &appliance::Running) -> Running {
        let program = process.program.value();
        Running {
            pid: process.pid,
            main: process.main,
            program: program.map(|file| file.path.clone()).unwrap_or_default(),
            sha256: self.reading(Some(&process.program)).map(|file| file.sha256),
            deleted: process.deleted,
        }
    }

    pub(super) fn policy_files(&self, wanted: &Wanted) -> Vec<(PathBuf, Reading<FileDigest>)> {
        let seen = self.seen.policy.as_ref();
        let file = |(at, path): (usize, &PathBuf)| {
            let found = seen.and_then(|policy| policy.files.get(at)).map(|(_, file)| file);
            (path.clone(), self.reading(found).map(digest))
        };
        wanted.policy_files.iter().enumerate().map(file).collect()
    }

    /// The digest over all policy files, if all of them were read.
    pub(super) fn policy_digest(&self, wanted: &Wanted) -> Reading<Hash> {
        match &self.seen.policy {
            _ if wanted.policy_files.is_empty() => Reading::Absent,
            Some(policy) if policy.all_read() => Reading::Value(policy.digest),
            _ => Reading::Unreadable("not every policy file could be read; see each of them".to_owned()),
        }
    }

    pub(super) fn deployment(&self, setting: DeploymentSetting) -> Reading<Deployment> {
        let wanted = match setting {
            DeploymentSetting::None => return Reading::Absent,
            DeploymentSetting::Auto => None,
            DeploymentSetting::Of(kind) => Some(kind),
        };
        let found = self.reading(self.seen.deployment.as_ref()).map(deployment);
        match (wanted, &found) {
            (Some(wanted), Reading::Value(found)) if found.kind != wanted => Reading::Unreadable(format!(
                "the machine runs from {:?} {}, and the settings say {wanted:?}; correct `deployment` in the settings",
                found.kind, found.id
            )),
            (Some(wanted), Reading::Absent) => Reading::Unreadable(format!(
                "the machine runs from no deployment, and the settings say {wanted:?}; correct `deployment` in the \
                 settings"
            )),
            _ => found,
        }
    }
}

/// What is wanted, as it is read.
fn asked(wanted: &Wanted) -> Asked {
    let services = wanted.services.values();
    let files = services.clone().map(|service| &service.path).chain(&wanted.files).chain(&wanted.registry_manifest);
    let units: BTreeSet<String> = services.map(|service| service.unit.clone()).collect();
    Asked {
        files: files.map(|path| text(path)).collect::<BTreeSet<_>>().into_iter().collect(),
        policy: wanted.policy_files.iter().map(|path| text(path)).collect(),
        units: units.into_iter().collect(),
        measured: Vec::new(),
        boot_log: true,
        deployment: wanted.deployment != DeploymentSetting::None,
    }
}

/// Requests that a collector takes: of a baseline nobody can say how many files are missing.
fn parts(lacking: Asked) -> Vec<Asked> {
    let files = lacking.files.chunks(MAX_ITEMS).map(|files| Asked { files: files.to_vec(), ..Asked::default() });
    let files: Vec<Asked> = files.collect();
    let rest = Asked { files: Vec::new(), ..lacking };
    Some(rest).filter(|rest| !rest.is_empty()).into_iter().chain(files).collect()
}

/// Settings and baselines are text, and so are the paths in them.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn digest(file: FileSeen) -> FileDigest {
    FileDigest { sha256: file.sha256, size: file.size }
}

fn deployment(seen: appliance::Deployment) -> Deployment {
    let kind = match seen.kind {
        appliance::DeploymentKind::RpmOstree => DeploymentKind::RpmOstree,
        appliance::DeploymentKind::Ostree => DeploymentKind::Ostree,
        appliance::DeploymentKind::Bootc => DeploymentKind::Bootc,
        appliance::DeploymentKind::Image => DeploymentKind::Image,
    };
    Deployment { kind, id: seen.id, digest: seen.digest }
}

/// What to do so that the collector helps.
pub(super) fn remedy(error: &LinkError) -> &'static str {
    match error {
        LinkError::Absent { .. } => "`systemctl enable --now avouch-gate-collector.socket`, or run the gate as root",
        error => error.remedy(),
    }
}
