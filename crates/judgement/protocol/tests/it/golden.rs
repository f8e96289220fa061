//! What goes over the wire, byte for byte.

use avouch_protocol::{Challenge, EnrolmentToken, Evidence, Hash, ImaSegment, KeyLost, Message, NodeProfile, Offsets};

use crate::sample::{Each, Fields, bare_enrolment, bytes, challenge, every, evidence, map, token, uint};

struct Golden;

impl Each for Golden {
    fn each<M: Message + Clone + PartialEq + std::fmt::Debug>(&mut self, message: M, fields: Fields) {
        let wanted = map(&fields);
        assert_eq!(message.to_cbor(), wanted, "{}", M::NAME);
        assert_eq!(M::from_cbor(&wanted).unwrap(), message);
    }
}

#[test]
fn every_message_has_exactly_these_bytes() {
    every(&mut Golden);
    bare_enrolment(&mut Golden);
}

#[test]
fn a_key_lost_notice_is_frozen() {
    let notice = KeyLost { v: 1, seq: 300, challenge: Hash([0xC4; 32]), tpm_rc: 0x1DF };
    let mut wanted = vec![0xA4, 0x00, 0x01, 0x01, 0x19, 0x01, 0x2C, 0x02, 0x58, 0x20];
    wanted.extend([0xC4; 32]);
    wanted.extend([0x03, 0x19, 0x01, 0xDF]);
    assert_eq!(notice.to_cbor(), wanted);
}

#[test]
fn absent_fields_leave_no_trace() {
    let (message, fields) = evidence();
    let bare = Evidence {
        time: None,
        time_signature: None,
        boot_log: None,
        ima: None,
        userspace_log: None,
        reports: vec![],
        report_signature: None,
        report_key: None,
        ..message
    };
    let left: Fields = fields.into_iter().filter(|(key, _)| !(5..=8).contains(key) && *key < 11).collect();
    assert_eq!(bare.to_cbor(), map(&left));
    assert_eq!(Evidence::from_cbor(&map(&left)).unwrap(), bare);
    let (message, mut fields) = challenge();
    let fresh = Challenge { offsets: Offsets::default(), chain_pcr: None, cap_pcr: None, ..message };
    fields.truncate(13);
    fields[11].1 = map(&[(1, uint(0)), (2, uint(0)), (3, vec![0xF4])]);
    assert_eq!(fresh.to_cbor(), map(&fields));
    assert_eq!(Challenge::from_cbor(&map(&fields)).unwrap(), fresh);
}

#[test]
fn an_unknown_list_format_is_refused() {
    let (message, mut fields) = evidence();
    let segment = |format| map(&[(0, uint(format)), (1, uint(780)), (2, bytes(&[10]))]);
    fields[8].1 = segment(1);
    assert_eq!(Evidence::from_cbor(&map(&fields)).unwrap(), message);
    let ImaSegment { from_count, .. } = message.ima.unwrap();
    assert_eq!(from_count, 780);
    fields[8].1 = segment(2);
    assert!(Evidence::from_cbor(&map(&fields)).is_err());
}

#[test]
fn a_token_carries_every_profile_and_no_other() {
    let (message, mut fields) = token();
    for profile in NodeProfile::ALL {
        fields[6].1 = uint(profile.number().into());
        let read = EnrolmentToken::from_cbor(&map(&fields)).unwrap();
        assert_eq!(read, EnrolmentToken { profile, ..message.clone() });
    }
    fields[6].1 = uint(5);
    assert!(EnrolmentToken::from_cbor(&map(&fields)).is_err());
}
