//! What systemd says of a node beside what its kernel does.

use avouch_pairs::Level;
use avouch_server::api::Pairs as Answer;
use clap::Args;

use crate::connection::{Connection, segment};
use crate::dual;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::timestamp;

#[derive(Args, Debug)]
pub(crate) struct Pairs {
    /// Label, tag, or at least 4 characters of the tag that no other node shares
    node: String,
    /// Only this level, V1 to V14; may be repeated
    #[arg(long = "level", value_name = "LEVEL", value_parser = level)]
    levels: Vec<Level>,
    /// Only this unit, or another subject as the list names it, e.g. listener:tcp:0.0.0.0:22
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,
    /// Only what somebody should look at
    #[arg(long)]
    findings: bool,
}

/// A level as it is written on a command line.
pub(crate) fn level(text: &str) -> Result<Level, String> {
    let known = Level::ALL.into_iter().find(|level| level.to_string().eq_ignore_ascii_case(text));
    known.ok_or_else(|| "write a level, V1 to V14".into())
}

pub(super) fn run(connection: &Connection, options: &Pairs, json: bool) -> Result<Output, Failure> {
    let answer: Answer = connection.get(&path(options))?;
    if json {
        return Ok(Output::json(&answer));
    }
    let seen = format!("observed since {} (record {})", timestamp(answer.observation.time), answer.observation.seq);
    let intent =
        if answer.intent { "" } else { "; the policy demands no level, so nothing is compared with an intent" };
    let mut lines = vec![format!("{seen}{intent}"), String::new()];
    lines.extend(dual::lines(&answer.pairs, &answer.findings));
    if !answer.pairs.is_empty() {
        lines.push(String::new());
    }
    lines.push(dual::tally(&answer.pairs));
    if answer.omitted > 0 {
        lines.push(format!("{} more are not listed: ask for a --level, a --unit or --findings", answer.omitted));
    }
    Ok(Output::lines(&lines))
}

fn path(options: &Pairs) -> String {
    let levels: Vec<String> = options.levels.iter().map(Level::to_string).collect();
    let unit = segment(options.unit.as_deref().unwrap_or_default());
    let findings = u8::from(options.findings);
    format!("/v1/nodes/{}/pairs?level={}&unit={unit}&findings={findings}", segment(&options.node), levels.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stands_in_the_query() {
        let options = Pairs {
            node: "web-1".into(),
            levels: vec![Level::V4, Level::V14],
            unit: Some("a b@c.service".into()),
            findings: true,
        };
        assert_eq!(path(&options), "/v1/nodes/web-1/pairs?level=V4,V14&unit=a%20b%40c.service&findings=1");
        assert_eq!(level("v12"), Ok(Level::V12));
        assert!(level("V15").is_err() && level("").is_err());
    }
}
