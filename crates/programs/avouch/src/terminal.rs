//! What the terminal can do, if there is one.

use std::env;
use std::io::{IsTerminal, stdout};

/// Narrower terminals are treated as if they had this many columns.
const NARROWEST: usize = 40;

/// True when `stream` may be coloured: a terminal, and nobody asked for none (<https://no-color.org>).
pub(crate) fn colour(stream: &impl IsTerminal) -> bool {
    let asked_for_none = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
    stream.is_terminal() && !asked_for_none && !dumb
}

/// Columns of the terminal on standard output; `None` when it is a file or a pipe, where lines stay whole.
pub(crate) fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stdout()).ok().filter(|size| size.ws_col > 0)?;
    Some(usize::from(size.ws_col).max(NARROWEST))
}

/// Breaks `text` at blanks so that `first` and every later line, which is indented by `indent` blanks, fit.
pub(crate) fn wrapped(first: &str, text: &str, indent: usize, columns: Option<usize>) -> Vec<String> {
    let mut lines = vec![first.to_owned()];
    let mut empty = true;
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        let blank = usize::from(!empty);
        if !empty && columns.is_some_and(|columns| line + blank + word.chars().count() > columns) {
            lines.push(" ".repeat(indent));
            empty = true;
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(if empty { "" } else { " " });
            line.push_str(word);
            empty = false;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_at_blanks_and_indented() {
        let lines = wrapped("  rule: ", "every measured file must have a digest", 4, Some(24));
        assert_eq!(lines, ["  rule: every measured", "    file must have a", "    digest"]);
    }

    #[test]
    fn a_word_longer_than_the_line_and_text_for_a_pipe_stay_whole() {
        let path = "/a/path/that/is/longer/than/any/terminal";
        assert_eq!(wrapped("? ", path, 2, Some(20)), [format!("? {path}")]);
        assert_eq!(wrapped("", "a b  c", 2, None), ["a b  c"]);
    }
}
