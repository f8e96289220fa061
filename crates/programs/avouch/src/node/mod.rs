//! `avouch node list | show | why | levels | pairs | changes`.

mod changes;
mod levels;
mod list;
pub(crate) mod pairs;
mod show;
mod why;

use avouch_server::api::NodeView;

pub(crate) use list::all_nodes;

use crate::arguments::{Global, Node};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;

/// Runs one of the commands.
pub(crate) fn run(global: &Global, command: &Node) -> Result<Output, Failure> {
    let connection = Connection::open(global)?;
    match command {
        Node::List => list::run(&connection, global.json),
        Node::Show { node } => show::run(&connection, node, global.json),
        Node::Levels { node } => levels::run(&connection, node, global.json),
        Node::Pairs(options) => pairs::run(&connection, options, global.json),
        Node::Changes { node } => changes::run(&connection, node, global.json),
        Node::Why { node, record } => why::run(&connection, node, *record, global.json),
    }
}

/// Whatever a verdict or a record came to, with a sign for quick eyes.
fn with_sign(status: &str) -> String {
    let sign = match status {
        "pass" => "✓",
        "fail" => "✗",
        _ => "?",
    };
    format!("{sign} {status}")
}

/// Why the verdict is what it is, in as few words as the server has for it.
fn reason(node: &NodeView) -> &str {
    node.stale_because.as_deref().unwrap_or(&node.code)
}

/// The start of a tag: enough to name a node in any fleet that fits a screen.
fn short(tag: &str) -> String {
    tag.chars().take(12).collect()
}
