//! What the policy demands of the boot beside known events: Secure Boot, words of the command line, an SBAT level; and
//! what holds without being demanded: nothing that the measured dbx revokes was loaded.
//!
//! Only facts whose digest covers them count, and only in quoted PCRs: everything else is words that anybody may have
//! written.

use avouch_bootlog::content::Text;
use avouch_bootlog::{BootLog, BootState, Fact, Guid, SecureBoot};
use avouch_pe::siglist::{self, SignatureKind, Value};
use avouch_tpm_wire::{HashAlg, PcrSelection};

use super::answer::Sources;
use super::explained::BootJudged;
use crate::code::FindingCode;
use crate::finding::{Finding, Findings, Place};
use crate::replay::PHASE_PCR;
use crate::text::{hex, printable};

/// PCR where shim, GRUB and the kernel's EFI stub measure initial RAM disks.
const INITRD_PCR: u32 = 9;

pub(super) struct Demands<'j, 'a> {
    pub(super) log: &'j BootLog<'a>,
    pub(super) state: &'j BootState<'a>,
    pub(super) sources: &'j Sources<'j>,
    pub(super) selection: PcrSelection,
    pub(super) judged: &'j mut BootJudged,
    pub(super) findings: &'j mut Findings,
}

impl Demands<'_, '_> {
    pub(super) fn judge(&mut self) {
        self.secure_boot();
        self.command_line();
        self.sbat();
        self.revoked();
        self.initrd();
    }

    fn quoted(&self, event: usize) -> bool {
        let pcr = self.log.events().get(event).map(|event| event.pcr);
        pcr.is_some_and(|pcr| self.selection.pcrs().any(|quoted| quoted == pcr))
    }

    fn proven<T>(&self, fact: &Fact<T>) -> bool {
        fact.covered() && self.quoted(fact.event)
    }

    fn push(&mut self, code: FindingCode, event: Option<usize>, evidence: impl FnOnce() -> String) {
        let pcr = event.and_then(|event| self.log.events().get(event)).map(|event| event.pcr);
        let index = event.and_then(|event| u64::try_from(event).ok());
        self.findings.push(code, || Finding::new(code, evidence()).at(Place { index, pcr, ..Place::default() }));
    }

    fn secure_boot(&mut self) {
        if !self.sources.tables.secure_boot_required {
            return;
        }
        let fact = self.state.secure_boot.filter(|fact| self.proven(fact));
        match fact.map(|fact| (fact.value, fact.event)) {
            Some((SecureBoot::On, _)) => {}
            Some((_, event)) => self.push(FindingCode::SecureBootOff, Some(event), || {
                format!("event {event} proves that the variable SecureBoot was not 1")
            }),
            None => self.push(FindingCode::SecureBootUnproven, None, || {
                "no event of a quoted PCR, before its separator, proves the variable SecureBoot".into()
            }),
        }
    }

    fn command_line(&mut self) {
        let words = &self.sources.tables.command_line;
        if words.denied.is_empty() && words.required.is_empty() {
            return;
        }
        let lines: Vec<(usize, Vec<String>)> = self
            .state
            .command_lines
            .iter()
            .filter(|fact| fact.check.proves_value() && self.quoted(fact.event))
            .filter_map(|fact| Some((fact.event, kernel_words(&fact.value.text?))))
            .collect();
        if lines.is_empty() {
            return self.push(FindingCode::CommandLineUnproven, None, || {
                "no event of a quoted PCR holds a command line that its digest covers".into()
            });
        }
        for (event, line) in &lines {
            for word in line.iter().filter(|word| words.denied.iter().any(|denied| says(word, denied))) {
                let shown = printable(word.as_bytes());
                self.push(FindingCode::CommandLineDenied, Some(*event), || {
                    format!("the command line of event {event} holds {shown:?}")
                });
            }
        }
        for wanted in &words.required {
            if !lines.iter().any(|(_, line)| line.iter().any(|word| says(word, wanted))) {
                let event = lines.first().map(|(event, _)| *event);
                self.push(FindingCode::CommandLineMissing, event, || {
                    format!("no proven command line holds {wanted:?}")
                });
            }
        }
    }

    fn sbat(&mut self) {
        let wanted = &self.sources.tables.sbat;
        if wanted.is_empty() {
            return;
        }
        let fact = self.state.sbat_level.filter(|fact| self.proven(fact));
        let level = fact.and_then(|fact| Some((fact.event, avouch_pe::sbat::parse(fact.value).ok()?)));
        let Some((event, level)) = level else {
            return self.push(FindingCode::SbatUnproven, None, || {
                "no event of a quoted PCR proves a variable SbatLevel that can be read".into()
            });
        };
        for (component, least) in wanted {
            let got = level.least().iter().find(|(name, _)| name == component).map_or(0, |(_, generation)| *generation);
            if got < *least {
                let component = printable(component.as_bytes());
                self.push(FindingCode::SbatTooOld, Some(event), || {
                    format!("the measured level takes {component} from generation {got} on, the policy wants {least}")
                });
            }
        }
    }

    fn revoked(&mut self) {
        let Some(dbx) = self.state.variable(Guid::IMAGE_SECURITY, "dbx").filter(|fact| self.proven(fact)) else {
            return;
        };
        let Ok(lists) = siglist::parse(dbx.value.data) else {
            return self.judged.hole("DBX_UNREADABLE", format!("the dbx of event {} cannot be read", dbx.event));
        };
        for fact in &self.state.images {
            let event = fact.event;
            let revoked = lists.iter().any(|list| {
                let digest = hash_of(list.kind).and_then(|alg| self.log.events().get(event)?.digest(alg));
                digest.is_some_and(|digest| {
                    list.signatures()
                        .any(|entry| matches!(entry.value, Value::Digest(known) if known == digest.as_bytes()))
                })
            });
            if revoked {
                let digest = hex(fact.value.digest.as_bytes());
                self.push(FindingCode::BootImageRevoked, Some(event), || {
                    format!("the image of event {event} ({digest}) is in the measured dbx")
                });
            }
        }
    }

    /// An initial RAM disk is not signed; only its digest in a quoted PCR says which one it was.
    fn initrd(&mut self) {
        let quoted = |wanted| self.selection.pcrs().any(|pcr| pcr == wanted);
        if !quoted(INITRD_PCR) && !quoted(PHASE_PCR) {
            let what = "neither PCR 9 nor PCR 11 is quoted: the initial RAM disk may be any";
            return self.judged.hole("INITRD_NOT_QUOTED", what);
        }
        let in_uki =
            self.state.uki_sections.iter().any(|fact| fact.value.name == *".initrd" && self.quoted(fact.event));
        let measured = in_uki || self.state.initrds.iter().any(|fact| self.quoted(fact.event));
        if !measured {
            let what = "no event says which initial RAM disk was loaded, or that there was none";
            self.judged.hole("INITRD_NOT_MEASURED", what);
        }
    }
}

fn hash_of(kind: SignatureKind) -> Option<HashAlg> {
    match kind {
        SignatureKind::Sha256 => Some(HashAlg::Sha256),
        SignatureKind::Sha384 => Some(HashAlg::Sha384),
        SignatureKind::Sha512 => Some(HashAlg::Sha512),
        _ => None,
    }
}

/// The words as the kernel cuts them (`next_arg` in lib/cmdline.c): at white space outside double quotes, which are
/// not part of a word.
fn kernel_words(line: &Text<'_>) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            space if space.is_whitespace() && !quoted => words.push(String::new()),
            other => words.last_mut().into_iter().for_each(|word| word.push(other)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// True when the word is the policy's: whole where the policy gives a value, else up to `=`. The kernel takes a dash
/// and an underscore in a name for the same (`parameq` in kernel/params.c).
fn says(word: &str, wanted: &str) -> bool {
    let split = |text: &str| match text.split_once('=') {
        Some((name, value)) => (name.replace('-', "_"), Some(value.to_string())),
        None => (text.replace('-', "_"), None),
    };
    let ((name, value), (wanted_name, wanted_value)) = (split(word), split(wanted));
    let any = wanted_value.as_deref().is_none_or(str::is_empty);
    name == wanted_name && (any || value == wanted_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        kernel_words(&Text::Utf8(line))
    }

    #[test]
    fn words_are_cut_as_the_kernel_cuts_them() {
        assert_eq!(words("root=/dev/vda1  quiet\tima=off"), ["root=/dev/vda1", "quiet", "ima=off"]);
        assert_eq!(words("\"ima=off\" dyndbg=\"file a +p\" "), ["ima=off", "dyndbg=file a +p"]);
        assert!(words(" ").is_empty());
    }

    #[test]
    fn a_word_is_found_whole_or_by_its_name() {
        assert!(says("ima=off", "ima=off") && !says("ima=on", "ima=off") && !says("ima_x=off", "ima=off"));
        assert!(says("init=/bin/sh", "init=") && says("init=/bin/sh", "init") && !says("rdinit=/bin/sh", "init="));
        assert!(says("ima-policy=tcb", "ima_policy=") && says("quiet", "quiet") && !says("quietly", "quiet"));
        assert!(says("lockdown=integrity", "lockdown"));
    }
}
