//! Sending a policy to the server and letting it judge.

use std::process::ExitCode;

use anyhow::{Context, Result};
use avouch_server::api::PolicyRef;
use serde_json::json;

use crate::arguments::{Apply, Global};
use crate::connection::Connection;
use crate::node::escape;

pub(crate) fn run(global: &Global, options: &Apply) -> Result<ExitCode> {
    let bytes = super::read(&options.policy)?;
    // Judged here first, so that the error names the file and not a request.
    let policy = avouch_appraise::Policy::parse(&bytes)
        .with_context(|| format!("{} is not a policy", options.policy.display()))?;
    let connection = Connection::open(global)?;
    let stored: PolicyRef = connection.post_bytes("/v1/policies", &bytes)?;
    for node in &options.node {
        let _: PolicyRef = connection.post(&format!("/v1/nodes/{}/policy", escape(node)), &stored)?;
    }
    if options.default {
        let _: PolicyRef = connection.post("/v1/default-policy", &stored)?;
    }
    if global.json {
        println!("{}", json!({ "policy_ref": stored.policy_ref, "nodes": options.node, "default": options.default }));
    } else {
        println!("policy {}", stored.policy_ref.as_deref().unwrap_or_default());
        options.node.iter().for_each(|node| println!("judges {node} from its next round on"));
        if options.default {
            println!("judges every node without a policy of its own, from the next round on");
        }
        if policy.boot_count() == 0 {
            println!("It confirms no boot yet, so verdicts stay unverifiable: `avouch policy confirm`.");
        }
    }
    Ok(ExitCode::SUCCESS)
}
