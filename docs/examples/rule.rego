# A last rule: what this fleet demands beyond the typed policy. Its input is the verdict.
package avouch

# Machines of this fleet may have no hole in coverage that nobody owns.
accepted := {"RELAY", "INTERPRETERS", "MEMORY"}

findings contains {
    "code": "RULE_COVERAGE",
    "effect": "unverifiable",
    "evidence": sprintf("%s: %s", [hole.code, hole.what]),
    "remedy": "Close the hole, or accept it in the rule.",
} if {
    some hole in input.coverage.holes
    not hole.code in accepted
}

# A software TPM is for evaluation.
findings contains {"code": "RULE_TPM", "effect": "fail", "evidence": input.tpm} if {
    contains(lower(input.tpm), "software")
}
