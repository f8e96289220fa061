//! `/proc/PID/maps` (proc_pid_maps(5)).

use super::{ParseError, lines};

/// One mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping<'a> {
    /// May be written.
    pub writable: bool,
    /// May be executed.
    pub executable: bool,
    /// The file, with ` (deleted)` where the kernel says so; `[heap]` and the like; empty for anonymous memory.
    pub name: &'a str,
}

/// All mappings, in the order of their addresses. A process without memory of its own has none.
///
/// # Errors
/// [`ParseError`]: a line that is no mapping.
pub fn mappings(text: &str) -> Result<Vec<Mapping<'_>>, ParseError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let Some(text) = text.strip_suffix('\n') else {
        return Err(ParseError::new(text.len(), "a newline at the end", "the end"));
    };
    lines(text).map(|(offset, line)| mapping(offset, line)).collect()
}

fn mapping(offset: usize, line: &str) -> Result<Mapping<'_>, ParseError> {
    let wrong = || ParseError::new(offset, "ADDRESS PERMISSIONS OFFSET DEVICE INODE [NAME]", line);
    let mut words = line.splitn(6, ' ');
    let mut next = || words.next().ok_or_else(wrong);
    let (addresses, permissions, _, device, inode) = (next()?, next()?, next()?, next()?, next()?);
    let [r, w, x, p] = permissions.as_bytes() else { return Err(wrong()) };
    let known = matches!((r, w, x, p), (b'r' | b'-', b'w' | b'-', b'x' | b'-', b'p' | b's'));
    if !known || !addresses.contains('-') || !device.contains(':') || inode.parse::<u64>().is_err() {
        return Err(wrong());
    }
    // The name is aligned with spaces, and none of its own begins with one.
    let name = words.next().unwrap_or("").trim_start_matches(' ');
    Ok(Mapping { writable: *w == b'w', executable: *x == b'x', name })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "55d7c0000000-55d7c0002000 r-xp 00002000 08:01 1234                       /usr/bin/a b (deleted)\n\
        7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n\
        7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]\n";

    #[test]
    fn mappings_are_read_with_names_that_have_spaces() {
        let all = mappings(MAPS).unwrap();
        assert_eq!(all[0], Mapping { writable: false, executable: true, name: "/usr/bin/a b (deleted)" });
        assert_eq!(all[1], Mapping { writable: true, executable: true, name: "" });
        assert_eq!(all[2].name, "[stack]");
        assert_eq!(mappings("").unwrap(), []);
    }

    #[test]
    fn maps_cut_short_within_a_line_are_refused() {
        for end in 1..MAPS.len() {
            let cut = &MAPS[..end];
            assert_eq!(mappings(cut).is_ok(), cut.ends_with('\n'), "{end}");
        }
    }
}
