//! What systemd says of a node beside what its kernel does.

use avouch_pairs::Level;
use avouch_server::api::Pairs as Answer;
use clap::Args;

use crate::connection::{Connection, segment};
use crate::dual;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::timestamp;
use crate::wanted_pairs::WantedPairs;

#[derive(Args, Debug)]
pub(crate) struct Pairs {
    /// Label, tag, or at least 4 characters of the tag that no other node shares
    node: String,
    #[command(flatten)]
    wanted: WantedPairs,
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
    let WantedPairs { levels, unit, findings } = &options.wanted;
    let levels: Vec<String> = levels.iter().map(Level::to_string).collect();
    let unit = segment(unit.as_deref().unwrap_or_default());
    let findings = u8::from(*findings);
    format!("/v1/nodes/{}/pairs?level={}&unit={unit}&findings={findings}", segment(&options.node), levels.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stands_in_the_query() {
        let wanted =
            WantedPairs { levels: vec![Level::V4, Level::V14], unit: Some("a b@c.service".into()), findings: true };
        let options = Pairs { node: "web-1".into(), wanted };
        assert_eq!(path(&options), "/v1/nodes/web-1/pairs?level=V4,V14&unit=a%20b%40c.service&findings=1");
    }
}
