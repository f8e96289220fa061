//! A verdict explained: claim, evidence, rule and result, every failure, and what to do.

use avouch_appraise::Verdict;
use avouch_server::api::{NodeView, RecordView};
use serde_json::{Value, json};

use super::{short, with_sign};
use crate::connection::{Connection, segment, unexpected};
use crate::failure::Failure;
use crate::output::Output;
use crate::tree;

/// Exit status when the node, or the record, is a failure.
const FAILS: u8 = 1;
/// Exit status when it is neither pass nor failure.
const NEITHER: u8 = 3;

/// What is explained.
#[derive(Debug)]
struct Question {
    /// Label or tag, and the record where one was named.
    subject: String,
    /// Verdict of the node, or status of the record.
    standing: String,
    /// What was judged; absent where nothing came.
    verdict: Option<Verdict>,
    /// A sentence on what the standing means where the verdict does not tell.
    remark: Option<String>,
}

pub(super) fn run(connection: &Connection, name: &str, record: Option<u64>, json: bool) -> Result<Output, Failure> {
    let node: NodeView = connection.get(&format!("/v1/nodes/{}", segment(name)))?;
    let question = match record {
        None => of_node(&node)?,
        Some(seq) => of_record(&node, connection.get(&format!("/v1/nodes/{}/records/{seq}", node.node))?)?,
    };
    let exit = match question.standing.as_str() {
        "pass" => 0,
        "fail" => FAILS,
        _ => NEITHER,
    };
    let output = if json {
        Output::json(&json!({
            "node": node.node,
            "label": node.label,
            "record": record,
            "verdict": question.standing,
            "remark": question.remark,
            "why": question.verdict,
        }))
    } else {
        Output::lines(&lines(&question))
    };
    Ok(output.with_exit(exit))
}

fn of_node(node: &NodeView) -> Result<Question, Failure> {
    let verdict = verdict(node.detail.clone())?;
    let remark = match (&node.stale_because, &node.last_status) {
        (Some(because), last) => {
            let last = last.as_deref().unwrap_or("none");
            Some(format!("Stale because {because}. The last verdict was {last}:"))
        }
        (None, None) => Some("No evidence came yet; look at `avouch-agent status` on the node.".into()),
        (None, Some(_)) => None,
    };
    Ok(Question { subject: name(node), standing: node.verdict.clone(), verdict, remark })
}

fn of_record(node: &NodeView, record: RecordView) -> Result<Question, Failure> {
    let remark = match (record.status.as_str(), record.late) {
        ("rejected", _) => Some("The evidence is not authentic; the node's verdict stayed what it was before."),
        ("unanswered", true) => Some("The evidence came after the deadline: it is kept, and gives no verdict."),
        ("unanswered", false) => Some("Nothing answered the challenge before its deadline."),
        _ => None,
    };
    Ok(Question {
        subject: format!("{}, record {}", name(node), record.seq),
        standing: record.status,
        verdict: verdict(record.verdict)?,
        remark: remark.map(Into::into),
    })
}

fn name(node: &NodeView) -> String {
    node.label.clone().unwrap_or_else(|| short(&node.node))
}

/// Where nothing came there is an empty object, or nothing at all.
fn verdict(stored: Option<Value>) -> Result<Option<Verdict>, Failure> {
    let stored = stored.filter(|value| value.as_object().is_some_and(|fields| !fields.is_empty()));
    stored.map(serde_json::from_value).transpose().map_err(|error| unexpected("a stored verdict", error))
}

fn lines(question: &Question) -> Vec<String> {
    let verdict = question.verdict.as_ref();
    let code = verdict.map(|verdict| verdict.code.as_str()).filter(|code| !code.is_empty());
    let code = code.map_or_else(String::new, |code| format!(" ({code})"));
    let mut lines = vec![format!("{}: {}{code}", question.subject, with_sign(&question.standing))];
    lines.extend(question.remark.clone());
    if let Some(verdict) = verdict {
        lines.extend(circumstances(verdict));
        lines.push(String::new());
        lines.extend(tree::lines(verdict));
    }
    lines
}

fn circumstances(verdict: &Verdict) -> Vec<String> {
    let policy = if verdict.policy_ref.is_empty() { "none".into() } else { short(&verdict.policy_ref) };
    let mut lines = vec![format!(
        "record {}, round {}, policy {policy}, freshness {}, membership {}",
        verdict.seq, verdict.round, verdict.freshness, verdict.membership
    )];
    if let Some(session) = &verdict.session {
        lines.push(format!(
            "boot session of TPM reset {}, {} IMA entries proven in it",
            session.reset_count, session.ima_entries
        ));
    }
    lines.extend(verdict.tpm.clone());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(change: Value) -> NodeView {
        let mut node = json!({
            "node": "ab".repeat(32), "label": "web-1", "verdict": "pass", "stale_because": null, "code": "",
            "last_status": "pass", "round": 3, "seq": 2, "time": 1_000, "expires": 2_000, "head_seq": 2,
            "head_record": "cd".repeat(32), "reset_count": 7, "generation": 1, "enrolled_at": 900,
            "policy_ref": null, "policy_from": "none", "tpm": {}, "ek_template": "L-1",
            "identity": {"profile": "ek-cert", "text": "identity=ek-cert"},
        });
        let fields = node.as_object_mut().unwrap();
        fields.extend(change.as_object().unwrap().clone());
        serde_json::from_value(node).unwrap()
    }

    fn record(status: &str, late: bool, verdict: Value) -> RecordView {
        serde_json::from_value(json!({
            "seq": 5, "hash": "", "round": 3, "status": status, "code": "", "time": 1_000, "late": late,
            "challenge": "", "evidence": null, "verdict": verdict,
        }))
        .unwrap()
    }

    fn judged(status: &str, code: &str, finding: Option<Value>) -> Value {
        json!({
            "v": 1, "semantics": "s", "status": status, "code": code, "node": "ab".repeat(32), "round": 3, "seq": 5,
            "expires": 0, "policy_ref": "", "freshness": "operator-asserted", "membership": "operator",
            "claims": finding.map(|finding| json!({
                "name": "ima", "statement": "Everything is known.", "result": "fail", "findings": [finding],
            })).into_iter().collect::<Vec<_>>(),
            "coverage": { "covered": [], "holes": [{ "code": "HOLE", "what": "not seen" }] },
        })
    }

    #[test]
    fn a_failure_goes_from_claim_to_remedy() {
        let finding = json!({
            "code": "IMA_UNKNOWN_DIGEST", "claim": "ima", "severity": "critical", "effect": "fail",
            "evidence": "/tmp/evil", "rule": "known", "implication": "ran", "remedy": "look",
        });
        let detail = judged("fail", "IMA_UNKNOWN_DIGEST", Some(finding));
        let lines = lines(&of_node(&node(json!({ "verdict": "fail", "detail": detail }))).unwrap());
        assert_eq!(lines[0], "web-1: ✗ fail (IMA_UNKNOWN_DIGEST)");
        let tree = &lines[lines.iter().position(String::is_empty).unwrap() + 1..];
        assert_eq!(tree[..2], ["✗ ima: fail - Everything is known.", "    ✗ IMA_UNKNOWN_DIGEST"]);
        let texts: Vec<_> = tree[2..6].iter().map(|line| line.trim()).collect();
        assert_eq!(texts, ["evidence: /tmp/evil", "rule: known", "means: ran", "do: look"]);
        assert_eq!(tree.last().unwrap().trim(), "HOLE: not seen");
    }

    #[test]
    fn a_rejected_record_says_that_it_changed_no_verdict() {
        let question = of_record(&node(json!({})), record("rejected", false, judged("rejected", "SIGNATURE", None)));
        let lines = lines(&question.unwrap());
        assert_eq!(lines[0], "web-1, record 5: ? rejected (SIGNATURE)");
        assert!(lines[1].contains("the node's verdict stayed what it was"), "{lines:?}");
    }

    #[test]
    fn where_nothing_came_there_is_nothing_to_judge() {
        for nothing in [json!({}), Value::Null] {
            let lines = lines(&of_record(&node(json!({})), record("unanswered", false, nothing)).unwrap());
            assert_eq!(lines, ["web-1, record 5: ? unanswered", "Nothing answered the challenge before its deadline."]);
        }
        let new = node(json!({ "verdict": "unverifiable", "last_status": null, "label": null }));
        let lines = lines(&of_node(&new).unwrap());
        assert!(lines[0] == "abababababab: ? unverifiable" && lines[1].contains("avouch-agent status"), "{lines:?}");
    }

    #[test]
    fn a_stale_verdict_says_why_and_what_it_was() {
        let stale =
            json!({ "verdict": "stale", "stale_because": "no evidence came", "detail": judged("pass", "", None) });
        let lines = lines(&of_node(&node(stale)).unwrap());
        assert_eq!(lines[..2], ["web-1: ? stale", "Stale because no evidence came. The last verdict was pass:"]);
    }

    #[test]
    fn a_verdict_of_another_release_is_told_and_not_guessed_at() {
        let failure = of_node(&node(json!({ "detail": { "v": 9 } }))).unwrap_err();
        assert!(failure.to_string().contains("one release"), "{failure}");
    }
}
