//! SBAT: generations of boot components, and the level below which they are revoked.
//!
//! Source: "UEFI shim bootloader secure boot life-cycle improvements" (SBAT.md of shim). A generation only ever rises;
//! an image is revoked when one of its components has a lower generation than the level has for it.

use alloc::vec::Vec;

use crate::PeError;

/// Most rows taken from one table or level; real ones have fewer than twenty.
pub const MAX_ROWS: usize = 4096;

/// Columns of a row in an image.
const COLUMNS: usize = 6;

/// The table in an image's `.sbat` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table<'a> {
    entries: Vec<Entry<'a>>,
}

/// One component of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Name of the component, e.g. `grub` or `grub.debian`.
    pub component: &'a str,
    /// Its generation.
    pub generation: u32,
    /// Who made it, for people.
    pub vendor: &'a str,
    /// Name of the package, for people.
    pub package: &'a str,
    /// Version of the package, for people.
    pub version: &'a str,
    /// Where to find more, for people.
    pub url: &'a str,
}

/// The least generations: the variable `SbatLevel`, or the text in shim that sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level<'a> {
    date: Option<&'a str>,
    least: Vec<(&'a str, u32)>,
}

/// A component that a level revokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked<'a> {
    /// The component.
    pub component: &'a str,
    /// The least generation that the level takes.
    pub wanted: u32,
    /// The image's generation.
    pub got: u32,
}

/// [`Level::parse`].
///
/// # Errors
/// As [`Level::parse`].
pub fn parse(bytes: &[u8]) -> Result<Level<'_>, PeError> {
    Level::parse(bytes)
}

// === impl Table ===

impl<'a> Table<'a> {
    /// Reads a section's content: lines of six fields between commas, the first about `sbat` itself, perhaps zeros
    /// behind them.
    ///
    /// # Errors
    /// [`PeError`] at the first byte that is not such a table.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PeError> {
        let mut entries = Vec::new();
        for row in rows(bytes)? {
            let row = row?;
            let [component, generation, vendor, package, version, url] = *row.fields.as_slice() else {
                let (field, wanted, got) = ("the number of fields", "6", row.count());
                return Err(PeError::Value { offset: row.offset, field, wanted, got });
            };
            let generation = row.generation(component, generation)?;
            entries.push(Entry { component, generation, vendor, package, version, url });
        }
        first(entries.first().map(|entry| entry.component))?;
        Ok(Self { entries })
    }

    /// The components in order; `sbat` itself, the version of the format, is the first.
    pub fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }

    /// The generation of a component.
    pub fn generation(&self, component: &str) -> Option<u32> {
        self.entries.iter().find(|entry| entry.component == component).map(|entry| entry.generation)
    }
}

// === impl Level ===

impl<'a> Level<'a> {
    /// Reads a level: `sbat,1,2023012900`, then `component,generation` in each line; perhaps zeros behind them.
    ///
    /// # Errors
    /// [`PeError`] at the first byte that is not such a level.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PeError> {
        let mut date = None;
        let mut least: Vec<(&str, u32)> = Vec::new();
        for row in rows(bytes)? {
            let row = row?;
            let (component, generation) = match *row.fields.as_slice() {
                [component, generation] => (component, generation),
                [component, generation, day] if least.is_empty() => {
                    date = Some(day);
                    (component, generation)
                }
                _ => {
                    let (field, wanted, got) = ("the number of fields", "2, or 3 in the first line", row.count());
                    return Err(PeError::Value { offset: row.offset, field, wanted, got });
                }
            };
            least.push((component, row.generation(component, generation)?));
        }
        first(least.first().map(|(component, _)| *component))?;
        Ok(Self { date, least })
    }

    /// The day it was issued, as its first line says, e.g. `2023012900`; decides nothing here.
    pub fn date(&self) -> Option<&'a str> {
        self.date
    }

    /// Components with their least generations, in order.
    pub fn least(&self) -> &[(&'a str, u32)] {
        &self.least
    }

    /// What of an image the level revokes; an image with any revoked component is not started by shim. Where a level
    /// names a component twice, the higher generation counts.
    pub fn revoked(&self, image: &Table<'a>) -> Vec<Revoked<'a>> {
        let revoked = |entry: &Entry<'a>| {
            let named = self.least.iter().filter(|(component, _)| *component == entry.component);
            let wanted = named.map(|(_, least)| *least).max()?;
            let (component, got) = (entry.component, entry.generation);
            (got < wanted).then_some(Revoked { component, wanted, got })
        };
        image.entries.iter().filter_map(revoked).collect()
    }

    /// True when this level takes no generation that `older` refuses: it names every component of `older`, none with
    /// a lower generation. A level that is not, was set back.
    pub fn is_at_least(&self, older: &Level<'_>) -> bool {
        older
            .least
            .iter()
            .all(|(component, wanted)| self.least.iter().any(|(known, least)| known == component && least >= wanted))
    }
}

/// One line.
struct Row<'a> {
    offset: usize,
    fields: Vec<&'a str>,
}

impl Row<'_> {
    fn count(&self) -> u64 {
        crate::cursor::wide(self.fields.len())
    }

    /// A decimal number, 1 or more, behind the component's name and a comma.
    fn generation(&self, component: &str, text: &str) -> Result<u32, PeError> {
        let offset = self.offset.saturating_add(component.len()).saturating_add(1);
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(generation) if digits && generation > 0 => Ok(generation),
            _ => {
                let got = text.bytes().next().map_or(0, u64::from);
                Err(PeError::Value { offset, field: "a generation", wanted: "a decimal number from 1", got })
            }
        }
    }
}

/// The lines of the text before the zeros.
fn rows(bytes: &[u8]) -> Result<impl Iterator<Item = Result<Row<'_>, PeError>>, PeError> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (text, zeros) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    if let Some(at) = zeros.iter().position(|byte| *byte != 0) {
        let got = zeros.len().saturating_sub(at);
        return Err(PeError::Trailing { offset: end.saturating_add(at), field: "the SBAT text", got });
    }
    let wrong = |(offset, byte): (usize, &u8)| match byte {
        b'\n' | b' '..=b'~' => None,
        b'\r' => None,
        byte => Some(PeError::Value { offset, field: "SBAT text", wanted: "printable ASCII", got: u64::from(*byte) }),
    };
    if let Some(error) = text.iter().enumerate().find_map(wrong) {
        return Err(error);
    }
    let text = core::str::from_utf8(text).unwrap_or_default();
    let mut offset = 0_usize;
    let mut count = 0_usize;
    let lines = text.split_inclusive('\n').filter_map(move |line| {
        let start = offset;
        offset = offset.saturating_add(line.len());
        let line = line.trim_end_matches(['\n', '\r']);
        (!line.is_empty()).then_some((start, line))
    });
    Ok(lines.map(move |(offset, line)| {
        count = count.saturating_add(1);
        if count > MAX_ROWS {
            let (wanted, got) = (crate::cursor::wide(MAX_ROWS), crate::cursor::wide(count));
            return Err(PeError::TooMany { offset, field: "SBAT rows", wanted, got });
        }
        // One more than a row may have, so that a row of many commas costs no more than a good one.
        let fields: Vec<_> = line.splitn(COLUMNS.saturating_add(1), ',').collect();
        if fields.first().is_none_or(|name| name.is_empty()) {
            let wanted = "the name of a component";
            return Err(PeError::Value { offset, field: "an SBAT row's first field", wanted, got: 0 });
        }
        Ok(Row { offset, fields })
    }))
}

/// The first row is about the format itself.
fn first(component: Option<&str>) -> Result<(), PeError> {
    match component {
        Some("sbat") => Ok(()),
        _ => Err(PeError::Missing { offset: 0, field: "first row of the component \"sbat\"" }),
    }
}
