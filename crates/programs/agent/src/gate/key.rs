//! `gate key`: secrets that a gate works with, made on this machine and never printed.

use std::path::Path;

use avouch_crypto::random;
use avouch_crypto::signing::SigningKey;
use data_encoding::{BASE64, HEXLOWER};
use zeroize::Zeroizing;

use super::GateError;
use super::arguments::{KeyArgs, KeyKind};
use crate::durable;

/// Mode of a secret.
const KEY_MODE: u32 = 0o600;

/// Makes what `args` ask for; what it returns is for people.
pub(super) fn make(args: &KeyArgs) -> Result<String, GateError> {
    let path = &args.output;
    let at = path.display();
    match args.kind {
        KeyKind::Baseline => {
            let key = SigningKey::generate().map_err(|error| GateError::Key { path: path.clone(), error })?;
            write(path, key.to_pem().as_bytes())?;
            Ok(format!(
                "The private key is in {at}; keep it away from the machines that it speaks for.\n\
                 On each of them, in /etc/avouch/gate.toml:\n\n\
                 [baseline]\npath = \"/etc/avouch/gate-baseline.json\"\nkey = \"{}\"\n",
                BASE64.encode(&key.public())
            ))
        }
        KeyKind::Hmac | KeyKind::Token => {
            let bytes = Zeroizing::new(random::<32>());
            let digits = Zeroizing::new(HEXLOWER.encode(bytes.as_slice()) + "\n");
            write(path, digits.as_bytes())?;
            let what = if args.kind == KeyKind::Hmac { "key of the bundles' HMAC" } else { "token" };
            Ok(format!("The {what} is in {at}. Restart the gate to have it used.\n"))
        }
    }
}

/// A key that is there may be the only one that somebody relies on: it is never replaced.
fn write(path: &Path, bytes: &[u8]) -> Result<(), GateError> {
    durable::create(path, KEY_MODE, bytes).map_err(|error| GateError::Write { path: path.to_owned(), error })
}
