//! What is refused before it runs.

use avouch_rules::{MAX_COST, MAX_NESTING, MAX_SOURCE_BYTES, Rule, RuleError};
use serde_json::{Value, json};

/// A module with one finding and this body.
fn module(body: &str) -> String {
    format!(
        "package avouch\nfindings contains {{\"code\": \"RULE_X\", \"effect\": \"fail\", \"evidence\": \"x\"}} if {{\n{body}\n}}\n"
    )
}

fn refusal(source: &str) -> RuleError {
    Rule::compile(source).map(|_| ()).expect_err(source)
}

fn input(length: usize) -> Value {
    let findings: Vec<Value> = (0..length).map(|number| json!({"code": "A", "number": number})).collect();
    json!({"claims": findings, "findings": findings})
}

#[test]
fn functions_that_know_time_chance_network_or_machine_are_refused() {
    for call in [
        "time.now_ns() > 0",
        "http.send({\"method\": \"get\", \"url\": \"x\"})",
        "rand.intn(\"a\", 3) == 1",
        "uuid.rfc4122(\"a\") == \"b\"",
        "opa.runtime().env.PATH == \"x\"",
        "numbers.range(1, 1000000)[_] == 5",
        "json.unmarshal(\"1.5\") == 1",
        "to_number(\"1.5\") > 1",
        "print(\"x\")",
        "trace(\"x\")",
    ] {
        let error = refusal(&module(call));
        assert!(matches!(error, RuleError::Forbidden { .. } | RuleError::Syntax { .. }), "{call}: {error:?}");
    }
}

#[test]
fn fractions_products_and_foreign_data_are_refused_with_their_line() {
    for (body, words) in [
        ("input.a > 1.5", "not whole"),
        ("x := input.a * 2\nx > 3", "arithmetic"),
        ("input.a / 2 == 1", "arithmetic"),
        ("input.a % 2 == 1", "arithmetic"),
        ("data.other.x", "data"),
        ("x := count(input.a) with input.a as [1]\nx == 1", "with"),
    ] {
        let error = refusal(&module(body));
        let RuleError::Forbidden { what, .. } = &error else { panic!("{body}: {error:?}") };
        assert!(what.contains(words), "{body}: {what}");
    }
    let RuleError::Forbidden { line, .. } = refusal(&module("input.a > 1\ninput.b > 1.5")) else { panic!("a float") };
    assert_eq!(line, 4);
}

#[test]
fn another_package_another_import_and_a_module_without_findings_are_refused() {
    let other = module("true").replace("package avouch", "package other");
    assert_eq!(refusal(&other), RuleError::Package { got: "other".into() });
    let import = module("true").replace("package avouch", "package avouch\nimport data.x");
    assert!(matches!(refusal(&import), RuleError::Forbidden { .. }));
    assert_eq!(refusal("package avouch\nx := 1\n"), RuleError::NoFindings);
    assert!(Rule::compile(&module("true").replace("package avouch", "package avouch\nimport rego.v1")).is_ok());
}

#[test]
fn long_and_deep_modules_never_reach_the_parser() {
    let long = module("true") + &"# x\n".repeat(MAX_SOURCE_BYTES / 4);
    assert_eq!(refusal(&long), RuleError::SourceTooLong { got: long.len() });
    let deep = module(&format!("x := {}1{}", "[".repeat(MAX_NESTING), "]".repeat(MAX_NESTING)));
    assert_eq!(refusal(&deep), RuleError::Nesting { line: 3 });
    let calls = module(&format!("{}1{}", "count(".repeat(5_000), ")".repeat(5_000)));
    assert_eq!(refusal(&calls), RuleError::Nesting { line: 3 });
}

#[test]
fn cost_is_bounded_by_nested_iteration_over_the_largest_collection() {
    let one = Rule::compile(&module("some a in input.claims\na.code == \"B\"")).unwrap();
    let three = Rule::compile(&module(
        "some a in input.claims\nsome b in input.claims\nsome c in input.findings\na.number + b.number == c.number",
    ))
    .unwrap();
    assert!(one.cost(&input(1_000)).unwrap() < three.cost(&input(50)).unwrap());
    assert!(matches!(three.cost(&input(1_000)), Err(RuleError::Cost { got }) if got > MAX_COST));
}

#[test]
fn a_function_costs_its_bound_wherever_it_is_called() {
    let source = |body: &str| format!("{}f(x) if {{\nsome y in input.claims\ny.number == x\n}}\n", module(body));
    let once = Rule::compile(&source("f(1)")).unwrap().cost(&input(100)).unwrap();
    let nested = Rule::compile(&source("some z in input.claims\nf(z.number)")).unwrap().cost(&input(100)).unwrap();
    assert!(nested > 50 * once, "{nested} against {once}");
}

#[test]
fn a_function_that_calls_itself_is_refused() {
    let source = module("f(1)") + "f(x) if {\nf(x - 1)\n}\n";
    let refused = match Rule::compile(&source) {
        Ok(rule) => rule.cost(&input(1)).map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(refused.is_err());
}

#[test]
fn text_that_doubles_with_every_line_is_refused() {
    let mut body = String::from("a0 := \"xxxxxxxx\"\n");
    for step in 1..40 {
        body += &format!("a{step} := concat(\"\", [a{}, a{}])\n", step - 1, step - 1);
    }
    let rule = Rule::compile(&module(&body)).unwrap();
    assert!(matches!(rule.cost(&input(1)), Err(RuleError::ValueSize { line: 3.. })));
    let lists = body.replace("concat(\"\", ", "(");
    let rule = Rule::compile(&module(&lists)).unwrap();
    assert!(matches!(rule.cost(&input(1)), Err(RuleError::ValueSize { .. })));
}

#[test]
fn the_bound_is_the_same_every_time() {
    let rule = Rule::compile(&module("some a in input.claims\nsome b in a.x\nb == 1")).unwrap();
    assert_eq!(rule.cost(&input(77)), rule.cost(&input(77)));
}

mod mutations {
    use super::*;

    /// A module comes from an operator, and a damaged one must still be refused in words.
    #[test]
    fn damaged_modules_are_refused_or_compiled_without_a_panic() {
        let good = module("some a in input.claims\nnot a.code in {\"B\", \"C\"}\nx := [y | y := a.z[_]]\ncount(x) > 1");
        let mut compiled = 0;
        for cut in 0..good.len() {
            compiled += u32::from(good.get(..cut).is_some_and(|source| Rule::compile(source).is_ok()));
            let mut bytes = good.clone().into_bytes();
            for replacement in [b'{', b']', b'"', b'9', b'\n', 0] {
                bytes[cut] = replacement;
                let source = String::from_utf8(bytes.clone()).unwrap();
                if let Ok(rule) = Rule::compile(&source) {
                    compiled += 1;
                    let _ = rule.cost(&input(3));
                }
            }
        }
        assert!(compiled > 0, "some mutations are still modules");
    }
}
