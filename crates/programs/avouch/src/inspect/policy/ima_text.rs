//! IMA policies as text.

use avouch_ima::policy::{Extent, Hook, Policy, PolicyError, parse_policy};

use super::super::report::{Facts, Problem, Reading};
use super::{Advice, PolicyFacts};

const ACTIONS: [&str; 8] =
    ["measure", "dont_measure", "appraise", "dont_appraise", "audit", "dont_audit", "hash", "dont_hash"];

/// Hooks without which what runs is not known.
const ESSENTIAL: [Hook; 4] = [Hook::Bprm, Hook::Mmap, Hook::Module, Hook::Policy];

/// True when the first line that is no comment begins with an action.
pub(super) fn is(text: &str) -> bool {
    let rule = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    rule.and_then(|rule| rule.split_whitespace().next()).is_some_and(|word| ACTIONS.contains(&word))
}

/// Essential hooks that are not measured whole; nothing for a text that is no policy.
pub(super) fn unmeasured(text: &str) -> Vec<String> {
    let Ok(policy) = parse_policy(text.as_bytes()) else { return Vec::new() };
    let coverage = policy.coverage();
    let missing = ESSENTIAL.iter().filter(|hook| coverage.extent(hook) != Extent::All);
    missing.map(|hook| hook.name().to_owned()).collect()
}

pub(super) fn read(bytes: &[u8]) -> Reading {
    match parse_policy(bytes) {
        Ok(policy) => Reading::whole(Facts::Policy(Box::new(facts(&policy))), Vec::new()),
        Err(error) => Reading::not(problem(&error)),
    }
}

fn problem(error: &PolicyError) -> Problem {
    Problem::at(error.offset, format!("no policy that is known here; as one of IMA: {error}"))
}

fn facts(policy: &Policy) -> PolicyFacts {
    let coverage = policy.coverage();
    let hooks = coverage.hooks.iter().map(|hook| {
        let extent = match hook.extent {
            Extent::All => "all",
            Extent::Some => "some",
            Extent::None => "none",
        };
        (hook.hook.name().to_owned(), extent)
    });
    let unknown = policy.unknown().map(|(line, word)| {
        let what = format!("Line {line} has a word that is not known here: {word}");
        Advice::new(what, "Check its spelling; the coverage takes the rule to match less than it may.")
    });
    let missing = ESSENTIAL.iter().filter(|hook| coverage.extent(hook) != Extent::All).map(|hook| {
        let what = format!("Not all of {} is measured", hook.name());
        Advice::new(what, format!("Add a rule such as: measure func={}", hook.name()))
    });
    PolicyFacts {
        format: "ima policy",
        counts: [("rules", u64::try_from(policy.rules.len()).unwrap_or(u64::MAX))].into(),
        hooks: hooks.collect(),
        holes: coverage.holes.iter().map(ToString::to_string).collect(),
        lint: unknown.chain(missing).collect(),
        ..PolicyFacts::default()
    }
}
