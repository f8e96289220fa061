//! Verdicts as trees, for people.

use std::io::IsTerminal;

use avouch_appraise::{ClaimResult, Effect, Verdict};

/// Claim → evidence → rule → result, every failure, coverage at the end.
pub(crate) fn print(verdict: &Verdict) {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    lines(verdict).iter().for_each(|line| println!("{}", if colour { line.coloured() } else { line.plain() }));
}

/// One line with how grave it is; the sign says the same as the colour.
struct Line {
    depth: usize,
    sign: Sign,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Good,
    Bad,
    Unknown,
    None,
}

fn lines(verdict: &Verdict) -> Vec<Line> {
    let mut out = Vec::new();
    for claim in &verdict.claims {
        let (sign, word) = match claim.result {
            ClaimResult::Pass => (Sign::Good, "holds"),
            ClaimResult::Fail => (Sign::Bad, "FAILS"),
            ClaimResult::Unverifiable => (Sign::Unknown, "cannot be verified"),
            ClaimResult::NotJudged => (Sign::Unknown, "was not judged"),
        };
        out.push(Line { depth: 0, sign, text: format!("{}: {word}", claim.statement) });
        for finding in &claim.findings {
            let sign = if finding.effect == Effect::None { Sign::None } else { sign };
            out.push(Line { depth: 1, sign, text: format!("{}: {}", finding.code, finding.evidence) });
            for (name, text) in [("rule", &finding.rule), ("means", &finding.implication), ("remedy", &finding.remedy)]
            {
                if !text.is_empty() {
                    out.push(Line { depth: 2, sign: Sign::None, text: format!("{name}: {text}") });
                }
            }
        }
        if claim.omitted > 0 {
            let text = format!("and {} more findings that were counted and not kept", claim.omitted);
            out.push(Line { depth: 1, sign, text });
        }
    }
    for (heading, items) in [("covered", &verdict.coverage.covered), ("not covered", &verdict.coverage.holes)] {
        out.push(Line { depth: 0, sign: Sign::None, text: heading.into() });
        out.extend(items.iter().map(|item| Line {
            depth: 1,
            sign: Sign::None,
            text: format!("{}: {}", item.code, item.what),
        }));
    }
    out
}

impl Line {
    fn plain(&self) -> String {
        let sign = match self.sign {
            Sign::Good => "✓ ",
            Sign::Bad => "✗ ",
            Sign::Unknown => "? ",
            Sign::None => "  ",
        };
        format!("{}{sign}{}", "    ".repeat(self.depth), self.text)
    }

    fn coloured(&self) -> String {
        let code = match self.sign {
            Sign::Good => "32",
            Sign::Bad => "1;31",
            Sign::Unknown => "33",
            Sign::None => return self.plain(),
        };
        format!("\x1b[{code}m{}\x1b[0m", self.plain())
    }
}
