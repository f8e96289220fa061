//! Computing reference values from artefacts.

use std::fs::{self, File};
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};

use avouch_appraise::{IMA_POLICY_PATH, PolicyDraft};
use avouch_ima::policy::SHIPPED_POLICY;
use avouch_reference::{ArtefactError, FileDigests, Progress, file, initrd_file, root_tar, root_tree};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use serde_json::json;

use super::file::write;
use crate::arguments::{Build, Global, Placed};
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::now_text;

pub(super) fn run(global: &Global, options: &Build) -> Result<Output, Failure> {
    let mut draft = PolicyDraft::new(&options.name, now_text());
    add_artefacts(&mut draft, options)?;
    add_ima_policy(&mut draft, options.ima_policy.as_ref())?;
    write(&options.output, &draft.to_bytes())?;
    if global.json {
        return Ok(Output::json(&json!({
            "policy": options.output,
            "policy_ref": draft.reference().to_hex(),
            "digests": draft.file_count(),
        })));
    }
    let output = options.output.display();
    Ok(Output::lines(&[
        format!("{} file digests in {output}", draft.file_count()),
        "It confirms no boot yet. Enrol a reference machine of this build, then:".into(),
        format!("  avouch policy confirm {output} --from REFERENCE-MACHINE"),
    ]))
}

fn add_artefacts(draft: &mut PolicyDraft, options: &Build) -> Result<(), Failure> {
    let bar = bar();
    let show = |progress: Progress| {
        if let Some(total) = progress.total {
            bar.set_length(total);
        }
        bar.set_position(progress.done);
    };
    if let Some(root) = &options.root {
        let digests = if root.is_dir() { root_tree(root, &show) } else { archive(root, &show) };
        add(draft, root, digests)?;
    }
    for path in &options.initrd {
        add(draft, path, initrd_file(path, &show))?;
    }
    for Placed { on_node, here } in &options.files {
        add(draft, here, file(here, on_node))?;
    }
    Ok(())
}

fn archive(path: &Path, show: &dyn Fn(Progress)) -> Result<FileDigests, ArtefactError> {
    let archive = File::open(path).map_err(|source| ArtefactError::Read { path: path.to_owned(), source })?;
    root_tar(archive, show)
}

fn add(draft: &mut PolicyDraft, artefact: &Path, digests: Result<FileDigests, ArtefactError>) -> Result<(), Failure> {
    let refused = |why: String| {
        let what = format!("{} cannot be taken into the policy: {why}", artefact.display());
        Failure::new(
            "ARTEFACT",
            what,
            "Name what is going to be installed, readable by this user; no policy was written.",
        )
    };
    let digests = digests.map_err(|error| refused(error.to_string()))?;
    digests.add_to(draft).map_err(|error| refused(error.to_string()))
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
