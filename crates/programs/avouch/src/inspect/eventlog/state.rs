//! What booted, each fact with the event that says so and whether the PCR proves it.

use avouch_bootlog::content::{LoadOption, Text, Variable};
use avouch_bootlog::state::{CommandLineSource, Contradiction, Measured};
use avouch_bootlog::{BootState, Fact, SecureBoot};
use avouch_crypto::sha256;
use avouch_pe::siglist;
use data_encoding::HEXLOWER;
use serde::Serialize;

use super::super::efivar;

/// What a boot log tells about the boot.
#[derive(Debug, Default, Serialize)]
pub struct State {
    /// `on`, `off`, or `absent` when the variable was measured without a value.
    pub secure_boot: Option<Told<&'static str>>,
    /// SetupMode.
    pub setup_mode: Option<Told<bool>>,
    /// AuditMode.
    pub audit_mode: Option<Told<bool>>,
    /// DeployedMode.
    pub deployed_mode: Option<Told<bool>>,
    /// The firmware's version.
    pub firmware_version: Option<Told<String>>,
    /// PK, KEK, db, dbx, MokList and other measured variables.
    pub variables: Vec<Told<VariableView>>,
    /// What verified the images.
    pub authorities: Vec<Told<VariableView>>,
    /// SBAT level of shim.
    pub sbat_level: Option<Told<String>>,
    /// Drivers and applications in the order in which they were loaded.
    pub images: Vec<Told<ImageView>>,
    /// Numbers of boot options in order.
    pub boot_order: Option<Told<Vec<String>>>,
    /// Number of the boot option that was taken.
    pub boot_current: Option<Told<String>>,
    /// Boot options.
    pub boot_options: Vec<Told<OptionView>>,
    /// Command lines of kernels.
    pub command_lines: Vec<Told<CommandLineView>>,
    /// Initial ram disks.
    pub initrds: Vec<Told<NamedDigest>>,
    /// Files that a boot loader measured.
    pub files: Vec<Told<NamedDigest>>,
    /// Shim's lists of machine owner keys.
    pub mok: Vec<Told<NamedDigest>>,
    /// Sections of a unified kernel image.
    pub uki_sections: Vec<Told<NamedDigest>>,
    /// Boot phases in PCR 11.
    pub phases: Vec<Told<String>>,
    /// Where the log contradicts itself.
    pub contradictions: Vec<String>,
}

/// A fact and how it is known.
#[derive(Debug, Serialize)]
pub struct Told<T> {
    /// The fact.
    pub value: T,
    /// Index of the event.
    pub event: usize,
    /// True when the digest that was extended is of this value: then the PCR proves it.
    pub proven: bool,
}

/// A UEFI variable.
#[derive(Debug, Serialize)]
pub struct VariableView {
    /// Its name.
    pub name: String,
    /// Its vendor.
    pub guid: String,
    /// Bytes of its value.
    pub bytes: usize,
    /// SHA-256 of its value.
    pub sha256: String,
    /// The value read as signature lists; null when it is something else.
    pub lists: Option<Vec<efivar::List>>,
}

/// An image that was loaded.
#[derive(Debug, Serialize)]
pub struct ImageView {
    /// `application` or `driver`, by the event's type.
    pub kind: &'static str,
    /// Authenticode digest.
    pub digest: String,
    /// Register.
    pub pcr: u32,
    /// True before the separator: then firmware ran it.
    pub before_separator: bool,
    /// Where it came from, as the firmware says.
    pub path: Option<String>,
}

/// A boot option.
#[derive(Debug, Serialize)]
pub struct OptionView {
    /// Its number.
    pub number: String,
    /// What the menu shows; null when it cannot be read.
    pub description: Option<String>,
    /// What it loads.
    pub path: Option<String>,
    /// False for an option that the menu alone offers.
    pub active: Option<bool>,
}

/// A kernel's command line.
#[derive(Debug, Serialize)]
pub struct CommandLineView {
    /// `grub`, `systemd` or `kernel stub`.
    pub source: &'static str,
    /// The text, where the log has it.
    pub text: Option<String>,
    /// The digest that was extended.
    pub digest: String,
}

/// Something that was measured by its digest.
#[derive(Debug, Serialize)]
pub struct NamedDigest {
    /// What the loader calls it.
    pub name: String,
    /// Digest of its content; null when only the name was measured.
    pub digest: Option<String>,
}

impl State {
    pub(super) fn of(state: &BootState<'_>) -> Self {
        Self {
            secure_boot: state.secure_boot.as_ref().map(|fact| told(fact, |value| secure_boot(*value))),
            setup_mode: state.setup_mode.as_ref().map(|fact| told(fact, |value| *value)),
            audit_mode: state.audit_mode.as_ref().map(|fact| told(fact, |value| *value)),
            deployed_mode: state.deployed_mode.as_ref().map(|fact| told(fact, |value| *value)),
            firmware_version: state.firmware_version.as_ref().map(|fact| told(fact, text)),
            variables: all(&state.variables, |variable| view(variable, siglist::parse(variable.data).ok())),
            authorities: all(&state.authorities, |variable| view(variable, None)),
            sbat_level: state.sbat_level.as_ref().map(|fact| told(fact, |bytes| words(bytes))),
            images: all(&state.images, |image| ImageView {
                kind: if image.application { "application" } else { "driver" },
                digest: image.digest.to_string(),
                pcr: image.pcr,
                before_separator: image.before_separator,
                path: image.image.and_then(|image| image.path_text()),
            }),
            boot_order: state.boot_order.as_ref().map(|fact| {
                told(fact, |order| order.iter().map(|number| format!("{:04X}", u16::from_le_bytes(*number))).collect())
            }),
            boot_current: state.boot_current.as_ref().map(|fact| told(fact, |number| format!("{number:04X}"))),
            boot_options: all(&state.boot_options, |option| option_view(option.number, option.option.as_ref())),
            command_lines: all(&state.command_lines, |line| CommandLineView {
                source: match line.source {
                    CommandLineSource::Grub => "grub",
                    CommandLineSource::Systemd => "systemd",
                    CommandLineSource::KernelStub => "kernel stub",
                },
                text: line.text.as_ref().map(text),
                digest: line.digest.to_string(),
            }),
            initrds: all(&state.initrds, measured),
            files: all(&state.files, measured),
            mok: all(&state.mok, measured),
            uki_sections: all(&state.uki_sections, |section| NamedDigest {
                name: text(&section.name),
                digest: section.digest.map(|digest| digest.to_string()),
            }),
            phases: all(&state.phases, text),
            contradictions: state.contradictions.iter().map(contradiction).collect(),
        }
    }
}

fn told<T, U>(fact: &Fact<T>, value: impl Fn(&T) -> U) -> Told<U> {
    Told { value: value(&fact.value), event: fact.event, proven: fact.covered() }
}

fn all<T, U>(facts: &[Fact<T>], value: impl Fn(&T) -> U) -> Vec<Told<U>> {
    facts.iter().map(|fact| told(fact, &value)).collect()
}

fn secure_boot(value: SecureBoot) -> &'static str {
    match value {
        SecureBoot::On => "on",
        SecureBoot::Off => "off",
        SecureBoot::Absent => "absent",
    }
}

pub(super) fn text(text: &Text<'_>) -> String {
    text.chars().filter(|c| *c != '\0').collect()
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches(['\0', '\n']).to_owned()
}

fn view(variable: &Variable<'_>, lists: Option<Vec<siglist::SignatureList<'_>>>) -> VariableView {
    VariableView {
        name: variable.name.chars().collect(),
        guid: variable.guid.to_string(),
        bytes: variable.data.len(),
        sha256: HEXLOWER.encode(&sha256(&[variable.data])),
        lists: lists.map(|lists| lists.iter().map(efivar::list).collect()),
    }
}

fn option_view(number: u16, option: Option<&LoadOption<'_>>) -> OptionView {
    OptionView {
        number: format!("{number:04X}"),
        description: option.map(|option| option.description.chars().collect()),
        path: option.and_then(LoadOption::path_text),
        active: option.map(|option| option.attributes & 1 == 1),
    }
}

fn measured(measured: &Measured<'_>) -> NamedDigest {
    NamedDigest { name: text(&measured.name), digest: Some(measured.digest.to_string()) }
}

fn contradiction(contradiction: &Contradiction) -> String {
    match contradiction {
        Contradiction::Value { name, event } => {
            format!("event {event} says something else of {name} than an event before")
        }
        Contradiction::BehindSeparator { event } => {
            format!("event {event} is a Secure Boot variable behind its register's separator, and is left out")
        }
        Contradiction::SeparatorTwice { pcr, event } => {
            format!("event {event} is a second separator of register {pcr}")
        }
        Contradiction::OnWithoutKeys => {
            "Secure Boot is on, and no key that could have verified anything is measured".into()
        }
        _ => "of a kind that has no words here".into(),
    }
}
