//! Two columns: what systemd says on the left, what the kernel shows on the right. Sign and word say what the colour says.

use std::collections::BTreeMap;
use std::io::stdout;

use avouch_appraise::{Finding, PairFacts};
use avouch_pairs::PairVerdict;

use crate::terminal::{self, wrapped};

/// Least width of a column of values, where the terminal is narrow.
const NARROWEST_VALUE: usize = 12;
/// Widest padding of values, where there is no terminal whose width could be shared out.
const PADDING: usize = 24;
/// Mark of a value that is cut; the whole one stands below, or in --json.
const CUT: char = '…';

/// The lines of pairs, by subject, each finding explained below its pair.
pub(crate) fn lines(pairs: &[PairFacts], findings: &[Finding]) -> Vec<String> {
    let page = Page { colour: terminal::colour(&stdout()), columns: terminal::columns() };
    page.lines(pairs, findings)
}

struct Page {
    colour: bool,
    columns: Option<usize>,
}

/// Widths of the columns of one subject.
struct Widths {
    verdict: usize,
    attribute: usize,
    value: usize,
}

impl Page {
    fn lines(&self, pairs: &[PairFacts], findings: &[Finding]) -> Vec<String> {
        let explained: BTreeMap<(&str, &str), &Finding> =
            findings.iter().filter_map(|finding| finding.pair.as_ref().map(|pair| (key(pair), finding))).collect();
        let mut lines = Vec::new();
        for group in pairs.chunk_by(|a, b| a.subject == b.subject) {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.extend(self.subject(group, &explained));
        }
        lines
    }

    fn subject(&self, pairs: &[PairFacts], explained: &BTreeMap<(&str, &str), &Finding>) -> Vec<String> {
        let widths = self.widths(pairs);
        let Widths { verdict, attribute, value } = widths;
        let name = pairs.first().map_or("", |pair| pair.subject.as_str());
        let head = format!("    {:verdict$}  {:attribute$}  {:value$}  KERNEL", "", "", "SYSTEMD");
        let mut lines = vec![name.to_owned(), head];
        for pair in pairs {
            lines.push(self.row(pair, &widths));
            lines.extend(explained.get(&key(pair)).into_iter().flat_map(|finding| self.explanation(finding)));
        }
        lines
    }

    fn row(&self, pair: &PairFacts, widths: &Widths) -> String {
        let Widths { verdict, attribute, value } = *widths;
        let (sign, colour) = sign(&pair.verdict);
        let shown = |text: &Option<String>| self.cut(text.as_deref().unwrap_or("-"), value);
        let (systemd, kernel) = (shown(&pair.orchestrator), shown(&pair.kernel));
        let (word, name) = (words(&pair.verdict), named(pair));
        let line = format!("  {sign} {word:verdict$}  {name:attribute$}  {systemd:value$}  {kernel}");
        self.coloured(line.trim_end(), colour)
    }

    /// What a person needs to know of a finding, with the values that the table may have cut.
    fn explanation(&self, finding: &Finding) -> Vec<String> {
        let columns = finding.pair.iter().flat_map(|pair| pair.columns());
        let texts = [format!("means: {}", finding.implication), format!("do: {}", finding.remedy)];
        let likely = finding.causes.first().map(|cause| format!("likely: {}", cause.what));
        let all = columns.chain(texts).chain(likely);
        all.flat_map(|text| wrapped("      ", &text, 8, self.columns)).collect()
    }

    fn widths(&self, pairs: &[PairFacts]) -> Widths {
        let widest = |of: &dyn Fn(&PairFacts) -> usize| pairs.iter().map(of).max().unwrap_or(0);
        let verdict = widest(&|pair| words(&pair.verdict).chars().count());
        let attribute = widest(&|pair| named(pair).chars().count());
        let systemd = widest(&|pair| pair.orchestrator.as_deref().unwrap_or("-").chars().count());
        let value = match self.columns {
            None => systemd.min(PADDING),
            // Two blanks stand between columns, and four in front of the first.
            Some(columns) => {
                let left = columns.saturating_sub(verdict + attribute + 10) / 2;
                left.max(NARROWEST_VALUE).min(systemd.max("SYSTEMD".len()))
            }
        };
        Widths { verdict, attribute, value }
    }

    /// A value that is not wider than its column; whole where there is no terminal.
    fn cut(&self, text: &str, width: usize) -> String {
        if self.columns.is_none() || text.chars().count() <= width {
            return text.into();
        }
        text.chars().take(width.saturating_sub(1)).chain([CUT]).collect()
    }

    fn coloured(&self, line: &str, colour: &str) -> String {
        if self.colour && !colour.is_empty() { format!("\x1b[{colour}m{line}\x1b[0m") } else { line.into() }
    }
}

fn key(pair: &PairFacts) -> (&str, &str) {
    (&pair.subject, &pair.attribute)
}

fn named(pair: &PairFacts) -> String {
    format!("{:<3} {}", pair.level, pair.attribute)
}

fn words(verdict: &str) -> String {
    verdict.replace('_', " ")
}

/// Sign and colour of a pair's verdict.
fn sign(word: &str) -> (char, &'static str) {
    match PairVerdict::ALL.into_iter().find(|verdict| verdict.word() == word) {
        Some(verdict) if verdict.is_green() => ('✓', ""),
        Some(verdict) if verdict.is_discrepant() => ('✗', "1;31"),
        _ => ('?', "33"),
    }
}

/// How many pairs agree, do not agree, and could not be told, in one sentence.
pub(crate) fn tally(pairs: &[PairFacts]) -> String {
    let count = |wanted: char| pairs.iter().filter(|pair| sign(&pair.verdict).0 == wanted).count();
    let (bad, unknown) = (count('✗'), count('?'));
    format!("{} pairs: {} agree, {bad} do not, {unknown} could not be told", pairs.len(), pairs.len() - bad - unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(attribute: &str, systemd: &str, kernel: &str, verdict: &str) -> PairFacts {
        PairFacts {
            level: "V4".into(),
            subject: "unit:db.service".into(),
            attribute: attribute.into(),
            orchestrator: Some(systemd.into()),
            kernel: Some(kernel.into()),
            verdict: verdict.into(),
            ..PairFacts::default()
        }
    }

    #[test]
    fn systemd_stands_left_and_the_kernel_right_with_sign_and_word() {
        let pairs = [
            pair("memory.max", "4294967296", "infinity", "kernel_weaker"),
            pair("pids.max", "512", "512", "match"),
            pair("io.weight", "100", "", "unreadable"),
        ];
        let plain = Page { colour: false, columns: None };
        let lines = plain.lines(&pairs, &[]);
        assert_eq!(
            lines,
            [
                "unit:db.service",
                "                                   SYSTEMD     KERNEL",
                "  ✗ kernel weaker  V4  memory.max  4294967296  infinity",
                "  ✓ match          V4  pids.max    512         512",
                "  ? unreadable     V4  io.weight   100",
            ]
        );
        assert_eq!(tally(&pairs), "3 pairs: 1 agree, 1 do not, 1 could not be told");
        let coloured = Page { colour: true, columns: None };
        assert!(coloured.lines(&pairs, &[])[2].starts_with("\x1b[1;31m  ✗"));
    }

    #[test]
    fn a_long_value_is_cut_to_the_terminal_and_whole_in_a_pipe() {
        let long = "x".repeat(300);
        let pairs = [pair("unit_files", &long, &long, "match")];
        let narrow = Page { colour: false, columns: Some(80) };
        let lines = narrow.lines(&pairs, &[]);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:?}");
        assert!(lines[2].contains(CUT));
        let whole = Page { colour: false, columns: None };
        assert!(whole.lines(&pairs, &[])[2].contains(&long));
    }
}
