//! Signed notes and verifier keys (C2SP signed-note, tlog-checkpoint, tlog-cosignature): text that somebody signed.
//!
//! Pure: bytes in, facts out. Limits are those of the reference implementation: 1 MB of note, 100 signatures.

use std::fmt;

use avouch_crypto::sha256;
use avouch_crypto::signing::verify_ed25519;
use data_encoding::{BASE64, HEXLOWER};

/// Longest note (`note.Open` of golang.org/x/mod).
pub(super) const MAX_NOTE: usize = 1_000_000;
/// Most signatures of one note.
pub(super) const MAX_SIGNATURES: usize = 100;

/// Ed25519 over the note's text.
const ED25519: u8 = 0x01;
/// Ed25519 over a cosigned checkpoint with its time (C2SP tlog-cosignature).
const COSIGNATURE: u8 = 0x04;
/// What begins a signature line: an em dash and a blank.
const DASH: &str = "\u{2014} ";

/// A note as it stands; its signatures are not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedNote<'a> {
    /// What is signed, with its last line break.
    pub(super) text: &'a str,
    pub(super) signatures: Vec<Line<'a>>,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Byte where the line begins.
    pub(super) offset: usize,
    pub(super) name: &'a str,
    pub(super) key_id: [u8; 4],
    pub(super) signature: Vec<u8>,
}

/// A key that verifies notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VerifierKey {
    pub(super) name: String,
    pub(super) key_id: [u8; 4],
    algorithm: u8,
    public: [u8; 32],
}

/// Why bytes are no signed note, or text no verifier key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoteError {
    /// Byte where it is wrong.
    pub(super) offset: usize,
    what: &'static str,
}

/// What a signature came to under the keys that were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It holds; a cosignature says when it was made, in seconds since 1970.
    Holds(Option<u64>),
    /// A key with its name and identifier was given, and it does not hold.
    DoesNotHold,
    /// Two keys with this name and identifier were given.
    Ambiguous,
    /// No key with this name and identifier was given.
    NoKey,
}

/// True when a text ends in what looks like signature lines.
pub(in super::super) fn has_signature_lines(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    text.rsplit_once("\n\n").is_some_and(|(_, lines)| lines.starts_with(DASH))
}

impl<'a> SignedNote<'a> {
    /// Reads a note to its last byte.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE {
            return Err(NoteError::at(MAX_NOTE, "longer than a megabyte"));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| NoteError::at(error.valid_up_to(), "not UTF-8"))?;
        if let Some((at, _)) = text.char_indices().find(|(_, c)| (*c < ' ' && *c != '\n') || *c == '\u{FFFD}') {
            return Err(NoteError::at(at, "a control character"));
        }
        let split = text.rfind("\n\n").ok_or(NoteError::at(text.len(), "no empty line before signatures"))?;
        let (signed, lines) = text.split_at(split + 1);
        let lines = lines.strip_prefix('\n').unwrap_or(lines);
        if lines.is_empty() || !lines.ends_with('\n') {
            return Err(NoteError::at(text.len(), "does not end in a signature line and its line break"));
        }
        let mut offset = split + 2;
        let mut signatures = Vec::new();
        for line in lines.split_inclusive('\n') {
            if signatures.len() == MAX_SIGNATURES {
                return Err(NoteError::at(offset, "more than 100 signatures"));
            }
            signatures.push(Line::parse(line.trim_end_matches('\n'), offset)?);
            offset += line.len();
        }
        Ok(Self { text: signed, signatures })
    }

    /// Checks one of its signatures against the keys.
    pub(super) fn check(&self, line: &Line<'_>, keys: &[VerifierKey]) -> Verdict {
        let mut fitting = keys.iter().filter(|key| key.name == line.name && key.key_id == line.key_id);
        match (fitting.next(), fitting.next()) {
            (None, _) => Verdict::NoKey,
            (Some(_), Some(_)) => Verdict::Ambiguous,
            (Some(key), None) => key.check(self.text, &line.signature),
        }
    }
}

impl<'a> Line<'a> {
    fn parse(line: &'a str, offset: usize) -> Result<Self, NoteError> {
        let wrong = |what| NoteError::at(offset, what);
        let rest = line.strip_prefix(DASH).ok_or(wrong("not a signature line"))?;
        let (name, base64) = rest.split_once(' ').ok_or(wrong("a signature line without a signature"))?;
        if !is_name(name) {
            return Err(wrong("not the name of a key"));
        }
        let bytes = BASE64.decode(base64.as_bytes()).map_err(|_| wrong("a signature that is not base64"))?;
        let (key_id, signature) =
            bytes.split_first_chunk().ok_or(wrong("a signature shorter than a key's identifier"))?;
        if signature.is_empty() {
            return Err(wrong("a signature of no bytes"));
        }
        Ok(Self { offset, name, key_id: *key_id, signature: signature.to_vec() })
    }
}

impl VerifierKey {
    /// Reads `NAME+IDENTIFIER+KEY`.
    pub(super) fn parse(text: &str) -> Result<Self, NoteError> {
        let wrong = |what| NoteError::at(0, what);
        let text = text.trim();
        let (name, rest) = text.split_once('+').ok_or(wrong("not NAME+IDENTIFIER+KEY"))?;
        let (id, key) = rest.split_once('+').ok_or(wrong("not NAME+IDENTIFIER+KEY"))?;
        let key = BASE64.decode(key.as_bytes()).map_err(|_| wrong("a key that is not base64"))?;
        let (algorithm, public) = key.split_first().ok_or(wrong("a key of no bytes"))?;
        let computed = key_id(name, &key);
        if !is_name(name) || id.len() != 8 || id != HEXLOWER.encode(&computed) {
            return Err(wrong("the identifier is not that of this name and key"));
        }
        let public = <[u8; 32]>::try_from(public).ok().filter(|_| matches!(*algorithm, ED25519 | COSIGNATURE));
        let public = public.ok_or(wrong("a key of another algorithm than Ed25519"))?;
        Ok(Self { name: name.into(), key_id: computed, algorithm: *algorithm, public })
    }

    fn check(&self, text: &str, signature: &[u8]) -> Verdict {
        let holds = |message: &[u8], signature: &[u8]| verify_ed25519(&self.public, message, signature).is_ok();
        if self.algorithm == ED25519 {
            return if holds(text.as_bytes(), signature) { Verdict::Holds(None) } else { Verdict::DoesNotHold };
        }
        let Some((time, signature)) = signature.split_first_chunk() else { return Verdict::DoesNotHold };
        let time = u64::from_be_bytes(*time);
        let message = format!("cosignature/v1\ntime {time}\n{text}");
        if holds(message.as_bytes(), signature) { Verdict::Holds(Some(time)) } else { Verdict::DoesNotHold }
    }
}

/// First four bytes of SHA-256 over name, line break and the key with its algorithm.
fn key_id(name: &str, key: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", key]);
    [a, b, c, d]
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.chars().any(char::is_whitespace)
}

impl NoteError {
    fn at(offset: usize, what: &'static str) -> Self {
        Self { offset, what }
    }
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

#[cfg(test)]
mod tests {
    use avouch_crypto::signing::SigningKey;

    use super::*;

    fn signed(text: &str) -> (String, String) {
        let key = SigningKey::generate().unwrap();
        let encoded = [&[ED25519][..], &key.public()].concat();
        let id = key_id("log.example", &encoded);
        let signature = BASE64.encode(&[&id[..], &key.sign(text.as_bytes())].concat());
        let vkey = format!("log.example+{}+{}", HEXLOWER.encode(&id), BASE64.encode(&encoded));
        (format!("{text}\n{DASH}log.example {signature}\n"), vkey)
    }

    #[test]
    fn a_signature_holds_for_its_key_and_text_only() {
        let (note, vkey) = signed("a text\nof two lines\n");
        let key = VerifierKey::parse(&vkey).unwrap();
        let parsed = SignedNote::parse(note.as_bytes()).unwrap();
        let keys = [key.clone()];
        assert_eq!(parsed.check(&parsed.signatures[0], &keys), Verdict::Holds(None));
        assert_eq!(parsed.check(&parsed.signatures[0], &[]), Verdict::NoKey);
        assert_eq!(parsed.check(&parsed.signatures[0], &[key.clone(), key]), Verdict::Ambiguous);
        let changed = note.replace("two", "ten");
        let changed = SignedNote::parse(changed.as_bytes()).unwrap();
        assert_eq!(changed.check(&changed.signatures[0], &keys), Verdict::DoesNotHold);
    }

    #[test]
    fn a_note_cut_at_any_byte_is_refused() {
        let (note, _) = signed("a text\n");
        for cut in 0..note.len() {
            assert!(SignedNote::parse(&note.as_bytes()[..cut]).is_err(), "{cut}");
        }
        assert!(SignedNote::parse(format!("{note}{}", "x\n").as_bytes()).is_err());
        assert!(SignedNote::parse(note.replace('a', "\u{1}").as_bytes()).is_err());
    }

    #[test]
    fn a_key_whose_identifier_is_another_is_refused() {
        let (_, vkey) = signed("x\n");
        assert!(VerifierKey::parse(&vkey.replacen("log", "lag", 1)).is_err());
        assert!(VerifierKey::parse("a+b").is_err() && VerifierKey::parse("").is_err());
    }
}
