//! Paths inside an artefact, as bytes without a leading slash.

use crate::ArtefactError;

/// PATH_MAX of Linux, the terminating zero included.
pub(crate) const MAX_PATH: usize = 4096;

/// `./usr//bin/` → `usr/bin`; the empty path is the root itself. A `..` is refused: archives that honest tools make
/// have none.
pub(crate) fn plain(raw: &[u8]) -> Result<Vec<u8>, ArtefactError> {
    let refused = |reason| ArtefactError::Path { path: text(raw), reason };
    if raw.len() >= MAX_PATH {
        return Err(refused("longer than 4095 bytes"));
    }
    if raw.contains(&0) {
        return Err(refused("a zero byte inside"));
    }
    let components: Vec<_> = raw.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b".")).collect();
    if components.contains(&b"..".as_slice()) {
        return Err(refused("it has a \"..\" component"));
    }
    Ok(components.join(&b'/'))
}

/// For people and for policies: bytes that are not UTF-8 as `\xNN`.
pub(crate) fn text(path: &[u8]) -> String {
    let mut out = String::new();
    for chunk in path.utf8_chunks() {
        out.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out
}

/// The path on the node.
pub(crate) fn absolute(path: &[u8]) -> String {
    format!("/{}", text(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_path_are_one() {
        for raw in ["usr/bin", "/usr/bin", "./usr/bin", "usr//bin/", "/./usr/./bin/."] {
            assert_eq!(plain(raw.as_bytes()).unwrap(), b"usr/bin");
        }
        for raw in ["", "/", ".", "./"] {
            assert_eq!(plain(raw.as_bytes()).unwrap(), b"");
        }
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        for raw in [b"../etc/passwd".as_slice(), b"usr/../../etc", b"..", b"a\0b", &[b'a'; 4096]] {
            assert!(matches!(plain(raw), Err(ArtefactError::Path { .. })));
        }
        assert_eq!(plain(b"usr/..bin").unwrap(), b"usr/..bin");
    }

    #[test]
    fn bytes_that_are_not_text_are_escaped() {
        assert_eq!(absolute(b"etc/\xff\xc3\xa9"), "/etc/\\xff\u{e9}");
    }
}
