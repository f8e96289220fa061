//! An upper bound on what a module does with an input, from its syntax tree and the input's sizes.
//!
//! Time: a statement is reached once for every combination of what the iterations before it in its query run over, each
//! of them at most as long as the longest collection there can be. A function costs its own bound wherever it is
//! called. Space: a value is at most as large as everything that its expression names, and a comprehension as many
//! times that as it iterates. Both are far above what really happens, and both are the same everywhere.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::RuleError;
use crate::module::rule_name;
use crate::tree::{children, dotted, line, node, variable};

/// Most steps, where a step handles a KiB of the values that it names.
pub const MAX_COST: u128 = 50_000_000;
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

impl Sizes {
    pub(crate) fn of(input: &Value, bytes: usize) -> Self {
        let longest = u128::try_from(longest(input)).unwrap_or(u128::MAX).max(1);
        Self { bytes: u128::try_from(bytes).unwrap_or(u128::MAX), longest }
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

/// The bound in steps.
pub(crate) fn bound(rules: &[Value], sizes: Sizes) -> Result<u128, RuleError> {
    let values = values(rules, sizes)?;
    let mut costs = BTreeMap::new();
    // Functions call one another without recursion, so as many passes as there are rules reach the fixed point.
    for _ in 0..=rules.len() {
        let mut next = BTreeMap::new();
        for (index, rule) in rules.iter().enumerate() {
            let Some(name) = rule_name(rule) else { continue };
            let walk = Walk { sizes, values: &values, costs: &costs, rule: index };
            let cost: &mut u128 = next.entry(name).or_default();
            *cost = cost.saturating_add(walk.parts(rule, 1));
        }
        let total = next.values().fold(0_u128, |sum, cost| sum.saturating_add(*cost));
        if total > MAX_COST {
            return Err(RuleError::Cost { got: total });
        }
        if next == costs {
            return Ok(total);
        }
        costs = next;
    }
    // Costs that never settle are functions that call themselves.
    Err(RuleError::Cost { got: u128::MAX })
}

/// Largest size of each name: locals by rule, rules under `None`.
type Values = BTreeMap<(Option<usize>, String), u128>;

fn values(rules: &[Value], sizes: Sizes) -> Result<Values, RuleError> {
    let mut known = Values::new();
    // Each pass carries sizes one assignment further; a chain is at most as long as there are assignments.
    let assignments = rules.iter().map(count_nodes).sum::<usize>();
    for _ in 0..=assignments {
        let before = known.clone();
        for (index, rule) in rules.iter().enumerate() {
            assign(rule, index, sizes, &mut known)?;
            if let Some(name) = rule_name(rule) {
                // A set of findings holds one value for each time that its body holds.
                let size = size(rule, index, sizes, &known);
                raise(&mut known, (None, name), size);
            }
        }
        if known == before {
            return Ok(known);
        }
    }
    Err(RuleError::ValueSize { line: 0 })
}

fn count_nodes(value: &Value) -> usize {
    children(value).into_iter().map(count_nodes).sum::<usize>().saturating_add(usize::from(node(value).is_some()))
}

/// Takes every assignment and iteration of a rule into account.
fn assign(value: &Value, rule: usize, sizes: Sizes, known: &mut Values) -> Result<(), RuleError> {
    if let Some((kind, fields)) = node(value) {
        let sides = match kind {
            "AssignExpr" => [fields.get("lhs").zip(fields.get("rhs")), fields.get("rhs").zip(fields.get("lhs"))],
            "SomeIn" => {
                [fields.get("value").zip(fields.get("collection")), fields.get("key").zip(fields.get("collection"))]
            }
            _ => [None, None],
        };
        for (pattern, from) in sides.into_iter().flatten() {
            let size = size(from, rule, sizes, known);
            if size > MAX_VALUE_BYTES {
                return Err(RuleError::ValueSize { line: line(fields) });
            }
            for name in names(pattern) {
                raise(known, (Some(rule), name), size);
            }
        }
    }
    children(value).into_iter().try_for_each(|child| assign(child, rule, sizes, known))
}

/// Variables that a pattern binds.
fn names(pattern: &Value) -> Vec<String> {
    match node(pattern) {
        Some(("Var", _)) => variable(pattern).map(Into::into).into_iter().collect(),
        Some(("Array" | "Object" | "Set", _)) => children(pattern).into_iter().flat_map(names).collect(),
        Some(_) => Vec::new(),
        None => children(pattern).into_iter().flat_map(names).collect(),
    }
}

fn raise(known: &mut Values, key: (Option<usize>, String), size: u128) {
    let entry = known.entry(key).or_default();
    *entry = size.max(*entry).min(MAX_VALUE_BYTES.saturating_add(1));
}

/// Upper bound on the size of the value of an expression: the sum of what it names.
fn size(value: &Value, rule: usize, sizes: Sizes, known: &Values) -> u128 {
    let below = || {
        let parts = children(value).into_iter().map(|child| size(child, rule, sizes, known));
        parts.fold(0_u128, u128::saturating_add)
    };
    match node(value) {
        Some(("Var", _)) => {
            let Some(name) = variable(value) else { return sizes.bytes };
            let local = known.get(&(Some(rule), name.to_owned()));
            *local.or_else(|| known.get(&(None, name.to_owned()))).unwrap_or(&sizes.bytes)
        }
        // A part of a value is no larger than the whole.
        Some(("RefDot" | "RefBrack", fields)) => fields.get("refr").map_or(0, |whole| size(whole, rule, sizes, known)),
        Some(("ArrayCompr" | "SetCompr" | "ObjectCompr", _)) => {
            below().saturating_mul(power(sizes.longest, iterations(value)))
        }
        Some(("String" | "RawString" | "Number", fields)) => {
            fields.get("value").map_or(8, |value| u128::try_from(value.to_string().len()).unwrap_or(8))
        }
        _ => below(),
    }
}

struct Walk<'w> {
    sizes: Sizes,
    values: &'w Values,
    costs: &'w BTreeMap<String, u128>,
    rule: usize,
}

impl Walk<'_> {
    /// Cost of everything in `value` when it is reached `reach` times.
    fn parts(&self, value: &Value, reach: u128) -> u128 {
        if let Some(statements) = value.get("stmts").and_then(Value::as_array) {
            return self.query(statements, reach);
        }
        let own = match node(value) {
            Some(("Call", fields)) => {
                let called = fields.get("fcn").and_then(dotted).and_then(|name| self.costs.get(&name).copied());
                reach.saturating_mul(called.unwrap_or(0))
            }
            _ => 0,
        };
        let reach = match node(value) {
            Some(("Every", _)) => reach.saturating_mul(self.sizes.longest),
            _ => reach,
        };
        children(value).into_iter().fold(own, |sum, child| sum.saturating_add(self.parts(child, reach)))
    }

    fn query(&self, statements: &[Value], mut reach: u128) -> u128 {
        let mut cost = 0_u128;
        for statement in statements {
            reach = reach.saturating_mul(power(self.sizes.longest, own_iterations(statement)));
            let bytes = size(statement, self.rule, self.sizes, self.values);
            let steps = bytes.div_euclid(1_024).saturating_add(1);
            cost = cost.saturating_add(reach.saturating_mul(steps)).saturating_add(self.parts(statement, reach));
        }
        cost
    }
}

/// Iterations of an expression, those in queries inside it included.
fn iterations(value: &Value) -> u32 {
    let below = children(value).into_iter().map(iterations).fold(0_u32, u32::saturating_add);
    below.saturating_add(u32::from(iterates(value)))
}

/// Iterations that go on for the rest of the query: not those of queries inside.
fn own_iterations(value: &Value) -> u32 {
    if value.get("stmts").is_some() {
        return 0;
    }
    let below = children(value).into_iter().map(own_iterations).fold(0_u32, u32::saturating_add);
    below.saturating_add(u32::from(iterates(value)))
}

/// `some x in xs`, and an index that is a variable, which iterates unless it is bound already.
fn iterates(value: &Value) -> bool {
    match node(value) {
        Some(("SomeIn", _)) => true,
        Some(("RefBrack", fields)) => fields.get("index").is_some_and(|index| variable(index).is_some()),
        _ => false,
    }
}

fn power(base: u128, exponent: u32) -> u128 {
    base.checked_pow(exponent).unwrap_or(u128::MAX)
}
