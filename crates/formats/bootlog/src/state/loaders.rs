//! What boot loaders measure: commands, command lines, files, sections.

use avouch_tpm_wire::Digest;

use super::{BootState, Fact};
use crate::Event;
use crate::check::DataCheck;
use crate::content::{Content, Tag, Text};

/// A command line that a kernel was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandLine<'a> {
    /// Who measured it.
    pub source: CommandLineSource,
    /// The text, where the log has it. GRUB's begins with the kernel's path.
    pub text: Option<Text<'a>>,
    /// The digest: of the text for the first two sources, of the UTF-16 load options for the kernel's stub.
    pub digest: Digest,
}

/// Who measured a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommandLineSource {
    /// GRUB, in PCR 8, labelled `kernel_cmdline` or by the command `linux`.
    Grub,
    /// systemd-boot or systemd-stub, in PCR 12 (PCR 8 before systemd 251).
    Systemd,
    /// The kernel's EFI stub, in PCR 9: a digest only.
    KernelStub,
}

/// Something measured whose content is not in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured<'a> {
    /// What the loader calls it; never covered.
    pub name: Text<'a>,
    /// Digest of the content.
    pub digest: Digest,
}

/// A section of a unified kernel image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UkiSection<'a> {
    /// Name, e.g. `.linux`.
    pub name: Text<'a>,
    /// Digest of the content; `None` when only the name was measured.
    pub digest: Option<Digest>,
}

/// PCR of systemd-stub's sections and of boot phases.
const UKI: u32 = 11;
/// PCR of shim's lists.
const SHIM: u32 = 14;

/// An EV_IPL event of PCR 8 to 15, sorted by what it says; registers of a confidential virtual machine hold all of them.
pub(super) fn boot_loader<'a>(state: &mut BootState<'a>, event: &Event<'a>, digest: Digest, check: DataCheck) {
    let Content::Text(text) = event.content() else { return };
    let index = event.index;
    let measured = Fact { value: Measured { name: text, digest }, event: index, check };
    if let Some(kind) = grub(&text) {
        return grub_command(state, kind, Fact { value: text, event: index, check }, digest);
    }
    match event.pcr {
        SHIM => state.mok.push(measured),
        _ if text.starts_with("MokList") || text.starts_with("SbatLevel") => state.mok.push(measured),
        _ if is_section(&text) => section(state, text, digest, index, check),
        UKI => state.phases.push(Fact { value: text, event: index, check }),
        _ if check.proves_value() && matches!(text, Text::Utf16(_)) => {
            let value = CommandLine { source: CommandLineSource::Systemd, text: Some(text), digest };
            state.command_lines.push(Fact { value, event: index, check });
        }
        12 | 13 => state.initrds.push(measured),
        _ if text == *"grub_linuxefi Initrd" => state.initrds.push(measured),
        _ => state.files.push(measured),
    }
}

/// What a label of GRUB or of Red Hat's fork says about the text behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grub {
    CommandLine,
    Command,
}

const GRUB_LABELS: [(&str, Grub); 5] = [
    ("kernel_cmdline: ", Grub::CommandLine),
    ("grub_kernel_cmdline ", Grub::CommandLine),
    ("grub_cmd: ", Grub::Command),
    ("grub_cmd ", Grub::Command),
    ("module_cmdline: ", Grub::Command),
];

fn grub(text: &Text<'_>) -> Option<(&'static str, Grub)> {
    GRUB_LABELS.into_iter().find(|(label, _)| text.starts_with(label))
}

/// The commands that start a kernel; their first word is no part of the command line.
const KERNEL_COMMANDS: [&str; 4] = ["linux ", "linuxefi ", "linux16 ", "kernel "];

fn grub_command<'a>(state: &mut BootState<'a>, (label, kind): (&str, Grub), labelled: Fact<Text<'a>>, digest: Digest) {
    let value = labelled.value.strip_prefix(label).unwrap_or(labelled.value);
    let fact = Fact { value, ..labelled };
    let line = match kind {
        Grub::CommandLine => Some(value),
        Grub::Command => KERNEL_COMMANDS.iter().find_map(|command| value.strip_prefix(command)),
    };
    if let Some(text) = line {
        let value = CommandLine { source: CommandLineSource::Grub, text: Some(text), digest };
        state.command_lines.push(Fact { value, event: fact.event, check: fact.check });
    }
    if kind == Grub::Command {
        state.commands.push(fact);
    }
}

/// A tagged event of Linux or systemd.
pub(super) fn tagged<'a>(state: &mut BootState<'a>, event: &Event<'a>, digest: Digest, check: DataCheck) {
    let Content::Tagged(tagged) = event.content() else { return };
    let Some(tag) = tagged.tag() else { return };
    let index = event.index;
    if tag == Tag::LinuxLoadOptions {
        let value = CommandLine { source: CommandLineSource::KernelStub, text: None, digest };
        return state.command_lines.push(Fact { value, event: index, check });
    }
    let Some(name) = Text::of(tagged.data) else { return };
    let measured = Fact { value: Measured { name, digest }, event: index, check };
    match tag {
        Tag::LinuxInitrd | Tag::InitrdAddon | Tag::MicrocodeAddon => state.initrds.push(measured),
        _ => state.files.push(measured),
    }
}

/// Names of sections begin with a dot and have at most eight bytes in PE.
fn is_section(text: &Text<'_>) -> bool {
    text.starts_with(".") && (2..=8).contains(&text.chars().count())
}

/// systemd-stub measures each section's name, then its content, under the same words.
fn section<'a>(state: &mut BootState<'a>, name: Text<'a>, digest: Digest, event: usize, check: DataCheck) {
    if check == DataCheck::Covered {
        return state.uki_sections.push(Fact { value: UkiSection { name, digest: None }, event, check });
    }
    match state.uki_sections.last_mut() {
        Some(last) if last.value.name == name && last.value.digest.is_none() => {
            last.value.digest = Some(digest);
            last.event = event;
        }
        _ => state.uki_sections.push(Fact { value: UkiSection { name, digest: Some(digest) }, event, check }),
    }
}
