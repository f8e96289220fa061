//! Wrappings around a file's bytes: base64 and hexadecimal, as logs travel in tickets, mails and JSON.

use std::borrow::Cow;

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER_PERMISSIVE};

/// A wrapping inside a wrapping is as deep as real files go.
const DEEPEST: usize = 2;
/// Shorter text is more likely a word than a wrapping.
const SHORTEST: usize = 16;

/// Takes wrappings off while `known` does not recognise the bytes; when it recognises none of the layers, the bytes
/// stay as they came.
pub(super) fn unwrapped(bytes: &[u8], known: impl Fn(&[u8]) -> bool) -> (Cow<'_, [u8]>, Vec<&'static str>) {
    let mut layers: Cow<'_, [u8]> = Cow::Borrowed(bytes);
    let mut names = Vec::new();
    while !known(&layers) {
        let inner = if names.len() < DEEPEST { inside(&layers) } else { None };
        let Some((name, inner)) = inner else { return (Cow::Borrowed(bytes), Vec::new()) };
        names.push(name);
        layers = Cow::Owned(inner);
    }
    (layers, names)
}

/// What the text stands for, when it is nothing but hexadecimal or base64. Text that is both is hexadecimal: base64 of
/// more than a few bytes without a letter above F does not occur.
pub(super) fn inside(text: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\r\n\t ".contains(byte);
    if text.len() < SHORTEST || !text.iter().all(alphabet) {
        return None;
    }
    let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if let Ok(bytes) = HEXLOWER_PERMISSIVE.decode(&text) {
        return Some(("hex", bytes));
    }
    let plain = BASE64.decode(&text).or_else(|_| BASE64_NOPAD.decode(&text));
    plain.ok().map(|bytes| ("base64", bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappings_come_off_until_the_content_is_known() {
        let known = |bytes: &[u8]| bytes == b"a boot log, so to say";
        let base64 = BASE64.encode(b"a boot log, so to say");
        let hex = HEXLOWER_PERMISSIVE.encode(base64.as_bytes());
        let (bytes, names) = unwrapped(hex.as_bytes(), known);
        assert_eq!((&*bytes, names), (&b"a boot log, so to say"[..], vec!["hex", "base64"]));
        let broken = base64.replace('=', "") + "\n";
        assert_eq!(unwrapped(broken.as_bytes(), known).1, ["base64"]);
    }

    #[test]
    fn what_is_known_inside_no_wrapping_stays_as_it_came() {
        let text = b"4142434445464748494a4b4c4d4e";
        assert_eq!(unwrapped(text, |_| false), (Cow::Borrowed(&text[..]), vec![]));
        assert_eq!(inside(b"10 aabb ima"), None);
    }
}
