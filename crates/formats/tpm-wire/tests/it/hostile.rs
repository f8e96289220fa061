//! Cut, padded and changed bytes: refused or parsed, never a panic, and what parses encodes to the same bytes.

use avouch_tpm_wire::*;

use crate::golden;

/// Parses as whatever `kind` is; the answer is the bytes that the parsed value encodes to.
type Parse = fn(&[u8]) -> Result<Vec<u8>, WireError>;

fn attest(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
    Attest::parse(bytes).and_then(|attest| attest.encode())
}

fn signature(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
    Signature::parse(bytes).and_then(|signature| signature.encode())
}

fn public(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
    PublicArea::parse_sized(bytes).map(|area| area.encode_sized())
}

fn selection(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
    PcrSelection::parse(bytes).map(PcrSelection::encode)
}

fn samples() -> Vec<(&'static str, Parse, Vec<u8>)> {
    vec![
        ("quote", attest, golden::QUOTE.to_vec()),
        ("quote by RSA", attest, golden::QUOTE_RSA.to_vec()),
        ("time", attest, golden::time().encode().unwrap()),
        ("certification", attest, golden::certify().encode().unwrap()),
        ("ECDSA", signature, golden::QUOTE_SIGNATURE.to_vec()),
        ("RSASSA", signature, golden::QUOTE_RSA_SIGNATURE.to_vec()),
        ("P-256 AK", public, golden::AK.to_vec()),
        ("RSA AK", public, golden::AK_RSA.to_vec()),
        ("RSA EK", public, golden::EK.to_vec()),
        ("selection", selection, PcrSelection::of(HashAlg::Sha256, &[0, 7]).encode()),
    ]
}

#[test]
fn truncation_at_every_byte_is_refused() {
    for (what, parse, bytes) in samples() {
        for cut in 0..bytes.len() {
            let error = parse(&bytes[..cut]).expect_err(what);
            assert!(error.offset <= cut, "{what} cut at {cut}: {error}");
        }
    }
}

#[test]
fn trailing_byte_is_refused() {
    for (what, parse, mut bytes) in samples() {
        bytes.push(0);
        assert!(matches!(parse(&bytes), Err(WireError { wanted: Wanted::End, got: 1, .. })), "{what}");
    }
}

#[test]
fn changed_byte_is_refused_or_encodes_to_itself() {
    for (what, parse, bytes) in samples() {
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                match parse(&changed) {
                    // A selection's octets are rewritten at their usual width, so only the list form is canonical.
                    Ok(again) if what != "selection" => assert_eq!(again, changed, "{what} byte {at}"),
                    Ok(_) => {}
                    Err(error) => assert!(error.offset <= changed.len(), "{what} byte {at}: {error}"),
                }
            }
        }
    }
}

#[test]
fn every_length_that_claims_more_is_refused() {
    for (what, parse, bytes) in samples() {
        for at in 0..bytes.len().saturating_sub(1) {
            let mut changed = bytes.clone();
            changed[at] = 0xFF;
            changed[at + 1] = 0xFF;
            if let Ok(again) = parse(&changed) {
                assert_eq!(again.len(), changed.len(), "{what} byte {at}");
            }
        }
    }
}
