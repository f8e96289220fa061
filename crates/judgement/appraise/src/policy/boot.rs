//! The boot sections of a policy as tables: what is good, what is bad, and until when.

use std::collections::{BTreeMap, HashMap};

use avouch_bootlog::EventType;
use avouch_protocol::Hash;
use avouch_tpm_wire::HashAlg;

use super::file::{self, Answer, BootSection, DeniedFirmware as FirmwareRange, EventRule, SecureBoot};
use super::{PolicyError, pcr_number};
use crate::text::unhex;

/// Longest name, text or reason that a rule may carry.
const MAX_WORD: usize = 1_024;

/// What the policy says of the boot.
#[derive(Debug)]
pub(crate) struct BootTables {
    pub(crate) confirmed: Vec<ConfirmedBoot>,
    /// Events computed from artefacts, by PCR and bank.
    pub(crate) expected: Vec<Expected>,
    pub(crate) pending: Vec<Pending>,
    /// By digest: why.
    pub(crate) denied: HashMap<Vec<u8>, String>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) secure_boot_required: bool,
    pub(crate) command_line: CommandLineWords,
    /// Least revocation level by component.
    pub(crate) sbat: BTreeMap<String, u32>,
}

/// A boot that somebody confirmed.
#[derive(Debug)]
pub(crate) struct ConfirmedBoot {
    /// SHA-256 of the Name of the endorsement key that it was recorded with.
    pub(crate) ek: Hash,
    pub(crate) label: String,
    pub(crate) pcrs: BTreeMap<u32, PcrReference>,
}

/// Event digests of one PCR.
#[derive(Debug)]
pub(crate) struct PcrReference {
    pub(crate) sequence: Vec<Vec<u8>>,
    /// How often each digest stands in the sequence.
    pub(crate) times: HashMap<Vec<u8>, usize>,
}

/// An event that an artefact leads one to expect.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) pcr: u32,
    pub(crate) digests: Vec<(HashAlg, Vec<u8>)>,
    pub(crate) what: String,
    pub(crate) artefact: String,
}

/// The events of an update that is on its way.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) label: String,
    pub(crate) until: u64,
    pub(crate) pcrs: BTreeMap<u32, PcrReference>,
}

/// An answer for events whose digest differs from machine to machine.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) pcr: u32,
    pub(crate) event_type: Option<EventType>,
    pub(crate) variable: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) good: bool,
    pub(crate) owner: String,
    pub(crate) why: String,
}

/// Words of the kernel's command line, as the kernel compares them.
#[derive(Debug)]
pub(crate) struct CommandLineWords {
    pub(crate) denied: Vec<String>,
    pub(crate) required: Vec<String>,
}

/// TPM firmware with known faults.
#[derive(Debug)]
pub(crate) struct DeniedFirmware {
    /// As in the certificate; `None` for any.
    pub(crate) manufacturer: Option<String>,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) why: String,
}

// === impl BootTables ===

impl BootTables {
    pub(super) fn from_file(section: &BootSection) -> Result<Self, PolicyError> {
        let mut denied = HashMap::new();
        for entry in &section.denied {
            denied.insert(digest("boot.denied.digest", &entry.digest)?, word("boot.denied.why", &entry.why)?);
        }
        Ok(Self {
            confirmed: section.confirmed.iter().map(ConfirmedBoot::from_file).collect::<Result<_, _>>()?,
            expected: section.expected.iter().map(Expected::from_file).collect::<Result<_, _>>()?,
            pending: section.pending.iter().map(Pending::from_file).collect::<Result<_, _>>()?,
            denied,
            rules: section.rules.iter().map(Rule::from_file).collect::<Result<_, _>>()?,
            secure_boot_required: section.secure_boot == Some(SecureBoot::Required),
            command_line: CommandLineWords {
                denied: words("boot.command_line.denied", &section.command_line.denied)?,
                required: words("boot.command_line.required", &section.command_line.required)?,
            },
            sbat: section.sbat.clone(),
        })
    }
}

// === impl ConfirmedBoot ===

impl ConfirmedBoot {
    fn from_file(boot: &file::Boot) -> Result<Self, PolicyError> {
        let bad = || PolicyError::Digest { section: "boot.confirmed.ek", got: boot.ek.clone() };
        let ek = Hash::from_hex(&boot.ek).ok_or_else(bad)?;
        Ok(Self { ek, label: boot.label.clone(), pcrs: pcrs("boot.confirmed.pcrs", &boot.pcrs)? })
    }

    /// How often it has the digest in that PCR.
    pub(crate) fn times(&self, pcr: u32, digest: &[u8]) -> usize {
        times(&self.pcrs, pcr, digest)
    }

    /// True when it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.pcrs.values().all(|pcr| pcr.sequence.is_empty())
    }
}

// === impl Expected ===

impl Expected {
    fn from_file(event: &file::ExpectedEvent) -> Result<Self, PolicyError> {
        let section = "boot.expected.digests";
        if event.digests.is_empty() {
            return Err(PolicyError::Missing { section });
        }
        let digests = event.digests.iter().map(|(name, text)| {
            let alg = bank(section, name)?;
            let digest = unhex(text).filter(|digest| digest.len() == alg.size());
            Ok((alg, digest.ok_or_else(|| PolicyError::Digest { section, got: text.clone() })?))
        });
        Ok(Self {
            pcr: checked_pcr("boot.expected.pcr", event.pcr)?,
            digests: digests.collect::<Result<_, _>>()?,
            what: word("boot.expected.what", &event.what)?,
            artefact: word("boot.expected.artefact", &event.artefact)?,
        })
    }

    /// True for this digest in this PCR and bank.
    pub(crate) fn is(&self, pcr: u32, bank: HashAlg, digest: &[u8]) -> bool {
        self.pcr == pcr && self.digests.iter().any(|(alg, known)| *alg == bank && known == digest)
    }
}

// === impl Pending ===

impl Pending {
    fn from_file(update: &file::PendingUpdate) -> Result<Self, PolicyError> {
        Ok(Self {
            label: word("boot.pending.label", &update.label)?,
            until: update.until,
            pcrs: pcrs("boot.pending.pcrs", &update.pcrs)?,
        })
    }

    /// How often it has the digest in that PCR.
    pub(crate) fn times(&self, pcr: u32, digest: &[u8]) -> usize {
        times(&self.pcrs, pcr, digest)
    }

    /// The last second of the window still counts.
    pub(crate) fn holds(&self, now: u64) -> bool {
        now <= self.until
    }
}

// === impl Rule ===

impl Rule {
    fn from_file(rule: &EventRule) -> Result<Self, PolicyError> {
        let event_type = match &rule.event_type {
            None => None,
            Some(name) => Some(event_type(name).ok_or_else(|| PolicyError::EventType { got: name.clone() })?),
        };
        let optional = |section, text: &Option<String>| text.as_ref().map(|text| word(section, text)).transpose();
        let rule = Self {
            pcr: checked_pcr("boot.rules.pcr", rule.pcr)?,
            event_type,
            variable: optional("boot.rules.variable", &rule.variable)?,
            text: optional("boot.rules.text", &rule.text)?,
            good: rule.answer == Answer::Good,
            owner: word("boot.rules.owner", &rule.owner)?,
            why: word("boot.rules.why", &rule.why)?,
        };
        // Without a condition a good rule would take whatever stands in the PCR.
        if rule.event_type.is_none() && rule.is_by_type_alone() {
            return Err(PolicyError::Missing { section: "boot.rules.type, variable or text" });
        }
        Ok(rule)
    }

    /// True when nothing that a digest proves is asked for.
    pub(crate) fn is_by_type_alone(&self) -> bool {
        self.variable.is_none() && self.text.is_none()
    }
}

// === impl DeniedFirmware ===

impl DeniedFirmware {
    pub(super) fn from_file(range: &FirmwareRange) -> Result<Self, PolicyError> {
        let section = "tpm.denied_firmware";
        let number = |text: &str| {
            let digits = text.strip_prefix("0x").unwrap_or(text);
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let read = plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten();
            read.ok_or_else(|| PolicyError::Digest { section, got: text.into() })
        };
        let (from, to) = (number(&range.from)?, number(&range.to)?);
        if from > to {
            let got = format!("{} to {}", range.from, range.to);
            return Err(PolicyError::Digest { section, got });
        }
        let manufacturer = range.manufacturer.as_ref().map(|name| word(section, name)).transpose()?;
        Ok(Self { manufacturer, from, to, why: word(section, &range.why)? })
    }
}

/// The bank of that name.
pub(super) fn bank(section: &'static str, name: &str) -> Result<HashAlg, PolicyError> {
    let known = [HashAlg::Sha256, HashAlg::Sha384, HashAlg::Sha512];
    let found = known.into_iter().find(|alg| alg.name() == name);
    found.ok_or_else(|| PolicyError::Bank { section, got: name.into() })
}

fn pcrs(
    section: &'static str,
    listed: &BTreeMap<String, Vec<String>>,
) -> Result<BTreeMap<u32, PcrReference>, PolicyError> {
    let mut pcrs = BTreeMap::new();
    for (number, digests) in listed {
        let pcr = pcr_number(number).ok_or_else(|| PolicyError::Pcr { section, got: number.clone() })?;
        let sequence = digests.iter().map(|text| digest(section, text)).collect::<Result<Vec<_>, _>>()?;
        let mut times: HashMap<Vec<u8>, usize> = HashMap::new();
        for digest in &sequence {
            let count = times.entry(digest.clone()).or_default();
            *count = count.saturating_add(1);
        }
        pcrs.insert(pcr, PcrReference { sequence, times });
    }
    Ok(pcrs)
}

fn times(pcrs: &BTreeMap<u32, PcrReference>, pcr: u32, digest: &[u8]) -> usize {
    pcrs.get(&pcr).and_then(|reference| reference.times.get(digest)).copied().unwrap_or(0)
}

fn digest(section: &'static str, text: &str) -> Result<Vec<u8>, PolicyError> {
    let digest = unhex(text).filter(|digest| [32, 48, 64].contains(&digest.len()));
    digest.ok_or_else(|| PolicyError::Digest { section, got: text.into() })
}

fn checked_pcr(section: &'static str, pcr: u32) -> Result<u32, PolicyError> {
    if pcr < 24 { Ok(pcr) } else { Err(PolicyError::Pcr { section, got: pcr.to_string() }) }
}

/// A text that says something: nobody answers for a rule whose owner is empty.
fn word(section: &'static str, text: &str) -> Result<String, PolicyError> {
    match text.trim() {
        "" => Err(PolicyError::Missing { section }),
        _ if text.len() > MAX_WORD => Err(PolicyError::Word { section, got: text.chars().take(40).collect() }),
        _ => Ok(text.into()),
    }
}

/// Words of a command line: none is empty, none holds white space or quotes, which a word of the kernel cannot show.
fn words(section: &'static str, listed: &[String]) -> Result<Vec<String>, PolicyError> {
    let plain = |text: &&String| {
        !text.is_empty() && text.len() <= MAX_WORD && !text.chars().any(|c| c.is_whitespace() || c == '"')
    };
    match listed.iter().find(|text| !plain(text)) {
        Some(bad) => Err(PolicyError::Word { section, got: bad.chars().take(40).collect() }),
        None => Ok(listed.to_vec()),
    }
}

/// The type that the profile calls so; its numbers lie in two short ranges.
pub(crate) fn event_type(name: &str) -> Option<EventType> {
    (0..0x20).chain(0x8000_0000..0x8000_0100).map(EventType).find(|kind| kind.name() == name && name != "EV_UNKNOWN")
}
