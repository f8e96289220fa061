//! Boot programs: UKIs, boot loaders, kernels and initial RAM disks.

use std::path::Path;

use avouch_crypto::Hash;
use avouch_pe::{Image, uki as sections};

use super::command_line::load_options;
use super::{Artefact, ExpectedEvents, read, refused};
use crate::ArtefactError;

/// From this release on, systemd-stub adds archives of its own to the initial RAM disk of every UKI.
const STUB_ADDS_ARCHIVES: u32 = 257;

/// A unified kernel image: its Authenticode digest and that of its kernel in PCR 4, its sections in PCR 11, its initial
/// RAM disk and command line in PCR 9. Every profile is expected.
///
/// Firmware measures the kernel in PCR 4 when Secure Boot is off; with Secure Boot on, the stub starts it in ways that
/// firmware does not measure.
///
/// # Errors
/// [`ArtefactError::Read`]; [`ArtefactError::Image`] when it is no UKI.
pub fn uki(path: &Path) -> Result<ExpectedEvents, ArtefactError> {
    let (bytes, artefact) = read(path)?;
    let image = Image::parse(&bytes).map_err(|error| refused(path, error))?;
    let mut events = ExpectedEvents::default();
    application(&mut events, &artefact, &image, "UKI");
    for profile in 0..sections::profiles(&image) {
        let measured = sections::sections(&image, profile).map_err(|error| refused(path, error))?;
        of_profile(&mut events, &artefact, &measured, sections::stub(&image).map(|stub| stub.release));
    }
    let mut unique = ExpectedEvents { gaps: events.gaps, ..ExpectedEvents::default() };
    unique.gaps.dedup();
    for event in events.entries {
        if !unique.entries.contains(&event) {
            unique.entries.push(event);
        }
    }
    Ok(unique)
}

fn of_profile(
    events: &mut ExpectedEvents,
    artefact: &Artefact,
    measured: &[sections::Measured<'_>],
    release: Option<u32>,
) {
    for section in measured {
        let name = section.name;
        events.measured(artefact, sections::PCR, format!("UKI section name {name}"), &[name.as_bytes(), b"\0"]);
        let what = format!("UKI section {name}");
        events.digested(artefact, sections::PCR, what, |alg| section.section.digest(alg, &Hash));
    }
    let named = |name: &str| measured.iter().find(|section| section.name == name);
    if let Some(linux) = named(".linux") {
        let kernel = in_memory(linux);
        match Image::parse(&kernel) {
            Ok(kernel) => application(events, artefact, &kernel, "kernel in UKI section .linux"),
            Err(_) => events.gap(artefact, "its kernel is no PE image, so what firmware measures of it is not known"),
        }
    }
    match named(".cmdline").map(|section| in_memory(section)) {
        Some(line) => line_of_stub(events, artefact, &line),
        None => events.gap(artefact, "it has no command line of its own: give the one that it is started with"),
    }
    initrd_of_stub(events, artefact, measured, release);
}

/// Releases of the stub differ in whether they cut spaces and line ends off.
fn line_of_stub(events: &mut ExpectedEvents, artefact: &Artefact, line: &[u8]) {
    let Ok(line) = std::str::from_utf8(line) else {
        return events.gap(artefact, "its command line is not UTF-8, so the kernel's load options are not known");
    };
    let line = line.split('\0').next().unwrap_or_default();
    load_options(events, artefact, line);
    if line.trim() != line {
        load_options(events, artefact, line.trim());
    }
}

/// The stub hands the kernel the section as it is when there is nothing to add to it.
fn initrd_of_stub(
    events: &mut ExpectedEvents,
    artefact: &Artefact,
    measured: &[sections::Measured<'_>],
    release: Option<u32>,
) {
    let named = |name: &str| measured.iter().find(|section| section.name == name);
    let Some(initrd) = named(".initrd") else { return };
    let alone = named(".ucode").is_none() && named(".pcrpkey").is_none();
    if alone && release.is_some_and(|release| release < STUB_ADDS_ARCHIVES) {
        events.digested(artefact, 9, "initial RAM disk", |alg| initrd.section.digest(alg, &Hash));
    } else {
        events.gap(
            artefact,
            "its stub adds archives to the initial RAM disk, whose measurement in PCR 9 is not computed",
        );
    }
}

/// A boot loader or driver that firmware starts by itself (shim, GRUB, systemd-boot): its Authenticode digest in PCR 4.
///
/// # Errors
/// [`ArtefactError::Read`]; [`ArtefactError::Image`] when it is no PE image.
pub fn loader(path: &Path) -> Result<ExpectedEvents, ArtefactError> {
    let (bytes, artefact) = read(path)?;
    let image = Image::parse(&bytes).map_err(|error| refused(path, error))?;
    let mut events = ExpectedEvents::default();
    application(&mut events, &artefact, &image, "boot loader");
    Ok(events)
}

/// A kernel in a file of its own: its Authenticode digest in PCR 4, as firmware and shim measure it, and the digest of
/// the whole file in PCR 9, as GRUB measures what it reads.
///
/// # Errors
/// [`ArtefactError::Read`]; [`ArtefactError::Image`] when it is no PE image.
pub fn kernel(path: &Path) -> Result<ExpectedEvents, ArtefactError> {
    let (bytes, artefact) = read(path)?;
    let image = Image::parse(&bytes).map_err(|error| refused(path, error))?;
    let mut events = ExpectedEvents::default();
    application(&mut events, &artefact, &image, "kernel");
    events.measured(&artefact, 9, "kernel file (GRUB)", &[&bytes]);
    Ok(events)
}

/// An initial RAM disk in a file of its own: the digest of the file in PCR 9, both as the kernel's EFI stub measures
/// what it was given (tag 0x8F3B22EC) and as GRUB measures what it reads.
///
/// # Errors
/// [`ArtefactError::Read`].
pub fn initrd_events(path: &Path) -> Result<ExpectedEvents, ArtefactError> {
    let (bytes, artefact) = read(path)?;
    let mut events = ExpectedEvents::default();
    events.measured(&artefact, 9, "initial RAM disk", &[&bytes]);
    Ok(events)
}

/// EV_EFI_BOOT_SERVICES_APPLICATION.
fn application(events: &mut ExpectedEvents, artefact: &Artefact, image: &Image<'_>, what: &str) {
    events.digested(artefact, 4, what, |alg| image.authenticode(alg, &Hash));
}

/// The section with the zeros that follow it in memory; their number is bounded by the parser.
fn in_memory(measured: &sections::Measured<'_>) -> Vec<u8> {
    let mut bytes = measured.section.data().to_vec();
    bytes.resize(bytes.len() + measured.section.zeros(), 0);
    bytes
}
