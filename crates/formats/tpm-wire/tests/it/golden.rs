//! Recorded on a guest with a software TPM (P-256 and RSA-2048 attestation keys, RSA-2048 endorsement key).

use avouch_crypto::Hash;
use avouch_tpm_wire::*;

pub(crate) const QUOTE: &[u8] = include_bytes!("../data/quote.msg");
pub(crate) const QUOTE_SIGNATURE: &[u8] = include_bytes!("../data/quote.sig");
pub(crate) const QUOTE_RSA: &[u8] = include_bytes!("../data/quote_rsa.msg");
pub(crate) const QUOTE_RSA_SIGNATURE: &[u8] = include_bytes!("../data/quote_rsa.sig");
pub(crate) const AK: &[u8] = include_bytes!("../data/ak.pub.tpm2b");
pub(crate) const AK_RSA: &[u8] = include_bytes!("../data/ak_rsa.pub.tpm2b");
pub(crate) const EK: &[u8] = include_bytes!("../data/ek_rsa.pub.tpm2b");

pub(crate) fn certify() -> Attest<'static> {
    let quote = Attest::parse(QUOTE).unwrap();
    let body = AttestBody::Certify { name: quote.qualified_signer, qualified_name: quote.qualified_signer };
    Attest { body, ..quote }
}

pub(crate) fn time() -> Attest<'static> {
    let quote = Attest::parse(QUOTE).unwrap();
    let body = AttestBody::Time { time: 7, clock: quote.clock, firmware_version: quote.firmware_version };
    Attest { body, ..quote }
}

#[test]
fn recorded_quote_says_what_the_tools_read_in_it() {
    let quote = Attest::parse(QUOTE).unwrap();
    assert_eq!(hex(quote.extra_data), "c609b2ae0bb858e4e18df412c2ea2f48b5d2a58f");
    assert_eq!(hex(quote.qualified_signer), "000b74db997f2c3d03cc964fe2527fa982b25f7b3fb701a011c2178a60fb8e9303d3");
    assert_eq!(quote.clock, ClockInfo { clock: 0x4481e, reset_count: 11, restart_count: 0, safe: true });
    assert_eq!(quote.firmware_version, 0x2019_1023_0016_3636);
    let AttestBody::Quote { selection, pcr_digest } = &quote.body else { panic!("a quote is a quote") };
    let asked = PcrSelection::of(HashAlg::Sha256, &[0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]);
    assert!(selection.is(asked));
    assert!(!selection.is(PcrSelection { mask: asked.mask | 1 << 23, ..asked }));
    assert!(!selection.is(PcrSelection { bank: HashAlg::Sha384, ..asked }));
    assert_eq!(pcr_digest.len(), 32);
    assert_eq!(quote.encode().unwrap(), QUOTE);
}

#[test]
fn recorded_signatures_keep_their_bytes() {
    let Signature::Ecdsa { hash, r, s } = Signature::parse(QUOTE_SIGNATURE).unwrap() else { panic!("ECDSA") };
    assert_eq!((hash, r.len(), s.len()), (HashAlg::Sha256, 32, 32));
    let Signature::RsaSsa { hash, signature } = Signature::parse(QUOTE_RSA_SIGNATURE).unwrap() else { panic!("RSA") };
    assert_eq!((hash, signature.len()), (HashAlg::Sha256, 256));
    for bytes in [QUOTE_SIGNATURE, QUOTE_RSA_SIGNATURE] {
        assert_eq!(Signature::parse(bytes).unwrap().encode().unwrap(), bytes);
    }
    assert_eq!(Attest::parse(QUOTE_RSA).unwrap().encode().unwrap(), QUOTE_RSA);
}

#[test]
fn names_are_those_that_the_tpm_gave() {
    for (public, name) in
        [(AK, include_bytes!("../data/ak.name").as_slice()), (AK_RSA, include_bytes!("../data/ak_rsa.name").as_slice())]
    {
        let area = PublicArea::parse_sized(public).unwrap();
        assert_eq!(area.name(&Hash), name);
        assert_eq!(area.encode_sized(), public);
        assert_eq!(PublicArea::parse(&area.encode()).unwrap(), area);
    }
}

#[test]
fn qualified_name_of_the_recorded_key_follows_from_its_parent() {
    let ek = PublicArea::parse_sized(EK).unwrap();
    let ek_qn = ek.endorsement_primary_qualified_name(&Hash);
    // What tpm2_readpublic printed for the same endorsement key.
    assert_eq!(hex(&ek_qn), "000b3d668ba6fb49a4fa0fa31f9ef909fce10c9675c085c4b67344a9a9a122043493");
    let ak = PublicArea::parse_sized(AK).unwrap();
    assert_eq!(ak.qualified_name(&ek_qn, &Hash), Attest::parse(QUOTE).unwrap().qualified_signer);
}

#[test]
fn recorded_endorsement_key_is_made_from_the_template() {
    let ek = PublicArea::parse_sized(EK).unwrap();
    assert!(ek.is_made_from(&templates::EK_RSA2048_L1));
    assert!(!PublicArea::parse_sized(AK).unwrap().is_made_from(&templates::AK));
    assert!(!PublicArea::parse_sized(AK_RSA).unwrap().is_made_from(&templates::EK_RSA2048_L1));
}

#[test]
fn wrong_magic_and_foreign_attestation_are_told_apart() {
    let mut forged = QUOTE.to_vec();
    forged[0] = 0;
    assert_eq!(Attest::parse(&forged).unwrap_err().wanted, Wanted::Magic);
    let mut creation = QUOTE.to_vec();
    creation[5] = 0x1A;
    let error = Attest::parse(&creation).unwrap_err();
    assert_eq!((error.offset, error.wanted, error.got), (4, Wanted::AttestType, 0x801A));
    assert_eq!(error.to_string(), "at byte 4: the type of a quote, a time or a certification wanted, got 0x801a");
}

#[test]
fn public_area_without_a_name_or_with_a_short_policy_is_refused() {
    let mut nameless = AK[2..].to_vec();
    nameless[3] = 0x10;
    assert_eq!(PublicArea::parse(&nameless).unwrap_err().wanted, Wanted::Known("hash algorithm"));
    let short = PublicArea::new(HashAlg::Sha256, Attributes::NONE, &[0; 20], *templates::AK.key());
    assert_eq!(short.unwrap_err().wanted, Wanted::Exactly(32));
    let mut reserved = AK[2..].to_vec();
    reserved[4] = 0x80;
    assert_eq!(PublicArea::parse(&reserved).unwrap_err().wanted, Wanted::Known("set of object attributes"));
    assert!(PublicArea::new(HashAlg::Sha256, Attributes::SIGN, &[0; 32], *templates::AK.key()).is_ok());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
