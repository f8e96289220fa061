//! Boot events that the artefacts of `policy build` lead to.

use std::path::Path;

use avouch_appraise::{PolicyDraft, PolicyError};
use avouch_pe::efivar::{Variable, VariableName};
use avouch_reference::ArtefactError;
use avouch_reference::boot::{self, ExpectedEvents};

use super::build::refused;
use crate::arguments::Build;
use crate::failure::Failure;

/// Computes the events of every boot artefact that is given; none where none is.
pub(super) fn events(options: &Build) -> Result<ExpectedEvents, Failure> {
    let mut events = ExpectedEvents::default();
    let mut add = |path: &Path, computed: Result<ExpectedEvents, ArtefactError>| {
        events.extend(computed.map_err(|error| refused(path, &error))?);
        Ok::<_, Failure>(())
    };
    for path in &options.uki {
        add(path, boot::uki(path))?;
    }
    for path in &options.loader {
        add(path, boot::loader(path))?;
    }
    for path in &options.kernel {
        add(path, boot::kernel(path))?;
    }
    if let Some(path) = &options.ovmf {
        add(path, boot::ovmf(path))?;
    }
    for path in &options.efivar {
        add(path, boot::variables(std::slice::from_ref(path)))?;
    }
    if let Some(db) = options.efivar.iter().find(|path| is_named(path, "db")) {
        let images: Vec<_> = options.uki.iter().chain(&options.loader).cloned().collect();
        add(db, boot::authorities(&images, db))?;
    }
    options.cmdline.iter().for_each(|text| events.extend(boot::command_line(text)));
    if !options.uki.is_empty() {
        events.extend(boot::phases());
    }
    if events.is_empty() {
        return Ok(events);
    }
    for path in &options.initrd {
        events.extend(boot::initrd_events(path).map_err(|error| refused(path, &error))?);
    }
    events.extend(boot::firmware_actions());
    Ok(events)
}

/// Adds the events, and requires Secure Boot where the given variables have it on.
pub(super) fn add(draft: &mut PolicyDraft, options: &Build, events: &ExpectedEvents) -> Result<(), Failure> {
    let failed = |error: PolicyError| refused(&options.output, &error);
    events.add_to(draft).map_err(failed)?;
    for path in options.efivar.iter().filter(|path| is_named(path, "SecureBoot")) {
        let bytes = std::fs::read(path).map_err(|error| refused(path, &error))?;
        let on = Variable::parse(&bytes).and_then(|variable| variable.switch());
        if on.map_err(|error| refused(path, &error))? {
            draft.require_secure_boot();
        }
    }
    Ok(())
}

fn is_named(path: &Path, wanted: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).and_then(VariableName::parse);
    name.is_some_and(|name| name.name == wanted)
}
