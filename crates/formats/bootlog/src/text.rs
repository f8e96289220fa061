//! Text that firmware wrote, made safe to show.

use alloc::string::String;

/// Longest piece of foreign text that a description carries, in characters.
const MAX_TEXT: usize = 160;

/// Appends `text` with control, formatting and line characters replaced, and cut at [`MAX_TEXT`] characters.
pub(crate) fn push_clean(out: &mut String, text: impl Iterator<Item = char>) {
    for (position, character) in text.enumerate() {
        if position == MAX_TEXT {
            out.push('…');
            return;
        }
        out.push(if is_harmless(character) { character } else { '\u{FFFD}' });
    }
}

/// `bytes` as UTF-16LE up to the first NUL, when that is text.
pub(crate) fn utf16(bytes: &[u8]) -> Option<String> {
    let (units, tail) = bytes.as_chunks::<2>();
    if !tail.is_empty() || units.is_empty() {
        return None;
    }
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit)).take_while(|unit| *unit != 0);
    let mut out = String::new();
    push_clean(&mut out, char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
    (!out.is_empty() && !out.contains('\u{FFFD}')).then_some(out)
}

/// `bytes` as printable UTF-8, without trailing NULs, when that is text.
pub(crate) fn utf8(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().rposition(|byte| *byte != 0)?;
    let text = core::str::from_utf8(bytes.get(..=end)?).ok()?;
    if text.chars().any(|c| c == '\0') {
        return None;
    }
    let mut out = String::new();
    push_clean(&mut out, text.chars());
    Some(out)
}

/// Either spelling. UTF-16 first: an ASCII string in UTF-16 is also valid UTF-8 with NULs, never the reverse.
pub(crate) fn any(bytes: &[u8]) -> Option<String> {
    let wide = bytes.len() >= 4 && bytes.as_chunks::<2>().0.iter().all(|[_, high]| *high == 0);
    if wide { utf16(bytes) } else { utf8(bytes) }
}

/// Not a control character, and none that reorders, hides or breaks the text around it.
pub(crate) fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E0FFF}')
}
