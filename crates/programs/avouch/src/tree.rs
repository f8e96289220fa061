//! Verdicts as trees on a terminal: signs, colours and line breaks for what `Verdict::tree` says.

use std::io::stdout;

use avouch_appraise::{ClaimResult, Node, Verdict};

use crate::terminal;

/// The lines below a verdict's headline.
pub(crate) fn lines(verdict: &Verdict) -> Vec<String> {
    let style = Style { colour: terminal::colour(&stdout()), columns: terminal::columns() };
    verdict.tree().children.iter().flat_map(|node| style.lines(node, 0)).collect()
}

struct Style {
    colour: bool,
    columns: Option<usize>,
}

impl Style {
    fn lines(&self, node: &Node, depth: usize) -> Vec<String> {
        // The sign says the same as the colour, for people and places without colours.
        let (sign, colour) = match node.result {
            Some(ClaimResult::Pass) => ("✓ ", "32"),
            Some(ClaimResult::Fail) => ("✗ ", "1;31"),
            Some(ClaimResult::Unverifiable | ClaimResult::NotJudged) => ("? ", "33"),
            Some(ClaimResult::NotDemanded) => ("- ", ""),
            None => ("  ", ""),
        };
        let indent = 4 * depth;
        let first = format!("{}{sign}", " ".repeat(indent));
        let mut lines = terminal::wrapped(&first, &node.text, indent + 4, self.columns);
        if self.colour && !colour.is_empty() {
            lines.iter_mut().for_each(|line| *line = format!("\x1b[{colour}m{line}\x1b[0m"));
        }
        lines.extend(node.children.iter().flat_map(|child| self.lines(child, depth + 1)));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(result: Option<ClaimResult>, text: &str, children: Vec<Node>) -> Node {
        Node { result, text: text.into(), children }
    }

    #[test]
    fn signs_stand_for_results_and_depth_is_indented() {
        let rule = node(None, "rule: known", vec![]);
        let finding = node(Some(ClaimResult::Fail), "IMA_UNKNOWN_DIGEST", vec![rule]);
        let claim = node(Some(ClaimResult::Fail), "ima: fail", vec![finding]);
        let plain = Style { colour: false, columns: None };
        assert_eq!(plain.lines(&claim, 0), ["✗ ima: fail", "    ✗ IMA_UNKNOWN_DIGEST", "          rule: known"]);
        let coloured = Style { colour: true, columns: None };
        assert_eq!(coloured.lines(&node(Some(ClaimResult::Pass), "ok", vec![]), 0), ["\x1b[32m✓ ok\x1b[0m"]);
    }
}
