//! What is collected, for people: `docs/collection.md` says what the tables of attributes and properties say.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use avouch_pairs::{Attribute, Level};
use avouch_systemd::allowed;

const HEAD: &str = "\
# What is collected
Generated from the tables that the collector reads by; what does not stand here is not read from units. `avouch-agent
show --last` prints every byte that was sent.

Never read: `Environment=`, files of `EnvironmentFile=`, credentials, `/proc/PID/environ`, arguments of processes. Of
`ExecStart=` and of the kernel command line the path, single words and a SHA-256 are told. Names of users and groups are
told as numbers or as yes and no, and a path below `/home/NAME` as one below `/home/*`.

Beside the reports below a node sends its boot log, systemd's log of measurements and its IMA list, which are replayed
against the quote as they are.

## Facts
Both columns of each fact, by level; an empty column means that this witness has nothing to say of
it, or says it in another row.
";

/// A word of a table's cell.
fn cell(text: &str) -> String {
    if text.is_empty() { String::new() } else { text.replace('|', "\\|") }
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for level in Level::ALL {
        let mut rows = Attribute::all().filter(|spec| spec.level == level).peekable();
        if rows.peek().is_none() {
            continue;
        }
        writeln!(page, "\n### {level}\n| fact | systemd | kernel |\n| --- | --- | --- |").unwrap();
        for spec in rows {
            writeln!(page, "| `{}` | {} | {} |", spec.name, cell(spec.orchestrator), cell(spec.kernel)).unwrap();
        }
    }
    page.push_str("\n## Properties of systemd\nThe D-Bus properties that are asked for, one by one, by interface of org.freedesktop.systemd1.\n\n");
    let mut interfaces: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (interface, property) in allowed() {
        interfaces.entry(interface).or_default().push(property);
    }
    for (interface, properties) in interfaces {
        writeln!(page, "- {interface}: {}", properties.join(", ")).unwrap();
    }
    page
}

#[test]
fn the_generated_table_of_what_is_collected_is_checked_in() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/collection.md");
    let page = page();
    if std::env::var_os("AVOUCH_GENERATE").is_some_and(|value| value == "1") {
        return fs::write(path, page).unwrap();
    }
    let held = fs::read_to_string(&path).unwrap_or_default();
    assert!(held == page, "run `cargo xtask generate`: docs/collection.md is not what the collector reads");
}
