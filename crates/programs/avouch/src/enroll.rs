//! `avouch enroll token`.

use std::process::ExitCode;

use anyhow::Result;
use avouch_server::{Admin, Grant};
use serde_json::json;

use crate::arguments::{Enroll, Global};
use crate::settings::{configuration, now, timestamp};

/// Signs a grant with the owner key; the server need not run.
pub(crate) fn run(global: &Global, command: &Enroll) -> Result<ExitCode> {
    let Enroll::Token { uses, expires, owner_key } = command;
    let config = configuration(global)?;
    let now = now();
    let admin = Admin::open(&config, now)?;
    let grant = Grant { uses: *uses, expires: now.saturating_add(*expires), origin: config.origin_at(config.listen) };
    let token = admin.enrolment_token(&grant, owner_key.as_deref())?.to_text();
    if global.json {
        println!("{}", json!({ "token": token, "uses": uses, "expires": grant.expires, "origin": grant.origin }));
    } else {
        eprintln!("Lets {uses} machine(s) join {} until {}.", grant.origin, timestamp(grant.expires));
        eprintln!("Keep it like a password. On the node, as root: avouch-agent enroll TOKEN");
        println!("{token}");
    }
    Ok(ExitCode::SUCCESS)
}
