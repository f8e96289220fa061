//! What others say of this machine: the two witnesses of every unit, and the server.

use avouch_pairs::LevelResult;

use crate::facts::{Facts, Reading, ServerWord};
use crate::failure::{Failure, FailureCode};
use crate::settings::Settings;

pub(super) fn levels(facts: &Facts, settings: &Settings, failures: &mut Vec<Failure>) {
    for level in &settings.require_levels {
        let why = match &facts.levels {
            Reading::Absent => "the witnesses were not asked: start avouch-collector.service".to_owned(),
            Reading::Unreadable(why) => why.clone(),
            Reading::Value(levels) => match levels.iter().find(|told| told.level == *level) {
                Some(told) if matches!(told.result, LevelResult::Pass | LevelResult::NotApplicable) => continue,
                Some(told) if told.result == LevelResult::Fail => format!(
                    "{} of {} pairs are discrepancies; `avouch-agent observe` shows both sides of each",
                    told.discrepant, told.pairs
                ),
                Some(told) if told.result == LevelResult::Inconclusive => {
                    format!(
                        "{} of {} pairs could not be told; `avouch-agent observe` says why",
                        told.inconclusive, told.pairs
                    )
                }
                _ => "nothing of it was observed".to_owned(),
            },
        };
        let text = format!("{level}, {}, is demanded and does not hold: {why}", level.title());
        failures.push(Failure::new(FailureCode::LevelNotReached, level.to_string(), text));
    }
}

/// Whether the server, where it is to be asked, passes this machine.
pub(super) fn server(facts: &Facts, settings: &Settings, failures: &mut Vec<Failure>) -> bool {
    if !settings.ask_server {
        return false;
    }
    let now = facts.taken_at.unix_ms / 1_000;
    let silent = |why: &str| {
        let text = format!("the server is to be asked and gives no word: {why}");
        Failure::new(FailureCode::ServerSilent, "server", text)
    };
    match &facts.server {
        Some(ServerWord::Pass { expires_unix, .. }) if *expires_unix > now => return true,
        Some(ServerWord::Pass { .. }) => {
            failures.push(silent("its last word has expired; see `avouch-agent status` for why no newer one came"));
        }
        Some(ServerWord::Fail { what }) => {
            let text = format!("the server does not pass this machine: {what}; `avouch-agent status` has the details");
            failures.push(Failure::new(FailureCode::ServerDisagrees, "server", text));
        }
        Some(ServerWord::Silent { why }) => failures.push(silent(why)),
        None => failures.push(silent("it was not asked")),
    }
    false
}
