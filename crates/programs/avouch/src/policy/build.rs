//! Computing reference values from artefacts.

use std::fs::{self, File};
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};

use avouch_appraise::{IMA_POLICY_PATH, PolicyDraft};
use avouch_ima::policy::SHIPPED_POLICY;
use avouch_reference::boot::ExpectedEvents;
use avouch_reference::{
    ArtefactError, FileDigests, OwnedFiles, PackageDatabase, Progress, file, initrd_file, root_tar_with_packages,
    root_tree,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use serde_json::json;

use super::expected;
use super::file::write;
use crate::arguments::{Build, Global, Packages, Placed};
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::now_text;

pub(super) fn run(global: &Global, options: &Build) -> Result<Output, Failure> {
    let mut draft = PolicyDraft::new(&options.name, now_text());
    let packages = add_artefacts(&mut draft, options)?;
    let events = expected::events(options)?;
    expected::add(&mut draft, options, &events)?;
    add_ima_policy(&mut draft, options.ima_policy.as_ref())?;
    write(&options.output, &draft.to_bytes())?;
    if global.json {
        return Ok(Output::json(&json!({
            "policy": options.output,
            "policy_ref": draft.reference().to_hex(),
            "digests": draft.file_count(),
            "packages": packages,
            "boot_events": events.len(),
            "not_computed": events.gaps,
        })));
    }
    Ok(Output::lines(&lines(&draft, options, packages, &events)))
}

fn lines(draft: &PolicyDraft, options: &Build, packages: Option<usize>, events: &ExpectedEvents) -> Vec<String> {
    let output = options.output.display();
    let mut lines = vec![format!("{} file digests in {output}", draft.file_count())];
    if let Some(packages) = packages {
        lines.push(format!("{packages} packages own files of the root"));
    }
    if !events.is_empty() {
        lines.push(format!("{} boot events computed from artefacts", events.len()));
        lines.extend(events.gaps.iter().map(|gap| format!("  not computed: {gap}")));
    }
    lines.push("It confirms no boot yet. Enrol a reference machine of this build, then:".into());
    lines.push(format!("  avouch policy confirm {output} --from REFERENCE-MACHINE"));
    lines
}

/// How many packages own files, where their database was read.
fn add_artefacts(draft: &mut PolicyDraft, options: &Build) -> Result<Option<usize>, Failure> {
    let bar = bar();
    let show = |progress: Progress| {
        if let Some(total) = progress.total {
            bar.set_length(total);
        }
        bar.set_position(progress.done);
    };
    let mut packages = None;
    if let Some(root) = &options.root {
        let (owned, count) = owned(options, root, &show).map_err(|error| refused(root, &error))?;
        owned.add_to(draft).map_err(|error| refused(root, &error))?;
        packages = count;
    }
    for path in &options.initrd {
        add(draft, path, initrd_file(path, &show))?;
    }
    for Placed { on_node, here } in &options.files {
        add(draft, here, file(here, on_node))?;
    }
    Ok(packages)
}

/// The files of a root by package, and how many packages there are.
fn owned(
    options: &Build,
    root: &Path,
    show: &(dyn Fn(Progress) + Sync),
) -> Result<(OwnedFiles, Option<usize>), ArtefactError> {
    let (files, database) = if root.is_dir() {
        (root_tree(root, show)?, PackageDatabase::in_tree(root)?)
    } else {
        let archive = File::open(root).map_err(|source| ArtefactError::Read { path: root.to_owned(), source })?;
        root_tar_with_packages(archive, show)?
    };
    match (options.packages, database) {
        (Packages::Never, _) | (Packages::Auto, None) => Ok((OwnedFiles { packages: Vec::new(), others: files }, None)),
        (Packages::Always, None) => Err(ArtefactError::Packages {
            path: "/var/lib/dpkg/status".into(),
            reason: "the root has none; leave --packages out, or name a root with dpkg's database",
        }),
        (_, Some(database)) => {
            let owned = database.owners(files)?;
            let count = owned.packages.len();
            Ok((owned, Some(count)))
        }
    }
}

fn add(draft: &mut PolicyDraft, artefact: &Path, digests: Result<FileDigests, ArtefactError>) -> Result<(), Failure> {
    let digests = digests.map_err(|error| refused(artefact, &error))?;
    digests.add_to(draft).map_err(|error| refused(artefact, &error))
}

pub(super) fn refused(artefact: &Path, why: &dyn std::error::Error) -> Failure {
    Failure::new(
        "ARTEFACT",
        format!("{} cannot be taken into the policy: {why}", artefact.display()),
        "Name what is going to be installed, readable by this user; no policy was written.",
    )
}

fn add_ima_policy(draft: &mut PolicyDraft, given: Option<&Placed>) -> Result<(), Failure> {
    let refused = |here: PathBuf, why: String| {
        let what = format!("the IMA policy {} cannot be approved: {why}", here.display());
        Failure::new("IMA_POLICY", what, "Name the very file that nodes load; without --ima-policy it is Avouch's own.")
    };
    match given {
        None => draft
            .add_ima_policy(IMA_POLICY_PATH, SHIPPED_POLICY)
            .map_err(|error| refused(IMA_POLICY_PATH.into(), error.to_string())),
        Some(Placed { on_node, here }) => {
            let text = fs::read_to_string(here).map_err(|error| refused(here.clone(), error.to_string()))?;
            draft.add_ima_policy(on_node, &text).map_err(|error| refused(here.clone(), error.to_string()))
        }
    }
}

/// Progress on a terminal; nothing elsewhere. It goes when it is dropped.
fn bar() -> ProgressBar {
    let target = if stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target).with_finish(ProgressFinish::AndClear);
    match ProgressStyle::with_template("{pos}/{len} files {wide_bar} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
