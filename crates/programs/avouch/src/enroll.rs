//! `avouch enroll token`.

use avouch_server::{Admin, AdminError, Config, Grant, NodeProfile};
use serde_json::json;

use crate::arguments::{Enroll, Global};
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::{configuration, now, timestamp};

/// Signs a grant with the owner key; the server need not run.
pub(crate) fn run(global: &Global, command: &Enroll) -> Result<Output, Failure> {
    let Enroll::Token { profile, uses, expires, owner_key } = command;
    let config = configuration(global)?;
    permitted(&config, *profile)?;
    let now = now();
    let grant =
        Grant { profile: *profile, uses: *uses, expires: now.saturating_add(*expires), origin: origin(&config)? };
    let admin = Admin::open(&config, now).map_err(refused)?;
    let token = admin.enrolment_token(&grant, owner_key.as_deref()).map_err(refused)?.to_text();
    if global.json {
        let answer = json!({ "token": token, "profile": profile.word(), "uses": uses, "expires": grant.expires, "origin": grant.origin });
        return Ok(Output::json(&answer));
    }
    // Standard output holds the token and nothing else, so that it can go into a pipe or a file.
    if let Some(path) = admin.new_owner_key() {
        eprintln!("Made the owner key {}, which signs tokens: move it offline.", path.display());
    }
    let machines = if *uses == 1 { "one machine".into() } else { format!("{uses} machines") };
    eprintln!("Lets {machines} join {} by the profile {profile} until {}.", grant.origin, timestamp(grant.expires));
    if *profile == NodeProfile::Tofu {
        eprintln!(
            "Nobody vouches for a TPM that joins with it: it may be software in the hands of whoever has the token."
        );
    }
    eprintln!("Keep it like a password. On the node, as root: avouch-agent enroll TOKEN");
    Ok(Output::lines(&[token]))
}

/// A token that the server would refuse helps nobody.
fn permitted(config: &Config, profile: NodeProfile) -> Result<(), Failure> {
    if config.profiles.contains(&profile) {
        return Ok(());
    }
    let words: Vec<&str> = config.profiles.iter().map(|profile| profile.word()).collect();
    let what = format!("the server does not take nodes by the profile {profile}, only by: {}", words.join(", "));
    let remedy =
        format!("Add \"{profile}\" to `profiles` in the configuration if you mean it, and start the server again.");
    Err(Failure::new("PROFILE", what, remedy))
}

/// The URL that the token carries: one that a node can connect to.
fn origin(config: &Config) -> Result<String, Failure> {
    let address = config.listen;
    if config.origin.is_none() && (address.ip().is_unspecified() || address.port() == 0) {
        let what = format!("nodes cannot connect to {address}, and the configuration says no other `origin`");
        let remedy = "Set `origin` to the URL that nodes use, such as \"https://verifier.example:8443\".";
        return Err(Failure::new("NO_ORIGIN", what, remedy));
    }
    Ok(config.origin_at(address))
}

fn refused(error: AdminError) -> Failure {
    let (code, remedy) = match error {
        AdminError::NoOwnerKey { .. } | AdminError::OtherOwnerKey { .. } => {
            ("OWNER_KEY", "Name the owner key that the first start made with --owner-key FILE.")
        }
        _ => ("DATA_DIR", "Run this as the server's user, and check `data_dir` in the configuration."),
    };
    Failure::new(code, error, remedy)
}
