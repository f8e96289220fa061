//! The boot in words.

use avouch_bootlog::{BootState, Fact, SecureBoot};

use crate::booted::{Booted, BootedFact, BootedPart};
use crate::text::{hex, printable};

/// Most parts of a kind that are listed.
const LISTED: usize = 32;

/// What the log says that the machine booted.
pub(in crate::judge) fn summary(state: &BootState<'_>) -> Booted {
    let mut booted = Booted {
        secure_boot: state.secure_boot.map(|fact| {
            let word = if fact.value == SecureBoot::On { "on" } else { "off" };
            said(&fact, word.as_bytes())
        }),
        firmware: state.firmware_version.map(|fact| said(&fact, fact.value.to_string().as_bytes())),
        ..Booted::default()
    };
    let mut omitted = 0usize;
    booted.images = listed(&state.images, &mut omitted, |fact| {
        let path = fact.value.image.and_then(|image| image.path_text()).unwrap_or_default();
        part(fact, &path, fact.value.digest.as_bytes())
    });
    booted.uki = listed(&state.uki_sections, &mut omitted, |fact| {
        let digest = fact.value.digest.as_ref().map_or(&[][..], |digest| digest.as_bytes());
        part(fact, &fact.value.name.to_string(), digest)
    });
    booted.command_lines = listed(&state.command_lines, &mut omitted, |fact| match fact.value.text {
        Some(text) => BootedFact { covered: fact.check.proves_value(), ..said(fact, text.to_string().as_bytes()) },
        None => said(fact, format!("load options of digest {}", hex(fact.value.digest.as_bytes())).as_bytes()),
    });
    booted.initrds = listed(&state.initrds, &mut omitted, |fact| {
        part(fact, &fact.value.name.to_string(), fact.value.digest.as_bytes())
    });
    booted.omitted = u64::try_from(omitted).unwrap_or(u64::MAX);
    booted
}

fn listed<T, U>(facts: &[Fact<T>], omitted: &mut usize, show: impl Fn(&Fact<T>) -> U) -> Vec<U> {
    *omitted = omitted.saturating_add(facts.len().saturating_sub(LISTED));
    facts.iter().take(LISTED).map(show).collect()
}

fn said<T>(fact: &Fact<T>, value: &[u8]) -> BootedFact {
    let event = u64::try_from(fact.event).unwrap_or(u64::MAX);
    BootedFact { value: printable(value), event, covered: fact.covered() }
}

fn part<T>(fact: &Fact<T>, name: &str, digest: &[u8]) -> BootedPart {
    let event = u64::try_from(fact.event).unwrap_or(u64::MAX);
    BootedPart { name: printable(name.as_bytes()), digest: hex(digest), event, covered: fact.covered() }
}
