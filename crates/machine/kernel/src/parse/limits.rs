//! `/proc/PID/limits` (proc_pid_limits(5)).

use super::{ParseError, lines, text};

/// The kernel's names of the limits, by `RLIMIT_*` number.
pub const NAMES: [&str; 16] = [
    "Max cpu time",
    "Max file size",
    "Max data size",
    "Max stack size",
    "Max core file size",
    "Max resident set",
    "Max processes",
    "Max open files",
    "Max locked memory",
    "Max address space",
    "Max file locks",
    "Max pending signals",
    "Max msgqueue size",
    "Max nice priority",
    "Max realtime priority",
    "Max realtime timeout",
];

/// `SOFT HARD` of each limit as the kernel spells it, by `RLIMIT_*` number.
///
/// # Errors
/// [`ParseError`] where one of the sixteen is missing, stands twice or has no two values.
pub fn limits(bytes: &[u8]) -> Result<[String; 16], ParseError> {
    let mut found: [String; 16] = Default::default();
    let mut rows = lines(text(bytes)?);
    match rows.next() {
        Some((_, head)) if head.starts_with("Limit ") => {}
        other => return Err(ParseError::new(0, "the heading", other.map_or("", |(_, line)| line))),
    }
    for (offset, line) in rows {
        let row = NAMES.iter().zip(&mut found).find_map(|(name, slot)| Some((line.strip_prefix(name)?, slot)));
        // A later kernel may have a seventeenth limit, which this release does not know.
        let Some((values, slot)) = row else { continue };
        let mut words = values.split_ascii_whitespace();
        let (Some(soft), Some(hard)) = (words.next(), words.next()) else {
            return Err(ParseError::new(offset, "a soft and a hard limit", values));
        };
        for word in [soft, hard] {
            if word != "unlimited" && word.parse::<u64>().is_err() {
                return Err(ParseError::new(offset, "a number or `unlimited`", word));
            }
        }
        if !slot.is_empty() {
            return Err(ParseError::new(offset, "each limit once", line));
        }
        *slot = format!("{soft} {hard}");
    }
    if found.iter().any(String::is_empty) {
        return Err(ParseError::new(bytes.len(), "all sixteen limits", "the end"));
    }
    Ok(found)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const LIMITS: &[u8] = b"Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max file size             unlimited            unlimited            bytes     
Max data size             unlimited            unlimited            bytes     
Max stack size            8388608              unlimited            bytes     
Max core file size        0                    unlimited            bytes     
Max resident set          unlimited            unlimited            bytes     
Max processes             1544                 1544                 processes 
Max open files            512                  1024                 files     
Max locked memory         8388608              8388608              bytes     
Max address space         unlimited            unlimited            bytes     
Max file locks            unlimited            unlimited            locks     
Max pending signals       1544                 1544                 signals   
Max msgqueue size         819200               819200               bytes     
Max nice priority         0                    0                    
Max realtime priority     0                    0                    
Max realtime timeout      unlimited            unlimited            us        
";

    #[test]
    fn sixteen_limits_are_read() {
        let limits = limits(LIMITS).unwrap();
        assert_eq!((limits[7].as_str(), limits[0].as_str()), ("512 1024", "unlimited unlimited"));
        assert_eq!((limits[13].as_str(), limits[15].as_str()), ("0 0", "unlimited unlimited"));
    }

    #[test]
    fn limits_cut_short_anywhere_are_refused() {
        for end in 0..LIMITS.len() {
            assert!(limits(&LIMITS[..end]).is_err(), "{end}");
        }
    }
}
