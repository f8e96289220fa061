//! What a module is checked for before it is ever run.

use std::collections::BTreeSet;

use regorus::Engine;
use serde_json::{Map, Value};

use crate::error::RuleError;
use crate::tree::{dotted, line, node, variable, walk};

/// Largest module.
pub const MAX_SOURCE_BYTES: usize = 64 * 1024;
/// Deepest nesting of brackets.
pub const MAX_NESTING: usize = 32;

/// Every built-in function that a module may call, as Rego spells it. All are functions of their arguments alone.
pub const BUILTINS: &[&str] = &[
    "abs",
    "array.concat",
    "array.reverse",
    "array.slice",
    "concat",
    "contains",
    "count",
    "endswith",
    "glob.match",
    "indexof",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "lower",
    "max",
    "min",
    "object.get",
    "object.keys",
    "regex.match",
    "semver.compare",
    "semver.is_valid",
    "sort",
    "split",
    "sprintf",
    "startswith",
    "strings.any_prefix_match",
    "strings.any_suffix_match",
    "substring",
    "sum",
    "trim",
    "trim_left",
    "trim_prefix",
    "trim_right",
    "trim_space",
    "trim_suffix",
    "type_name",
    "upper",
];

/// A module that passed every check that needs no input.
#[derive(Clone)]
pub(crate) struct Module {
    pub(crate) engine: Engine,
    /// The rules of the syntax tree.
    pub(crate) rules: Vec<Value>,
}

impl Module {
    pub(crate) fn parse(source: &str) -> Result<Self, RuleError> {
        if source.len() > MAX_SOURCE_BYTES {
            return Err(RuleError::SourceTooLong { got: source.len() });
        }
        check_nesting(source)?;
        let syntax = |error: &dyn std::fmt::Display| RuleError::Syntax { reason: error.to_string() };
        let mut engine = Engine::new();
        engine.add_policy("policy.rego".into(), source.into()).map_err(|error| syntax(&error))?;
        let tree = engine.get_ast_as_json().map_err(|error| syntax(&error))?;
        let tree: Value = serde_json::from_str(&tree).map_err(|error| syntax(&error))?;
        let tree = tree.get(0).and_then(|module| module.get("ast")).cloned().unwrap_or_default();
        check_package(&tree)?;
        let rules = tree.get("rules").and_then(Value::as_array).cloned().unwrap_or_default();
        check_rules(&rules)?;
        Ok(Self { engine, rules })
    }
}

/// The parser is recursive, so its depth is bounded before it sees the text. Brackets in strings count too; no honest
/// module comes near the bound.
fn check_nesting(source: &str) -> Result<(), RuleError> {
    let (mut depth, mut line) = (0_usize, 1);
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth = depth.saturating_add(1),
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'\n' => line += 1,
            _ => {}
        }
        if depth > MAX_NESTING {
            return Err(RuleError::Nesting { line });
        }
    }
    Ok(())
}

fn check_package(tree: &Value) -> Result<(), RuleError> {
    let package = tree.get("package").and_then(|package| package.get("refr")).and_then(dotted).unwrap_or_default();
    if package != "avouch" {
        return Err(RuleError::Package { got: package });
    }
    for import in tree.get("imports").and_then(Value::as_array).into_iter().flatten() {
        let name = import.get("refr").and_then(dotted).unwrap_or_default();
        if name != "rego.v1" {
            return Err(forbidden(import.as_object(), format!("the import {name}; only `import rego.v1` is allowed")));
        }
    }
    Ok(())
}

fn check_rules(rules: &[Value]) -> Result<(), RuleError> {
    let names: BTreeSet<String> = rules.iter().filter_map(rule_name).collect();
    if !names.contains("findings") {
        return Err(RuleError::NoFindings);
    }
    let mut fault = None;
    for rule in rules {
        walk(rule, &mut |kind, fields| {
            if fault.is_none() {
                fault = check_node(kind, fields, &names).err();
            }
        });
        // `with` stands beside the literal of a statement and is no node of its own.
        if fault.is_none() && has_with(rule) {
            fault = Some(RuleError::Forbidden { line: 0, what: "`with`, which replaces the input".into() });
        }
    }
    fault.map_or(Ok(()), Err)
}

fn check_node(kind: &str, fields: &Map<String, Value>, rules: &BTreeSet<String>) -> Result<(), RuleError> {
    match kind {
        "Call" => {
            let name = fields.get("fcn").and_then(dotted).unwrap_or_default();
            if BUILTINS.contains(&name.as_str()) || rules.contains(&name) {
                return Ok(());
            }
            Err(forbidden(Some(fields), format!("the function {name:?}, which is not among the allowed ones")))
        }
        "Number" if !fields.get("value").is_some_and(|value| value.is_u64() || value.is_i64()) => {
            Err(forbidden(Some(fields), "a number that is not whole".into()))
        }
        "ArithExpr" if matches!(fields.get("op").and_then(Value::as_str), Some("Add" | "Sub")) => Ok(()),
        "ArithExpr" => Err(forbidden(Some(fields), "an arithmetic operation other than + and -".into())),
        "Var" if fields.get("value").and_then(Value::as_str) == Some("data") => {
            Err(forbidden(Some(fields), "`data`; a rule sees `input` alone".into()))
        }
        _ => Ok(()),
    }
}

fn has_with(value: &Value) -> bool {
    let here = value.get("with_mods").and_then(Value::as_array).is_some_and(|mods| !mods.is_empty());
    here || crate::tree::children(value).into_iter().any(has_with)
}

/// Name of what a rule defines.
pub(crate) fn rule_name(rule: &Value) -> Option<String> {
    let (kind, fields) = node(rule)?;
    let reference = match kind {
        "Default" => fields.get("refr")?,
        _ => node(fields.get("head")?)?.1.get("refr")?,
    };
    // `findings[x]` and `a.b` define something below the first name.
    let mut part = reference;
    while let Some((_, fields)) = node(part).filter(|(kind, _)| kind.starts_with("Ref")) {
        part = fields.get("refr")?;
    }
    variable(part).map(Into::into)
}

fn forbidden(fields: Option<&Map<String, Value>>, what: String) -> RuleError {
    RuleError::Forbidden { line: fields.map_or(0, line), what }
}
