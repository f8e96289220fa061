//! The policies that the server holds.

use avouch_server::api::Policies;

use crate::arguments::Global;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::timestamp;
use crate::table::Table;

pub(super) fn run(global: &Global) -> Result<Output, Failure> {
    let policies: Policies = Connection::open(global)?.get("/v1/policies")?;
    if global.json {
        return Ok(Output::json(&policies));
    }
    if policies.policies.is_empty() {
        let text = "The server holds no policy, so every verdict is unverifiable. Make one with `avouch policy build`.";
        return Ok(Output::lines(&[text.into()]));
    }
    let mut table = Table::new(&["policy", "name", "stored", "applied", ""]);
    for policy in &policies.policies {
        let default = policies.default.as_ref() == Some(&policy.policy_ref);
        table.row([
            policy.policy_ref.clone(),
            policy.name.clone(),
            timestamp(policy.created),
            policy.applied.map_or_else(|| "never".into(), timestamp),
            if default { "default".into() } else { String::new() },
        ]);
    }
    Ok(Output::lines(&table.lines()))
}
