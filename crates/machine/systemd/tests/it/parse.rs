//! Answers as they come over the wire.

use avouch_pairs::{Reading, attribute as a};
use avouch_systemd::Change;
use avouch_systemd::parse::{length, message};

/// The answer `active` to serial 3, signature `v`, by the layout of the D-Bus Specification.
const ACTIVE: &[u8] = b"l\x02\x01\x01\x0f\0\0\0\x07\0\0\0\x0f\0\0\0\x05\x01u\0\x03\0\0\0\x08\x01g\0\x01v\0\0\
    \x01s\0\0\x06\0\0\0active\0";
/// The signal `PropertiesChanged` of a unit's object, without a body.
const CHANGED: &[u8] = b"l\x04\x01\x01\0\0\0\0\x07\0\0\0\x52\0\0\0\
    \x01\x01o\0\x2c\0\0\0/org/freedesktop/systemd1/unit/ssh_2eservice\0\0\0\0\
    \x03\x01s\0\x11\0\0\0PropertiesChanged\0\0\0\0\0\0\0";

#[test]
fn an_answer_is_read_as_every_text_that_is_asked_for() {
    let read = message(ACTIVE).expect("a whole answer");
    assert_eq!((read.reply_to, read.change, read.error.as_str()), (Some(3), None, ""));
    assert_eq!(read.readings[&a::LOAD_STATE], Reading::Value("active".into()));
    // No name of a user leaves the answer.
    assert_eq!(read.readings[&a::USER_SET], Reading::Value("yes".into()));
    assert!(!read.readings.contains_key(&a::MEMORY_MAX), "a text is no number");
}

#[test]
fn a_change_of_a_unit_is_read_by_its_path() {
    assert_eq!(message(CHANGED).expect("a whole signal").change, Some(Change::Unit("ssh.service".into())));
}

#[test]
fn messages_cut_short_anywhere_or_with_other_lengths_are_refused() {
    for whole in [ACTIVE, CHANGED] {
        for end in 0..whole.len() {
            let cut = &whole[..end];
            assert_eq!(length(cut), Ok((end >= 16).then_some(whole.len())), "{end}");
            assert!(message(cut).is_err(), "{end}");
        }
        assert!(message(&[whole, &[0]].concat()).is_err());
        for (field, wrong) in [(4, u32::MAX), (4, 1 << 20), (12, u32::MAX), (12, 0), (12, 7)] {
            let mut changed = whole.to_vec();
            changed[field..field + 4].copy_from_slice(&wrong.to_le_bytes());
            assert!(message(&changed).is_err(), "{field} {wrong}");
        }
        for order in [0, b'L', b'B', 0xff] {
            assert!(message(&[&[order], &whole[1..]].concat()).is_err(), "{order}");
        }
    }
}
