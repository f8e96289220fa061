//! What operators ask of a node's two witnesses.

use anyhow::{Context, Result};
use avouch_pairs::attribute as a;
use avouch_protocol::{Message, Observed};
use avouch_testkit::{Attester, Machine, Said, Watched, demanding};
use serde_json::{Value, json};

const WEB: &str = "unit:web.service";
const ROUTES: [&str; 4] = ["observation", "pairs", "changes", "intent"];

/// Status and body of an operator's question about a node.
fn ask(watched: &Watched, node: &str, question: &str) -> Result<(u16, Value)> {
    let answer = watched.site.operator()?.get(&format!("/v1/nodes/{node}/{question}"))?;
    Ok((answer.status, serde_json::from_slice(&answer.body).unwrap_or_default()))
}

/// A machine of two proven observations, the newer with a limit that the kernel does not enforce.
fn diverged() -> Result<Option<Watched>> {
    let Some(mut watched) = Watched::open(Some(&demanding(&json!({}))))? else { return Ok(None) };
    watched.begin()?;
    watched.round()?;
    watched.said.set(WEB, a::MEMORY_MAX, Some("67108864"), Some("max"));
    assert_eq!(watched.told()?.0, "fail");
    Ok(Some(watched))
}

#[test]
fn before_the_first_proven_report_every_route_says_what_to_wait_for() -> Result<()> {
    let Some(mut watched) = Watched::open(Some(&demanding(&json!({}))))? else { return Ok(()) };
    for rounds in 0..2 {
        for route in &ROUTES[..3] {
            let (status, body) = ask(&watched, "watched", route)?;
            assert_eq!((status, &body["code"]), (404, &json!("NOTHING_OBSERVED")), "{route} after {rounds} rounds");
            assert!(body["remedy"].as_str().is_some_and(|remedy| remedy.contains("round with a report")), "{body}");
        }
        let (status, intent) = ask(&watched, "watched", "intent")?;
        assert_eq!((status, intent["required"].as_array().map(Vec::len)), (200, Some(12)), "the policy is there");
        if rounds == 0 {
            watched.begin()?;
        }
    }
    Ok(())
}

#[test]
fn an_unknown_node_and_a_stranger_get_nothing() -> Result<()> {
    let Some(watched) = Watched::open(None)? else { return Ok(()) };
    let identity = watched.attester.enrolment()?.identity()?;
    let (anonymous, node) = (watched.site.client(None)?, watched.site.client(Some(&identity))?);
    for route in ROUTES {
        let (status, body) = ask(&watched, "nobody", route)?;
        assert_eq!((status, &body["code"]), (404, &json!("NODE_UNKNOWN")), "{route}");
        let path = format!("/v1/nodes/{}/{route}", watched.tag);
        assert_eq!(anonymous.get(&path)?.status, 401, "{route}");
        // Not even the node itself: what is known of it is the operators'.
        assert_eq!(node.get(&path)?.status, 403, "{route}");
    }
    Ok(())
}

#[test]
fn an_observation_comes_back_as_it_was_proven_and_pairs_as_they_are_compared() -> Result<()> {
    let Some(watched) = diverged()? else { return Ok(()) };
    let operator = watched.site.operator()?;
    let kept = operator.get(&format!("/v1/nodes/{}/observation", watched.tag))?;
    assert_eq!(Observed::from_cbor(&kept.body)?.observation()?, *watched.said.lock());

    let (status, all) = ask(&watched, "watched", "pairs")?;
    let pairs = all["pairs"].as_array().context("pairs")?;
    assert_eq!((status, &all["node"], &all["intent"]), (200, &json!(watched.tag), &json!(true)));
    let memory = pairs.iter().find(|pair| pair["attribute"] == "memory.max").context("the pair")?;
    assert_eq!((&memory["verdict"], &memory["kernel"]), (&json!("kernel_weaker"), &json!("infinity")));
    assert_eq!(all["findings"].as_array().map(Vec::len), Some(1));
    assert_eq!(all["observation"]["seq"], 3, "the record that first showed it");

    let count = |question: &str| -> Result<usize> {
        let (status, body) = ask(&watched, "watched", question)?;
        assert_eq!(status, 200, "{question}: {body}");
        Ok(body["pairs"].as_array().map_or(0, Vec::len))
    };
    assert_eq!(count("pairs?level=")?, pairs.len());
    assert_eq!(count("pairs?level=V4")?, 2);
    assert_eq!(count("pairs?level=V4,V5")?, 3);
    assert_eq!(count("pairs?level=V1")?, 0);
    assert_eq!(count("pairs?findings=1")?, 1);
    assert_eq!(count("pairs?level=V5&findings=1")?, 0);
    for unit in ["web", "web.service", "unit%3Aweb.service"] {
        assert_eq!(count(&format!("pairs?unit={unit}&level=V4"))?, 2, "{unit}");
    }
    assert_eq!(count("pairs?unit=sysctl%3Akernel.kptr_restrict")?, 1);
    assert_eq!(count("pairs?unit=absent.service")?, 0);
    Ok(())
}

#[test]
fn questions_that_cannot_be_read_are_refused() -> Result<()> {
    let Some(watched) = diverged()? else { return Ok(()) };
    for query in ["level=V15", "level=V4,", "level=v4", "level=4", "unit=%zz", "unit=%ff"] {
        let (status, body) = ask(&watched, "watched", &format!("pairs?{query}"))?;
        assert_eq!((status, &body["code"]), (400, &json!("QUERY")), "{query}");
        assert!(!body["remedy"].as_str().unwrap_or_default().is_empty(), "{body}");
    }
    Ok(())
}

#[test]
fn changes_are_those_between_the_two_newest_observations() -> Result<()> {
    let Some(mut watched) = Watched::open(Some(&demanding(&json!({}))))? else { return Ok(()) };
    watched.begin()?;
    watched.round()?;
    let (status, body) = ask(&watched, "watched", "changes")?;
    assert_eq!((status, &body["before"], &body["changes"]), (200, &Value::Null, &json!([])), "{body}");
    watched.said.set(WEB, a::MEMORY_MAX, Some("67108864"), Some("max"));
    watched.said.lock().subjects.remove("sysctl:kernel.kptr_restrict");
    watched.said.running("unit:new.service");
    watched.round()?;
    // Another round in which nothing changes does not move the two that are compared.
    watched.round()?;
    let (_, body) = ask(&watched, "watched", "changes")?;
    assert_eq!((&body["before"]["seq"], &body["after"]["seq"]), (&json!(2), &json!(3)));
    let gone = json!({"subject": "sysctl:kernel.kptr_restrict", "attribute": "subject", "before": "there"});
    let new = json!({"subject": "unit:new.service", "attribute": "subject", "after": "there"});
    let written = json!({"subject": WEB, "level": "V4", "attribute": "memory.max", "witness": "kernel",
        "before": "67108864", "after": "max"});
    assert_eq!(body["changes"], json!([gone, new, written]));
    Ok(())
}

#[test]
fn one_node_is_not_told_of_another() -> Result<()> {
    let Some(watched) = diverged()? else { return Ok(()) };
    let mut other = Attester::start(Machine::new(&watched.factory, 1)?, Said::green(), None)?;
    let tag = other.enrol(&watched.site, "other")?;
    assert_eq!(ask(&watched, "other", "pairs")?.0, 404);
    other.round()?;
    watched.site.next_round();
    other.round()?;
    let (_, body) = ask(&watched, &tag[..12], "pairs?findings=1")?;
    assert_eq!((&body["node"], &body["pairs"]), (&json!(tag), &json!([])));
    // Enrolled anew it has new keys, and what was said under the old ones is gone.
    other.enrol(&watched.site, "other")?;
    assert_eq!(ask(&watched, "other", "pairs")?.1["code"], "NOTHING_OBSERVED");
    Ok(())
}
