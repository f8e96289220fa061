//! A busy TPM is asked again, and not for ever.

use std::time::Duration;

use avouch_tpm::{Error, Patience, Tpm};
use avouch_tpm_wire::command::GetCapability;
use avouch_tpm_wire::rc::ResponseCode;
use avouch_tpm_wire::response::{self, Reply};
use avouch_tpm_wire::{Capability, Property};

use crate::wire::{Script, Wire};

/// No waits, so that the bound on attempts is what ends a test.
const AT_ONCE: Patience =
    Patience { first: Duration::ZERO, longest: Duration::ZERO, total: Duration::from_secs(1), attempts: 5 };

fn play(codes: &[ResponseCode], last: Vec<u8>) -> (Tpm<Wire>, Wire) {
    let answers = codes.iter().map(|code| response::encode_refusal(*code)).chain([last]).collect();
    let wire = Wire::new(Script(answers));
    (Tpm::with_patience(wire.clone(), AT_ONCE), wire)
}

fn properties() -> Vec<u8> {
    let list = vec![
        Property { tag: Property::MANUFACTURER, value: u32::from_be_bytes(*b"IBM\0") },
        Property { tag: Property::VENDOR_STRING_1, value: u32::from_be_bytes(*b"SW \x07") },
        Property { tag: Property::FIRMWARE_VERSION_1, value: 0x2019_1023 },
        Property { tag: Property::FIRMWARE_VERSION_2, value: 0x0016_3636 },
    ];
    response::GetCapability { more_data: false, data: Capability::Properties(list) }.encode(0).unwrap()
}

#[test]
fn busy_tpm_is_asked_again_until_it_answers() {
    let codes = [ResponseCode::RETRY, ResponseCode::YIELDED, ResponseCode::TESTING, ResponseCode::NV_RATE];
    let (mut tpm, wire) = play(&codes, properties());
    let properties = tpm.properties().unwrap();
    assert_eq!((properties.manufacturer.as_str(), properties.vendor.as_str()), ("IBM", "SW ?"));
    assert_eq!(properties.firmware_version, 0x2019_1023_0016_3636);
    assert_eq!(wire.commands().len(), 5);
}

#[test]
fn busy_tpm_ends_in_an_error_that_says_so() {
    let (mut tpm, wire) = play(&[], response::encode_refusal(ResponseCode::RETRY));
    let error = tpm.properties().unwrap_err();
    assert!(matches!(error, Error::Busy { code: ResponseCode::RETRY, attempts: 5, .. }), "{error:?}");
    assert!(error.is_busy());
    let text = error.to_string();
    assert!(text.contains("TPM2_GetCapability: the TPM is busy: it answered TPM_RC_RETRY"), "{text}");
    assert_eq!(wire.commands().len(), 5);
}

#[test]
fn refused_command_is_not_sent_again() {
    for (code, word) in [(0x921, "locked"), (0x902, "flush"), (0x100, "TPM2_Startup"), (0x9A2, "authorisation value")] {
        let (mut tpm, wire) = play(&[ResponseCode(code)], properties());
        let error = tpm.properties().unwrap_err();
        assert!(matches!(error, Error::Refused { .. }) && !error.is_busy(), "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(wire.commands().len(), 1);
    }
}

#[test]
fn answer_to_another_command_is_refused() {
    let other = response::NvRead { data: &[1, 2, 3] }.encode(1).unwrap();
    let (mut tpm, _) = play(&[], other);
    assert!(matches!(tpm.properties(), Err(Error::Malformed { .. })));
    let handles = response::GetCapability { more_data: false, data: Capability::Handles(vec![]) }.encode(0).unwrap();
    let (mut tpm, _) = play(&[], handles);
    assert!(matches!(tpm.properties(), Err(Error::Unexpected { .. })));
}

#[test]
fn garbage_never_panics() {
    for byte in [0x00, 0x01, 0x7F, 0x80, 0xFF] {
        for len in 0..64 {
            let (mut tpm, _) = play(&[], vec![byte; len]);
            assert!(tpm.properties().is_err());
            assert!(tpm.create_attestation_key().is_err());
            assert!(tpm.endorsement_key().is_err());
        }
    }
    let whole = properties();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        let (mut tpm, _) = play(&[], changed);
        let _ = tpm.properties();
        let command = GetCapability { capability: Capability::PROPERTIES, property: 0, property_count: 1 };
        let _ = tpm.execute(&command, &[]);
    }
}
