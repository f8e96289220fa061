//! `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).

use super::{ParseError, lines, number};

/// One mount. Paths are spelled as the kernel does: space, tab, newline, backslash and `#` as three octal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount<'a> {
    /// `MAJOR:MINOR` of its file system.
    pub device: &'a str,
    /// Which directory of its file system is the root of the mount.
    pub root: &'a str,
    /// Where it is mounted.
    pub point: &'a str,
    /// Options of this mount.
    pub options: &'a str,
    /// Type of the file system.
    pub kind: &'a str,
    /// What is mounted, in words of the file system.
    pub source: &'a str,
    /// Options of the file system.
    pub super_options: &'a str,
}

/// All mounts, in the kernel's order.
///
/// # Errors
/// [`ParseError`]: a line without the ten fields or the separator.
pub fn mounts(text: &str) -> Result<Vec<Mount<'_>>, ParseError> {
    let Some(text) = text.strip_suffix('\n') else {
        return Err(ParseError::new(text.len(), "a newline at the end", "the end"));
    };
    lines(text).map(|(offset, line)| mount(offset, line)).collect()
}

fn mount(offset: usize, line: &str) -> Result<Mount<'_>, ParseError> {
    let short = || ParseError::new(offset, "ten fields and a separator", line);
    let mut words = line.split(' ');
    let mut next = || words.next().ok_or_else(short);
    number::<u64>(offset, next()?)?;
    number::<u64>(offset, next()?)?;
    let device = next()?;
    if device.split_once(':').is_none() {
        return Err(ParseError::new(offset, "MAJOR:MINOR", device));
    }
    let (root, point, options) = (next()?, next()?, next()?);
    while next()? != "-" {}
    let (kind, source, super_options) = (next()?, next()?, next()?);
    if !point.starts_with('/') || options.is_empty() || super_options.is_empty() {
        return Err(short());
    }
    Ok(Mount { device, root, point, options, kind, source, super_options })
}

/// Whether `option` is among a list of options.
pub fn has_option(options: &str, option: &str) -> bool {
    options.split(',').any(|word| word == option)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "96 71 8:1 / / ro,relatime shared:1 - ext4 /dev/root rw,errors=remount-ro\n\
        97 96 0:22 / /proc rw,nosuid shared:2 master:3 - proc proc rw,hidepid=invisible\n\
        98 96 8:1 /tmp/a\\040b /tmp rw - ext4 /dev/root rw\n";

    #[test]
    fn optional_fields_are_passed_over_and_escapes_stay() {
        let mounts = mounts(MOUNTS).unwrap();
        assert_eq!((mounts[0].point, mounts[0].options, mounts[0].kind), ("/", "ro,relatime", "ext4"));
        assert_eq!(mounts[1].super_options, "rw,hidepid=invisible");
        assert_eq!((mounts[2].root, mounts[2].source), ("/tmp/a\\040b", "/dev/root"));
        assert!(has_option(mounts[0].options, "ro") && !has_option(mounts[0].super_options, "ro"));
    }

    #[test]
    fn mounts_cut_short_within_a_line_are_refused() {
        for end in 0..MOUNTS.len() {
            let cut = &MOUNTS[..end];
            assert_eq!(mounts(cut).is_ok(), cut.ends_with('\n'), "{end}");
        }
    }
}
