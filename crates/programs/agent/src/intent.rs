//! What this machine should have: read, shown to a person, signed, and believed only from the pinned key.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};

use avouch_crypto::client_key::KeyError;
use avouch_crypto::signing::{SigningKey, verify_ed25519};
use avouch_pairs::Intent;
use avouch_protocol::MAX_INTENT_BYTES;
use avouch_protocol::intent::{IntentError, IntentFile, SignedIntent};
use data_encoding::BASE64;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::cli::{Exit, IntentCommand, IntentConfirmArgs, IntentKeyArgs, IntentShowArgs};
use crate::config::{Config, PinnedIntent};
use crate::durable;
use crate::error::AgentError;

/// Mode of a private key.
const KEY_MODE: u32 = 0o600;
/// Mode of a signed intent: it holds no secret.
const INTENT_MODE: u32 = 0o644;

/// An intent and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// As it is written.
    pub file: IntentFile,
    /// What it says.
    pub intent: Intent,
    /// Where it came from and who stands for it, in words.
    pub source: String,
}

/// Why there is no intent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IntentTrouble {
    /// No intent is named.
    #[error("no intent is named, neither on the command line nor in the configuration")]
    None,
    /// The file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// It is no intent, or not one to be believed.
    #[error("{}: {error}", path.display())]
    Text {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: IntentError,
    },
    /// Nobody signed what the configuration names.
    #[error("the intent {} is not signed", path.display())]
    Unsigned {
        /// Which file.
        path: PathBuf,
    },
    /// It is signed, and the configuration names no key.
    #[error("the intent {} is signed, and the configuration says not by whom it must be", path.display())]
    NoPin {
        /// Which file.
        path: PathBuf,
    },
    /// The private key cannot be used.
    #[error("{} holds no usable Ed25519 key: {error}", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// A file cannot be written, or is there already.
    #[error("{} cannot be written: {error}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// A person said no.
    #[error("not signed: the answer was not yes")]
    Declined,
}

/// Does what `intent …` asks.
///
/// # Errors
/// [`AgentError::Intent`].
pub fn execute(config: &Config, command: &IntentCommand) -> Result<Exit, AgentError> {
    match command {
        IntentCommand::Key(args) => make_key(args)?,
        IntentCommand::Confirm(args) => confirm(args)?,
        IntentCommand::Show(args) => show(config, args)?,
    }
    Ok(Exit::Done)
}

/// The intent that observations on this node are judged by: the one `named`, which may be unsigned, for it is a person
/// who names it; else the one of the configuration, which must carry the pinned key's signature.
///
/// # Errors
/// [`IntentTrouble`]; an intent that cannot be believed is never left out in silence.
pub fn declared(config: &Config, named: Option<&Path>) -> Result<Option<Declared>, IntentTrouble> {
    let by_key = config.observe.intent.as_ref();
    match named {
        Some(path) => read(path, by_key, true).map(Some),
        None => pinned(by_key),
    }
}

/// The intent that is pinned, which must carry the pinned key's signature.
///
/// # Errors
/// As [`declared`].
pub fn pinned(pinned: Option<&PinnedIntent>) -> Result<Option<Declared>, IntentTrouble> {
    pinned.map(|pinned| read(&pinned.path, Some(pinned), false)).transpose()
}

fn read(path: &Path, pinned: Option<&PinnedIntent>, unsigned_may_be: bool) -> Result<Declared, IntentTrouble> {
    let bytes = bytes_of(path)?;
    let wrong = |error| IntentTrouble::Text { path: path.into(), error };
    let (file, by) = match SignedIntent::from_json(&bytes) {
        Ok(signed) => {
            let pinned = pinned.ok_or_else(|| IntentTrouble::NoPin { path: path.into() })?;
            (signed.open(&[pinned.key], holds).map_err(wrong)?, "signed by the pinned key")
        }
        Err(_) => (IntentFile::from_json(&bytes).map_err(wrong)?, "not signed"),
    };
    if by == "not signed" && !unsigned_may_be {
        return Err(IntentTrouble::Unsigned { path: path.into() });
    }
    let intent = file.intent().map_err(wrong)?;
    Ok(Declared { source: format!("{:?} of {}, {by}", file.name, path.display()), intent, file })
}

fn holds(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    verify_ed25519(key, message, signature).is_ok()
}

fn make_key(args: &IntentKeyArgs) -> Result<(), IntentTrouble> {
    let path = &args.output;
    let key = SigningKey::generate().map_err(|error| IntentTrouble::Key { path: path.clone(), error })?;
    // A key that is there may be the only one that some machine believes: it is never replaced.
    durable::create(path, KEY_MODE, key.to_pem().as_bytes())
        .map_err(|error| IntentTrouble::Write { path: path.clone(), error })?;
    say(&format!(
        "The private key is in {}; keep it away from the machines that it speaks for.\n\
         On each of them, in /etc/avouch/agent.toml:\n\n\
         [observe]\nintent = \"/etc/avouch/intent.json\"\nintent_key = \"{}\"\n",
        path.display(),
        BASE64.encode(&key.public()),
    ));
    Ok(())
}

fn confirm(args: &IntentConfirmArgs) -> Result<(), IntentTrouble> {
    let bytes = bytes_of(&args.intent)?;
    let wrong = |error| IntentTrouble::Text { path: args.intent.clone(), error };
    let file = IntentFile::from_json(&bytes).map_err(wrong)?;
    file.intent().map_err(wrong)?;
    let key = private_key(&args.key)?;
    say(&text_of(&file));
    if !args.yes && !answered_yes("This is what the machine should be. Sign it? [y/N] ") {
        return Err(IntentTrouble::Declined);
    }
    // The exact bytes that were read are signed: nobody else's spelling of them.
    let signature = key.sign(&SignedIntent::signed_bytes(&bytes));
    let signed = SignedIntent::of(&bytes, &key.public(), &signature).to_json();
    durable::exchange(&args.output, INTENT_MODE, signed.as_bytes())
        .map_err(|error| IntentTrouble::Write { path: args.output.clone(), error })?;
    say(&format!("Signed: {}\nKey:    {}\n", args.output.display(), BASE64.encode(&key.public())));
    Ok(())
}

fn show(config: &Config, args: &IntentShowArgs) -> Result<(), IntentTrouble> {
    let declared = declared(config, args.intent.as_deref())?.ok_or(IntentTrouble::None)?;
    if args.json {
        say(&declared.file.to_json());
    } else {
        say(&format!("Intent {}\n{}", declared.source, text_of(&declared.file)));
    }
    Ok(())
}

/// Every word of it: what a person signs, the person has seen.
fn text_of(file: &IntentFile) -> String {
    let mut text = String::new();
    let line = |text: &mut String, name: &str, value: &str| {
        let _ = writeln!(text, "{name:<16}{}", printable(value));
    };
    line(&mut text, "Name:", &file.name);
    line(&mut text, "Made:", &file.created);
    for (name, values) in
        [("Must be active:", &file.units), ("Listens on:", &file.listeners), ("Not applicable:", &file.not_applicable)]
    {
        values.iter().for_each(|value| line(&mut text, name, value));
    }
    if file.tolerate_inconclusive {
        line(&mut text, "Tolerated:", "levels of which not everything can be read");
    }
    for (subject, attributes) in &file.subjects {
        line(&mut text, "Subject:", subject);
        for (attribute, value) in attributes {
            let _ = writeln!(text, "    {} = {}", printable(attribute), printable(value));
        }
    }
    text
}

/// On one line, and without anything that a terminal would act on.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

pub(crate) fn answered_yes(question: &str) -> bool {
    eprint!("{question}");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn private_key(path: &Path) -> Result<SigningKey, IntentTrouble> {
    let read = |error| IntentTrouble::Read { path: path.into(), error };
    let pem = Zeroizing::new(fs::read_to_string(path).map_err(read)?);
    SigningKey::from_pem(&pem).map_err(|error| IntentTrouble::Key { path: path.into(), error })
}

/// Base64 in the envelope takes four bytes for three.
fn bytes_of(path: &Path) -> Result<Vec<u8>, IntentTrouble> {
    let limit = u64::try_from(MAX_INTENT_BYTES).unwrap_or(u64::MAX).saturating_mul(2);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes));
    read.map_err(|error| IntentTrouble::Read { path: path.into(), error })?;
    Ok(bytes)
}

fn say(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

// === impl IntentTrouble ===

impl IntentTrouble {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::None => {
                "name the file, or set `intent` and `intent_key` in section `observe` of /etc/avouch/agent.toml"
            }
            Self::Read { .. } => "check the path, and run as a user who may read it",
            Self::Text { .. } => "mend the intent and confirm it again: `avouch-agent intent confirm`",
            Self::Unsigned { .. } => "confirm it: `avouch-agent intent confirm`; until then name it with --intent",
            Self::NoPin { .. } => "set `intent_key` in section `observe` of /etc/avouch/agent.toml",
            Self::Key { .. } => "make a key with `avouch-agent intent key`",
            Self::Write { .. } => "choose a path that is writable, and for a key one that does not exist yet",
            Self::Declined => "mend what is wrong in the file, then confirm it again",
        }
    }
}
