//! The events before the place where a log stops being one.

use avouch_bootlog::{BootLog, LogError};

/// Fields of one event: PCR, type, count, two for each of 16 digests, size, data; twice, for the step into each.
const MOST_STEPS: usize = 80;

/// Where and why reading stopped.
pub(super) struct Stopped {
    /// First byte that no event covers.
    pub(super) at: usize,
    pub(super) error: LogError,
}

/// The whole log, or its longest beginning that is one, and why no more.
///
/// The parser gives nothing of a broken log, as an appraiser must. An error's byte lies in the event that is broken,
/// so the beginning is shortened field by field until that event is gone.
pub(super) fn readable(bytes: &[u8]) -> Result<(BootLog<'_>, Option<Stopped>), LogError> {
    let error = match BootLog::parse(bytes) {
        Ok(log) => return Ok((log, None)),
        Err(error) => error,
    };
    let mut end = error.offset().min(bytes.len());
    for _ in 0..MOST_STEPS {
        let Some(beginning) = bytes.get(..end) else { break };
        match BootLog::parse(beginning) {
            Ok(log) => {
                // A rest of one value, such as a register number of zero, reads as padding; here it is the broken event.
                let at = log.padding().map_or(end, |padding| end.saturating_sub(padding.len));
                return Ok((log, Some(Stopped { at, error })));
            }
            Err(LogError::Empty) => break,
            Err(nearer) if nearer.offset() < end => end = nearer.offset(),
            Err(_) if end > 0 => end -= 1,
            Err(_) => break,
        }
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(pcr: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = [pcr.to_le_bytes(), 5_u32.to_le_bytes()].concat();
        bytes.extend([7; 20]);
        bytes.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn a_log_that_is_cut_anywhere_gives_the_events_before_the_cut() {
        let events = [event(0, b"one"), event(4, b"two"), event(0, b"three")];
        let whole = events.concat();
        let ends: Vec<usize> = (1..=3).map(|count| events[..count].concat().len()).collect();
        for cut in ends[0]..whole.len() {
            let (log, stopped) = readable(&whole[..cut]).unwrap();
            let count = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(log.events().len(), count, "{cut}");
            // Up to four zero bytes of the next event's register number cannot be told from padding.
            if let Some(stopped) = stopped {
                assert_eq!(stopped.at, ends[count - 1], "{cut}");
            }
        }
        assert!(readable(&whole[..10]).is_err());
    }
}
