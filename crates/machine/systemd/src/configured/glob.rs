//! Patterns of shells, within one component of a path.

/// Whether `name` is what `pattern` says: `*` any characters, `?` one, `[…]` one of a set, all of them but `/`.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Where the last `*` stands and where in the name its match began: going back there is all that is ever needed.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some('[') => set(&pattern[p..], name[n]),
            Some('?') => (name[n] != '/').then_some(1),
            Some(plain) => (*plain == name[n]).then_some(1),
            None => None,
        };
        match (step, star) {
            (Some(step), _) => (p, n) = (p + step, n + 1),
            (None, Some((after, from))) if name[from] != '/' => {
                star = Some((after, from + 1));
                (p, n) = (after, from + 1);
            }
            (None, _) => return false,
        }
    }
    pattern[p..].iter().all(|rest| *rest == '*')
}

/// How many characters of the pattern a `[…]` takes that has `character`; `None` where it has not, or does not end.
fn set(pattern: &[char], character: char) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let first = if negated { 2 } else { 1 };
    let end = pattern.iter().skip(first + 1).position(|c| *c == ']')? + first + 1;
    let inside = &pattern[first..end];
    let mut has = false;
    let mut at = 0;
    while at < inside.len() {
        if inside.get(at + 1) == Some(&'-') && at + 2 < inside.len() {
            has |= (inside[at]..=inside[at + 2]).contains(&character);
            at += 3;
        } else {
            has |= inside[at] == character;
            at += 1;
        }
    }
    (has != negated && character != '/').then_some(end + 1)
}

/// Whether a name has what a pattern may.
pub(super) fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_within_a_component() {
        let cases = [
            ("net/ipv4/conf/*/rp_filter", "net/ipv4/conf/eth0/rp_filter", true),
            ("net/ipv4/conf/*/rp_filter", "net/ipv4/conf/a/b/rp_filter", false),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("eth?", "eth0", true),
            ("eth?", "eth", false),
            ("eth[0-3]", "eth2", true),
            ("eth[!0-3]", "eth2", false),
            ("eth[0-3", "eth2", false),
            ("[]]", "]", true),
            ("", "", true),
            ("", "a", false),
        ];
        for (pattern, name, matched) in cases {
            assert_eq!(matches(pattern, name), matched, "{pattern} {name}");
        }
    }
}
