//! The page that is written.

use std::fmt::Write;

use crate::measure::{REPETITIONS, Spread};
use crate::place::{Load, machine};

/// One table with what must be said about it.
#[derive(Debug, Default)]
pub(crate) struct Section {
    title: String,
    notes: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    what: String,
    unit: &'static str,
    values: Spread,
    goal: Option<&'static str>,
}

/// Everything, with the machine that it was measured on.
pub(crate) struct Page {
    begun: String,
    load: Load,
    sections: Vec<Section>,
}

// === impl Section ===

impl Section {
    pub(crate) fn new(title: &str) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    pub(crate) fn row(&mut self, what: impl Into<String>, unit: &'static str, values: Spread) {
        self.rows.push(Row { what: what.into(), unit, values, goal: None });
    }

    /// A row whose figure was agreed on beforehand.
    pub(crate) fn goal(&mut self, what: impl Into<String>, unit: &'static str, values: Spread, goal: &'static str) {
        self.rows.push(Row { what: what.into(), unit, values, goal: Some(goal) });
    }

    fn render(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\n## {}\n", self.title);
        let _ = writeln!(out, "| what | unit | min | median | max | goal |\n|---|---|---:|---:|---:|---|");
        for Row { what, unit, values, goal } in &self.rows {
            let [min, median, max] = [values.min, values.median, values.max].map(number);
            let _ = writeln!(out, "| {what} | {unit} | {min} | **{median}** | {max} | {} |", goal.unwrap_or(""));
        }
        for note in &self.notes {
            let _ = writeln!(out, "\n{note}");
        }
    }
}

// === impl Page ===

impl Page {
    pub(crate) fn begin() -> Self {
        Self { begun: crate::place::now(), load: Load::now(), sections: Vec::new() }
    }

    pub(crate) fn add(&mut self, section: Section) {
        self.sections.push(section);
    }

    pub(crate) fn finish(self) -> String {
        let command: Vec<String> = std::env::args().collect();
        let mut out = String::from("# What Avouch costs\n\n");
        let _ = writeln!(out, "Written by a program; `cargo xtask bench` measures again and replaces this page.\n");
        let _ = writeln!(out, "- Measured: {} to {}", self.begun, crate::place::now());
        let _ = writeln!(out, "- Command, as `cargo run` starts it: `{}`", command.join(" "));
        for (name, value) in machine() {
            let _ = writeln!(out, "- {name}: {value}");
        }
        let _ = writeln!(out, "- Load average over 1 minute: {} before, {} after", self.load, Load::now());
        if self.load.is_busy() {
            let _ = writeln!(
                out,
                "- **Other work ran on this machine** when the run began: CPU figures are those of the measured thread or \
                 process, but shared caches and cores make them worse than they are alone; look at the minima."
            );
        }
        let _ = writeln!(
            out,
            "\nEach row gives the least, the middle and the greatest of its repetitions ({REPETITIONS}, unless said \
             otherwise). Rows in *italics* are limits of this machine, measured in the same run: what the work would cost \
             if it were nothing but its cryptography, its hashing, or its disk."
        );
        self.goals(&mut out);
        self.sections.iter().for_each(|section| section.render(&mut out));
        out
    }

    /// What was agreed on beforehand, first.
    fn goals(&self, out: &mut String) {
        let rows = self.sections.iter().flat_map(|section| &section.rows);
        let agreed: Vec<_> = rows.filter_map(|row| Some((row, row.goal?))).collect();
        if agreed.is_empty() {
            return;
        }
        let _ = writeln!(out, "\n## Goals\n\n| what | goal | best | median |\n|---|---|---:|---:|");
        for (Row { what, unit, values, .. }, goal) in agreed {
            let best = if goal.starts_with('≥') { values.max } else { values.min };
            let _ = writeln!(out, "| {what} | {goal} | {} {unit} | {} {unit} |", number(best), number(values.median));
        }
    }
}

/// Three significant digits or more, thousands apart.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        let left = whole.len() - index;
        if index > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    fraction.map_or(grouped.clone(), |fraction| format!("{grouped}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_and_group_thousands() {
        let written = [0.0123, 1.2345, 12.345, 123.45, 1_234.5, 1_234_567.8].map(number);
        assert_eq!(written, ["0.012", "1.23", "12.3", "123", "1,234", "1,234,568"]);
    }
}
