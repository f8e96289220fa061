//! `gate audit verify`: the chain of all lines, their HMACs, and a head that was kept elsewhere.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use avouch_attestor::audit::{Broken, BrokenWhy, Chain, MAX_LINE_BYTES, Tail};
use avouch_attestor::{Hash, HmacKey, HmacRefusal, verify_hmac};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::arguments::{AuditVerifyArgs, GateArgs};
use super::commands::{MAX_KEY_BYTES, read, say, say_json};
use super::{GateError, settings};
use crate::cli::Exit;

/// A line of a file, from 1.
type Place = (PathBuf, u64);

/// What is looked for in every line beside the chain.
struct Looked {
    keys: Vec<HmacKey>,
    head: Option<Hash>,
    /// Lines whose HMAC holds under one of the keys.
    signed: u64,
    unsigned: u64,
    /// The first line whose HMAC does not hold, or that is unsigned where none before it fails.
    refused: Option<(Place, HmacRefusal)>,
    /// The line with the hash that was kept.
    found: Option<Place>,
}

/// What the log came to.
struct Outcome {
    lines: u64,
    tail: Tail,
    broken: Option<(PathBuf, Broken)>,
    looked: Looked,
}

/// Does what `args` ask for.
pub(super) fn verify(gate: &GateArgs, args: &AuditVerifyArgs) -> Result<Exit, GateError> {
    let files = match args.files.as_slice() {
        [] => vec![settings::load(gate)?.loaded.settings.audit_log_path],
        files => files.to_vec(),
    };
    let keys = args.hmac_keys.iter().map(|path| key(path)).collect::<Result<_, _>>()?;
    let mut looked = Looked { keys, head: args.head, signed: 0, unsigned: 0, refused: None, found: None };
    let (mut chain, mut lines, mut broken) = (Chain::new(), 0, None);
    for path in files {
        // Each file's lines are counted for themselves: that is where a person looks.
        chain = Chain::after(chain.tail());
        let read = lines_of(&path, &mut chain, &mut looked)?;
        lines += chain.lines();
        if let Err(why) = read {
            broken = Some((path, why));
            break;
        }
    }
    let outcome = Outcome { lines, tail: chain.tail(), broken, looked };
    if args.json {
        say_json(&outcome.json())?
    } else {
        say(&outcome.text())
    }
    Ok(outcome.exit())
}

/// Reads line by line: a log of years is longer than memory.
fn lines_of(path: &Path, chain: &mut Chain, looked: &mut Looked) -> Result<Result<(), Broken>, GateError> {
    let failed = |error| GateError::Read { path: path.to_owned(), error };
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX).saturating_add(2);
    let mut line = Vec::new();
    loop {
        line.clear();
        file.by_ref().take(limit).read_until(b'\n', &mut line).map_err(failed)?;
        let taken = match line.strip_suffix(b"\n") {
            _ if line.is_empty() => return Ok(Ok(())),
            Some(whole) => chain.push(whole).map(|()| looked.look(path, whole, chain)),
            None if line.len() > MAX_LINE_BYTES => chain.push(&line),
            None => chain.end(&line).map(drop),
        };
        if let Err(broken) = taken {
            return Ok(Err(broken));
        }
    }
}

fn key(path: &Path) -> Result<HmacKey, GateError> {
    let bytes = read(path, MAX_KEY_BYTES).map(Zeroizing::new)?;
    HmacKey::from_file(&bytes).map_err(|error| GateError::KeyFile { path: path.to_owned(), why: error.to_string() })
}

// === impl Looked ===

impl Looked {
    /// A line that continues the chain.
    fn look(&mut self, path: &Path, line: &[u8], chain: &Chain) {
        let place = || (path.to_owned(), chain.lines());
        if self.found.is_none() && self.head == Some(chain.tail().hash) {
            self.found = Some(place());
        }
        let mut refusals = self.keys.iter().map(|key| verify_hmac(line, key));
        let Some(first) = refusals.next() else { return };
        let Err(refusal) = refusals.fold(first, Result::or) else {
            self.signed += 1;
            return;
        };
        self.unsigned += u64::from(refusal == HmacRefusal::Unsigned);
        let graver =
            |(_, before): &(Place, HmacRefusal)| *before == HmacRefusal::Unsigned && refusal != HmacRefusal::Unsigned;
        if self.refused.as_ref().is_none_or(graver) {
            self.refused = Some((place(), refusal));
        }
    }
}

// === impl Outcome ===

impl Outcome {
    fn torn(&self) -> bool {
        self.broken.as_ref().is_some_and(|(_, broken)| broken.why == BrokenWhy::Torn)
    }

    fn exit(&self) -> Exit {
        let changed = self.broken.is_some() && !self.torn();
        let refused = self.looked.refused.as_ref().map(|(_, refusal)| *refusal);
        let headless = self.looked.head.is_some() && self.looked.found.is_none();
        if changed || headless || refused.is_some_and(|refusal| refusal != HmacRefusal::Unsigned) {
            return Exit::Fail;
        }
        if self.torn() || refused.is_some() { Exit::Unverifiable } else { Exit::Done }
    }

    fn json(&self) -> Value {
        let Looked { keys, head, signed, unsigned, refused, found } = &self.looked;
        let broken = self.broken.as_ref().map(|(path, broken)| {
            json!({ "path": path, "line": broken.line, "why": broken.to_string(), "torn": self.torn() })
        });
        let refused = refused
            .as_ref()
            .map(|((path, line), refusal)| json!({ "path": path, "line": line, "why": refusal.to_string() }));
        let hmac = (!keys.is_empty()).then(|| json!({ "signed": signed, "unsigned": unsigned, "refused": refused }));
        let found = found.as_ref().map(|(path, line)| json!({ "path": path, "line": line }));
        json!({
            "version": 1, "lines": self.lines, "seq": self.tail.seq, "hash": self.tail.hash.to_hex(), "broken": broken,
            "hmac": hmac, "head": head.map(|head| json!({ "hash": head.to_hex(), "found": found })),
        })
    }

    fn text(&self) -> String {
        let Looked { keys, head, signed, unsigned, refused, found } = &self.looked;
        let (lines, tail) = (self.lines, self.tail);
        let mut text = match &self.broken {
            None => format!("{lines} lines, whole. The last is number {}, with the hash {}.\n", tail.seq, tail.hash),
            Some((path, broken)) => format!("{}: {broken}. {lines} lines before it are good.\n", path.display()),
        };
        let mut add = |line: String| text += &(line + "\n");
        if !keys.is_empty() {
            add(format!("The HMAC of {signed} lines holds; {unsigned} are unsigned."));
        }
        if let Some(((path, line), refusal)) = refused {
            add(format!("{}: line {line}: {refusal}.", path.display()));
        }
        match (head, found) {
            (None, _) if keys.is_empty() => add(
                "Whoever can write the file can have written it anew: keep this hash elsewhere, and give it back with --head."
                    .to_owned(),
            ),
            (None, _) => {}
            (Some(_), Some((path, line))) => {
                add(format!("The head that was kept is line {line} of {}: up to it nothing was changed.", path.display()));
            }
            (Some(head), None) => add(format!(
                "No line has the hash {head} that was kept: the log was cut or written anew, or is another one."
            )),
        }
        text
    }
}
