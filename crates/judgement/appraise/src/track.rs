//! The TPM's clock against the server's: what only a clock that was set, or a second TPM, can show.
//!
//! The TPM's clock is never compared as it stands, only as a difference between two quotes. The server knows each
//! quote's moment as an interval: not before the challenge's round began, not after the evidence came.

use avouch_protocol::{Challenge, ROUND_GRACE_SECONDS};
use avouch_tpm_wire::{ClockInfo, Digest, PcrSelection};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::judge::Context;

/// Quotes that are remembered of a boot session: the first, and the last few.
const MOMENTS: usize = 8;
/// How far the server's clock is taken to be off between two quotes, in milliseconds: steps of a clock that is being
/// set right, and the second that unix time cuts off.
const TOLERANCE_MS: u64 = 60_000;
/// An unsafe clock may be ahead by what is saved at most this often (TPM 2.0 Part 1, 36.3.2: 2^22 ms).
const UNSAFE_MS: u64 = 4_194_304;

/// One quote on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Moment {
    /// Unix seconds of server time before which it was not made.
    #[n(0)]
    earliest: u64,
    /// Unix seconds of server time after which it was not made.
    #[n(1)]
    latest: u64,
    /// The TPM's clock in milliseconds.
    #[n(2)]
    clock: u64,
}

/// The quotes of a boot session so far, and the PCRs of the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Track {
    #[n(0)]
    moments: Vec<Moment>,
    #[n(1)]
    bank: u16,
    #[n(2)]
    mask: u32,
    #[n(3)]
    pcr_digest: Option<ByteVec>,
}

/// What two clocks say of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Nothing that an honest TPM cannot do.
    Honest,
    /// The TPM's clock gained more than it can.
    Forwarded(String),
    /// It gained more than it can since the last quote, and keeps time with an earlier one: two clocks take turns.
    Forked(String),
}

impl Moment {
    /// The verdict's expiry is one interval after the challenge's deadline, which lies a grace after its round's end.
    pub(crate) fn of(challenge: &Challenge, clock: &ClockInfo, context: &Context<'_>) -> Self {
        let interval = context.expires.saturating_sub(challenge.deadline);
        let round_began = challenge.deadline.saturating_sub(ROUND_GRACE_SECONDS).saturating_sub(interval);
        Self { earliest: round_began.min(context.now), latest: context.now, clock: clock.clock }
    }

    /// Longest time that the TPM's clock may show between `self` and `later`.
    fn most(&self, later: &Self, safe: bool) -> u64 {
        let wall = later.latest.saturating_sub(self.earliest).saturating_mul(1_000);
        let drift = wall.saturating_mul(118).checked_div(100).unwrap_or(wall);
        drift.saturating_add(TOLERANCE_MS).saturating_add(if safe { 0 } else { UNSAFE_MS })
    }

    /// True when an undisturbed clock could have gone from `self` to `later`: within two parts in a hundred, and five
    /// seconds.
    fn keeps_time(&self, later: &Self) -> bool {
        let longest = later.latest.saturating_sub(self.earliest).saturating_mul(1_020).saturating_add(5_000);
        let shortest = later.earliest.saturating_sub(self.latest).saturating_mul(980).saturating_sub(5_000);
        (shortest..=longest).contains(&self.gained(later))
    }

    fn gained(&self, later: &Self) -> u64 {
        later.clock.saturating_sub(self.clock)
    }
}

impl Track {
    /// How the quote at `now` fits to the earlier ones of its boot session.
    pub(crate) fn pace(&self, now: &Moment, safe: bool) -> Pace {
        let too_fast = |earlier: &&Moment| earlier.gained(now) > earlier.most(now, safe);
        let Some(broken) = self.moments.iter().rev().find(too_fast) else { return Pace::Honest };
        let told = format!(
            "the TPM's clock gained {} ms, and at most {} ms had passed by the server's time",
            broken.gained(now),
            broken.most(now, safe)
        );
        match self.moments.iter().rev().skip(1).find(|earlier| earlier.keeps_time(now)) {
            Some(other) if self.moments.last().as_ref().is_some_and(too_fast) => {
                let clock = other.clock;
                Pace::Forked(format!(
                    "{told}; the quote at clock {clock} ms keeps time with this one, the last does not"
                ))
            }
            _ => Pace::Forwarded(told),
        }
    }

    /// True when a quote with the same counters had other PCRs.
    pub(crate) fn contradicts(&self, selection: PcrSelection, pcr_digest: &Digest) -> bool {
        let same = self.bank == selection.bank.id() && self.mask == selection.mask;
        same && self.pcr_digest.as_ref().is_some_and(|last| last.as_slice() != pcr_digest.as_bytes())
    }

    /// Takes the quote up. A track that was broken begins anew: what came before it stays uncovered.
    pub(crate) fn go_on(mut self, now: Moment, pace: &Pace, selection: PcrSelection, pcr_digest: &Digest) -> Self {
        if *pace != Pace::Honest {
            self.moments.clear();
        }
        if self.moments.len() >= MOMENTS {
            self.moments.remove(1);
        }
        self.moments.push(now);
        Self {
            moments: self.moments,
            bank: selection.bank.id(),
            mask: selection.mask,
            pcr_digest: Some(pcr_digest.as_bytes().to_vec().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use avouch_tpm_wire::HashAlg;

    use super::*;

    fn at(time: u64, clock: u64) -> Moment {
        Moment { earliest: time - 10, latest: time, clock }
    }

    fn track(moments: &[Moment]) -> Track {
        let selection = PcrSelection { bank: HashAlg::Sha256, mask: 1 };
        let digest = Digest::zero(HashAlg::Sha256);
        moments.iter().fold(Track::default(), |track, moment| track.go_on(*moment, &Pace::Honest, selection, &digest))
    }

    #[test]
    fn a_clock_that_keeps_time_or_falls_behind_is_honest() {
        let track = track(&[at(1_000, 5_000), at(1_300, 305_000)]);
        for (time, clock) in [(1_600, 605_000), (1_600, 650_000), (90_000, 306_000), (1_300, 305_001)] {
            assert_eq!(track.pace(&at(time, clock), true), Pace::Honest, "{time} {clock}");
        }
    }

    #[test]
    fn a_clock_that_gained_more_than_it_can_was_set() {
        let track = track(&[at(1_000, 5_000), at(1_300, 305_000)]);
        // 310 s of wall time allow 365.8 s, and the tolerance.
        assert_eq!(track.pace(&at(1_600, 305_000 + 425_800), true), Pace::Honest);
        assert!(matches!(track.pace(&at(1_600, 305_000 + 425_801), true), Pace::Forwarded(_)));
        assert_eq!(track.pace(&at(1_600, 305_000 + 425_801), false), Pace::Honest, "an unsafe clock may be ahead");
        assert!(matches!(track.pace(&at(1_600, 305_000 + 5_000_000), false), Pace::Forwarded(_)));
    }

    #[test]
    fn small_gains_add_up_to_the_first_quote() {
        let mut moments = vec![at(1_000, 0)];
        let mut pace = Pace::Honest;
        // Forty seconds too many in each round of 300.
        for round in 1..20 {
            let now = at(1_000 + round * 300, round * 395_000);
            pace = track(&moments).pace(&now, true);
            if pace != Pace::Honest {
                break;
            }
            moments.push(now);
        }
        assert!(matches!(pace, Pace::Forwarded(_)));
    }

    #[test]
    fn two_clocks_that_take_turns_are_two_tpms() {
        // The copy was made at 1,300 and stood still for 20 minutes.
        let mut moments = vec![at(1_000, 5_000), at(1_300, 305_000)];
        moments.push(at(3_000, 305_000 + 500_000));
        let original = at(3_010, 305_000 + 1_710_000);
        assert!(matches!(track(&moments).pace(&original, true), Pace::Forked(_)));
    }

    #[test]
    fn a_track_stays_short_and_keeps_its_first_quote() {
        let moments: Vec<_> = (0..100).map(|round| at(1_000 + round * 300, round * 300_000)).collect();
        let track = track(&moments);
        assert_eq!(track.moments.len(), MOMENTS);
        assert_eq!((track.moments.first(), track.moments.last()), (moments.first(), moments.last()));
    }
}
