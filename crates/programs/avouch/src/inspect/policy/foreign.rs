//! Policies of Keylime, recognised and counted. Avouch judges nothing by them.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde_json::{Map, Value};

use avouch_crypto::observation::ObservedKey;
use avouch_tpm_wire::HashAlg;

use super::super::Options;
use super::super::quote;
use super::super::report::{Facts, Problem, Reading};
use super::PolicyFacts;

const NOT_USED: &str = "a format of another product: Avouch counts what is in it, and judges nothing by it";
/// DSSE envelope of a Keylime policy.
const PAYLOAD: &str = "application/vnd.keylime+json";

type Object = Map<String, Value>;

/// Which of Keylime's JSON files it is, and what says so.
pub(super) fn json_form(object: &Object) -> Option<&'static str> {
    let has = |name: &str| object.contains_key(name);
    if object.get("payloadType").and_then(Value::as_str) == Some(PAYLOAD) && has("payload") {
        Some("it is JSON in the envelope of a signed Keylime policy")
    } else if has("meta") && has("digests") {
        Some("it is JSON with the sections of a Keylime runtime policy")
    } else if has("meta") && has("hashes") {
        Some("it is JSON with the sections of a Keylime allowlist")
    } else if has("pubkeys") && has("keyids") {
        Some("it is JSON with the members of a Keylime keyring")
    } else {
        None
    }
}

pub(super) fn read_json(object: &Object, options: &Options) -> Reading {
    if object.contains_key("payload") {
        return envelope(object, options);
    }
    let mut facts = PolicyFacts { not_used: Some(NOT_USED), ..PolicyFacts::default() };
    if object.contains_key("pubkeys") {
        facts.format = "keylime keyring";
        facts.counts = [("keys", count(object.get("pubkeys")))].into();
        return Reading::whole(Facts::Policy(Box::new(facts)), Vec::new());
    }
    policy(object, &mut facts);
    Reading::whole(Facts::Policy(Box::new(facts)), Vec::new())
}

fn policy(object: &Object, facts: &mut PolicyFacts) {
    let digests = object.get("digests").or_else(|| object.get("hashes"));
    let lists = digests.and_then(Value::as_object).into_iter().flat_map(Map::values);
    let meta = |name: &str| object.get("meta").and_then(|meta| meta.get(name));
    facts.format = if object.contains_key("digests") { "keylime runtime policy" } else { "keylime allowlist" };
    facts.version = meta("version").and_then(Value::as_u64);
    facts.created = meta("timestamp").and_then(Value::as_str).map(str::to_owned);
    facts.counts = [
        ("paths", count(digests)),
        ("digests", lists.map(|list| count(Some(list))).sum()),
        ("excludes", count(object.get("excludes").or_else(|| object.get("exclude")))),
        ("keyrings", count(object.get("keyrings"))),
        ("buffers", count(object.get("ima-buf"))),
    ]
    .into();
}

fn count(value: Option<&Value>) -> u64 {
    let count = match value {
        Some(Value::Array(list)) => list.len(),
        Some(Value::Object(map)) => map.len(),
        _ => 0,
    };
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// DSSE (secure-systems-lab/dsse, protocol.md): payload and signatures in base64.
fn envelope(object: &Object, options: &Options) -> Reading {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned).unwrap_or_default();
    let mut facts = PolicyFacts { not_used: Some(NOT_USED), ..PolicyFacts::default() };
    let payload = match BASE64.decode(text(object.get("payload")).as_bytes()) {
        Ok(payload) => payload,
        Err(error) => return Reading::not(Problem::new(format!("the payload is not base64: {error}"))),
    };
    let mut problems = Vec::new();
    match serde_json::from_slice::<Object>(&payload) {
        Ok(inner) => policy(&inner, &mut facts),
        Err(error) => problems.push(Problem::new(format!("the payload is not JSON: {error}"))),
    }
    facts.format = "keylime runtime policy in DSSE";
    let signatures = object.get("signatures").and_then(Value::as_array).cloned().unwrap_or_default();
    let (mut held, mut unchecked) = (0, 0);
    for signature in &signatures {
        match checked(&payload, &text(signature.get("sig")), options) {
            Ok(true) => held += 1,
            Ok(false) => unchecked += 1,
            Err(what) => problems.push(Problem::new(what)),
        }
    }
    facts.counts.extend([("signatures that hold", held), ("signatures not checked", unchecked)]);
    Reading::whole(Facts::Policy(Box::new(facts)), problems)
}

/// True when it holds, false when no key was given.
fn checked(payload: &[u8], signature: &str, options: &Options) -> Result<bool, String> {
    let signature =
        BASE64.decode(signature.as_bytes()).map_err(|error| format!("a signature is not base64: {error}"))?;
    let Some(key) = &options.quote.key else { return Ok(false) };
    let key: ObservedKey = quote::public_key(key)?;
    let head = format!("DSSEv1 {} {PAYLOAD} {} ", PAYLOAD.len(), payload.len());
    let message = [head.as_bytes(), payload].concat();
    match key.verify_ecdsa(HashAlg::Sha256, &message, &signature) {
        Ok(_) => Ok(true),
        Err(error) => Err(format!("a signature: {error}")),
    }
}

/// True when the first lines are `[algorithm:]digest  path`, as sha256sum prints them.
pub(super) fn is_digest_list(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).take(8).peekable();
    lines.peek().is_some() && lines.all(|line| digest_line(line).is_some())
}

fn digest_line(line: &str) -> Option<(&str, &str)> {
    let (digest, path) = line.trim().split_once("  ").or_else(|| line.trim().split_once(' '))?;
    let hex = digest.rsplit(':').next().unwrap_or(digest);
    let plain = matches!(hex.len(), 40 | 64 | 96 | 128) && HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).is_ok();
    (plain && !path.trim().is_empty()).then_some((hex, path.trim()))
}

pub(super) fn read_list(text: &str) -> Reading {
    let mut facts = PolicyFacts { format: "digest list", not_used: Some(NOT_USED), ..PolicyFacts::default() };
    let (mut digests, mut problems, mut offset) = (0, Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        match digest_line(line) {
            Some(_) => digests += 1,
            None if line.trim().is_empty() => {}
            None => problems.push(Problem::at(offset, "not a digest and a path")),
        }
        offset += line.len();
    }
    facts.counts = [("digests", digests)].into();
    Reading::whole(Facts::Policy(Box::new(facts)), problems)
}
