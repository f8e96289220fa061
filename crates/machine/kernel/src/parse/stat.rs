//! `/proc/PID/stat` (proc_pid_stat(5)).

use super::{ParseError, number};

/// What is taken of a process's stat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// PID of the parent, field 4.
    pub parent: u32,
    /// `PF_*`, field 9.
    pub flags: u32,
    /// Nice value, field 19.
    pub nice: i32,
    /// Start in clock ticks since boot, field 22.
    pub start: u64,
}

/// PF_KTHREAD of the kernel's sched.h.
const KERNEL_THREAD: u32 = 0x0020_0000;

impl Stat {
    /// Reads a whole stat. The name in parentheses may hold anything, parentheses too: the last `)` ends it.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let line =
            bytes.strip_suffix(b"\n").ok_or_else(|| ParseError::new(bytes.len(), "a newline at the end", "the end"))?;
        let name_end = line
            .iter()
            .rposition(|byte| *byte == b')')
            .ok_or_else(|| ParseError::new(0, "a name in parentheses", "none"))?;
        let rest = std::str::from_utf8(line.get(name_end + 1..).unwrap_or_default())
            .map_err(|_| ParseError::new(name_end, "numbers", "bytes that are no text"))?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The first field behind the name is field 3.
        let field = |index: usize| {
            fields.get(index - 3).copied().ok_or_else(|| ParseError::new(bytes.len(), "22 fields or more", "the end"))
        };
        Ok(Self {
            parent: number(name_end, field(4)?)?,
            flags: number(name_end, field(9)?)?,
            nice: number(name_end, field(19)?)?,
            start: number(name_end, field(22)?)?,
        })
    }

    /// Whether it is a thread of the kernel itself.
    pub fn kernel_thread(&self) -> bool {
        self.flags & KERNEL_THREAD != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &[u8] = b"219 (a) S b) S 1 219 219 0 -1 4194560 93 0 0 0 0 0 0 0 20 -5 1 0 427 2576384 220 0\n";

    #[test]
    fn a_name_with_parentheses_hides_nothing() {
        assert_eq!(Stat::parse(STAT).unwrap(), Stat { parent: 1, flags: 4_194_560, nice: -5, start: 427 });
        assert!(!Stat::parse(STAT).unwrap().kernel_thread());
        let kernel = b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5 0\n";
        assert!(Stat::parse(kernel).unwrap().kernel_thread());
    }

    #[test]
    fn a_stat_cut_short_anywhere_is_refused() {
        for end in 0..STAT.len() {
            assert!(Stat::parse(&STAT[..end]).is_err(), "{end}");
        }
    }
}
