//! `/proc/PID/status` and `/proc/PID/task/TID/status` (proc_pid_status(5)).

use super::{ParseError, lines, lossy};

/// What is taken of a thread's status, as it stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The process that the thread belongs to.
    pub tgid: String,
    /// Real, effective, saved and file system UID, separated by single spaces.
    pub uid: String,
    /// As `uid`.
    pub gid: String,
    /// Supplementary groups, sorted, separated by single spaces.
    pub groups: String,
    /// `Umask`; the kernel leaves it out of a process that is ending.
    pub umask: Option<String>,
    /// `CoreDumping`; since Linux 4.15.
    pub core_dumping: Option<String>,
    /// `CapInh`.
    pub inheritable: String,
    /// `CapPrm`.
    pub permitted: String,
    /// `CapEff`.
    pub effective: String,
    /// `CapBnd`.
    pub bounding: String,
    /// `CapAmb`; since Linux 4.3.
    pub ambient: String,
    /// `NoNewPrivs`; since Linux 4.10.
    pub no_new_privs: String,
    /// `Seccomp`; absent where the kernel has none.
    pub seccomp: Option<String>,
    /// `Seccomp_filters`; since Linux 5.9.
    pub seccomp_filters: Option<String>,
    /// `Speculation_Store_Bypass`; since Linux 4.17.
    pub speculation_store_bypass: Option<String>,
}

impl Status {
    /// Reads a whole status.
    ///
    /// # Errors
    /// [`ParseError`]: a line without a key, or one of the lines that every supported kernel writes is missing, the
    /// last among them, so that a status cut short is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let text = lossy(bytes)?;
        let mut status = Self::default();
        let mut whole = false;
        let mut seen = 0_u32;
        for (offset, line) in lines(&text) {
            let (key, value) =
                line.split_once(':').ok_or_else(|| ParseError::new(offset, "a key and a colon", line))?;
            let value = value.trim();
            let (slot, bit) = match key {
                "Tgid" => (&mut status.tgid, 0),
                "Uid" => (&mut status.uid, 1),
                "Gid" => (&mut status.gid, 2),
                "Groups" => (&mut status.groups, 3),
                "CapInh" => (&mut status.inheritable, 4),
                "CapPrm" => (&mut status.permitted, 5),
                "CapEff" => (&mut status.effective, 6),
                "CapBnd" => (&mut status.bounding, 7),
                "CapAmb" => (&mut status.ambient, 8),
                "NoNewPrivs" => (&mut status.no_new_privs, 9),
                "Umask" => (status.umask.get_or_insert_default(), 10),
                "CoreDumping" => (status.core_dumping.get_or_insert_default(), 11),
                "Seccomp" => (status.seccomp.get_or_insert_default(), 12),
                "Seccomp_filters" => (status.seccomp_filters.get_or_insert_default(), 13),
                "Speculation_Store_Bypass" => (status.speculation_store_bypass.get_or_insert_default(), 14),
                "nonvoluntary_ctxt_switches" => {
                    whole = true;
                    continue;
                }
                _ => continue,
            };
            if seen & (1 << bit) != 0 {
                return Err(ParseError::new(offset, "each key once", key));
            }
            seen |= 1 << bit;
            *slot = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        }
        if !whole || seen & ALWAYS != ALWAYS {
            return Err(ParseError::new(bytes.len(), "every line of a status", "the end"));
        }
        status.groups = sorted(&status.groups);
        Ok(status)
    }

    /// Effective, permitted and inheritable capabilities, the order of capget(2).
    pub fn capability_sets(&self) -> [&str; 3] {
        [&self.effective, &self.permitted, &self.inheritable]
    }
}

/// The keys that every supported kernel writes, as bits of `seen`.
const ALWAYS: u32 = (1 << 10) - 1;

fn sorted(groups: &str) -> String {
    let mut groups: Vec<&str> = groups.split(' ').filter(|group| !group.is_empty()).collect();
    groups.sort_by_key(|group| group.parse::<u64>().unwrap_or(u64::MAX));
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &[u8] = b"Name:\tsle:ep\nUmask:\t0077\nState:\tS (sleeping)\nTgid:\t219\nNgid:\t0\nPid:\t219\nPPid:\t1\n\
        Uid:\t61234\t61234\t61234\t61234\nGid:\t61234\t61234\t61234\t61234\nFDSize:\t64\nGroups:\t61234 7 \nCoreDumping:\t0\n\
        CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000400\n\
        CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t34\n\
        Speculation_Store_Bypass:\tthread vulnerable\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t9\n";

    #[test]
    fn a_status_is_read_as_it_stands_and_groups_are_sorted() {
        let status = Status::parse(STATUS).unwrap();
        assert_eq!((status.tgid.as_str(), status.uid.as_str()), ("219", "61234 61234 61234 61234"));
        assert_eq!((status.groups.as_str(), status.umask.as_deref()), ("7 61234", Some("0077")));
        assert_eq!((status.bounding.as_str(), status.no_new_privs.as_str()), ("0000000000000400", "1"));
        assert_eq!((status.seccomp.as_deref(), status.seccomp_filters.as_deref()), (Some("2"), Some("34")));
        assert_eq!(status.speculation_store_bypass.as_deref(), Some("thread vulnerable"));
    }

    #[test]
    fn a_status_cut_short_anywhere_is_refused() {
        // From the last key's colon on, what is missing is the number of a counter that nobody takes; only the newline
        // tells.
        for end in 0..STATUS.len() {
            assert!(Status::parse(&STATUS[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        let twice = [b"CapBnd:\t000001ffffffffff\n".as_slice(), STATUS].concat();
        assert_eq!(Status::parse(&twice).unwrap_err().wanted, "each key once");
    }
}
