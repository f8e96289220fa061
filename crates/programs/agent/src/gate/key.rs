//! `gate key`: secrets that a gate works with, made on this machine and never printed; and the TPM's public key.

use std::path::Path;

use avouch_attestor::PublicAk;
use avouch_crypto::signing::SigningKey;
use avouch_crypto::{CryptoError, random};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::json;
use zeroize::Zeroizing;

use super::arguments::{GateArgs, KeyArgs, KeyKind};
use super::{GateError, facts, settings};
use crate::durable;

/// Mode of a secret.
const KEY_MODE: u32 = 0o600;
/// Mode of a public key.
const PUBLIC_MODE: u32 = 0o644;

/// Does what `args` ask for; what it returns is printed.
pub(super) fn execute(gate: &GateArgs, args: &KeyArgs) -> Result<String, GateError> {
    match &args.output {
        _ if args.kind == KeyKind::Tpm => tpm(gate, args),
        Some(path) => make(args.kind, path, args.json),
        None => Err(GateError::NotNamed("file for the key (--output)")),
    }
}

/// The public key by which the TPM signs bundles: PEM, and for whoever pins it the other names under which it is known.
fn tpm(gate: &GateArgs, args: &KeyArgs) -> Result<String, GateError> {
    let settings = settings::load(gate)?.loaded.settings;
    let public = facts::kept_key(&settings).map_err(|error| GateError::Tpm(Box::new(error)))?;
    let public = public.ok_or_else(|| GateError::NoTpmKey { state_dir: settings.state_dir.clone() })?;
    let unusable = |error: CryptoError| GateError::KeyFile { path: settings.state_dir, why: error.to_string() };
    let key = PublicAk::of(&public).map_err(unusable)?;
    if let Some(path) = &args.output {
        let failed = |error| GateError::Write { path: path.clone(), error };
        durable::exchange(path, PUBLIC_MODE, key.pem().as_bytes()).map_err(failed)?;
    }
    if args.json {
        let document = json!({
            "version": 1, "pem": key.pem(), "name": key.name(), "sha256": key.sha256().to_hex(),
            "tpmt_public": BASE64.encode(&public),
        });
        return Ok(format!("{document:#}\n"));
    }
    let pem = if args.output.is_some() { "" } else { key.pem() };
    Ok(format!("{pem}Name:    {}\nSHA-256: {} (tpm_ak_public_key_sha256 in bundles)\n", key.name(), key.sha256()))
}

/// Makes a secret.
fn make(kind: KeyKind, path: &Path, json: bool) -> Result<String, GateError> {
    let at = path.display();
    let told = |text: String| {
        if json { format!("{:#}\n", json!({ "version": 1, "path": path, "text": text })) } else { text }
    };
    match kind {
        KeyKind::Baseline => {
            let key = SigningKey::generate().map_err(|error| GateError::Key { path: path.to_owned(), error })?;
            write(path, key.to_pem().as_bytes())?;
            Ok(told(format!(
                "The private key is in {at}; keep it away from the machines that it speaks for.\n\
                 On each of them, in /etc/avouch/gate.toml:\n\n\
                 [baseline]\npath = \"/etc/avouch/gate-baseline.json\"\nkey = \"{}\"\n",
                BASE64.encode(&key.public())
            )))
        }
        KeyKind::Hmac | KeyKind::Token | KeyKind::Tpm => {
            let bytes = Zeroizing::new(random::<32>());
            let digits = Zeroizing::new(HEXLOWER.encode(bytes.as_slice()) + "\n");
            write(path, digits.as_bytes())?;
            let what = if kind == KeyKind::Hmac { "key of the bundles' HMAC" } else { "token" };
            Ok(told(format!("The {what} is in {at}. Restart or reload the gate to have it used.\n")))
        }
    }
}

/// A key that is there may be the only one that somebody relies on: it is never replaced.
fn write(path: &Path, bytes: &[u8]) -> Result<(), GateError> {
    durable::create(path, KEY_MODE, bytes).map_err(|error| GateError::Write { path: path.to_owned(), error })
}
