//! The HMAC covers every field, whatever is in them.

use avouch_attestor::{HmacRefusal, canonical, verify_hmac};
use proptest::prelude::*;
use serde_json::Value;

use crate::scene::{Attestor, NOON, Tpm, facts, key, settings};

/// Every scalar of a bundle, as JSON pointers.
fn scalars(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            let key = key.replace('~', "~0").replace('/', "~1");
            scalars(value, &format!("{at}/{key}"), found);
        }),
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(index, value)| scalars(value, &format!("{at}/{index}"), found));
        }
        _ => found.push(at.to_owned()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_change_of_any_field_ends_the_hmac(cmdline in ".{0,60}", other in ".{1,20}", degraded: bool, tpm: bool) {
        let mut facts = facts();
        facts.cmdline = avouch_attestor::Reading::Value(cmdline);
        if degraded {
            facts.lockdown = avouch_attestor::Reading::Unreadable(other.clone());
        }
        let facts = if tpm { Tpm::new().quoted(facts) } else { facts };
        let standing = Attestor::new(settings()).run(&facts);
        let view = standing.at(NOON);
        let json = view.bundle().unwrap().to_json();
        prop_assert_eq!(verify_hmac(json.as_bytes(), &key()), Ok(()));
        let bundle: Value = serde_json::from_str(&json).unwrap();
        let mut paths = Vec::new();
        scalars(&bundle, "", &mut paths);
        prop_assert!(paths.len() > 20);
        for path in paths.iter().filter(|path| *path != "/bundle_hmac") {
            let mut changed = bundle.clone();
            let field = changed.pointer_mut(path).unwrap();
            *field = match field {
                Value::Bool(flag) => Value::Bool(!*flag),
                Value::String(text) => Value::String(format!("{text}{other}")),
                _ => Value::Null,
            };
            let refused = verify_hmac(changed.to_string().as_bytes(), &key());
            prop_assert_eq!(refused, Err(HmacRefusal::Mismatch), "{}", path);
        }
    }

    #[test]
    fn canonical_text_reads_back_as_the_same_value(text in ".{0,80}", number: i64, flag: bool) {
        let value = serde_json::json!({"b": text, "a": [number, flag, null], "c": {"z": 1, "y": text}});
        let spelled = canonical(&value);
        prop_assert_eq!(serde_json::from_str::<Value>(&spelled).unwrap(), value);
        let escaped = ['<', '>', '&', '\u{2028}', '\u{2029}', '\n'];
        prop_assert!(!spelled.contains(escaped));
    }
}
