//! Policies of another product: recognised and counted, signatures checked where truth speaks of them.

use avouch::inspect::{Kind, Options, QuoteInputs, inspect};
use avouch_crypto::observation::ObservedKey;
use avouch_tpm_wire::HashAlg;
use data_encoding::BASE64;
use serde_json::Value;

use super::collection::{Collection, Comparison, Input, Outcome, folder, is_refused};

pub(super) fn judge(collection: &Collection, input: &Input, report: &Value) -> Outcome {
    let mut compare = Comparison::default();
    let pairs = collection.whole("misc_pairs");
    let name = input.path.rsplit('/').next().unwrap_or_default();
    if report["format"] == "keylime runtime policy in DSSE" && input.expected.contains("verifies") {
        let key = key_beside(collection, input, "-pubkey.pub");
        let options = Options { quote: QuoteInputs { key: Some(key), ..QuoteInputs::default() }, ..Options::default() };
        let checked = inspect(Some(Kind::Policy), &input.path, &collection.bytes(&input.path), &options);
        let checked = serde_json::to_value(checked).unwrap();
        compare.equal("signatures", checked["counts"]["signatures that hold"].clone(), 1);
    } else if input.expected.starts_with("reject") {
        compare.equal("refusal", is_refused(report), true);
        return compare.refused();
    } else if input.expected.contains("signature over")
        && pairs.is_some_and(|pairs| pairs[format!("keylime {name}")].is_string())
    {
        compare.equal("signature", bare_signature(collection, input), true);
    } else if input.expected == "signature must not verify" {
        // The bytes are no signature that any key given here could have made.
        compare.equal("refusal", is_refused(report), true);
        return compare.refused();
    }
    compare.outcome()
}

fn key_beside(collection: &Collection, input: &Input, end: &str) -> Vec<u8> {
    let mut beside = collection.beside(folder(&input.path));
    let key = beside.find(|other| folder(&other.path) == folder(&input.path) && other.path.ends_with(end));
    collection.bytes(&key.expect("a key beside the signed file").path)
}

/// `X-ec-sig.bin` over `X.json` by `X-ec-key.pem`.
fn bare_signature(collection: &Collection, input: &Input) -> bool {
    let stem = input.path.strip_suffix("-ec-sig.bin").unwrap();
    let pem = String::from_utf8(collection.bytes(&format!("{stem}-ec-key.pem"))).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let key = ObservedKey::from_spki(&BASE64.decode(body.as_bytes()).unwrap());
    let (signed, signature) = (collection.bytes(&format!("{stem}.json")), collection.bytes(&input.path));
    key.verify_ecdsa(HashAlg::Sha256, &signed, &signature).is_ok()
}
