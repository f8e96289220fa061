//! PEM blocks (RFC 7468) of every label, in order.

use data_encoding::BASE64;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// One block: its label and its bytes, or `None` for a block that is cut or not base64.
pub(crate) type Block = Option<(String, Vec<u8>)>;

/// The blocks of a text. What stands between blocks is no concern.
pub(crate) fn blocks(text: &[u8]) -> impl Iterator<Item = Block> {
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    core::iter::from_fn(move || {
        let label = lines.by_ref().find_map(|line| label(line, BEGIN))?;
        let mut base64 = Vec::new();
        for line in lines.by_ref() {
            if let Some(end) = self::label(line, END) {
                let der = BASE64.decode(&base64).ok().filter(|_| end == label);
                return Some(der.map(|der| (String::from_utf8_lossy(label).into_owned(), der)));
            }
            base64.extend(line.iter().filter(|byte| !byte.is_ascii_whitespace()));
        }
        Some(None)
    })
}

fn label<'a>(line: &'a [u8], boundary: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(boundary)?.strip_suffix(DASHES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_between_other_text() {
        let text = b"x\n-----BEGIN A-----\nAQ ID\r\n-----END A-----\ny\n-----BEGIN B-----\n!\n-----END B-----\n-----BEGIN C-----\n";
        let found: Vec<Block> = blocks(text).collect();
        assert_eq!(found, [Some(("A".to_owned(), vec![1, 2, 3])), None, None]);
        assert_eq!(blocks(b"no block").count(), 0);
        assert_eq!(blocks(b"-----BEGIN A-----\n-----END B-----").collect::<Vec<_>>(), [None]);
    }
}
