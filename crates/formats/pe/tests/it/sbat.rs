//! SBAT tables and levels.

use avouch_pe::PeError;
use avouch_pe::sbat::{Level, Revoked, Table};

use crate::build::SBAT;

const LEVEL: &[u8] = b"sbat,1,2024040900\nshim,4\ngrub,3\ngrub.debian,5\n";

#[test]
fn table_of_an_image_is_read() {
    let table = Table::parse(SBAT.as_bytes()).unwrap();
    let components: Vec<_> = table.entries().iter().map(|entry| (entry.component, entry.generation)).collect();
    assert_eq!(components, [("sbat", 1), ("grub", 3), ("grub.debian", 4)]);
    assert_eq!(table.entries()[2].url, "https://tracker.debian.org/pkg/grub2");
    assert_eq!(table.generation("shim"), None);
}

#[test]
fn zeros_behind_a_table_are_filling() {
    let padded = [SBAT.as_bytes(), &[0; 37]].concat();
    assert_eq!(Table::parse(&padded).unwrap(), Table::parse(SBAT.as_bytes()).unwrap());
    let smuggled = [SBAT.as_bytes(), &[0; 3], b"grub,9,,,,\n"].concat();
    let offset = SBAT.len() + 3;
    assert_eq!(Table::parse(&smuggled).unwrap_err(), PeError::Trailing { offset, field: "the SBAT text", got: 11 });
}

#[test]
fn level_revokes_by_component_and_generation() {
    let level = Level::parse(LEVEL).unwrap();
    assert_eq!(level.date(), Some("2024040900"));
    assert_eq!(level.least(), [("sbat", 1), ("shim", 4), ("grub", 3), ("grub.debian", 5)]);
    let table = Table::parse(SBAT.as_bytes()).unwrap();
    assert_eq!(level.revoked(&table), [Revoked { component: "grub.debian", wanted: 5, got: 4 }]);
    let repaired = SBAT.replace("grub.debian,4", "grub.debian,5");
    assert_eq!(level.revoked(&Table::parse(repaired.as_bytes()).unwrap()), []);
}

#[test]
fn component_named_twice_in_a_level_counts_with_the_higher_generation() {
    let level = Level::parse(b"sbat,1,1\ngrub,9\ngrub,1\n").unwrap();
    let table = Table::parse(SBAT.as_bytes()).unwrap();
    assert_eq!(level.revoked(&table), [Revoked { component: "grub", wanted: 9, got: 3 }]);
}

#[test]
fn level_that_was_set_back_is_seen() {
    let level = Level::parse(LEVEL).unwrap();
    let older = Level::parse(b"sbat,1,2021030218\n").unwrap();
    assert!(level.is_at_least(&older) && level.is_at_least(&level));
    assert!(!older.is_at_least(&level));
    assert!(!Level::parse(b"sbat,1,2030010100\nshim,3\ngrub,3\ngrub.debian,5\n").unwrap().is_at_least(&level));
}

#[test]
fn generations_are_plain_decimal_numbers() {
    for wrong in ["0", "", "-1", "+1", " 1", "1 ", "0x1", "4294967296", "1.0"] {
        let text = format!("sbat,1,date\nshim,{wrong}\n");
        let error = Level::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, PeError::Value { offset: 17, field: "a generation", .. }), "{wrong:?}: {error}");
    }
}

#[test]
fn text_that_is_no_sbat_is_refused() {
    let empty = PeError::Missing { offset: 0, field: "first row of the component \"sbat\"" };
    assert_eq!(Table::parse(b"").unwrap_err(), empty);
    assert_eq!(Level::parse(&[0; 16]).unwrap_err(), empty);
    assert_eq!(Level::parse(b"shim,4\n").unwrap_err(), empty);
    assert!(matches!(Table::parse(b"sbat,1,a,b,c\n"), Err(PeError::Value { offset: 0, got: 5, .. })));
    assert!(matches!(Table::parse(b"sbat,1,a,b,c,d,e\n"), Err(PeError::Value { offset: 0, got: 7, .. })));
    assert!(matches!(Level::parse(b"sbat,1,d\nshim,4,d\n"), Err(PeError::Value { offset: 9, got: 3, .. })));
    assert!(matches!(Level::parse(b"sbat,1,d\n,4\n"), Err(PeError::Value { offset: 9, .. })));
    assert!(matches!(Level::parse(b"sbat,1,\xc3\xa4\n"), Err(PeError::Value { offset: 7, got: 0xC3, .. })));
    let many = "a,1\n".repeat(5_000);
    assert!(matches!(Level::parse(format!("sbat,1\n{many}").as_bytes()), Err(PeError::TooMany { .. })));
}
