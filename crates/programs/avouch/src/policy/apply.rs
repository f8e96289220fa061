//! Sending a policy to the server and letting it judge.

use avouch_server::api::PolicyRef;
use serde_json::json;

use super::file;
use crate::arguments::{Apply, Global};
use crate::connection::{Connection, segment};
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(global: &Global, options: &Apply) -> Result<Output, Failure> {
    let bytes = file::read(&options.policy)?;
    // Parsed here first, so that the error names the file and not a request.
    let policy = avouch_appraise::Policy::parse(&bytes).map_err(|error| file::malformed(&options.policy, error))?;
    let connection = Connection::open(global)?;
    let stored: PolicyRef = connection.post_bytes("/v1/policies", &bytes)?;
    for node in &options.node {
        let _: PolicyRef = connection.post(&format!("/v1/nodes/{}/policy", segment(node)), &stored)?;
    }
    if options.default {
        let _: PolicyRef = connection.post("/v1/default-policy", &stored)?;
    }
    if global.json {
        return Ok(Output::json(&json!({
            "policy_ref": stored.policy_ref,
            "nodes": options.node,
            "default": options.default,
            "confirmed_boots": policy.boot_count(),
            "files": policy.file_count(),
        })));
    }
    let mut lines = vec![format!("policy {}", policy.reference().to_hex())];
    lines.extend(options.node.iter().map(|node| format!("judges {node} from its next round on")));
    if options.default {
        lines.push("judges every node without a policy of its own, from the next round on".into());
    }
    if policy.boot_count() == 0 {
        lines.push("It confirms no boot yet, so verdicts stay unverifiable: `avouch policy confirm`.".into());
    }
    Ok(Output::lines(&lines))
}
