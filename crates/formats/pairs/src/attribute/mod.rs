//! Every attribute that is paired: its number on the wire, its level, and how each witness spells it.
//!
//! Spellings that all attributes share:
//! - Numbers are decimal, sets of capabilities 16 hexadecimal digits, booleans of systemd `yes` or `no`.
//! - A list has one item a line; fields of an item are separated by a tab.
//! - Files of the kernel are their content without the last newline.
//! - What is read of every process or thread of a unit is *one* line with the value that all of them show; where they
//!   differ, one line for each distinct value, `VALUE<tab>PID`, with the smallest PID (TID) that shows it, the value of
//!   the main process first.
//! - Names of users, arguments and environment never stand in a reading.

mod code;
mod credentials;
mod evidence;
mod files;
mod filesystem;
mod kernel;
mod limits;
mod mac;
mod namespaces;
mod network;
mod process;

pub use self::{
    code::*, credentials::*, evidence::*, files::*, filesystem::*, kernel::*, limits::*, mac::*, namespaces::*,
    network::*, process::*,
};
use crate::Level;

/// An attribute, by its number on the wire: hundreds are the level, and a number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute(pub u16);

/// What is known of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The attribute.
    pub attribute: Attribute,
    /// Its level.
    pub level: Level,
    /// Its name within the level, e.g. `memory.max`; with the level before it and a verdict after it a finding's code.
    pub name: &'static str,
    /// Where the orchestrator column comes from: a D-Bus property or a configuration file; empty where there is none.
    pub orchestrator: &'static str,
    /// Where the kernel column comes from; empty where it stands in another attribute's column.
    pub kernel: &'static str,
}

/// Declares attributes and the table of their [`Spec`]s.
macro_rules! attributes {
    ($table:ident: $($(#[$doc:meta])* $name:ident = $number:literal $level:ident $word:literal, $orchestrator:literal | $kernel:literal;)*) => {
        $($(#[$doc])* pub const $name: $crate::Attribute = $crate::Attribute($number);)*
        /// The attributes of this module.
        pub(super) const $table: &[$crate::attribute::Spec] = &[$($crate::attribute::Spec {
            attribute: $name, level: $crate::Level::$level, name: $word, orchestrator: $orchestrator, kernel: $kernel,
        }),*];
    };
}
use attributes;

/// The tables, in the order of the levels.
const TABLES: [&[Spec]; 11] = [
    limits::LIMITS,
    process::PROCESS,
    filesystem::FILESYSTEM,
    namespaces::NAMESPACES,
    credentials::CREDENTIALS,
    mac::MAC,
    network::NETWORK,
    files::FILES,
    kernel::KERNEL,
    code::CODE,
    evidence::EVIDENCE,
];

/// One more than the highest number that may be given out.
const NUMBERS: usize = 1_500;

/// The row of each number. Judging asks for it several times a pair, so it is found without a search.
static ROWS: [Option<&Spec>; NUMBERS] = rows();

/// The tables by number. It runs at compile time: a number that stands twice or is out of bounds does not compile.
#[expect(clippy::indexing_slicing, clippy::as_conversions, reason = "at compile time; iterators do not exist there")]
const fn rows() -> [Option<&'static Spec>; NUMBERS] {
    let mut rows = [None; NUMBERS];
    let mut table = 0;
    while table < TABLES.len() {
        let specs: &'static [Spec] = TABLES[table];
        let mut row = 0;
        while row < specs.len() {
            let number = specs[row].attribute.0 as usize;
            assert!(rows[number].is_none(), "a number is given out once");
            rows[number] = Some(&specs[row]);
            row += 1;
        }
        table += 1;
    }
    rows
}

// === impl Attribute ===

impl Attribute {
    /// Every attribute that this release knows.
    pub fn all() -> impl Iterator<Item = &'static Spec> {
        TABLES.into_iter().flatten()
    }

    /// What is known of it; `None` for a number of a later release.
    pub fn spec(self) -> Option<&'static Spec> {
        ROWS.get(usize::from(self.0)).copied().flatten()
    }

    /// The attribute of this name, e.g. `memory.max`.
    pub fn named(name: &str) -> Option<&'static Spec> {
        Self::all().find(|spec| spec.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_leads_to_its_own_row_and_no_other_to_any() {
        let mut known = 0;
        for number in 0..=u16::MAX {
            let row = Attribute::all().find(|spec| spec.attribute.0 == number);
            assert_eq!(Attribute(number).spec(), row, "{number}");
            known += usize::from(row.is_some());
        }
        assert_eq!(known, Attribute::all().count());
    }
}
