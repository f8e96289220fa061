//! The walls of the house, checked over what cargo resolves: who may depend on whom.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

use crate::command::{cargo, root};
use crate::tally::Tally;

/// Floors from the ground up; a package may depend on its own floor and on those below it.
const FLOORS: [&str; 4] = ["crates/formats/", "crates/judgement/", "crates/machine/", "crates/programs/"];
/// Outside crates that judgement may name: encodings, likeness of words, and in `crypto` alone the cryptography.
const JUDGEMENT_MAY_NAME: [&str; 16] = [
    "aws-lc-rs",
    "data-encoding",
    "der",
    "minicbor",
    "rcgen",
    "regorus",
    "rustls",
    "rustls-pki-types",
    "rustls-webpki",
    "serde",
    "serde-saphyr",
    "serde_json",
    "sha2",
    "strsim",
    "toml",
    "zeroize",
];
/// Libraries of cryptography that only `avouch-crypto` names.
const ONLY_CRYPTO: [&str; 11] = [
    "aws-lc-rs",
    "cms",
    "der",
    "ed25519-dalek",
    "openssl",
    "p256",
    "rcgen",
    "ring",
    "rustls-webpki",
    "sha2",
    "x509-cert",
];
/// What must not be anywhere in the agent's tree: every node carries it.
const NOT_IN_AGENT: [&str; 10] = [
    "axum",
    "diesel",
    "openssl-sys",
    "redb",
    "regorus",
    "rusqlite",
    "sqlx",
    "tokio-postgres",
    "tss-esapi",
    "avouch-store",
];
/// What must not be in the tree of `avouch`: it starts these as child processes.
const NOT_IN_AVOUCH: [&str; 4] = ["avouch-tpm", "avouch-collect", "avouch-kernel", "avouch-systemd"];
/// The two witnesses do not know each other: neither could ask what the other shows.
const NOT_IN_KERNEL: [&str; 2] = ["avouch-systemd", "zbus"];
const NOT_IN_SYSTEMD: [&str; 1] = ["avouch-kernel"];

/// Prints every wall with its result.
pub(crate) fn run() -> Result<ExitCode> {
    let tally = check()?;
    println!("{tally}");
    Ok(tally.exit_code())
}

/// Checks all walls; one test each.
pub(crate) fn check() -> Result<Tally> {
    let house = House::read()?;
    let walls: [(&str, Vec<String>); 9] = [
        ("programs -> machine -> judgement -> formats, and of programs only avouch -> server", house.floors()),
        ("formats depend on nothing outside formats", house.formats_stand_alone()),
        ("formats are no_std", house.formats_are_no_std()?),
        ("judgement names only its short list", house.judgement_list()),
        ("only crypto names libraries of cryptography", house.only_crypto()),
        ("the agent's tree has no server, database, runtime of many threads or OpenSSL", house.agent_tree()?),
        ("the tree of avouch has no tpm, no collect and no witness", house.tree_without("avouch", &NOT_IN_AVOUCH)),
        ("the kernel's witness has no D-Bus", house.tree_without("avouch-kernel", &NOT_IN_KERNEL)),
        ("systemd's witness has no kernel", house.tree_without("avouch-systemd", &NOT_IN_SYSTEMD)),
    ];
    let mut tally = Tally::default();
    for (wall, breaches) in walls {
        eprintln!("{} {wall}", if breaches.is_empty() { "stands:" } else { "BROKEN:" });
        breaches.iter().for_each(|breach| eprintln!("    {breach}"));
        tally += Tally::one(wall, breaches.is_empty());
    }
    Ok(tally)
}

/// The packages of the workspace and what they resolve to.
struct House {
    metadata: Metadata,
}

impl House {
    fn read() -> Result<Self> {
        Ok(Self { metadata: MetadataCommand::new().current_dir(root()).exec()? })
    }

    fn packages(&self) -> Vec<&Package> {
        self.metadata.workspace_packages()
    }

    fn floor(&self, package: &Package) -> Option<usize> {
        let path = package.manifest_path.strip_prefix(&self.metadata.workspace_root).ok()?;
        FLOORS.iter().position(|floor| path.as_str().starts_with(floor))
    }

    fn named(&self, name: &str) -> Option<&Package> {
        self.packages().into_iter().find(|package| package.name.as_str() == name)
    }

    /// Every (package, normal dependency) of the workspace.
    fn edges(&self) -> impl Iterator<Item = (&Package, &str)> {
        self.packages().into_iter().flat_map(|package| {
            let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
            normal.map(move |dependency| (package, dependency.name.as_str()))
        })
    }

    fn floors(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        for (package, dependency) in self.edges() {
            let (Some(from), Some(target)) = (self.floor(package), self.named(dependency)) else { continue };
            let program_to_program = from == 3 && self.floor(target) == Some(3);
            let allowed = match self.floor(target) {
                Some(_) if program_to_program => package.name.as_str() == "avouch" && dependency == "avouch-server",
                Some(to) => to <= from,
                None => false,
            };
            if !allowed {
                breaches.push(format!("{} depends on {dependency}", package.name));
            }
        }
        breaches
    }

    fn formats_stand_alone(&self) -> Vec<String> {
        self.edges()
            .filter(|(package, _)| self.floor(package) == Some(0))
            .filter(|(_, dependency)| self.named(dependency).is_none_or(|target| self.floor(target) != Some(0)))
            .map(|(package, dependency)| format!("{} depends on {dependency}", package.name))
            .collect()
    }

    fn formats_are_no_std(&self) -> Result<Vec<String>> {
        let mut breaches = Vec::new();
        for package in self.packages().into_iter().filter(|package| self.floor(package) == Some(0)) {
            let library = package.manifest_path.with_file_name("src").join("lib.rs");
            let text = std::fs::read_to_string(&library).with_context(|| format!("cannot read {library}"))?;
            for attribute in ["#![no_std]", "#![forbid(unsafe_code)]"] {
                if !text.lines().any(|line| line.trim() == attribute) {
                    breaches.push(format!("{} does not say {attribute}", package.name));
                }
            }
        }
        Ok(breaches)
    }

    fn judgement_list(&self) -> Vec<String> {
        self.edges()
            .filter(|(package, _)| self.floor(package) == Some(1))
            .filter(|(_, dependency)| self.named(dependency).is_none() && !JUDGEMENT_MAY_NAME.contains(dependency))
            .map(|(package, dependency)| format!("{} depends on {dependency}", package.name))
            .collect()
    }

    fn only_crypto(&self) -> Vec<String> {
        self.edges()
            .filter(|(package, _)| self.floor(package).is_some() && package.name.as_str() != "avouch-crypto")
            .filter(|(_, dependency)| ONLY_CRYPTO.contains(dependency))
            .map(|(package, dependency)| format!("{} depends on {dependency}", package.name))
            .collect()
    }

    fn agent_tree(&self) -> Result<Vec<String>> {
        let mut breaches = self.tree_without("avouch-agent", &NOT_IN_AGENT);
        // Features are unified over the workspace in cargo's metadata, so the agent's own are asked for alone.
        let tree =
            cargo(&["tree", "-p", "avouch-agent", "-e", "normal", "--prefix", "none", "-f", "{p} {f}"]).output()?;
        anyhow::ensure!(tree.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&tree.stderr));
        let text = String::from_utf8_lossy(&tree.stdout).into_owned();
        let many_threads = |line: &&str| line.starts_with("tokio v") && line.contains("rt-multi-thread");
        let breach = |line| format!("avouch-agent has the runtime of many threads: {line}");
        breaches.extend(text.lines().filter(many_threads).map(breach));
        Ok(breaches)
    }

    /// Packages of `forbidden` that the normal tree of `name` reaches.
    fn tree_without(&self, name: &str, forbidden: &[&str]) -> Vec<String> {
        let Some(start) = self.named(name) else { return vec![format!("there is no package {name}")] };
        let Some(resolve) = &self.metadata.resolve else { return vec!["cargo resolved nothing".into()] };
        let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
        let mut seen = BTreeSet::from([&start.id]);
        let mut queue = vec![&start.id];
        while let Some(id) = queue.pop() {
            let Some(node) = nodes.get(id) else { continue };
            for dependency in &node.deps {
                let normal = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
                if normal && seen.insert(&dependency.pkg) {
                    queue.push(&dependency.pkg);
                }
            }
        }
        let reached = |id: &&&PackageId| forbidden.contains(&self.metadata[**id].name.as_str());
        seen.iter().filter(reached).map(|id| format!("{name} reaches {}", self.metadata[*id].name)).collect()
    }
}
