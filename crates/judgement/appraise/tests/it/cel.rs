//! Canonical event logs in JSON and CBOR.

use avouch_appraise::{CelEncoding, CelError, to_tlv};
use avouch_bootlog::cel::{CelContent, CelLog, Register};
use minicbor::Encoder;

const JSON: &str = r#"[{"recnum":0,"pcr":0,"digests":[{"hashAlg":"sha256","digest":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}],"content_type":"pcclient_std","content":{"event_type":"EV_SEPARATOR","event_data":"00000000"}},
{"recnum":1,"pcr":10,"digests":[{"hashAlg":4,"digest":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}],"content_type":"ima_template","content":{"template_name":"ima-ng","template_data":"0102"}},
{"recnum":2,"nv_index":25165830,"digests":[],"content_type":"cel","content":{"type":"cel_version","data":{"major":1,"minor":0}}}]"#;

fn cbor() -> Vec<u8> {
    let mut out = Vec::new();
    let mut e = Encoder::new(&mut out);
    e.array(2).unwrap();
    e.map(4).unwrap().u8(0).unwrap().u8(0).unwrap().u8(1).unwrap().u8(0).unwrap();
    e.u8(3).unwrap().array(1).unwrap().array(2).unwrap().u8(0x0B).unwrap().bytes(&[0xAA; 32]).unwrap();
    e.u8(5).unwrap().map(2).unwrap().u8(0).unwrap().u8(4).unwrap().u8(1).unwrap().bytes(&[0; 4]).unwrap();
    e.map(4).unwrap().u8(0).unwrap().u8(1).unwrap().u8(1).unwrap().u8(10).unwrap();
    e.u8(3).unwrap().map(1).unwrap().u8(4).unwrap().bytes(&[0xBB; 20]).unwrap();
    e.u8(7).unwrap().map(2).unwrap().u8(0).unwrap().str("ima-ng").unwrap().u8(1).unwrap().bytes(&[1, 2]).unwrap();
    out
}

#[test]
fn both_encodings_say_the_same() {
    let json = to_tlv(CelEncoding::Json, JSON.as_bytes()).unwrap();
    let log = CelLog::parse(&json).unwrap();
    let registers: Vec<_> = log.records().iter().map(|record| record.register).collect();
    assert_eq!(registers, [Register::Pcr(0), Register::Pcr(10), Register::NvIndex(0x0180_0006)]);
    assert!(matches!(log.records()[1].content, CelContent::ImaTemplate { name: b"ima-ng", data: [1, 2] }));
    let cbor = to_tlv(CelEncoding::Cbor, &cbor()).unwrap();
    let short = CelLog::parse(&cbor).unwrap();
    assert_eq!(short.records().len(), 2);
    assert!(json.starts_with(&cbor), "the first two records are the same bytes");
}

#[test]
fn lines_and_sequences_are_read_alike() {
    let records: Vec<serde_json::Value> = serde_json::from_str(JSON).unwrap();
    let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
    let sequence: String = records.iter().map(|record| format!("\u{1e}{record}\n")).collect();
    let wanted = to_tlv(CelEncoding::Json, JSON.as_bytes()).unwrap();
    assert_eq!(to_tlv(CelEncoding::Json, lines.as_bytes()).unwrap(), wanted);
    assert_eq!(to_tlv(CelEncoding::Json, sequence.as_bytes()).unwrap(), wanted);
    assert!(to_tlv(CelEncoding::Json, b" \n").unwrap().is_empty());
}

#[test]
fn a_log_cut_at_any_byte_is_refused() {
    for cut in 1..JSON.len() {
        assert!(matches!(to_tlv(CelEncoding::Json, &JSON.as_bytes()[..cut]), Err(CelError::Malformed { .. })), "{cut}");
    }
    let bytes = cbor();
    for cut in 1..bytes.len() {
        assert!(to_tlv(CelEncoding::Cbor, &bytes[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn what_no_record_can_have_is_refused() {
    let altered = |from: &str, to: &str| to_tlv(CelEncoding::Json, JSON.replacen(from, to, 1).as_bytes()).unwrap_err();
    for (from, to) in [
        (r#""pcr":0"#, r#""pcr":24"#),
        (r#""pcr":0"#, r#""pcr":0,"nv_index":25165830"#),
        (r#""pcr":0,"#, ""),
        (r#""sha256""#, r#""md5""#),
        (r#""aaaa"#, r#""aaag"#),
        (r#""pcclient_std""#, r#""other""#),
        (r#""EV_SEPARATOR""#, r#""EV_UNKNOWN""#),
    ] {
        assert!(matches!(altered(from, to), CelError::Record { number: 0, .. }), "{from} {to}");
    }
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(to_tlv(CelEncoding::Json, deep.as_bytes()), Err(CelError::Malformed { .. })));
    let deep = [vec![0x81; 100_000], vec![0]].concat();
    assert!(to_tlv(CelEncoding::Cbor, &deep).is_err());
    assert!(to_tlv(CelEncoding::Cbor, &[0x9B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]).is_err());
}
