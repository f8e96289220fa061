//! Quotes with their signatures, keys and PCR values: each check of `inspect quote` against truth.

use avouch::inspect::{Kind, Options, QuoteInputs, inspect};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::collection::{Collection, Comparison, Input, Outcome, folder};

/// Files of a pair by the ends of their names.
struct Pair {
    attest: String,
    signature: String,
    key: Vec<u8>,
    pcrs: Option<Vec<u8>>,
    /// Other files of the pair, which the checks used.
    parts: Vec<String>,
}

pub(super) fn judge(collection: &Collection, input: &Input) -> Outcome {
    let mut compare = Comparison::default();
    for truth in collection.truths("quotes").filter(|truth| input.path.starts_with(truth["dir"].as_str().unwrap())) {
        let Some(pair) = pair(collection, truth) else { continue };
        if [&pair.attest, &pair.signature].contains(&&input.path) || pair.parts.contains(&input.path) {
            against(&mut compare, collection, &pair, truth);
        }
    }
    if let Some(truth) = collection.whole("keylime_quote_files") {
        keylime(&mut compare, collection, input, truth);
    }
    compare.outcome()
}

fn named(collection: &Collection, dir: &str, ends: &[&str]) -> Option<String> {
    let mut beside = collection.beside(dir);
    beside.find(|input| ends.iter().any(|end| input.path.ends_with(end))).map(|input| input.path.clone())
}

fn pair(collection: &Collection, truth: &Value) -> Option<Pair> {
    let dir = truth["dir"].as_str()?;
    let creation = truth["attest_type"] == "801a";
    let (attest, signature) = if creation {
        (&["createattestation.bin"][..], &["createsignature.bin"][..])
    } else {
        (&["quote_quote.bin", "quote.tpms_attest"][..], &["quote_signature.bin", "quote.sig"][..])
    };
    let key_path = named(collection, dir, &["ak_public.bin", "/public.bin"]);
    let key = match &key_path {
        Some(path) => collection.bytes(path),
        None => key_elsewhere(collection, dir)?,
    };
    let pcrs = named(collection, dir, &["pcrs.json", "pcrs_sha256.json"]).map(|path| collection.bytes(&path));
    Some(Pair {
        attest: named(collection, dir, attest)?,
        signature: named(collection, dir, signature)?,
        key,
        pcrs,
        parts: key_path.into_iter().collect(),
    })
}

/// The attestation key of a cloud machine: a PEM of the same project, or the JSON Web Key in its report.
fn key_elsewhere(collection: &Collection, dir: &str) -> Option<Vec<u8>> {
    let project = dir.split('/').next()?;
    if let Some(pem) = named(collection, project, &["akpub.pem"]) {
        return Some(collection.bytes(&pem));
    }
    let report = collection.bytes(&named(collection, project, &["hcl-report.bin"])?);
    let text = String::from_utf8_lossy(&report).into_owned();
    let json = &text[text.find("{\"keys\"")?..];
    let keys: Value = serde_json::Deserializer::from_str(json).into_iter().next()?.ok()?;
    let key = keys["keys"].as_array()?.iter().find(|key| key["kid"] == "HCLAkPub")?;
    let part = |name: &str| BASE64URL_NOPAD.decode(key[name].as_str()?.as_bytes()).ok();
    Some(rsa_spki(&part("n")?, &part("e")?))
}

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[tag, 0x82][..], &length, &body].concat()
}

/// SubjectPublicKeyInfo of an RSA key (RFC 3279 section 2.3.1). Lengths in the long form are no DER where they are
/// short, so short ones are written as such.
fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let modulus = der(0x02, &[&[0], modulus]);
    let length = u8::try_from(exponent.len()).unwrap();
    let key = der(0x30, &[&modulus, &[0x02, length], exponent]);
    let algorithm = [0x30, 13, 6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1, 5, 0];
    der(0x30, &[&algorithm, &der(0x03, &[&[0], &key])])
}

fn against(compare: &mut Comparison, collection: &Collection, pair: &Pair, truth: &Value) {
    let nonce = if truth["nonce_matches"] == true {
        // The nonce of these recordings is empty.
        Some(Vec::new())
    } else if let Some(nonce) = truth["nonce_ascii"].as_str() {
        Some(nonce.as_bytes().to_vec())
    } else {
        truth["nonce"].as_str().map(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap())
    };
    let quote = QuoteInputs {
        signature: Some(collection.bytes(&pair.signature)),
        key: Some(pair.key.clone()),
        nonce: nonce.clone(),
        pcrs: pair.pcrs.clone(),
    };
    let report = read(collection, &pair.attest, quote);
    if truth["attest"].is_object() {
        attest(compare, &report["attest"], &truth["attest"]);
    }
    if let Some(kind) = truth["attest_type"].as_str() {
        compare.equal("type", report["attest"]["type"].clone(), kind);
    }
    if truth["signature"].as_str().is_some_and(|said| said.starts_with("valid")) {
        compare.equal("signature", check(&report, "signature"), "passed");
    }
    if nonce.is_some() {
        compare.equal("nonce", check(&report, "nonce"), "passed");
    }
    if truth["pcr_digest_matches"].is_object() || truth["pcr_composite_matches"] == true {
        compare.equal("PCR digest", check(&report, "pcr_digest"), "passed");
    }
    if truth["ak_attributes"].is_string() {
        compare.equal("attributes", report["key"]["attributes"].clone(), truth["ak_attributes"].clone());
    }
}

fn read(collection: &Collection, path: &str, quote: QuoteInputs) -> Value {
    let options = Options { quote, ..Options::default() };
    serde_json::to_value(inspect(Some(Kind::Quote), path, &collection.bytes(path), &options)).unwrap()
}

fn check(report: &Value, name: &str) -> Value {
    let mut checks = report["checks"].as_array().into_iter().flatten();
    checks.find(|check| check["check"] == name).map_or(Value::Null, |check| check["result"].clone())
}

fn attest(compare: &mut Comparison, got: &Value, truth: &Value) {
    for (ours, theirs) in [
        ("magic", "magic"),
        ("type", "type"),
        ("qualified_signer", "qualifiedSigner"),
        ("extra_data", "extraData"),
        ("firmware_version", "firmwareVersion"),
        ("pcr_digest", "pcrDigest"),
        ("trailing", "trailing"),
    ] {
        compare.equal(theirs, got[ours].clone(), truth[theirs].clone());
    }
    for (ours, theirs) in [("clock", "clock"), ("reset_count", "resetCount"), ("restart_count", "restartCount")] {
        compare.equal(theirs, got["clock"][ours].clone(), truth[theirs].clone());
    }
    compare.equal("safe", got["clock"]["safe"] == true, truth["safe"] == 1);
    let banks = got["selection"].as_array().into_iter().flatten();
    let banks: Value = banks.map(|bank| json!([bank["bank"], bank["pcrs"]])).collect();
    compare.equal("select", banks, truth["select"].clone());
}

/// Keylime's quote files lie beside each other under fixed names.
fn keylime(compare: &mut Comparison, collection: &Collection, input: &Input, truth: &Value) {
    let dir = folder(&input.path);
    let part = |name: &str| format!("{dir}/{name}");
    let names = ["quote.out", "quotesig.out", "quotepcr.out", "ak.pub", "ak.name"];
    if !names.iter().any(|name| input.path == part(name)) || collection.find(&part("quotesig.out")).is_none() {
        return;
    }
    let quote = QuoteInputs {
        signature: collection.find(&part("quotesig.out")),
        key: collection.find(&part("ak.pub")),
        nonce: None,
        pcrs: collection.find(&part("quotepcr.out")),
    };
    let report = read(collection, &part("quote.out"), quote);
    attest(compare, &report["attest"], &truth["attest"]);
    compare.equal("signature", check(&report, "signature"), "passed");
    compare.equal("PCR digest", check(&report, "pcr_digest"), "passed");
    let name = data_encoding::HEXLOWER.encode(&collection.bytes(&part("ak.name")));
    compare.equal("name of the key", report["key"]["name"].clone(), name);
}
