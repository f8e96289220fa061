//! `avouch inspect`: evidence and policies read offline, told to people and programs.
//!
//! No server, no configuration, no judgement: what is told is what the bytes say. Reading goes as far as it can; where
//! it stops, the offset and the reason are told, and everything told before comes from the bytes before.

pub(crate) mod arguments;
mod cert;
mod checkpoint;
mod efivar;
mod eventlog;
mod export;
mod guess;
mod ima;
mod input;
mod observed;
mod page;
pub(crate) mod policy;
mod quote;
mod report;
mod wrapper;

use std::path::Path;

use avouch_appraise::PairFilter;
use avouch_crypto::sha256;
use avouch_tpm_wire::HashAlg;
use data_encoding::HEXLOWER;
use serde::Serialize;

pub use report::{Facts, Problem, Read, Report};

use crate::arguments::Global;
use crate::failure::Failure;
use crate::output::Output;
use crate::terminal;
use arguments::Inspect;
use report::Reading;

/// What a file can be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A boot log: TCG crypto-agile or SHA-1, CCEL, final events, TCG Canonical Event Log, systemd's userspace log.
    Eventlog,
    /// An IMA measurement list, ASCII or binary.
    Ima,
    /// A TPM attestation, signature or public key.
    Quote,
    /// Certificates: PEM, DER, PKCS#7, contents of an NV index.
    Cert,
    /// A UEFI variable, signature lists or a signed update of them.
    Efivar,
    /// A policy of Avouch, of IMA or of Keylime.
    Policy,
    /// A signed note: the checkpoint of a transparency log, or a key that verifies one.
    Checkpoint,
    /// A node's paired report, or an observation as the server keeps it.
    Report,
}

/// What to tell beyond the summary, and what to check with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only this bank.
    pub bank: Option<HashAlg>,
    /// Only this PCR.
    pub pcr: Option<u32>,
    /// Every event or entry.
    pub entries: bool,
    /// What a quote is checked with; the key also checks the signature of a policy.
    pub quote: QuoteInputs,
    /// EFI_TCG2_FINAL_EVENTS_TABLE of the boot log's machine.
    pub final_events: Option<Vec<u8>>,
    /// Keys that verify signed notes: `NAME+IDENTIFIER+KEY`.
    pub vkeys: Vec<String>,
    /// Which pairs of a report are told.
    pub pairs: PairFilter,
    /// The whole report that another one is a difference to.
    pub base: Option<Vec<u8>>,
    /// Seconds since 1970, to tell which windows have ended.
    pub now: Option<u64>,
}

/// What a quote is checked with; what is absent is said not to be checked.
#[derive(Clone, Debug, Default)]
pub struct QuoteInputs {
    /// TPMT_SIGNATURE, or the bare signature.
    pub signature: Option<Vec<u8>>,
    /// TPMT_PUBLIC, TPM2B_PUBLIC or PEM.
    pub key: Option<Vec<u8>>,
    /// The nonce that was sent.
    pub nonce: Option<Vec<u8>>,
    /// PCR values: what tpm2_pcrread or tpm2_quote wrote.
    pub pcrs: Option<Vec<u8>>,
}

/// Reads one file's bytes as `kind`, or as what they seem to be.
pub fn inspect(kind: Option<Kind>, file: &str, bytes: &[u8], options: &Options) -> Report {
    let known = |bytes: &[u8]| match kind {
        Some(kind) => kind.takes(bytes, file),
        None => guess::guess(bytes).is_some(),
    };
    let (content, wrappings) = wrapper::unwrapped(bytes, known);
    let (kind, kind_from) = match kind {
        Some(kind) => (Some(kind), "as asked"),
        None => guess::guess(&content).map_or((None, "nothing recognised"), |(kind, why)| (Some(kind), why)),
    };
    let Reading { facts, read, problems } = match kind {
        Some(kind) => kind.read(&content, file, options),
        None => Reading::not(Problem::new(unrecognised(&content))),
    };
    Report {
        file: file.into(),
        kind,
        kind_from: kind_from.into(),
        wrappings,
        bytes: Some(content.len()),
        sha256: Some(HEXLOWER.encode(&sha256(&[&content]))),
        read,
        problems,
        facts,
    }
}

fn unrecognised(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "the file is empty; name the kind to have an empty list read as one".into();
    }
    let start = HEXLOWER.encode(bytes.get(..8).unwrap_or(bytes));
    format!("begins with {start}, which is the beginning of nothing known here; name the kind, e.g. inspect eventlog")
}

/// Runs the command.
pub(crate) fn run(global: &Global, command: &Inspect) -> Result<Output, Failure> {
    let (kind, files, options) = command.resolved()?;
    let export = command.export().and_then(|export| Some((export, export.wanted()?)));
    let reports = match (export, kind) {
        (Some((export, wanted)), Some(kind)) => vec![export::run(export, wanted, kind, files, &options)?],
        _ => files.iter().map(|file| one(kind, file, &options)).collect::<Vec<_>>(),
    };
    let exit = reports.iter().map(Report::exit).max().unwrap_or(2);
    if global.json {
        return Ok(Output::json(&reports).with_exit(exit));
    }
    let columns = terminal::columns();
    let pages: Vec<_> = reports.iter().map(|report| report.lines(columns)).collect();
    Ok(Output::lines(&pages.join(&String::new())).with_exit(exit))
}

fn one(kind: Option<Kind>, file: &Path, options: &Options) -> Report {
    let name = file.display().to_string();
    match input::read(file) {
        Ok(bytes) => inspect(kind, &name, &bytes, options),
        Err(error) => Report::unreadable(name, kind, error),
    }
}

// === impl Kind ===

impl Kind {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eventlog => "eventlog",
            Self::Ima => "ima",
            Self::Quote => "quote",
            Self::Cert => "cert",
            Self::Efivar => "efivar",
            Self::Policy => "policy",
            Self::Checkpoint => "checkpoint",
            Self::Report => "report",
        }
    }

    fn read(self, bytes: &[u8], file: &str, options: &Options) -> Reading {
        match self {
            Self::Eventlog => eventlog::read(bytes, options),
            Self::Ima => ima::read(bytes, options),
            Self::Quote => quote::read(bytes, options),
            Self::Cert => cert::read(bytes, options),
            Self::Efivar => efivar::read(bytes, file),
            Self::Policy => policy::read(bytes, options),
            Self::Checkpoint => checkpoint::read(bytes, options),
            Self::Report => observed::read(bytes, options),
        }
    }

    /// True when something of the bytes can be read as this kind without taking a wrapping off.
    fn takes(self, bytes: &[u8], file: &str) -> bool {
        self.read(bytes, file, &Options::default()).read != Read::Not
    }
}
