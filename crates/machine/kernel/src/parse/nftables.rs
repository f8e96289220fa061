//! What a ruleset of nftables comes to, without what changes by itself: counters, handles, uses, and positions.
//! Elements of sets are not part of the dump (linux/netfilter/nf_tables.h).

use super::netlink::attributes;
use super::{ParseError, bytes_at};

/// Bytes of `struct nfgenmsg`: family, version, and the generation's low half.
const HEADER: usize = 4;
/// By message: which attributes change by themselves.
const NEW_TABLE: (u8, &[u16]) = (0, &[3, 4, 5]);
const NEW_CHAIN: (u8, &[u16]) = (3, &[2, 6, 8, 9, 11]);
const NEW_RULE: (u8, &[u16]) = (6, &[3, 6, 8]);
const NEW_SET: (u8, &[u16]) = (9, &[10, 14, 16, 20]);
const NEW_OBJECT: (u8, &[u16]) = (18, &[4, 5, 6, 7]);
const MESSAGES: [(u8, &[u16]); 5] = [NEW_TABLE, NEW_CHAIN, NEW_RULE, NEW_SET, NEW_OBJECT];
/// `NFTA_RULE_EXPRESSIONS`, and within an expression `NFTA_EXPR_NAME` and `NFTA_EXPR_DATA`.
const EXPRESSIONS: u16 = 4;
const NAME: u16 = 1;
const DATA: u16 = 2;
/// Expressions whose data count.
const COUNTING: [&[u8]; 3] = [b"counter\0", b"quota\0", b"last\0"];

/// Bytes that are equal for equal rulesets, in the kernel's order.
///
/// # Errors
/// [`ParseError`]: an unknown message, or attributes that do not hold.
pub fn canonical(messages: &[(u16, Vec<u8>)]) -> Result<Vec<u8>, ParseError> {
    let mut out = Vec::new();
    for (kind, payload) in messages {
        let [number, _] = kind.to_le_bytes();
        let (_, passing) = MESSAGES
            .into_iter()
            .find(|(known, _)| *known == number)
            .ok_or_else(|| ParseError::new(0, "a message of nf_tables", &kind.to_string()))?;
        let [family, _, _, _] = bytes_at::<HEADER>(payload, 0)?;
        out.extend([number, family]);
        for (attribute, value) in attributes(payload.get(HEADER..).unwrap_or_default())? {
            if passing.contains(&attribute) {
                continue;
            }
            if number == NEW_RULE.0 && attribute == EXPRESSIONS {
                for (_, expression) in attributes(value)? {
                    push_expression(&mut out, &attributes(expression)?);
                }
            } else {
                push(&mut out, attribute, value);
            }
        }
    }
    Ok(out)
}

fn push_expression(out: &mut Vec<u8>, parts: &[(u16, &[u8])]) {
    let counts = parts.iter().any(|(part, value)| *part == NAME && COUNTING.contains(value));
    for (part, value) in parts {
        if !(counts && *part == DATA) {
            push(out, *part, value);
        }
    }
}

fn push(out: &mut Vec<u8>, attribute: u16, value: &[u8]) {
    out.extend(attribute.to_be_bytes());
    out.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(number: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
        bytes.extend(number.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn rule(handle: u8, packets: u8, verdict: u8, generation: u8) -> (u16, Vec<u8>) {
        let expression = |name: &[u8], data: u8| attribute(1, &[attribute(1, name), attribute(2, &[data])].concat());
        let all = [expression(b"counter\0", packets), expression(b"immediate\0", verdict)].concat();
        let parts = [attribute(1, b"filter\0"), attribute(3, &[handle]), attribute(4, &all)].concat();
        (0x0a06, [vec![2, 0, 0, generation], parts].concat())
    }

    #[test]
    fn counters_handles_and_generations_do_not_change_a_ruleset_and_verdicts_do() {
        let of = |rule| canonical(&[rule]).unwrap();
        assert_eq!(of(rule(1, 1, 0, 1)), of(rule(2, 9, 0, 7)));
        assert_ne!(of(rule(1, 1, 0, 1)), of(rule(1, 1, 1, 1)));
        assert!(canonical(&[(0x0a0f, vec![0; 4])]).is_err());
    }

    #[test]
    fn messages_cut_short_within_an_attribute_are_refused() {
        let (kind, payload) = rule(1, 1, 0, 1);
        // Between two attributes, and within the padding between them, a shorter message is a message too.
        let whole = [4, 15, 16, 21, 22, 23, 24];
        for end in (0..payload.len()).filter(|end| !whole.contains(end)) {
            assert!(canonical(&[(kind, payload[..end].to_vec())]).is_err(), "{end}");
        }
    }
}
