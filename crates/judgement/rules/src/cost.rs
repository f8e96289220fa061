//! An upper bound on what a module does with an input, from its syntax tree and the input's sizes.
//!
//! Time: a statement is reached once for every combination of what the iterations before it in its query run over. A
//! function costs its own bound wherever it is called. Space: a value is at most as large as everything that its
//! expression names, and a comprehension has one such value for each time that its query holds. Both bounds are far
//! above what really happens, and both are the same everywhere.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::RuleError;
use crate::extent::{Extent, Sizes, Values, bounds_of_names, extent};
use crate::module::rule_name;
use crate::tree::{children, dotted, node, variable};

/// Most steps, where a step handles a KiB of the values that it names.
pub const MAX_COST: u128 = 50_000_000;

/// The bound in steps.
pub(crate) fn bound(rules: &[Value], sizes: Sizes) -> Result<u128, RuleError> {
    let values = bounds_of_names(rules, sizes)?;
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
    // Costs that never settle are those of functions that call themselves.
    Err(RuleError::Cost { got: u128::MAX })
}

struct Walk<'w> {
    sizes: Sizes,
    values: &'w Values,
    costs: &'w BTreeMap<String, u128>,
    rule: usize,
}

impl Walk<'_> {
    /// Cost of everything in `value` when it is reached `reach` times.
    fn parts(&self, value: &Value, mut reach: u128) -> u128 {
        if let Some(statements) = value.get("stmts").and_then(Value::as_array) {
            return self.query(statements, reach);
        }
        let mut own = 0;
        match node(value) {
            Some(("Call", fields)) => {
                let called = fields.get("fcn").and_then(dotted).and_then(|name| self.costs.get(&name).copied());
                own = reach.saturating_mul(called.unwrap_or(0));
            }
            Some(("Every", fields)) => {
                let items = fields.get("domain").map_or(self.sizes.longest, |domain| self.extent(domain).items);
                reach = reach.saturating_mul(items);
            }
            _ => {}
        }
        children(value).into_iter().fold(own, |sum, child| sum.saturating_add(self.parts(child, reach)))
    }

    fn query(&self, statements: &[Value], mut reach: u128) -> u128 {
        let mut cost = 0_u128;
        for statement in statements {
            reach = reach.saturating_mul(combinations(statement, &|value| self.extent(value)));
            let steps = self.extent(statement).bytes.div_euclid(1_024).saturating_add(1);
            cost = cost.saturating_add(reach.saturating_mul(steps)).saturating_add(self.parts(statement, reach));
        }
        cost
    }

    fn extent(&self, value: &Value) -> Extent {
        extent(value, self.rule, self.sizes, self.values)
    }
}

/// How often a statement lets the rest of its query be reached: the product of what it iterates over, queries inside
/// it left out.
pub(crate) fn combinations(value: &Value, extent: &dyn Fn(&Value) -> Extent) -> u128 {
    if value.get("stmts").is_some() {
        return 1;
    }
    let own = match node(value) {
        Some(("SomeIn", fields)) => fields.get("collection").map_or(1, |collection| extent(collection).items),
        // An index that is a variable iterates, unless it is bound already, which is not looked into.
        Some(("RefBrack", fields)) if fields.get("index").is_some_and(|index| variable(index).is_some()) => {
            fields.get("refr").map_or(1, |whole| extent(whole).items)
        }
        _ => 1,
    };
    children(value).into_iter().fold(own.max(1), |product, child| product.saturating_mul(combinations(child, extent)))
}
