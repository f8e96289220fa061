//! `/proc/PID/cgroup`, `cgroup.procs` and `cgroup.events` (cgroups(7)).

use super::{ParseError, lines, number, text};

/// The cgroup of a process.
///
/// It is the path in the unified hierarchy; where there is none, or where it is only mounted beside version 1 and the
/// process is in its root, the path in systemd's own hierarchy.
///
/// # Errors
/// [`ParseError`]: a line without three fields, or neither hierarchy.
pub fn of_process(bytes: &[u8]) -> Result<String, ParseError> {
    let owned = super::lossy(bytes)?;
    let (mut unified, mut named) = (None, None);
    for (offset, line) in lines(&owned) {
        let mut fields = line.splitn(3, ':');
        let (Some(number), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(ParseError::new(offset, "ID:CONTROLLERS:PATH", line));
        };
        if !path.starts_with('/') {
            return Err(ParseError::new(offset, "an absolute path", path));
        }
        match (number, controllers) {
            ("0", "") => unified = Some(path),
            (_, "name=systemd") => named = Some(path),
            _ => {}
        }
    }
    match (unified, named) {
        (Some("/"), Some(path)) | (Some(path), _) | (None, Some(path)) => Ok(path.to_owned()),
        (None, None) => Err(ParseError::new(bytes.len(), "the unified hierarchy or systemd's", "neither")),
    }
}

/// PIDs of a `cgroup.procs`, ascending; 0 (a process of another PID namespace) is left out. An empty file is an empty
/// cgroup.
///
/// # Errors
/// [`ParseError`].
pub fn processes(bytes: &[u8]) -> Result<Vec<u32>, ParseError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let pids: Result<Vec<u32>, _> = lines(text(bytes)?).map(|(offset, line)| number(offset, line)).collect();
    let mut pids = pids?;
    pids.retain(|pid| *pid != 0);
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

/// The value of `key` in a flat keyed file.
///
/// # Errors
/// [`ParseError`] where the key is missing.
pub fn keyed<'a>(bytes: &'a [u8], key: &str) -> Result<&'a str, ParseError> {
    lines(text(bytes)?)
        .find_map(|(_, line)| line.strip_prefix(key)?.strip_prefix(' '))
        .ok_or_else(|| ParseError::new(bytes.len(), "the key that was asked for", "the end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_of_systemd_is_found_in_all_three_kinds() {
        assert_eq!(of_process(b"0::/system.slice/a:b.service\n").unwrap(), "/system.slice/a:b.service");
        assert_eq!(of_process(b"2:memory:/x\n1:name=systemd:/system.slice/a\n0::/\n").unwrap(), "/system.slice/a");
        assert_eq!(of_process(b"1:name=systemd:/a\n0::/b\n").unwrap(), "/b");
        assert_eq!(of_process(b"1:name=systemd:/a\n").unwrap(), "/a");
        assert!(of_process(b"2:memory:/x\n").is_err());
    }

    #[test]
    fn files_cut_short_within_a_line_are_refused() {
        let (group, pids) = (b"1:name=systemd:/a\n0::/b\n", b"12\n7\n0\n12\n");
        for end in 1..group.len() {
            assert_eq!(of_process(&group[..end]).is_ok(), group[..end].ends_with(b"\n"), "{end}");
        }
        for end in 1..pids.len() {
            assert_eq!(processes(&pids[..end]).is_ok(), pids[..end].ends_with(b"\n"), "{end}");
        }
        assert_eq!(processes(pids).unwrap(), [7, 12]);
        assert_eq!(processes(b"").unwrap(), []);
        assert_eq!(keyed(b"populated 1\nfrozen 0\n", "frozen").unwrap(), "0");
        assert!(keyed(b"populated 1\nfrozen 0", "frozen").is_err());
    }
}
