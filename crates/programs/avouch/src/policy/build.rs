//! Computing reference values from artefacts.

use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use avouch_appraise::{IMA_POLICY_PATH, PolicyDraft};
use avouch_ima::policy::SHIPPED_POLICY;
use avouch_reference::{FileDigests, Progress, file, initrd_file, root_tar, root_tree};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::arguments::{Build, Global};
use crate::settings::now_text;

pub(crate) fn run(global: &Global, options: &Build) -> Result<ExitCode> {
    let given = options.root.is_some() || !options.initrd.is_empty() || !options.files.is_empty();
    ensure!(given, "no artefact is named, and an empty policy judges nothing: give --root, --initrd or --file");
    let mut draft = PolicyDraft::new(&options.name, now_text());
    let bar = Bar::new();
    if let Some(root) = &options.root {
        add(&mut draft, root, root_files(root, &bar))?;
    }
    for path in &options.initrd {
        add(&mut draft, path, initrd_file(path, &|progress| bar.show(progress)).map_err(Into::into))?;
    }
    for pair in &options.files {
        let (on_node, path) = split(pair)?;
        add(&mut draft, path, file(path, on_node).map_err(Into::into))?;
    }
    bar.finish();
    add_ima_policy(&mut draft, options.ima_policy.as_deref())?;
    super::write(&options.output, &draft.to_bytes())?;
    if global.json {
        let reference = draft.reference().to_hex();
        println!("{}", json!({ "policy": options.output, "policy_ref": reference, "digests": draft.file_count() }));
    } else {
        println!("{} file digests in {}", draft.file_count(), options.output.display());
        println!("It confirms no boot yet. Enrol a reference machine of this build, then:");
        println!("  avouch policy confirm {} --from REFERENCE-MACHINE", options.output.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn root_files(root: &Path, bar: &Bar) -> Result<FileDigests> {
    if root.is_dir() {
        return Ok(root_tree(root, &|progress| bar.show(progress))?);
    }
    let archive = File::open(root)?;
    Ok(root_tar(archive, &|progress| bar.show(progress))?)
}

fn add(draft: &mut PolicyDraft, artefact: &Path, digests: Result<FileDigests>) -> Result<()> {
    let taken = digests.and_then(|digests| Ok(digests.add_to(draft)?));
    taken.with_context(|| format!("artefact {}", artefact.display()))
}

fn add_ima_policy(draft: &mut PolicyDraft, pair: Option<&str>) -> Result<()> {
    let Some(pair) = pair else { return Ok(draft.add_ima_policy(IMA_POLICY_PATH, SHIPPED_POLICY)?) };
    let (on_node, path) = split(pair)?;
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the IMA policy {}", path.display()))?;
    Ok(draft.add_ima_policy(on_node, &text)?)
}

fn split(pair: &str) -> Result<(&str, &Path)> {
    let (on_node, here) = pair.split_once('=').with_context(|| format!("{pair:?} is not PATH-ON-NODE=FILE-HERE"))?;
    Ok((on_node, Path::new(here)))
}

/// A progress bar on a terminal; nothing elsewhere.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{pos}/{len} files {wide_bar} {eta}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    fn show(&self, progress: Progress) {
        if let Some(total) = progress.total {
            self.0.set_length(total);
        }
        self.0.set_position(progress.done);
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }
}
