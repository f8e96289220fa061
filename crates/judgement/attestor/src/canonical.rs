//! The one spelling of a JSON value that is hashed: keys sorted, nothing between the tokens, text escaped as Go's
//! encoding/json does it by default (`<`, `>`, `&`, U+2028 and U+2029 included), so that both sides of an HMAC agree.

use core::fmt::Write;

use serde_json::Value;

/// The canonical spelling of `value`. Keys are sorted by their UTF-8 bytes at every depth.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

/// `text` as a JSON string, quotes included.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_text(&mut out, text);
    out
}

// The depth is bounded by whoever made the value: serde_json reads at most 128 levels.
fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        // Writing to a String cannot fail.
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Value::String(text) => write_text(out, text),
        Value::Array(values) => {
            out.push('[');
            values.iter().enumerate().for_each(|(at, value)| {
                separate(out, at);
                write_value(out, value);
            });
            out.push(']');
        }
        Value::Object(map) => {
            // Whether the map is sorted by itself depends on a feature that another crate may switch on.
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            entries.into_iter().enumerate().for_each(|(at, (key, value))| {
                separate(out, at);
                write_text(out, key);
                out.push(':');
                write_value(out, value);
            });
            out.push('}');
        }
    }
}

fn separate(out: &mut String, at: usize) {
    if at > 0 {
        out.push(',');
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth_and_nothing_stands_between() {
        let value = json!({"b": [1, {"z": null, "a": true}], "a": "x", "10": 1, "2": -3});
        assert_eq!(canonical(&value), r#"{"10":1,"2":-3,"a":"x","b":[1,{"a":true,"z":null}]}"#);
    }

    #[test]
    fn text_is_escaped_as_go_does() {
        let text = "a<b>&c\u{2028}\u{2029}\"\\\n\r\t\u{8}\u{c}\u{1}\u{1f}\u{7f}/é\u{1F600}";
        let wanted = "\"a\\u003cb\\u003e\\u0026c\\u2028\\u2029\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u001f\u{7f}/é\u{1F600}\"";
        assert_eq!(escaped(text), wanted);
        assert_eq!(serde_json::from_str::<String>(&escaped(text)).unwrap(), text);
    }
}
