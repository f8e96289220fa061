//! Unified kernel images (UAPI.5, "Unified Kernel Image"): which sections the boot stub measures into PCR 11, in which
//! order, and with which digests.
//!
//! The stub measures each section as it stands in memory, in the specification's canonical order and not in the
//! file's: first the name with its zero byte, then the content, each as an event of its own. `.pcrsig` is never
//! measured, since it signs the result. Releases of systemd-stub added sections over time, so the stub's version,
//! which it carries in `.sdmagic`, says which of them it measures.

use alloc::vec::Vec;

use avouch_tpm_wire::{Digest, HashAlg, Hasher, extend};

use crate::{Image, PeError, Section};

/// The PCR that the stub measures sections into.
pub const PCR: u32 = 11;

/// Sections in the canonical order, with the first release of systemd-stub that measures each.
const MEASURED: [(&str, u32); 14] = [
    (".linux", 252),
    (".osrel", 252),
    (".cmdline", 252),
    (".initrd", 252),
    (".ucode", 256),
    (".splash", 252),
    (".dtb", 252),
    (".uname", 253),
    (".sbat", 253),
    (".pcrpkey", 252),
    (PROFILE, 257),
    (".dtbauto", 257),
    (".hwids", 257),
    (".efifw", 258),
];
const PROFILE: &str = ".profile";
/// Sections of which the stub takes the one that fits the machine it runs on.
const CHOSEN: [&str; 2] = [".dtbauto", ".efifw"];
/// Sections of which it takes every one.
const REPEATED: [&str; 1] = [".dtb"];

/// A section that the stub measures.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// Its name, as measured.
    pub name: &'static str,
    /// The section.
    pub section: Section<'a>,
    /// True when the stub measures this or another one of the same name, as the hardware demands.
    pub one_of_several: bool,
}

/// One event of PCR 11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionEvent {
    /// The section.
    pub name: &'static str,
    /// True for the event of the name, false for that of the content.
    pub is_name: bool,
    /// What is extended.
    pub digest: Digest,
    /// As [`Measured::one_of_several`].
    pub one_of_several: bool,
}

/// The stub of a UKI, by what it says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stub<'a> {
    /// Release number of systemd, e.g. 252.
    pub release: u32,
    /// The whole version, e.g. `252.39-1~deb12u2`.
    pub version: &'a str,
}

/// True when the image is a UKI: it has a `.linux` section.
pub fn is_uki(image: &Image<'_>) -> bool {
    image.section(".linux").is_some()
}

/// The stub's version from `.sdmagic`; `None` when it is not systemd's stub or says nothing.
pub fn stub<'a>(image: &Image<'a>) -> Option<Stub<'a>> {
    let text = core::str::from_utf8(image.section(".sdmagic")?.data()).ok()?;
    let (_, rest) = text.split_once("systemd-stub ")?;
    let version = rest.split([' ', '\0']).next()?;
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    let release = version.get(..digits)?.parse().ok()?;
    Some(Stub { release, version })
}

/// How many profiles the image can be started with, at least 1.
pub fn profiles(image: &Image<'_>) -> usize {
    image.sections().iter().filter(|section| section.name == PROFILE.as_bytes()).count().max(1)
}

/// The sections that the stub measures when it starts `profile`, in the order in which it does. A profile's own
/// sections take the place of those of the same name before the first `.profile`.
///
/// # Errors
/// [`PeError::Missing`] when there is no `.linux` section or no such profile, [`PeError::Value`] when a section that
/// may be there once is there twice.
pub fn sections<'a>(image: &Image<'a>, profile: usize) -> Result<Vec<Measured<'a>>, PeError> {
    let parts = Parts::of(image, profile)?;
    let release = stub(image).map_or(u32::MAX, |stub| stub.release);
    let mut out = Vec::new();
    for (name, since) in MEASURED {
        if release < since {
            continue;
        }
        let found = parts.named(name);
        match found.as_slice() {
            [_, second, ..] if !CHOSEN.contains(&name) && !REPEATED.contains(&name) => {
                let (field, wanted) = ("a section's name", "a section of this name only once in a profile");
                let got = crate::cursor::wide(second.index);
                return Err(PeError::Value { offset: second.offset, field, wanted, got });
            }
            found => {
                let one_of_several = found.len() > 1 && CHOSEN.contains(&name);
                out.extend(found.iter().map(|section| Measured { name, section: **section, one_of_several }));
            }
        }
    }
    if out.first().is_none_or(|first| first.name != ".linux") {
        return Err(PeError::Missing { offset: 0, field: ".linux section" });
    }
    Ok(out)
}

/// The events that the stub makes of these sections: for each the name with a zero byte, then the content.
pub fn events(alg: HashAlg, sections: &[Measured<'_>], hasher: &impl Hasher) -> Vec<SectionEvent> {
    let pair = |measured: &Measured<'_>| {
        let Measured { name, one_of_several, .. } = *measured;
        let of_name = hasher.hash(alg, &[name.as_bytes(), b"\0"]);
        let of_content = measured.section.digest(alg, hasher);
        let event = |is_name, digest| SectionEvent { name, is_name, digest, one_of_several };
        [event(true, of_name), event(false, of_content)]
    };
    sections.iter().flat_map(pair).collect()
}

/// PCR 11 after these sections, before any phase of the boot; `None` when a section is one of several.
pub fn pcr11(alg: HashAlg, sections: &[Measured<'_>], hasher: &impl Hasher) -> Option<Digest> {
    if sections.iter().any(|measured| measured.one_of_several) {
        return None;
    }
    let events = events(alg, sections, hasher);
    Some(events.iter().fold(Digest::zero(alg), |pcr, event| extend(hasher, &pcr, &event.digest)))
}

/// The sections before the first `.profile`, and those of one profile.
struct Parts<'i, 'a> {
    base: &'i [Section<'a>],
    own: &'i [Section<'a>],
}

impl<'i, 'a> Parts<'i, 'a> {
    fn of(image: &'i Image<'a>, profile: usize) -> Result<Self, PeError> {
        let sections = image.sections();
        let starts = sections.iter().enumerate().filter(|(_, section)| section.name == PROFILE.as_bytes());
        let starts: Vec<usize> = starts.map(|(at, _)| at).collect();
        let first = starts.first().copied().unwrap_or(sections.len());
        let base = sections.get(..first).unwrap_or_default();
        let own = match starts.get(profile) {
            Some(start) => {
                let end = starts.get(profile.saturating_add(1)).copied().unwrap_or(sections.len());
                sections.get(*start..end).unwrap_or_default()
            }
            // The first profile is there even where no section says so.
            None if profile == 0 => &[],
            None => return Err(PeError::Missing { offset: 0, field: "profile of this number" }),
        };
        Ok(Self { base, own })
    }

    fn named(&self, name: &str) -> Vec<&'i Section<'a>> {
        let named = |sections: &'i [Section<'a>]| {
            // The stub takes a section without a byte in memory for one that is not there.
            let is_it = |section: &&Section<'_>| section.name == name.as_bytes() && section.virtual_size > 0;
            sections.iter().filter(is_it).collect::<Vec<_>>()
        };
        let own = named(self.own);
        if own.is_empty() { named(self.base) } else { own }
    }
}
