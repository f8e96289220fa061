//! What every attack asserts.

use anyhow::{Context, Result};
use avouch_protocol::{Evidence, Hash, Purpose, Refusal, qualifying_data};
use avouch_testkit::{Node, Scene, Site};

/// SHA-256 in the protocol's shape.
pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    Hash(avouch_crypto::sha256(parts))
}

/// What the node's TPM must sign for this evidence's challenge and this purpose.
pub(crate) fn qualifying(node: &Node, evidence: &Evidence, purpose: Purpose) -> Result<Hash> {
    let spki = node.enrolment.client_spki()?;
    Ok(qualifying_data(sha256, purpose, &evidence.challenge, &spki, &Hash::ZERO))
}

/// Sends the altered bytes to a copy of the server. Nothing in them is believed: the record says so with `code`, and
/// the node's last verdict stays with its old expiry.
pub(crate) fn rejected(scene: &Scene, altered: &[u8], code: &str) -> Result<Site> {
    let copy = scene.site.copy()?;
    let tag = scene.node.tag();
    let before = copy.node(&tag)?;
    let posted = scene.node.at(&copy)?.post(altered)?;
    assert_eq!(posted.told(), (200, "rejected", code));
    assert_eq!(posted.receipt()?.expires, 0, "a rejection extends nothing");
    let record = copy.record(&tag, before.head_seq + 1)?;
    assert_eq!((record.status.as_str(), record.code.as_str()), ("rejected", code));
    let verdict = record.verdict.context("a record has its verdict")?;
    assert_eq!((&verdict["status"], &verdict["code"]), (&"rejected".into(), &code.into()));
    let after = copy.node(&tag)?;
    assert_eq!(
        (after.verdict, after.seq, after.expires, after.last_status),
        (before.verdict, before.seq, before.expires, before.last_status)
    );
    Ok(copy)
}

/// Sends the altered bytes to a copy of the server. The quote is authentic, the logs do not explain it: the pass ends.
pub(crate) fn unverifiable(scene: &Scene, altered: &[u8], code: &str) -> Result<Site> {
    let copy = scene.site.copy()?;
    assert_eq!(scene.node.at(&copy)?.post(altered)?.told(), (200, "unverifiable", code));
    stored(&copy, &scene.node, "unverifiable", code)?;
    Ok(copy)
}

/// Sends the bad bytes to a copy of the server. They are authentic, and what they show is not approved.
pub(crate) fn fails(scene: &Scene, bad: &[u8], code: &str) -> Result<Site> {
    let copy = scene.site.copy()?;
    assert_eq!(scene.node.at(&copy)?.post(bad)?.told(), (200, "fail", code));
    stored(&copy, &scene.node, "fail", code)?;
    Ok(copy)
}

/// The first finding with this code in the node's last verdict.
pub(crate) fn finding(site: &Site, node: &Node, code: &str) -> Result<Option<serde_json::Value>> {
    let detail = site.node(&node.tag())?.detail.context("the node has a verdict")?;
    let claims = detail["claims"].as_array().into_iter().flatten();
    let mut findings = claims.flat_map(|claim| claim["findings"].as_array()).flatten();
    Ok(findings.find(|finding| finding["code"] == code).cloned())
}

/// Sends the altered bytes to a copy of the server. They are refused with a reason and nothing is stored.
pub(crate) fn refused(scene: &Scene, altered: &[u8], status: u16, code: &str) -> Result<Site> {
    let copy = scene.site.copy()?;
    let before = copy.node(&scene.node.tag())?;
    let posted = scene.node.at(&copy)?.post(altered)?;
    assert_eq!(posted.told(), (status, "refused", code));
    assert_eq!(copy.node(&scene.node.tag())?, before);
    Ok(copy)
}

/// The unaltered twin, at the server itself.
pub(crate) fn passes(scene: &Scene, unaltered: &[u8]) -> Result<()> {
    assert_eq!(scene.node.post(unaltered)?.told(), (200, "pass", ""));
    stored(&scene.site, &scene.node, "pass", "")
}

/// What operators see of the node: its verdict, and the newest record.
pub(crate) fn stored(site: &Site, node: &Node, status: &str, code: &str) -> Result<()> {
    let view = site.node(&node.tag())?;
    assert_eq!((view.verdict.as_str(), view.code.as_str(), view.seq), (status, code, Some(view.head_seq)));
    let record = site.record(&node.tag(), view.head_seq)?;
    assert_eq!((record.status.as_str(), record.code.as_str()), (status, code));
    Ok(())
}

/// A refusal's code, of any route that nodes use.
pub(crate) fn refusal(answer: &avouch_agent::http::Answer) -> Result<Refusal> {
    use avouch_protocol::Message;
    Refusal::from_cbor(&answer.body).with_context(|| format!("not a refusal: {answer:?}"))
}
