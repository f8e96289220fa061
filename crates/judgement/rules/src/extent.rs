//! How large the values of a module can become with an input.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::cost::combinations;
use crate::error::RuleError;
use crate::module::rule_name;
use crate::tree::{children, dotted, line, node, variable};

/// Largest value that could come about.
pub const MAX_VALUE_BYTES: u128 = 64 * 1024 * 1024;

/// What the bounds depend on in the input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Bytes of the input as JSON: no string, key or collection in it is larger.
    pub(crate) bytes: u128,
    /// Items of its largest collection.
    pub(crate) longest: u128,
}

/// Upper bounds on one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// As JSON.
    pub(crate) bytes: u128,
    /// Of the value itself, and of every collection inside it.
    pub(crate) items: u128,
}

/// Bounds of each name: locals by rule, rules under `None`.
pub(crate) type Values = BTreeMap<(Option<usize>, String), Extent>;

impl Sizes {
    pub(crate) fn of(input: &Value, bytes: usize) -> Self {
        let longest = u128::try_from(longest(input)).unwrap_or(u128::MAX).max(1);
        Self { bytes: u128::try_from(bytes).unwrap_or(u128::MAX), longest }
    }

    fn input(self) -> Extent {
        Extent { bytes: self.bytes, items: self.longest }
    }
}

fn longest(value: &Value) -> usize {
    let (own, below) = match value {
        Value::Array(items) => (items.len(), items.iter().map(longest).max()),
        Value::Object(fields) => (fields.len(), fields.values().map(longest).max()),
        _ => (0, None),
    };
    own.max(below.unwrap_or(0))
}

/// Bounds of every variable and rule.
pub(crate) fn bounds_of_names(rules: &[Value], sizes: Sizes) -> Result<Values, RuleError> {
    let mut known = Values::new();
    // Each pass carries bounds one assignment further; a chain is at most as long as there are nodes.
    let nodes = rules.iter().map(count_nodes).fold(0_usize, usize::saturating_add);
    for _ in 0..=nodes {
        let before = known.clone();
        for (index, rule) in rules.iter().enumerate() {
            assign(rule, index, sizes, &mut known)?;
            if let (Some(name), Some((kind, fields))) = (rule_name(rule), node(rule)) {
                // The result is cut to its own limits and feeds nothing, unless a rule names it.
                if name == "findings" && !rules.iter().any(names_findings) {
                    continue;
                }
                let extent = rule_extent(kind, fields, index, sizes, &known);
                raise(&mut known, (None, name), extent, fields)?;
            }
        }
        if known == before {
            return Ok(known);
        }
    }
    Err(RuleError::ValueSize { line: 0 })
}

/// True when an expression, not a rule's head, names the result.
fn names_findings(value: &Value) -> bool {
    match node(value) {
        Some(("Var", _)) => variable(value) == Some("findings"),
        Some(("Spec", fields)) => {
            let head = fields.get("head").and_then(node).map(|(_, head)| head);
            let written = ["key", "assign"].into_iter().filter_map(|part| head?.get(part));
            written.chain(fields.get("bodies")).any(names_findings)
        }
        // `x.findings` holds the name as text, not as a variable.
        _ => children(value).into_iter().any(names_findings),
    }
}

fn count_nodes(value: &Value) -> usize {
    let below = children(value).into_iter().map(count_nodes).fold(0_usize, usize::saturating_add);
    below.saturating_add(usize::from(node(value).is_some()))
}

/// What a rule's name stands for: its values, one for each time that a body holds.
fn rule_extent(kind: &str, fields: &Map<String, Value>, rule: usize, sizes: Sizes, known: &Values) -> Extent {
    let of = |value: &Value| extent(value, rule, sizes, known);
    if kind == "Default" {
        return fields.get("value").map(of).unwrap_or_default();
    }
    let head = fields.get("head").and_then(node).map(|(_, head)| head);
    let written = ["key", "assign"].into_iter().filter_map(|part| head?.get(part)).map(of).fold(Extent::default(), sum);
    let bodies = fields.get("bodies").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut whole = written;
    for body in bodies {
        let assigned = body.get("assign").map(of).unwrap_or_default();
        let times = body.get("query").map_or(1, |query| query_combinations(query, &of));
        whole = sum(whole, repeated(sum(written, assigned), times));
    }
    whole
}

/// Takes every assignment and iteration of a rule into account.
fn assign(value: &Value, rule: usize, sizes: Sizes, known: &mut Values) -> Result<(), RuleError> {
    if let Some((kind, fields)) = node(value) {
        let sides = match kind {
            "AssignExpr" => [("lhs", "rhs"), ("rhs", "lhs")],
            "SomeIn" => [("value", "collection"), ("key", "collection")],
            _ => [("", ""); 2],
        };
        for (pattern, from) in sides.into_iter().filter_map(|(to, from)| fields.get(to).zip(fields.get(from))) {
            let extent = extent(from, rule, sizes, known);
            for name in names(pattern) {
                raise(known, (Some(rule), name), extent, fields)?;
            }
        }
    }
    children(value).into_iter().try_for_each(|child| assign(child, rule, sizes, known))
}

/// Variables that a pattern binds.
fn names(pattern: &Value) -> Vec<String> {
    match node(pattern) {
        Some(("Var", _)) => variable(pattern).filter(|name| *name != "input").map(Into::into).into_iter().collect(),
        Some(("Array" | "Object" | "Set", _)) | None => children(pattern).into_iter().flat_map(names).collect(),
        Some(_) => Vec::new(),
    }
}

fn raise(
    known: &mut Values,
    key: (Option<usize>, String),
    extent: Extent,
    fields: &Map<String, Value>,
) -> Result<(), RuleError> {
    if extent.bytes > MAX_VALUE_BYTES {
        return Err(RuleError::ValueSize { line: line(fields) });
    }
    let entry = known.entry(key).or_default();
    *entry = Extent { bytes: entry.bytes.max(extent.bytes), items: entry.items.max(extent.items) };
    Ok(())
}

/// Bounds of the value of an expression.
pub(crate) fn extent(value: &Value, rule: usize, sizes: Sizes, known: &Values) -> Extent {
    let of = |value: &Value| extent(value, rule, sizes, known);
    let below = || children(value).into_iter().map(of).fold(Extent::default(), sum);
    let Some((kind, fields)) = node(value) else { return below() };
    match kind {
        "Var" => {
            let name = variable(value).unwrap_or_default().to_owned();
            let found = known.get(&(Some(rule), name.clone())).or_else(|| known.get(&(None, name)));
            found.copied().unwrap_or(sizes.input())
        }
        // A part of a value is no larger than the whole.
        "RefDot" | "RefBrack" => fields.get("refr").map(of).unwrap_or_default(),
        "ArrayCompr" | "SetCompr" | "ObjectCompr" => {
            let written = ["term", "key", "value"].into_iter().filter_map(|part| fields.get(part)).map(of);
            let times = fields.get("query").map_or(1, |query| query_combinations(query, &of));
            repeated(written.fold(Extent::default(), sum), times)
        }
        "String" | "RawString" | "Number" => Extent { bytes: wide(value.to_string().len()), items: 1 },
        // A string falls into at most as many pieces as it has bytes.
        "Call" if fields.get("fcn").and_then(dotted).as_deref() == Some("split") => {
            let whole = below();
            Extent { items: whole.bytes, ..whole }
        }
        _ => sum(below(), Extent { bytes: 1, items: wide(children(value).len()) }),
    }
}

/// How often a whole query holds.
fn query_combinations(query: &Value, extent: &dyn Fn(&Value) -> Extent) -> u128 {
    let statements = query.get("stmts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    statements.iter().fold(1, |times, statement| times.saturating_mul(combinations(statement, extent)))
}

fn sum(a: Extent, b: Extent) -> Extent {
    Extent { bytes: a.bytes.saturating_add(b.bytes), items: a.items.saturating_add(b.items) }
}

fn repeated(one: Extent, times: u128) -> Extent {
    Extent { bytes: one.bytes.saturating_add(1).saturating_mul(times), items: one.items.max(times) }
}

fn wide(number: usize) -> u128 {
    u128::try_from(number).unwrap_or(u128::MAX)
}
