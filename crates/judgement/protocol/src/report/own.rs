//! Texts of a unit in which its own name is left open, so that units of one kind say the same.
//!
//! U+0000 stands for the stem of the unit's name; U+0001 and a digit for a U+0000 (`0`) or U+0001 (`1`) of the text.

use std::borrow::Cow;

use avouch_pairs::subject;

const OPEN: char = '\0';
const ESCAPE: char = '\u{1}';
/// Shorter stems, such as the one of `-.mount`, are found everywhere and save nothing.
const MIN_STEM: usize = 3;

/// The part of a unit's name before its type; `None` for other subjects, and for names that leave nothing open.
pub(super) fn stem(name: &str) -> Option<&str> {
    let (stem, _) = name.strip_prefix(subject::UNIT)?.rsplit_once('.')?;
    (stem.len() >= MIN_STEM && !stem.contains(char::is_control)).then_some(stem)
}

/// The text with the name left open.
pub(super) fn opened<'a>(text: &'a str, stem: Option<&str>) -> Cow<'a, str> {
    let mut own = Cow::Borrowed(text);
    if text.contains([OPEN, ESCAPE]) {
        own = text.replace(ESCAPE, "\u{1}1").replace(OPEN, "\u{1}0").into();
    }
    if let Some(stem) = stem.filter(|stem| own.contains(*stem)) {
        own = own.replace(stem, "\0").into();
    }
    own
}

/// The text that [`opened`] made this of; `None` when it made none.
pub(super) fn closed(own: String, stem: Option<&str>) -> Option<String> {
    let filled = match (own.contains(OPEN), stem) {
        (false, _) => own,
        (true, Some(stem)) => own.replace(OPEN, stem),
        (true, None) => return None,
    };
    if !filled.contains(ESCAPE) {
        return Some(filled);
    }
    let mut text = String::with_capacity(filled.len());
    let mut rest = filled.chars();
    while let Some(next) = rest.next() {
        text.push(match next {
            ESCAPE => match rest.next()? {
                '0' => OPEN,
                '1' => ESCAPE,
                _ => return None,
            },
            other => other,
        });
    }
    Some(text)
}

/// How often the name is left open.
pub(super) fn openings(own: &str) -> usize {
    own.matches(OPEN).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_opened_closes_to_what_it_was() {
        let stems = [None, Some("nginx"), Some("0ab"), Some("1ab")];
        for text in ["", "/usr/sbin/nginx", "nginxnginx", "\0ab", "\u{1}ab", "\u{1}0\0\u{1}1ab", "0ab\0"] {
            for stem in stems {
                let own = opened(text, stem).into_owned();
                assert_eq!(closed(own, stem).as_deref(), Some(text), "{text:?} {stem:?}");
            }
        }
        assert_eq!(opened("/run/nginx/nginx.sock", Some("nginx")), "/run/\0/\0.sock");
        assert_eq!(
            (closed("\0".into(), None), closed("\u{1}2".into(), None), closed("\u{1}".into(), None)),
            (None, None, None)
        );
    }

    #[test]
    fn only_units_with_names_of_some_length_have_a_stem() {
        assert_eq!(stem("unit:nginx.service"), Some("nginx"));
        assert_eq!(stem("unit:a.b.socket"), Some("a.b"));
        for name in ["unit:-.mount", "host", "sysctl:kernel.kptr_restrict", "unit:nginx", "unit:a\0b.service"] {
            assert_eq!(stem(name), None, "{name:?}");
        }
    }
}
