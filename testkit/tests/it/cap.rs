//! The cap: a node that gives up its pass until the next boot, where node and policy both say so.

use anyhow::Result;
use avouch_agent::chain::read_pcr;
use avouch_agent::config::Cap;
use avouch_pairs::attribute as a;
use avouch_protocol::{Hash, cap_value};
use avouch_testkit::{Watched, demanding};
use serde_json::{Value, json};

const WEB: &str = "unit:web.service";
const LIMIT: Option<&str> = Some("67108864");
const PCR: u8 = 15;

/// A machine that caps for its memory limits, under a policy with these fields, whose first report has passed.
fn passing(fields: &Value) -> Result<Option<Watched>> {
    let cap = Cap { pcr: PCR, on: vec!["V4.memory.*".into()] };
    let Some(mut watched) = Watched::capping(&demanding(fields), cap)? else { return Ok(None) };
    watched.begin()?;
    assert_eq!(watched.told()?, ("pass", String::new()));
    Ok(Some(watched))
}

fn capped(watched: &Watched) -> Result<Hash> {
    Ok(read_pcr(&mut watched.attester.machine.tpm()?, PCR)?)
}

fn codes(watched: &Watched) -> Result<Vec<String>> {
    let code = |finding: &Value| match &finding["pair"] {
        Value::Null => finding["code"].as_str().map(ToOwned::to_owned),
        pair => pair["code"].as_str().map(ToOwned::to_owned),
    };
    Ok(watched.findings()?.iter().filter_map(code).collect())
}

#[test]
fn a_capped_node_passes_no_more_and_still_reports_until_its_next_boot() -> Result<()> {
    let cap = json!({ "cap": { "pcr": PCR, "on": ["V4.memory.*"] } });
    let Some(mut watched) = passing(&cap)? else { return Ok(()) };
    watched.said.set(WEB, a::MEMORY_MAX, LIMIT, Some("max"));
    assert_eq!(watched.told()?, ("fail", "V4.memory.max.kernel_weaker".into()));
    assert_eq!(capped(&watched)?, Hash::ZERO, "one look is no cap");
    assert_eq!(watched.told()?.0, "fail");
    assert_eq!(capped(&watched)?, cap_value(|parts| Hash(avouch_crypto::sha256(parts))));
    let codes_now = codes(&watched)?;
    assert!(codes_now.contains(&"NODE_CAPPED".into()) && codes_now.contains(&"V4.memory.max.kernel_weaker".into()));

    // What was wrong is put right: reports are made, signed and read as before, and nothing passes.
    watched.said.set(WEB, a::MEMORY_MAX, LIMIT, LIMIT);
    for _ in 0..2 {
        assert_eq!(watched.told()?, ("fail", "NODE_CAPPED".into()));
        let (evidence, reports) = watched.attester.sent()?;
        assert!(evidence.report_signature.is_some() && reports.len() == 1);
        let verdict = watched.verdict()?;
        assert_eq!(
            (&verdict["levels"][3]["result"], &verdict["levels"][13]["result"]),
            (&json!("pass"), &json!("fail"))
        );
    }
    // Taking the cap out of the policy does not lift it.
    watched.demand(Some(&demanding(&json!({}))))?;
    assert_eq!(watched.told()?, ("fail", "NODE_CAPPED".into()));
    watched.demand(Some(&demanding(&cap)))?;

    watched.attester.reboot()?;
    assert_eq!(watched.told()?, ("pass", String::new()));
    assert_eq!(capped(&watched)?, Hash::ZERO);
    Ok(())
}

#[test]
fn a_node_whose_policy_names_no_cap_is_not_capped() -> Result<()> {
    let Some(mut watched) = passing(&json!({}))? else { return Ok(()) };
    watched.said.set(WEB, a::MEMORY_MAX, LIMIT, Some("max"));
    for _ in 0..3 {
        assert_eq!(watched.told()?, ("fail", "V4.memory.max.kernel_weaker".into()));
    }
    assert_eq!(capped(&watched)?, Hash::ZERO);
    watched.said.set(WEB, a::MEMORY_MAX, LIMIT, LIMIT);
    assert_eq!(watched.told()?, ("pass", String::new()));
    Ok(())
}

#[test]
fn a_node_that_is_not_configured_to_is_not_capped_whatever_its_policy_names() -> Result<()> {
    let section = demanding(&json!({ "cap": { "pcr": 14, "on": ["V4.memory.*"] } }));
    let Some(mut watched) = Watched::open(Some(&section))? else { return Ok(()) };
    watched.begin()?;
    watched.said.set(WEB, a::MEMORY_MAX, LIMIT, Some("max"));
    for _ in 0..3 {
        assert_eq!(watched.told()?, ("fail", "V4.memory.max.kernel_weaker".into()));
    }
    watched.said.set(WEB, a::MEMORY_MAX, LIMIT, LIMIT);
    assert_eq!(watched.told()?, ("pass", String::new()));
    Ok(())
}
