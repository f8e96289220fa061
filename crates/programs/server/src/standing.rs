//! What a stored verdict is worth when somebody asks.

use avouch_protocol::Status;
use avouch_store::Verdict;

/// The moment of asking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validity {
    /// Server time.
    pub(crate) now: u64,
    /// False while the clock lies behind a time that was used: then no expiry can be judged.
    pub(crate) sound: bool,
    /// End of the newest gap of the clock; 0 when there was none.
    pub(crate) gap_end: u64,
}

/// Every word of [`Validity::word`].
pub(crate) const WORDS: [&str; 4] = ["pass", "fail", "unverifiable", "stale"];

impl Validity {
    /// `pass`, `fail`, `unverifiable` or `stale`. A node that never gave evidence is unverifiable.
    ///
    /// Nothing here is stored: a server that was dead cannot have left a node green.
    pub(crate) fn word(&self, verdict: Option<&Verdict>) -> &'static str {
        let Some(verdict) = verdict else { return "unverifiable" };
        if !self.sound || self.now > verdict.expires || verdict.time < self.gap_end {
            return "stale";
        }
        match verdict.status {
            Status::Pass => "pass",
            Status::Fail => "fail",
            _ => "unverifiable",
        }
    }

    /// Why the word is `stale`; `None` when it is another.
    pub(crate) fn stale_because(&self, verdict: Option<&Verdict>) -> Option<&'static str> {
        let verdict = verdict?;
        if self.now > verdict.expires {
            Some("no fresh evidence came before the verdict expired")
        } else if !self.sound {
            Some("the server's clock went back, so no expiry can be judged")
        } else if verdict.time < self.gap_end {
            Some("the server's clock went ahead without proof; fresh evidence heals it")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: Status) -> Verdict {
        Verdict { status, code: String::new(), round: 1, seq: 1, time: 100, expires: 200 }
    }

    #[test]
    fn a_pass_is_green_up_to_its_expiry_and_never_after() {
        let at = |now| Validity { now, sound: true, gap_end: 0 };
        let pass = verdict(Status::Pass);
        assert_eq!(at(200).word(Some(&pass)), "pass");
        assert_eq!(at(201).word(Some(&pass)), "stale");
        assert!(at(201).stale_because(Some(&pass)).is_some());
    }

    #[test]
    fn a_fault_or_gap_of_the_clock_makes_every_earlier_verdict_stale() {
        let pass = verdict(Status::Pass);
        assert_eq!(Validity { now: 150, sound: false, gap_end: 0 }.word(Some(&pass)), "stale");
        assert_eq!(Validity { now: 150, sound: true, gap_end: 101 }.word(Some(&pass)), "stale");
        assert_eq!(Validity { now: 150, sound: true, gap_end: 100 }.word(Some(&pass)), "pass");
    }

    #[test]
    fn a_node_without_evidence_is_unverifiable() {
        assert_eq!(Validity { now: 0, sound: true, gap_end: 0 }.word(None), "unverifiable");
        for status in [Status::Unverifiable, Status::Rejected, Status::Unanswered, Status::Silent] {
            let at = Validity { now: 150, sound: true, gap_end: 0 };
            assert_eq!(at.word(Some(&verdict(status))), "unverifiable");
        }
    }
}
