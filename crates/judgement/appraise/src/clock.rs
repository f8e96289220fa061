//! The clock machine: (resetCount, restartCount, clock) only ever grows, compared in that order.

use avouch_tpm_wire::ClockInfo;

use crate::rejection::{RejectCode, Rejection};

/// Checks `now` against the counters of the last authentic quote.
///
/// restartCount starts again at zero with each reset, so it is compared only within one (an honest reboot after a
/// suspend lowers it). An unsafe clock is no reason to refuse: it follows from a power cut, and the strict order holds
/// for it all the same.
pub(crate) fn advance(last: &ClockInfo, now: &ClockInfo) -> Result<(), Rejection> {
    let refuse = |code, what: &str, was: u64, is: u64| {
        Err(Rejection::new(code, format!("{what} was {was} in the last authentic quote and is {is} now")))
    };
    if now.reset_count < last.reset_count {
        let code = RejectCode::ResetCountBack;
        return refuse(code, "resetCount", last.reset_count.into(), now.reset_count.into());
    }
    if now.reset_count > last.reset_count {
        return Ok(());
    }
    if now.restart_count < last.restart_count {
        let code = RejectCode::RestartCountBack;
        return refuse(code, "restartCount", last.restart_count.into(), now.restart_count.into());
    }
    if now.clock <= last.clock {
        return refuse(RejectCode::ClockNotAdvancing, "clock", last.clock, now.clock);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(reset_count: u32, restart_count: u32, clock: u64) -> ClockInfo {
        ClockInfo { clock, reset_count, restart_count, safe: true }
    }

    fn code(last: ClockInfo, now: ClockInfo) -> Option<RejectCode> {
        advance(&last, &now).err().map(|rejection| rejection.code)
    }

    #[test]
    fn time_goes_forward_only() {
        assert_eq!(code(at(5, 2, 1_000), at(5, 2, 1_001)), None);
        assert_eq!(code(at(5, 2, 1_000), at(5, 2, 1_000)), Some(RejectCode::ClockNotAdvancing));
        assert_eq!(code(at(5, 2, 1_000), at(5, 2, 999)), Some(RejectCode::ClockNotAdvancing));
        assert_eq!(code(at(5, 2, 1_000), at(5, 1, 2_000)), Some(RejectCode::RestartCountBack));
        assert_eq!(code(at(5, 2, 1_000), at(4, 9, 9_000)), Some(RejectCode::ResetCountBack));
    }

    #[test]
    fn a_resume_must_advance_the_clock_too() {
        assert_eq!(code(at(5, 2, 1_000), at(5, 3, 1_001)), None);
        assert_eq!(code(at(5, 2, 1_000), at(5, 3, 900)), Some(RejectCode::ClockNotAdvancing));
    }

    #[test]
    fn an_honest_reboot_after_a_suspend_is_accepted() {
        assert_eq!(code(at(5, 2, 1_000), at(6, 0, 1_200)), None);
    }

    #[test]
    fn a_power_cut_that_lost_clock_time_is_accepted() {
        let now = ClockInfo { safe: false, ..at(6, 0, 900) };
        assert_eq!(code(at(5, 0, 1_000), now), None);
    }
}
