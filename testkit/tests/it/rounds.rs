//! Rounds with reports, from what the witnesses say to the verdict that operators read.

use anyhow::{Context, Result};
use avouch_agent::AgentError;
use avouch_agent::collector::LinkError;
use avouch_pairs::attribute as a;
use avouch_protocol::Hash;
use avouch_testkit::{Attester, Machine, Node, Reports, Said, Watched, demanding};
use rusqlite::Connection;
use serde_json::{Value, json};

const WEB: &str = "unit:web.service";
const LIMIT: Option<&str> = Some("67108864");

/// A machine whose first report has passed.
pub(crate) fn passing(section: &Value) -> Result<Option<Watched>> {
    let Some(mut watched) = Watched::open(Some(section))? else { return Ok(None) };
    watched.begin()?;
    assert_eq!(watched.told()?, ("pass", String::new()));
    Ok(Some(watched))
}

/// Each level's word in the last verdict, from V1 on.
fn levels(verdict: &Value) -> Vec<&str> {
    let levels = verdict["levels"].as_array().into_iter().flatten();
    levels.filter_map(|level| level["result"].as_str()).collect()
}

/// What the server keeps of observations: the record that first showed each, and its bytes as they are stored.
fn kept(watched: &Watched) -> Result<Vec<(i64, Vec<u8>)>> {
    let database = Connection::open(watched.site.data_dir().join("avouch.db"))?;
    let mut rows = database.prepare("SELECT seq, bytes FROM observations ORDER BY seq")?;
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[test]
fn a_green_report_passes_every_level_that_reports_speak_of() -> Result<()> {
    let Some(mut watched) = Watched::open(Some(&demanding(&json!({}))))? else { return Ok(()) };
    // The first round proves the boot log and shows the key; only then is there a PCR to chain reports in.
    assert_eq!(watched.told()?, ("unverifiable", "REPORT_MISSING".into()));
    assert!(watched.attester.sent()?.1.is_empty());

    assert_eq!(watched.told()?, ("pass", String::new()));
    let verdict = watched.verdict()?;
    let mut wanted = vec!["not_applicable"; 2];
    wanted.extend(["pass"; 12]);
    assert_eq!(levels(&verdict), wanted);
    assert_eq!(verdict["attained_level"], "V14");
    let required = verdict["levels"].as_array().into_iter().flatten().filter(|level| level["required"] == true);
    assert_eq!(required.count(), 12);
    assert_eq!(watched.findings()?, [] as [Value; 0]);
    let (evidence, reports) = watched.attester.sent()?;
    assert!(evidence.report_signature.is_some() && reports.len() == 1 && reports[0].base.is_none());

    // A reboot costs no round: the PCR is known, and the key is shown with the first report.
    watched.attester.reboot()?;
    assert_eq!(watched.told()?, ("pass", String::new()));
    let (evidence, reports) = watched.attester.sent()?;
    assert!(evidence.report_key.is_some() && reports[0].seq == 1);
    Ok(())
}

#[test]
fn without_a_demand_a_report_is_shown_and_decides_nothing() -> Result<()> {
    let Some(mut watched) = Watched::open(None)? else { return Ok(()) };
    watched.said.set(WEB, a::MEMORY_MAX, LIMIT, Some("max"));
    assert_eq!(watched.told()?, ("pass", String::new()));
    assert_eq!(watched.told()?, ("pass", String::new()));
    let verdict = watched.verdict()?;
    assert_eq!(levels(&verdict)[3], "fail");
    let holes = verdict["coverage"]["holes"].as_array().context("coverage")?;
    assert!(holes.iter().any(|hole| hole["code"] == "LEVELS_NOT_DEMANDED"), "{holes:?}");
    Ok(())
}

#[test]
fn a_direct_write_fails_by_code_unit_and_attribute_until_it_is_put_right() -> Result<()> {
    let Some(mut watched) = passing(&demanding(&json!({})))? else { return Ok(()) };
    watched.said.set(WEB, a::MEMORY_MAX, LIMIT, Some("max"));
    assert_eq!(watched.told()?, ("fail", "V4.memory.max.kernel_weaker".into()));
    let findings = watched.findings()?;
    assert_eq!(findings.len(), 1, "{findings:?}");
    let pair = &findings[0]["pair"];
    assert_eq!((&pair["code"], &pair["subject"]), (&json!("V4.memory.max.kernel_weaker"), &json!(WEB)));
    assert_eq!((&pair["level"], &pair["attribute"]), (&json!("V4"), &json!("memory.max")));
    assert_eq!((&pair["orchestrator"], &pair["kernel"]), (&json!("67108864"), &json!("infinity")));
    assert_eq!(pair["cause"], "direct_write");
    let verdict = watched.verdict()?;
    assert_eq!((levels(&verdict)[3], &verdict["attained_level"]), ("fail", &json!("V3")));

    watched.said.set(WEB, a::MEMORY_MAX, LIMIT, LIMIT);
    assert_eq!(watched.told()?, ("pass", String::new()));
    assert_eq!(watched.verdict()?["attained_level"], "V14");
    Ok(())
}

#[test]
fn a_divergence_that_came_and_went_between_two_rounds_counts_once() -> Result<()> {
    let Some(mut watched) = passing(&demanding(&json!({})))? else { return Ok(()) };
    watched.said.set(WEB, a::NO_NEW_PRIVS, Some("yes"), Some("0"));
    assert!(watched.attester.event()?);
    watched.said.set(WEB, a::NO_NEW_PRIVS, Some("yes"), Some("1"));
    assert_eq!(watched.told()?, ("fail", "V5.no_new_privs.kernel_weaker".into()));
    let findings = watched.findings()?;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0]["pair"]["note"].as_str().is_some_and(|note| note.contains("between two rounds")));
    assert_eq!(watched.attester.sent()?.1.len(), 2);
    assert_eq!(watched.told()?, ("pass", String::new()));
    Ok(())
}

#[test]
fn a_demanded_report_that_does_not_come_is_never_a_pass() -> Result<()> {
    let Some(mut watched) = passing(&demanding(&json!({})))? else { return Ok(()) };
    // Without its collector the agent does not answer at all.
    watched.attester.hide_collector()?;
    let error = watched.attester.round().expect_err("there is no collector");
    assert_eq!(error.downcast_ref::<AgentError>().map(AgentError::code), Some("COLLECTOR_ABSENT"));
    // An agent that is older than reports answers without one, in this round and in later ones.
    let node = Node::of(watched.attester.enrolment()?, &watched.site)?;
    for _ in 0..2 {
        let receipt = node.round(&watched.attester.machine)?;
        assert_eq!((receipt.status.word(), receipt.code.as_str()), ("unverifiable", "REPORT_MISSING"));
        assert_eq!(watched.site.node(&watched.tag)?.verdict, "unverifiable");
        assert_eq!(levels(&watched.verdict()?), [] as [&str; 0]);
        watched.site.next_round();
    }
    // And in the first round of another boot session.
    watched.attester.reboot()?;
    let receipt = node.round(&watched.attester.machine)?;
    assert_eq!((receipt.status.word(), receipt.code.as_str()), ("unverifiable", "REPORT_MISSING"));
    Ok(())
}

#[test]
fn an_unchanged_report_stores_no_observation_and_a_changed_one_stores_itself() -> Result<()> {
    let Some(mut watched) = passing(&demanding(&json!({})))? else { return Ok(()) };
    let first = kept(&watched)?;
    assert_eq!(first.len(), 1);
    for _ in 0..3 {
        assert_eq!(watched.told()?, ("pass", String::new()));
        assert_eq!(kept(&watched)?, first);
    }
    let (evidence, reports) = watched.attester.sent()?;
    assert!(reports[0].base.is_some() && evidence.reports[0].len() < 256, "{} bytes", evidence.reports[0].len());

    watched.said.set(WEB, a::PIDS_MAX, Some("21"), Some("21"));
    assert_eq!(watched.told()?, ("pass", String::new()));
    let both = kept(&watched)?;
    assert_eq!((both.len(), &both[0]), (2, &first[0]));
    let changes: Value = watched.site.get(&format!("/v1/nodes/{}/changes", watched.tag))?;
    let change = |witness| json!({"subject": WEB, "level": "V4", "attribute": "pids.max", "witness": witness, "before": "20", "after": "21"});
    assert_eq!(changes["changes"], json!([change("systemd"), change("kernel")]));
    assert_eq!((&changes["before"]["seq"], &changes["after"]["seq"]), (&json!(first[0].0), &json!(both[1].0)));

    // The newest and the one before it are kept, whatever comes.
    watched.said.set(WEB, a::PIDS_MAX, Some("22"), Some("22"));
    watched.round()?;
    let newest = kept(&watched)?;
    assert_eq!((newest.len(), &newest[0]), (2, &both[1]));
    Ok(())
}

#[test]
fn a_server_that_lost_what_a_difference_begins_from_gets_a_whole_report() -> Result<()> {
    let Some(mut watched) = passing(&demanding(&json!({})))? else { return Ok(()) };
    assert!(watched.site.stop());
    let database = Connection::open(watched.site.data_dir().join("avouch.db"))?;
    assert_eq!(database.execute("DELETE FROM observations", [])?, 1);
    drop(database);
    watched.site.start_again()?;
    assert_eq!(watched.told()?, ("unverifiable", "REPORT_BASE_MISSING".into()));
    assert!(watched.attester.sent()?.1[0].base.is_some());
    assert_eq!(watched.told()?, ("pass", String::new()));
    assert!(watched.attester.sent()?.1[0].base.is_none());
    assert_eq!(watched.told()?, ("pass", String::new()));
    assert!(watched.attester.sent()?.1[0].base.is_some());
    Ok(())
}

#[test]
fn a_thousand_units_go_through_in_one_report() -> Result<()> {
    let Some(mut watched) = Watched::open(Some(&demanding(&json!({}))))? else { return Ok(()) };
    {
        let mut seen = watched.said.lock();
        let web = seen.subjects.get(WEB).context("a unit")?.clone();
        seen.subjects.extend((1..1000).map(|number| (format!("unit:web-{number}.service"), web.clone())));
    }
    watched.begin()?;
    assert_eq!(watched.told()?, ("pass", String::new()));
    assert_eq!(watched.verdict()?["levels"][3]["pairs"], 2000);
    let lone = "unit:web-777.service";
    watched.said.set(lone, a::MEMORY_MAX, LIMIT, Some("max"));
    assert_eq!(watched.told()?, ("fail", "V4.memory.max.kernel_weaker".into()));
    let findings = watched.findings()?;
    assert_eq!((findings.len(), &findings[0]["pair"]["subject"]), (1, &json!(lone)));
    assert!(watched.attester.sent()?.0.reports[0].len() < 512, "one change among a thousand units is told alone");
    let path = format!("/v1/nodes/{}/pairs?level=V4&findings=1", watched.tag);
    let pairs: Value = watched.site.get(&path)?;
    assert_eq!((pairs["pairs"].as_array().map(Vec::len), &pairs["omitted"]), (Some(1), &json!(0)));
    Ok(())
}

#[test]
fn a_report_that_is_too_large_is_refused_by_type_and_harms_no_other_node() -> Result<()> {
    let Some(mut watched) = Watched::open(Some(&demanding(&json!({}))))? else { return Ok(()) };
    let mut neighbour = Attester::start(Machine::new(&watched.factory, 1)?, Said::green(), None)?;
    neighbour.enrol(&watched.site, "neighbour")?;
    neighbour.round()?;
    watched.begin()?;

    // The collector says it, and the agent extends nothing and sends nothing.
    let long = "x".repeat(avouch_protocol::MAX_REPORT_BYTES);
    watched.said.set(WEB, a::UNIT_FILES, Some(&long), Some("none"));
    let error = watched.attester.round().expect_err("more than a report takes");
    let refused = matches!(error.downcast_ref::<AgentError>(), Some(AgentError::Link(LinkError::Refused(_))));
    assert!(refused, "{error:#}");

    // An agent that sends it all the same.
    let node = Node::of(watched.attester.enrolment()?, &watched.site)?;
    let (machine, mut reports) = (&watched.attester.machine, Reports::default());
    let observation = watched.said.lock().clone();
    let evidence = node.answer_reporting(machine, &node.challenge()?, &mut reports, &observation)?;
    assert_eq!(node.post(&Node::encode(&evidence))?.told(), (200, "unverifiable", "REPORT_MALFORMED"));
    watched.site.next_round();
    let mut beyond = node.answer_chained(machine, &node.challenge()?, &mut reports)?;
    beyond.reports = vec![vec![0; avouch_protocol::MAX_EVIDENCE_BYTES].into()];
    // Whoever goes on writing far beyond the limit is cut off before the answer reaches it.
    let posted = node.post(&Node::encode(&beyond)).ok();
    assert!(posted.is_none_or(|posted| posted.told() == (413, "refused", "TOO_LARGE")));

    let receipt = neighbour.round()?;
    assert_eq!((receipt.status.word(), receipt.code.as_str()), ("pass", ""));
    Ok(())
}

#[test]
fn the_enrolled_report_key_is_the_one_that_signs() -> Result<()> {
    let Some(mut watched) = Watched::open(Some(&demanding(&json!({}))))? else { return Ok(()) };
    let enrolment = watched.attester.enrolment()?;
    let enrolled = watched.attester.state().report_key(&enrolment)?.context("enrolment made a report key")?;
    assert!(!enrolled.shown && !enrolled.refused);

    watched.begin()?;
    let database = Connection::open(watched.site.data_dir().join("avouch.db"))?;
    let detail = "SELECT detail FROM events WHERE kind = 'NODE_ENROLLED'";
    let detail: Value = serde_json::from_str(&database.query_row(detail, [], |row| row.get::<_, String>(0))?)?;
    assert_eq!(detail["report_key"], true, "the server was shown it");
    let shown = watched.attester.sent()?.0.report_key.context("it is owed")?;
    assert_eq!(shown.public, enrolled.public);
    assert_eq!(watched.told()?, ("pass", String::new()));
    let key = avouch_crypto::ReportKey::from_public(&enrolled.public)?;
    let (evidence, _) = watched.attester.sent()?;
    let signature = evidence.report_signature.context("a signature")?;
    assert!(key.verify(&evidence.report_digest.0, &signature).is_ok());
    assert_ne!(evidence.report_digest, Hash::ZERO);
    // Enrolling again makes a new one, which is as good.
    watched.attester.enrol(&watched.site, "again")?;
    let again = watched.attester.enrolment()?;
    let second = watched.attester.state().report_key(&again)?.context("a report key")?;
    assert_ne!(second.public, enrolled.public);
    Ok(())
}

#[test]
fn an_approved_update_costs_the_round_in_which_the_old_key_refuses() -> Result<()> {
    let section = demanding(&json!({}));
    let Some(mut watched) = passing(&section)? else { return Ok(()) };
    let before = watched.attester.state().report_key(&watched.attester.enrolment()?)?.context("a report key")?;
    watched.attester.machine.boot_log = updated(&watched.attester.machine.boot_log)?;
    watched.attester.reboot()?;
    watched.approve_boot(Some(&section))?;
    assert_eq!(watched.told()?.0, "unverifiable");
    let codes: Vec<Value> = watched.findings()?.iter().map(|finding| finding["code"].clone()).collect();
    assert!(codes.contains(&json!("REPORT_KEY_POLICY")), "{codes:?}");
    let (evidence, reports) = watched.attester.sent()?;
    assert!(evidence.report_signature.is_none() && reports.len() == 1);

    assert_eq!(watched.told()?, ("pass", String::new()));
    let after = watched.attester.state().report_key(&watched.attester.enrolment()?)?.context("a report key")?;
    assert_ne!(after.public, before.public);
    assert_eq!(watched.attester.sent()?.0.report_key.context("it is shown")?.public, after.public);
    Ok(())
}

/// The same boot with another program in PCR 4: what an update of the kernel looks like.
fn updated(log: &[u8]) -> Result<Vec<u8>> {
    let parsed = avouch_bootlog::BootLog::parse(log)?;
    let bank = avouch_tpm_wire::HashAlg::Sha256;
    // EV_EFI_BOOT_SERVICES_APPLICATION.
    let event = parsed.events().iter().rfind(|event| event.pcr == 4 && event.event_type.0 == 0x8000_0003);
    let digest = event.and_then(|event| event.digest(bank)).context("a program was started")?;
    let old = digest.as_bytes();
    let at = log.windows(old.len()).position(|window| window == old).context("its digest stands in the log")?;
    let mut log = log.to_vec();
    log[at..at + old.len()].copy_from_slice(&[0x5a; 32]);
    Ok(log)
}
