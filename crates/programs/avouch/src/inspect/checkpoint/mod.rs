//! Signed notes, checkpoints of transparency logs, and the keys that verify them.

mod note;

use data_encoding::{BASE64, HEXLOWER};
use serde::Serialize;

use super::Options;
use super::page::Page;
use super::report::{Facts, Problem, Reading};
use note::{SignedNote, Verdict, VerifierKey};

pub(super) use note::has_signature_lines;

/// A signed note.
#[derive(Debug, Default, Serialize)]
pub struct Note {
    /// `checkpoint`, `signed note` or `verifier key`.
    pub format: &'static str,
    /// What is signed; null for a verifier key.
    pub text: Option<String>,
    /// Name of the log; null when the text is no checkpoint.
    pub origin: Option<String>,
    /// Entries of the tree.
    pub size: Option<u64>,
    /// Root hash, hexadecimal.
    pub root: Option<String>,
    /// Lines behind the root hash.
    pub extensions: Vec<String>,
    /// Who signed, in the note's order; of signatures that say the same, the first.
    pub signatures: Vec<Signed>,
    /// The key, when the file is one.
    pub key: Option<Signer>,
}

/// One signature.
#[derive(Debug, Serialize)]
pub struct Signed {
    /// Who signed.
    #[serde(flatten)]
    pub signer: Signer,
    /// `holds`, `does not hold`, `ambiguous key`, `no key given`.
    pub result: &'static str,
    /// When a cosignature was made, seconds since 1970.
    pub time: Option<u64>,
}

/// Name and identifier of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signer {
    /// Its name.
    pub name: String,
    /// Its identifier, hexadecimal.
    pub key_id: String,
}

/// Checks that each text is a verifier key.
pub(super) fn keys(texts: &[String]) -> Result<(), String> {
    texts.iter().try_for_each(|text| VerifierKey::parse(text).map(|_| ()).map_err(|error| format!("{text}: {error}")))
}

/// Reads a note, a checkpoint or a key.
pub(super) fn read(bytes: &[u8], options: &Options) -> Reading {
    if let Some(key) = std::str::from_utf8(bytes).ok().and_then(|text| VerifierKey::parse(text).ok()) {
        let key = Some(Signer { name: key.name.clone(), key_id: HEXLOWER.encode(&key.key_id) });
        let facts = Note { format: "verifier key", key, ..Note::default() };
        return Reading::whole(Facts::Checkpoint(Box::new(facts)), Vec::new());
    }
    let note = match SignedNote::parse(bytes) {
        Ok(note) => note,
        Err(error) => return Reading::not(Problem::at(error.offset, format!("not a signed note: {error}"))),
    };
    let keys: Vec<_> = options.vkeys.iter().filter_map(|key| VerifierKey::parse(key).ok()).collect();
    let (signatures, problems) = signatures(&note, &keys);
    let mut facts = Note { format: "signed note", text: Some(note.text.into()), signatures, ..Note::default() };
    if let Some(checkpoint) = Checkpoint::parse(note.text) {
        facts.format = "checkpoint";
        facts.origin = Some(checkpoint.origin.into());
        facts.size = Some(checkpoint.size);
        facts.root = Some(HEXLOWER.encode(&checkpoint.root));
        facts.extensions = checkpoint.extensions.iter().map(|line| (*line).to_owned()).collect();
    }
    Reading::whole(Facts::Checkpoint(Box::new(facts)), problems)
}

fn signatures(note: &SignedNote<'_>, keys: &[VerifierKey]) -> (Vec<Signed>, Vec<Problem>) {
    let (mut signatures, mut problems): (Vec<Signed>, _) = (Vec::new(), Vec::new());
    for (place, line) in note.signatures.iter().enumerate() {
        if note.signatures.iter().take(place).any(|earlier| earlier.name == line.name && earlier.key_id == line.key_id)
        {
            continue;
        }
        let verdict = note.check(line, keys);
        let (result, time) = match verdict {
            Verdict::Holds(time) => ("holds", time),
            Verdict::DoesNotHold => ("does not hold", None),
            Verdict::Ambiguous => ("ambiguous key", None),
            Verdict::NoKey => ("no key given", None),
        };
        if matches!(verdict, Verdict::DoesNotHold | Verdict::Ambiguous) {
            problems.push(Problem::at(line.offset, format!("the signature of {}: {result}", line.name)));
        }
        let signer = Signer { name: line.name.into(), key_id: HEXLOWER.encode(&line.key_id) };
        signatures.push(Signed { signer, result, time });
    }
    let held = signatures.iter().any(|signed| signed.result == "holds");
    if !keys.is_empty() && !held && problems.is_empty() {
        problems.push(Problem::new("no signature is by one of the keys that were given"));
    }
    (signatures, problems)
}

/// The body of a checkpoint (C2SP tlog-checkpoint): origin, size, root hash, extension lines.
struct Checkpoint<'a> {
    origin: &'a str,
    size: u64,
    root: Vec<u8>,
    extensions: Vec<&'a str>,
}

impl<'a> Checkpoint<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let origin = lines.next().filter(|origin| !origin.is_empty())?;
        let size = lines.next()?;
        let plain = size == "0" || (!size.starts_with('0') && size.bytes().all(|byte| byte.is_ascii_digit()));
        let size = size.parse().ok().filter(|_| plain)?;
        let root = BASE64.decode(lines.next()?.as_bytes()).ok().filter(|root| root.len() == 32)?;
        Some(Self { origin, size, root, extensions: lines.collect() })
    }
}

impl Note {
    pub(super) fn show(&self, page: &mut Page) {
        page.fact("format", self.format);
        if let Some(key) = &self.key {
            page.fact("name", &key.name);
            page.fact("key id", &key.key_id);
        }
        if let Some(origin) = &self.origin {
            page.fact("origin", origin);
            page.known("size", self.size);
            page.known("root", self.root.clone());
            self.extensions.iter().for_each(|line| page.fact("extension", line));
        } else {
            self.text.iter().flat_map(|text| text.lines()).for_each(|line| page.fact("text", line));
        }
        if self.signatures.is_empty() {
            return;
        }
        page.heading("Signatures");
        for signed in &self.signatures {
            let sign = match signed.result {
                "holds" => "✓",
                "no key given" => "?",
                _ => "✗",
            };
            let time = signed.time.map_or_else(String::new, |time| format!(", made at {time} seconds since 1970"));
            page.sign(sign, &format!("{} {}: {}{time}", signed.signer.name, signed.signer.key_id, signed.result));
        }
    }
}
