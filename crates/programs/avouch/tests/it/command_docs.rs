//! What is written about a command line, held against its definition: man pages and help texts are checked in and must
//! be what the definition gives, and the command lines of README.md and docs/gate.md must be what it takes.
//!
//! Shared by the tests of `avouch` and `avouch-agent`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;

/// Columns of the help texts, whatever the terminal of who generates them.
const COLUMNS: usize = 100;

/// Compares the files of `command` with those that are checked in; with `AVOUCH_GENERATE=1` writes them instead.
/// `owns` tells the command's man pages from those of others by their names.
pub(crate) fn compare_or_write(command: Command, owns: fn(&str) -> bool) {
    let files = files(command);
    let stale: Vec<_> = pages().filter(|page| owns(&file_name(page)) && !files.contains_key(page)).collect();
    if std::env::var_os("AVOUCH_GENERATE").is_some_and(|value| value == "1") {
        for (path, text) in &files {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        stale.iter().for_each(|page| fs::remove_file(page).unwrap());
        return;
    }
    let differs = |(path, text): (&PathBuf, &String)| fs::read_to_string(path).is_ok_and(|held| held == *text);
    let wrong: Vec<_> = files.iter().filter(|file| !differs(*file)).map(|(path, _)| path).chain(&stale).collect();
    assert!(wrong.is_empty(), "run `cargo xtask generate`: these are not what the command line says: {wrong:#?}");
}

/// What people are told to type.
const PAGES: [&str; 2] = ["README.md", "docs/gate.md"];

/// Parses every line of the pages' code blocks that calls `command`, and returns how many there are.
pub(crate) fn lines_that_parse(command: &Command) -> usize {
    let mut count = 0;
    for page in PAGES {
        let text = fs::read_to_string(root().join(page)).unwrap();
        for words in calls(&text).into_iter().filter(|words| words[0] == command.get_name()) {
            if let Err(error) = command.clone().try_get_matches_from(&words) {
                panic!("{page} says `{}`, and that is no command: {error}", words.join(" "));
            }
            count += 1;
        }
    }
    count
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().unwrap()
}

fn pages() -> impl Iterator<Item = PathBuf> {
    fs::read_dir(root().join("docs/man")).into_iter().flatten().map(|entry| entry.unwrap().path())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn files(command: Command) -> BTreeMap<PathBuf, String> {
    let docs = root().join("docs");
    let mut command = command.disable_help_subcommand(true).term_width(COLUMNS);
    command.build();
    let mut files = BTreeMap::new();
    let mut help = String::new();
    for command in with_subcommands(&command) {
        let page = Man::new(command.clone()).manual("Avouch");
        let mut roff = Vec::new();
        page.render(&mut roff).unwrap();
        let path = docs.join("man").join(page.get_filename());
        files.insert(path, without_trailing_blanks(&String::from_utf8(roff).unwrap()));
        let called = command.get_bin_name().unwrap_or(command.get_name());
        help += &format!("$ {called} --help\n{}\n", command.clone().render_long_help());
    }
    files.insert(docs.join(format!("help/{}.txt", command.get_name())), without_trailing_blanks(&help));
    files
}

/// The command, then everything below it, in the order of its help.
fn with_subcommands(command: &Command) -> Vec<Command> {
    let below = command.get_subcommands().flat_map(with_subcommands);
    std::iter::once(command.clone()).chain(below).collect()
}

fn without_trailing_blanks(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The calls in fenced code blocks, as words: continued lines joined, prompts, comments and what follows in a pipe
/// left out.
fn calls(markdown: &str) -> Vec<Vec<String>> {
    let mut fenced = false;
    let mut code = String::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            code.push_str(line.trim());
            code.push('\n');
        }
    }
    let lines = code.replace("\\\n", " ");
    let calls = lines.lines().map(|line| words(line.trim_start_matches("$ ").trim_start_matches("sudo ")));
    calls.filter(|words| !words.is_empty()).collect()
}

/// Words as a shell splits them, up to a comment or an operator.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '#') if word.is_none() => break,
            (None, '|' | '>' | '<' | ';' | '&') => break,
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn calls_are_found_as_a_shell_reads_them() {
    let text =
        "avouch no\n```sh\n$ avouch serve  # runs\n# avouch comment\ncp a b\navouch a 'b c' \\\n    --d=e > f\n```\n";
    assert_eq!(calls(text), [&["avouch", "serve"][..], &["cp", "a", "b"], &["avouch", "a", "b c", "--d=e"]]);
}
