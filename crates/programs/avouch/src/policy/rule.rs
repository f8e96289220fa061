//! Setting the policy's own rule.

use std::fs;

use avouch_appraise::PolicyDraft;
use serde_json::json;

use super::file::{malformed, read, write};
use crate::arguments::{Global, Rule};
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(global: &Global, options: &Rule) -> Result<Output, Failure> {
    let bytes = read(&options.policy)?;
    let mut draft = PolicyDraft::from_bytes(&bytes).map_err(|error| malformed(&options.policy, error))?;
    let module = options.rego.as_ref().map(|path| {
        let refused = |why: String| {
            let remedy =
                "Put the module right; the policy is unchanged. `avouch policy rule --help` says what a rule may do.";
            Failure::new("RULE_REFUSED", format!("{} cannot be the rule: {why}", path.display()), remedy)
        };
        let module = fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
        avouch_rules::Rule::compile(&module).map_err(|error| refused(error.to_string()))?;
        Ok(module)
    });
    draft.set_rule(module.transpose()?);
    let output = options.output.as_ref().unwrap_or(&options.policy);
    write(output, &draft.to_bytes())?;
    if global.json {
        let reference = draft.reference().to_hex();
        return Ok(Output::json(&json!({ "policy": output, "policy_ref": reference, "rule": options.rego.is_some() })));
    }
    let output = output.display();
    Ok(Output::lines(&[format!("wrote {output}; next: avouch policy apply {output} --default")]))
}
