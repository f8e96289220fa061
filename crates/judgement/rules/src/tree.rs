//! Regorus's syntax tree, as the JSON that it gives out: every node is an object with one key, its kind.

use serde_json::{Map, Value};

/// Kind and fields of a node; `None` for what is no node (spans, operators, plain values).
pub(crate) fn node(value: &Value) -> Option<(&str, &Map<String, Value>)> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let (kind, fields) = object.iter().next()?;
    Some((kind, fields.as_object()?))
}

/// The parts of a value: of a node its fields, of a list its items.
pub(crate) fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(fields) => fields.iter().filter(|(key, _)| *key != "span").map(|(_, value)| value).collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    }
}

/// Calls `visit` with every node below and including `value`.
pub(crate) fn walk<'v>(value: &'v Value, visit: &mut dyn FnMut(&'v str, &'v Map<String, Value>)) {
    if let Some((kind, fields)) = node(value) {
        visit(kind, fields);
    }
    for child in children(value) {
        walk(child, visit);
    }
}

/// Line of a node, from 1; zero where there is none.
pub(crate) fn line(fields: &Map<String, Value>) -> u64 {
    fields.get("span").and_then(|span| span.get("line")).and_then(Value::as_u64).unwrap_or(0)
}

/// Name of a variable node.
pub(crate) fn variable(value: &Value) -> Option<&str> {
    match node(value)? {
        ("Var", fields) => fields.get("value")?.as_str(),
        _ => None,
    }
}

/// A dotted name such as `array.slice` or `input.claims`; `None` when an index is computed.
pub(crate) fn dotted(value: &Value) -> Option<String> {
    if let Some(name) = variable(value) {
        return Some(name.to_owned());
    }
    match node(value)? {
        ("RefDot", fields) => {
            let field = fields.get("field")?.get(1)?.as_str()?;
            Some(format!("{}.{field}", dotted(fields.get("refr")?)?))
        }
        _ => None,
    }
}
