//! Everything that is not the one spelling of a message of this version is refused.

use avouch_protocol::{Evidence, Message, Refusal, WireError};
use proptest::prelude::*;

use crate::sample::{Each, Fields, every, map, text, uint};

/// Gets the name of a message, its fields, and how its bytes are read.
type Check = fn(&str, &Fields, &dyn Fn(&[u8]) -> Result<(), WireError>);

fn visit(check: Check) {
    struct Visitor(Check);
    impl Each for Visitor {
        fn each<M: Message + Clone + PartialEq + std::fmt::Debug>(&mut self, _: M, fields: Fields) {
            let read = |bytes: &[u8]| M::from_cbor(bytes).map(|_| ());
            assert_eq!(read(&map(&fields)), Ok(()), "the unaltered {} is read", M::NAME);
            (self.0)(M::NAME, &fields, &read);
        }
    }
    every(&mut Visitor(check));
}

#[test]
fn an_unknown_field_is_refused() {
    visit(|name, fields, read| {
        for key in [fields.len() as u64, 99, 1_000] {
            let more = [fields.clone(), vec![(key, uint(0))]].concat();
            assert!(matches!(read(&map(&more)), Err(WireError::NotDeterministic { .. })), "{name} with key {key}");
        }
        // A key that is text.
        let mut bytes = map(fields);
        bytes[0] += 1;
        bytes.extend([text("x"), uint(0)].concat());
        assert!(read(&bytes).is_err(), "{name}");
    });
}

#[test]
fn another_version_is_refused() {
    visit(|name, fields, read| {
        for version in [0, 2, u64::MAX] {
            let mut other = fields.clone();
            other[0].1 = uint(version);
            let wanted = WireError::Version { message: "", wanted: 1, got: version };
            let got = read(&map(&other)).unwrap_err();
            assert_eq!(got.to_string(), wanted.to_string().replacen("", name, 1), "{name}");
        }
        let without = fields[1..].to_vec();
        assert!(matches!(read(&map(&without)), Err(WireError::Malformed { .. })), "{name} without a version");
    });
}

#[test]
fn another_key_order_is_refused() {
    visit(|name, fields, read| {
        for at in 1..fields.len() {
            let mut swapped = fields.clone();
            swapped.swap(at - 1, at);
            assert!(matches!(read(&map(&swapped)), Err(WireError::NotDeterministic { .. })), "{name} at {at}");
        }
    });
}

#[test]
fn a_field_given_twice_is_refused() {
    visit(|name, fields, read| {
        for at in 0..fields.len() {
            let mut twice = fields.clone();
            twice.insert(at, fields[at].clone());
            assert!(matches!(read(&map(&twice)), Err(WireError::NotDeterministic { .. })), "{name} at {at}");
        }
    });
}

#[test]
fn a_trailing_byte_is_refused() {
    visit(|name, fields, read| {
        for byte in [0x00, 0xF6, 0xFF] {
            let longer = [map(fields), vec![byte]].concat();
            assert!(matches!(read(&longer), Err(WireError::NotDeterministic { .. })), "{name}");
        }
    });
}

#[test]
fn a_message_cut_at_any_byte_is_refused() {
    visit(|name, fields, read| {
        let bytes = map(fields);
        for cut in 0..bytes.len() {
            assert!(matches!(read(&bytes[..cut]), Err(WireError::Malformed { .. })), "{name} cut at {cut}");
        }
    });
}

#[test]
fn a_longer_length_form_is_refused() {
    visit(|name, fields, read| {
        // The version 1 as one and as eight bytes.
        for long in [vec![0x18, 1], [vec![0x1B], vec![0; 7], vec![1]].concat()] {
            let mut other = fields.clone();
            other[0].1 = long;
            assert!(matches!(read(&map(&other)), Err(WireError::NotDeterministic { .. })), "{name}");
        }
        // The map's own header with a length byte.
        let bytes = map(fields);
        let long = [&[0xB8, fields.len() as u8], &bytes[1..]].concat();
        assert!(matches!(read(&long), Err(WireError::NotDeterministic { .. })), "{name}");
        // An indefinite map.
        let indefinite = [&[0xBF], &bytes[1..], &[0xFF]].concat();
        assert!(read(&indefinite).is_err(), "{name}");
    });
}

#[test]
fn a_missing_field_is_refused() {
    visit(|name, fields, read| {
        for at in 0..fields.len() {
            let optional = (name == "evidence" && ((5..=8).contains(&at) || at >= 11))
                || (name == "challenge" && at >= 13)
                || (name == "refusal" && at == 4)
                || (name == "enrolment request" && (8..=11).contains(&at))
                || (name == "credential challenge" && at == 4)
                || (name == "activation request" && at >= 5);
            let mut fewer = fields.clone();
            fewer.remove(at);
            assert_eq!(read(&map(&fewer)).is_ok(), optional, "{name} without field {at}");
        }
    });
}

#[test]
fn a_message_beyond_its_limit_is_refused_before_it_is_decoded() {
    let huge = vec![0xFF; Refusal::MAX_BYTES + 1];
    let wanted = WireError::TooLong { message: "refusal", wanted: Refusal::MAX_BYTES, got: huge.len() };
    assert_eq!(Refusal::from_cbor(&huge), Err(wanted));
}

#[test]
fn a_length_that_lies_reserves_no_memory() {
    // A byte string and an array that claim 2^60 items.
    for major in [0x5B, 0x9B, 0xBB] {
        let lie = [&[0xA1, 0x03, major], (1_u64 << 60).to_be_bytes().as_slice()].concat();
        assert!(Evidence::from_cbor(&lie).is_err());
        assert!(avouch_protocol::EnrolmentToken::from_cbor(&lie).is_err());
    }
}

proptest! {
    #[test]
    fn what_is_read_is_written_back_as_it_was(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(evidence) = Evidence::from_cbor(&bytes) {
            prop_assert_eq!(evidence.to_cbor(), bytes);
        }
    }

    #[test]
    fn a_changed_byte_is_another_message_or_none(at in 0usize..600, flip in 1u8..) {
        let (message, fields) = crate::sample::evidence();
        let mut bytes = map(&fields);
        let at = at % bytes.len();
        bytes[at] ^= flip;
        if let Ok(other) = Evidence::from_cbor(&bytes) {
            prop_assert_ne!(&other, &message);
            prop_assert_eq!(other.to_cbor(), bytes);
        }
    }
}
