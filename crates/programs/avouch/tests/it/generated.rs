use crate::command_docs::{compare_or_write, lines_that_parse};

#[test]
fn man_pages_and_help_texts_are_those_of_the_command_line() {
    compare_or_write(avouch::command(), |page| !page.starts_with("avouch-agent"));
}

#[test]
fn every_avouch_line_of_the_readme_is_a_command() {
    assert!(lines_that_parse(&avouch::command()) >= 6, "the reader of README.md finds its commands no more");
}
