//! Plain tables: columns as wide as their widest cell, numbers to the right.

/// Rows of cells under headings.
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; cells beyond the headings are dropped.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().take(self.headings.len()).collect());
    }

    /// The lines, headings first, each without trailing blanks.
    pub(crate) fn lines(&self) -> Vec<String> {
        let widths: Vec<usize> = (0..self.headings.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                let heading = self.headings.get(column).map_or(0, |h| h.chars().count());
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(heading)
            })
            .collect();
        let headings = self.headings.iter().map(|heading| heading.to_uppercase()).collect();
        std::iter::once(&headings).chain(&self.rows).map(|row| line(row, &widths)).collect()
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, width)| {
        let number = !cell.is_empty() && cell.chars().all(|c| c.is_ascii_digit());
        if number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["node", "seq"]);
        table.row(["web-1".into(), "7".into()]);
        table.row(["a".into(), "1234".into()]);
        assert_eq!(table.lines(), ["NODE   SEQ", "web-1     7", "a      1234"]);
    }
}
