//! One policy that the server holds.

use avouch_appraise::Policy;
use avouch_server::api::{Policies, PolicyView};

use crate::arguments::Global;
use crate::connection::{Connection, unexpected};
use crate::failure::Failure;
use crate::node::all_nodes;
use crate::output::Output;
use crate::settings::timestamp;

pub(super) fn run(global: &Global, start: &str) -> Result<Output, Failure> {
    let connection = Connection::open(global)?;
    let held: Policies = connection.get("/v1/policies")?;
    let view = named(&held.policies, start)?;
    let path = format!("/v1/policies/{}", view.policy_ref);
    let bytes = connection.get_bytes(&path)?;
    let policy = Policy::parse(&bytes).map_err(|error| unexpected(&path, error))?;
    if global.json {
        return Ok(Output::bytes(bytes));
    }
    let default = held.default.as_ref() == Some(&view.policy_ref);
    let nodes = all_nodes(&connection)?.nodes;
    let judged = nodes.iter().filter(|node| node.policy_ref.as_ref() == Some(&view.policy_ref)).count();
    let lines = [
        ("policy", view.policy_ref.clone()),
        ("name", policy.name().to_owned()),
        ("created", policy.created().to_owned()),
        ("stored", timestamp(view.created)),
        ("applied", view.applied.map_or_else(|| "never".into(), timestamp)),
        ("judges", format!("{judged} nodes{}", if default { ", and is the default" } else { "" })),
        ("files", format!("{} digests", policy.file_count())),
        ("boots", format!("{} confirmed", policy.boot_count())),
    ]
    .map(|(name, value)| format!("{name:<10}{value}"));
    Ok(Output::lines(&lines))
}

fn named<'a>(policies: &'a [PolicyView], start: &str) -> Result<&'a PolicyView, Failure> {
    let mut found = policies.iter().filter(|policy| policy.policy_ref.starts_with(start));
    let remedy = "Write as much of its 64 digits as `avouch policy list` needs to tell it from others.";
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Failure::new("POLICY_UNKNOWN", format!("the server holds no policy {start:?}"), remedy)),
        (Some(_), Some(_)) => {
            Err(Failure::new("POLICY_AMBIGUOUS", format!("several policies start with {start:?}"), remedy))
        }
    }
}
