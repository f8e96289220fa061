//! The command line of `avouch inspect`.

use std::path::{Path, PathBuf};

use avouch_tpm_wire::HashAlg;
use clap::{Args, Subcommand};
use data_encoding::HEXLOWER_PERMISSIVE;

use super::export::Export;
use super::{Kind, Options, QuoteInputs, checkpoint, input};
use crate::failure::Failure;
use crate::wanted_pairs::WantedPairs;

pub(crate) const EXIT_STATUS: &str = "\
Exit status:
  0  every file was read to its end, and nothing is wrong in it
  1  a file was read in part, or something is wrong in it
  2  a file could not be read at all, or the command line is wrong";

pub(crate) const INSPECT: &str = "\
Read logs, lists, quotes, reports, certificates, variables and policies offline

Needs no server and no configuration. Says what the bytes say and judges nothing; unknown values are told as unknown. A \
file that is cut is read as far as it goes, and where it stops is told. Without a kind the kind is recognised, and what \
it was recognised by is told. Base64 and hexadecimal around a file are taken off. `-` reads standard input.";

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Inspect {
    #[command(subcommand)]
    pub kind: Option<Wanted>,
    /// Files of any kind
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Wanted {
    /// Boot logs: banks, replayed PCRs, what booted
    #[command(after_help = EXIT_STATUS)]
    Eventlog(BootLogs),
    /// IMA measurement lists: banks, replayed PCR, violations, signatures, keys, policies
    #[command(after_help = EXIT_STATUS)]
    Ima(Lists),
    /// TPM quotes and other attestations, signatures and keys
    #[command(after_help = EXIT_STATUS)]
    Quote(Check),
    /// Certificates of TPMs and others: what they say, quirks, and the bundled root above them
    #[command(after_help = EXIT_STATUS)]
    Cert(Files),
    /// UEFI variables of efivarfs, signature lists, and signed updates such as dbx files
    #[command(after_help = EXIT_STATUS)]
    Efivar(Files),
    /// Policies of Avouch, IMA and Keylime: what is in them, windows that ended, holes
    #[command(after_help = EXIT_STATUS)]
    Policy(Policies),
    /// Checkpoints of transparency logs, other signed notes, and the keys that verify them
    #[command(after_help = EXIT_STATUS)]
    Checkpoint(Notes),
    /// Paired reports and stored observations: what systemd said beside what the kernel did
    #[command(after_help = EXIT_STATUS)]
    Report(Reports),
}

#[derive(Args, Debug)]
pub(crate) struct Log {
    /// Files, or `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Only this bank: sha1, sha256, sha384 or sha512
    #[arg(long, value_name = "BANK", value_parser = bank)]
    bank: Option<HashAlg>,
    /// Only this PCR
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..24))]
    pcr: Option<u32>,
    /// Every event or entry
    #[arg(long)]
    events: bool,
}

#[derive(Args, Debug)]
pub(crate) struct BootLogs {
    #[command(flatten)]
    log: Log,
    /// Add the events of this final events table, which the same machine's firmware wrote
    #[arg(long, value_name = "FILE")]
    final_events: Option<PathBuf>,
    #[command(flatten)]
    export: Export,
}

#[derive(Args, Debug)]
pub(crate) struct Lists {
    #[command(flatten)]
    log: Log,
    #[command(flatten)]
    export: Export,
}

#[derive(Args, Debug)]
pub(crate) struct Files {
    /// Files, or `-` for standard input; the name of an efivarfs file says which variable it is
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Reports {
    /// Files, or `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    wanted: WantedPairs,
    /// The whole report that the file is a difference to
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Policies {
    /// Files, or `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Check the signature of a Keylime policy with this public key, PEM
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Notes {
    /// Files, or `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Check signatures with this key, NAME+IDENTIFIER+KEY; may be repeated
    #[arg(long = "vkey", value_name = "KEY")]
    vkeys: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Files, or `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Check this signature: TPMT_SIGNATURE, or the bare bytes of one
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Check with this public key: TPMT_PUBLIC, TPM2B_PUBLIC or PEM
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Check that this nonce was signed
    #[arg(long, value_name = "HEX", value_parser = hex)]
    nonce: Option<Hex>,
    /// Check the PCR digest against values: what tpm2_quote -o or tpm2_pcrread wrote
    #[arg(long, value_name = "FILE")]
    pcrs: Option<PathBuf>,
}

/// Bytes that were written in hexadecimal.
#[derive(Clone, Debug)]
pub(crate) struct Hex(Vec<u8>);

impl Inspect {
    /// What to export, where the kind can be.
    pub(super) fn export(&self) -> Option<&Export> {
        match &self.kind {
            Some(Wanted::Eventlog(options)) => Some(&options.export),
            Some(Wanted::Ima(options)) => Some(&options.export),
            _ => None,
        }
    }

    /// Kind, files and options.
    pub(super) fn resolved(&self) -> Result<(Option<Kind>, &[PathBuf], Options), Failure> {
        let log = |log: &Log| Options { bank: log.bank, pcr: log.pcr, entries: log.events, ..Options::default() };
        let (kind, files, options) = match &self.kind {
            None if self.files.is_empty() => {
                let what = "no file was named";
                return Err(Failure::new("USAGE", what, "Name files, or `-` for standard input; see --help."));
            }
            None => (None, &self.files, Options::default()),
            Some(Wanted::Eventlog(options)) => {
                let final_events = options.final_events.as_deref().map(beside).transpose()?;
                (Some(Kind::Eventlog), &options.log.files, Options { final_events, ..log(&options.log) })
            }
            Some(Wanted::Ima(options)) => (Some(Kind::Ima), &options.log.files, log(&options.log)),
            Some(Wanted::Quote(options)) => (Some(Kind::Quote), &options.files, options.options()?),
            Some(Wanted::Cert(options)) => (Some(Kind::Cert), &options.files, Options::default()),
            Some(Wanted::Efivar(options)) => (Some(Kind::Efivar), &options.files, Options::default()),
            Some(Wanted::Policy(options)) => (Some(Kind::Policy), &options.files, options.options()?),
            Some(Wanted::Checkpoint(options)) => (Some(Kind::Checkpoint), &options.files, options.options()?),
            Some(Wanted::Report(options)) => (Some(Kind::Report), &options.files, options.options()?),
        };
        let now = u64::try_from(jiff::Timestamp::now().as_second()).ok();
        Ok((kind, files, Options { now, ..options }))
    }
}

impl Policies {
    fn options(&self) -> Result<Options, Failure> {
        let key = self.key.as_deref().map(beside).transpose()?;
        Ok(Options { quote: QuoteInputs { key, ..QuoteInputs::default() }, ..Options::default() })
    }
}

impl Reports {
    fn options(&self) -> Result<Options, Failure> {
        let base = self.base.as_deref().map(beside).transpose()?;
        let pairs = self.wanted.filter(super::observed::MOST_PAIRS);
        Ok(Options { pairs, base, ..Options::default() })
    }
}

impl Notes {
    fn options(&self) -> Result<Options, Failure> {
        checkpoint::keys(&self.vkeys)
            .map_err(|error| Failure::new("VKEY", error, "Write the key as its log publishes it, in one word."))?;
        Ok(Options { vkeys: self.vkeys.clone(), ..Options::default() })
    }
}

impl Check {
    fn options(&self) -> Result<Options, Failure> {
        let file = |path: &Option<PathBuf>| path.as_deref().map(beside).transpose();
        let quote = QuoteInputs {
            signature: file(&self.signature)?,
            key: file(&self.key)?,
            nonce: self.nonce.clone().map(|nonce| nonce.0),
            pcrs: file(&self.pcrs)?,
        };
        Ok(Options { quote, ..Options::default() })
    }
}

/// A file that an option names.
fn beside(path: &Path) -> Result<Vec<u8>, Failure> {
    input::read(path)
        .map_err(|error| Failure::new("FILE", format!("{}: {error}", path.display()), "Name a file that can be read."))
}

fn bank(text: &str) -> Result<HashAlg, String> {
    HashAlg::from_name(text).ok_or_else(|| "write sha1, sha256, sha384 or sha512".into())
}

fn hex(text: &str) -> Result<Hex, String> {
    HEXLOWER_PERMISSIVE
        .decode(text.as_bytes())
        .map(Hex)
        .map_err(|_| "write an even number of hexadecimal digits".into())
}
