//! Lines for people: titles, facts, tables. Everything that a file said goes through [`clean`].

use avouch_appraise::printable;

use crate::table::Table;
use crate::terminal::wrapped;

/// Columns of the names in front of facts.
const NAME: usize = 18;

/// Lines that are being written.
pub(super) struct Page {
    lines: Vec<String>,
    columns: Option<usize>,
}

impl Page {
    pub(super) fn new(columns: Option<usize>) -> Self {
        Self { lines: Vec::new(), columns }
    }

    /// The first line of a file.
    pub(super) fn title(&mut self, title: &str, remark: &str) {
        self.push("", &format!("{} ({})", clean(title), clean(remark)), 2);
    }

    /// A heading after an empty line.
    pub(super) fn heading(&mut self, text: &str) {
        self.lines.push(String::new());
        self.push("  ", &clean(text), 4);
    }

    /// A name and its value.
    pub(super) fn fact(&mut self, name: &str, value: impl AsRef<str>) {
        self.push(&format!("  {name:<NAME$}"), &clean(value.as_ref()), NAME + 2);
    }

    /// A name and its value; `unknown` where there is none.
    pub(super) fn known<T: ToString>(&mut self, name: &str, value: Option<T>) {
        self.fact(name, value.map_or_else(|| "unknown".into(), |value| value.to_string()));
    }

    /// A sentence with a sign for quick eyes.
    pub(super) fn sign(&mut self, sign: &str, text: &str) {
        self.push(&format!("  {sign} "), &clean(text), 6);
    }

    /// A table, cells cleaned, lines whole.
    pub(super) fn table(&mut self, headings: &[&'static str], rows: impl IntoIterator<Item = Vec<String>>) {
        let mut table = Table::new(headings);
        rows.into_iter().for_each(|row| table.row(row.iter().map(|cell| clean(cell))));
        self.lines.extend(table.lines().into_iter().map(|line| format!("  {line}")));
    }

    /// Lines that are clean and whole already.
    pub(super) fn whole(&mut self, lines: Vec<String>) {
        self.lines.extend(lines);
    }

    pub(super) fn lines(self) -> Vec<String> {
        self.lines
    }

    fn push(&mut self, first: &str, text: &str, indent: usize) {
        let lines = wrapped(first, text, indent, self.columns);
        self.lines.extend(lines.into_iter().map(|line| line.trim_end().to_owned()));
    }
}

/// Text in which nothing can move the cursor or hide.
pub(super) fn clean(text: &str) -> String {
    printable(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_file_cannot_move_the_cursor() {
        let mut page = Page::new(None);
        page.fact("name", "a\x1b[2Jb\u{202e}c");
        page.known::<u8>("value", None);
        page.table(&["a"], [vec!["x\ny".to_owned()]]);
        let text = page.lines().join("\n");
        assert!(!text.contains('\x1b') && !text.contains('\u{202e}'), "{text}");
        assert!(text.contains("unknown") && text.contains("x\\ny"), "{text}");
    }
}
