//! Raw strings of two witnesses as cells of a terminal.

use std::iter;

use super::look::Look;

/// Lines of one cell; whoever wants all of a long value asks for JSON.
const CELL_LINES: usize = 6;

/// What a terminal must not act on is spelled out: a unit's name or a file's path may hold anything.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => plain.push('\n'),
            '\t' => plain.push(' '),
            c if c.is_control() || is_invisible(c) => plain.extend(c.escape_unicode()),
            c => plain.push(c),
        }
    }
    plain
}

/// Marks that turn the direction of text or take no room.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Lines of at most `width` characters, broken at blanks where there are any.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    text.split('\n').flat_map(|line| folded(line, width.max(1))).collect()
}

fn folded(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    let mut length = 0;
    for word in line.split(' ') {
        let mut rest: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + rest.len() > width {
            lines.push(std::mem::take(&mut current));
            length = 0;
        } else if length > 0 {
            current.push(' ');
            length += 1;
        }
        while rest.len() > width - length {
            let head: String = rest.drain(..width - length).collect();
            lines.push(std::mem::take(&mut current) + &head);
            length = 0;
        }
        length += rest.len();
        current.extend(rest);
    }
    lines.push(current);
    lines
}

/// Two texts side by side, a rule between them; each line starts with `indent` blanks.
pub(crate) fn side_by_side(left: &str, right: &str, indent: usize, look: Look) -> Vec<String> {
    let width = look.width.saturating_sub(indent + 3) / 2;
    let (left, right) = (cell(left, width, look), cell(right, width, look));
    let height = left.len().max(right.len());
    let padded = |cell: Vec<String>| cell.into_iter().chain(iter::repeat(String::new())).take(height);
    let line = |(left, right): (String, String)| {
        let gap = width.saturating_sub(left.chars().count());
        format!("{:indent$}{left}{:gap$} {} {right}", "", "", look.rule()).trim_end().to_owned()
    };
    padded(left).zip(padded(right)).map(line).collect()
}

fn cell(text: &str, width: usize, look: Look) -> Vec<String> {
    let mut lines = wrapped(&plain(text), width);
    if lines.len() > CELL_LINES {
        let hidden = lines.len() - (CELL_LINES - 1);
        lines.truncate(CELL_LINES - 1);
        lines.push(format!("{} {hidden} more lines (--json)", look.ellipsis()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look { width: 40, colour: false, signs: false };

    #[test]
    fn lines_break_at_blanks_and_long_words_anywhere() {
        assert_eq!(wrapped("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("a\nb", 9), ["a", "b"]);
        assert_eq!(wrapped("", 9), [""]);
        for width in 1..20 {
            for line in wrapped("the quick brown fox, antidisestablishmentarianism", width) {
                assert!(line.chars().count() <= width, "{width}: {line:?}");
            }
        }
    }

    #[test]
    fn what_a_terminal_would_act_on_is_spelled_out() {
        assert_eq!(plain("a\x1b[2Jb\u{202e}c\td\n"), "a\\u{1b}[2Jb\\u{202e}c d\n");
    }

    #[test]
    fn columns_stay_columns() {
        let lines = side_by_side("short", "a value that does not fit into its cell", 2, LOOK);
        assert!(lines.len() > 1);
        let rule = lines[0].find('|').unwrap();
        assert!(lines.iter().all(|line| line.find('|') == Some(rule)), "{lines:#?}");
    }

    #[test]
    fn a_value_of_many_lines_is_cut_and_says_so() {
        let lines = side_by_side(&"x\n".repeat(100), "", 0, LOOK);
        assert_eq!(lines.len(), CELL_LINES);
        assert!(lines.last().unwrap().contains("96 more lines (--json)"), "{lines:#?}");
    }
}
