//! Boot logs and IMA lists written as canonical event logs.

mod cbor;
mod json;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use avouch_appraise::{CelEncoding, to_tlv};
use avouch_bootlog::cel::CelLog;
use clap::{Args, ValueEnum};

use super::{Kind, Options, Read, Report, eventlog, ima, input, inspect, wrapper};
use crate::failure::Failure;

/// Spelling of a canonical event log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Spelling {
    #[value(name = "cel-tlv")]
    Tlv,
    #[value(name = "cel-json")]
    Json,
    #[value(name = "cel-cbor")]
    Cbor,
}

#[derive(Args, Debug)]
pub(crate) struct Export {
    /// Write the one FILE as a TCG Canonical Event Log as well; of a broken or cut file nothing is written
    #[arg(long, value_name = "SPELLING", value_enum, requires = "output")]
    export: Option<Spelling>,
    /// Where --export writes; a file that is there is refused
    #[arg(long, value_name = "FILE", requires = "export")]
    output: Option<PathBuf>,
    /// Replace the file that is there
    #[arg(long, requires = "export")]
    force: bool,
}

impl Export {
    /// Spelling and file, where an export was asked for.
    pub(super) fn wanted(&self) -> Option<(Spelling, &Path)> {
        self.export.zip(self.output.as_deref())
    }
}

/// Inspects the one file and writes it; of a file that is not whole only the report is given.
pub(super) fn run(
    export: &Export,
    (spelling, output): (Spelling, &Path),
    kind: Kind,
    files: &[PathBuf],
    options: &Options,
) -> Result<Report, Failure> {
    let [file] = files else {
        return Err(Failure::new("USAGE", "--export takes one FILE", "Export file by file."));
    };
    let name = file.display().to_string();
    let bytes = match input::read(file) {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Report::unreadable(name, Some(kind), error)),
    };
    let report = inspect(Some(kind), &name, &bytes, options);
    if report.read != Read::Whole {
        return Ok(report);
    }
    let (content, _) = wrapper::unwrapped(&bytes, |bytes| kind.takes(bytes, &name));
    let log = spelled(kind, spelling, &content, options).map_err(|why| {
        Failure::new("EXPORT", format!("{name} cannot be exported: {why}"), "Choose another spelling, or cel-tlv.")
    })?;
    write(output, &log, export.force).map_err(|error| {
        let what = format!("{} cannot be written: {error}", output.display());
        Failure::new("OUTPUT", what, "Name a file that is not there, or give --force to replace it.")
    })?;
    Ok(report)
}

/// What is written is read again before, so that no log leaves that cannot be read back.
fn spelled(kind: Kind, spelling: Spelling, content: &[u8], options: &Options) -> Result<Vec<u8>, String> {
    let tlv = match kind {
        Kind::Ima => ima::canonical(content, options)?,
        _ => eventlog::canonical(content, options)?,
    };
    let log = CelLog::parse(&tlv).map_err(|error| error.to_string())?;
    if log.records().is_empty() {
        return Err("it has no records".into());
    }
    let (out, encoding) = match spelling {
        Spelling::Tlv => return Ok(tlv),
        Spelling::Json => {
            let lines: Result<String, _> = log.records().iter().map(json::line).collect();
            let lines = lines.map_err(|what| format!("the JSON spelling has no word for {what}"))?;
            (lines.into_bytes(), CelEncoding::Json)
        }
        Spelling::Cbor => {
            let records: Result<Vec<_>, _> = log.records().iter().map(cbor::record).collect();
            let records = records.map_err(|what| format!("the CBOR spelling has no word for {what}"))?;
            (records.concat(), CelEncoding::Cbor)
        }
    };
    to_tlv(encoding, &out).map_err(|error| error.to_string())?;
    Ok(out)
}

fn write(path: &Path, bytes: &[u8], force: bool) -> io::Result<()> {
    let mut file = if force { File::create(path)? } else { File::create_new(path)? };
    file.write_all(bytes)?;
    file.sync_all()
}
