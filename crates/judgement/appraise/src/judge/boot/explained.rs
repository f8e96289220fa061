//! Which source explained which PCR, kept for the whole boot session: a pass in a later round has the same holes.

use minicbor::{Decode, Encode};

use super::answer::{Measured, Source};
use crate::policy::ConfirmedBoot;
use crate::text::printable;
use crate::verdict::Coverage;

/// Most lines that are kept; a boot has a few for each PCR.
const LINES: usize = 96;

/// What the judgement of the boot saw and did not see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct BootJudged {
    /// PCRs that one confirmed boot explains exactly, by its label.
    #[n(0)]
    exact: Vec<(u32, String)>,
    #[n(1)]
    covered: Vec<(String, String)>,
    #[n(2)]
    holes: Vec<(String, String)>,
}

impl BootJudged {
    pub(super) fn exact(&mut self, pcr: u32, boot: &ConfirmedBoot) {
        self.exact.push((pcr, printable(boot.label.as_bytes())));
    }

    /// True when one confirmed boot has exactly the events of this PCR.
    pub(super) fn is_exact(&self, pcr: u32) -> bool {
        self.exact.iter().any(|(exact, _)| *exact == pcr)
    }

    /// Every event has a source, and they are of several.
    pub(super) fn mixed(&mut self, pcr: u32, good: &[(&Measured<'_, '_>, Source<'_>)]) {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for (_, source) in good {
            let name = source.name();
            match counts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count = count.saturating_add(1),
                None => counts.push((name, 1)),
            }
        }
        let parts: Vec<String> = counts.iter().map(|(name, count)| format!("{count} by {name}")).collect();
        self.cover("BOOT_MIXED", format!("PCR {pcr}: {}", parts.join(", ")));
        for (measured, source) in good {
            let Source::Rule(rule) = source else { continue };
            let event = measured.event.index;
            let (owner, why) = (printable(rule.owner.as_bytes()), printable(rule.why.as_bytes()));
            if rule.is_by_type_alone() {
                let what = format!(
                    "event {event} in PCR {pcr} is good by its type alone, which nothing authenticates (rule of {owner}: {why})"
                );
                self.hole("BOOT_RULE_BY_TYPE", what);
            }
        }
    }

    pub(super) fn cover(&mut self, code: &str, what: impl Into<String>) {
        push(&mut self.covered, code, what.into());
    }

    pub(super) fn hole(&mut self, code: &str, what: impl Into<String>) {
        push(&mut self.holes, code, what.into());
    }

    /// Writes the lines into a verdict's coverage.
    pub(in crate::judge) fn tell(&self, coverage: &mut Coverage) {
        let mut labels: Vec<&str> = self.exact.iter().map(|(_, label)| label.as_str()).collect();
        labels.sort_unstable();
        labels.dedup();
        for label in labels {
            let pcrs: Vec<String> =
                self.exact.iter().filter(|(_, other)| other == label).map(|(pcr, _)| pcr.to_string()).collect();
            coverage.cover("BOOT_CONFIRMED", format!("PCRs {} as in the confirmed boot {label:?}", pcrs.join(", ")));
        }
        self.covered.iter().for_each(|(code, what)| coverage.cover(code, what.clone()));
        self.holes.iter().for_each(|(code, what)| coverage.hole(code, what.clone()));
    }
}

fn push(lines: &mut Vec<(String, String)>, code: &str, what: String) {
    if lines.len() < LINES {
        lines.push((code.into(), what));
    }
}

impl Source<'_> {
    fn name(&self) -> String {
        match self {
            Self::Confirmed(boot) => format!("the confirmed boot {:?}", printable(boot.label.as_bytes())),
            Self::Expected(event) => {
                let (what, artefact) = (printable(event.what.as_bytes()), printable(event.artefact.as_bytes()));
                format!("the artefact {artefact} ({what})")
            }
            Self::Pending(update) => format!("the pending update {:?}", printable(update.label.as_bytes())),
            Self::Rule(rule) => format!("a rule of {}", printable(rule.owner.as_bytes())),
        }
    }
}
