//! The gate's settings and secrets, from their files.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use avouch_attestor::{HmacKey, Loaded, MAX_SETTINGS_BYTES, Profile, Reading, SecretPath, Settings, SocketSettings};

use super::GateError;
use super::arguments::{GateArgs, PathProfile};
use super::http::{Secret, SecretError};

/// The gate's Unix socket where the settings name none; root alone may ask there.
const SOCKET: &str = "/run/avouch-gate/gate.sock";

/// Settings and where they came from.
#[derive(Debug)]
pub(super) struct Found {
    /// What they say.
    pub(super) loaded: Loaded,
    /// The file; `None` where there is none, so that everything is a default.
    pub(super) path: Option<PathBuf>,
}

/// Reads the settings that `args` mean.
///
/// # Errors
/// [`GateError::Read`], [`GateError::Settings`]. No file is an error only where one was named.
pub(super) fn load(args: &GateArgs) -> Result<Found, GateError> {
    read(args.settings.as_deref(), args.profile)
}

/// Reads `named`, else the file of the profile.
///
/// # Errors
/// As [`load`].
pub(super) fn read(named: Option<&Path>, profile: PathProfile) -> Result<Found, GateError> {
    let profile = Profile::from(profile);
    let path = named.map_or_else(|| profile.settings_path().into(), Path::to_owned);
    let text = match text_of(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => {
            let loaded = parse(Path::new("defaults.toml"), "", profile)?;
            return Ok(Found { loaded, path: None });
        }
        Err(error) => return Err(GateError::Read { path, error }),
    };
    Ok(Found { loaded: parse(&path, &text, profile)?, path: Some(path) })
}

fn parse(path: &Path, text: &str, profile: Profile) -> Result<Loaded, GateError> {
    let is_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    let parsed = if is_yaml { Settings::from_yaml(text, profile) } else { Settings::from_toml(text, profile) };
    let mut loaded = parsed.map_err(|error| GateError::Settings { path: path.to_owned(), error })?;
    // Acknowledging and waiting go through it, whatever else is listened on.
    loaded.settings.socket.get_or_insert_with(|| SocketSettings {
        path: SOCKET.into(),
        uids: Vec::new(),
        gids: Vec::new(),
    });
    Ok(loaded)
}

fn text_of(path: &Path) -> io::Result<String> {
    let limit = u64::try_from(MAX_SETTINGS_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_string(&mut text)?;
    Ok(text)
}

/// The directory with this service's credentials; systemd names it in the environment.
pub(super) fn credentials() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Reads a secret. `Ok(None)`: there is none. A credential with the name of a file stands for the file, so that a unit
/// may hand over what only root can read (`LoadCredential=NAME:/path/NAME`).
///
/// # Errors
/// [`SecretError`] where there is one that cannot be relied on.
pub(super) fn secret(at: &SecretPath, credentials: Option<&Path>) -> Result<Option<Secret>, SecretError> {
    let Some(path) = handed(at, credentials) else { return Ok(None) };
    match Secret::read(&path, credentials) {
        Ok(secret) => Ok(Some(secret)),
        Err(SecretError::Read { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where a secret is read.
pub(super) fn handed(at: &SecretPath, credentials: Option<&Path>) -> Option<PathBuf> {
    let path = at.resolve(credentials)?;
    let credential = credentials.zip(path.file_name()).map(|(directory, name)| directory.join(name));
    Some(credential.filter(|path| path.exists()).unwrap_or(path))
}

/// Reads the HMAC key, as runs want it.
pub(super) fn hmac_key(settings: &Settings, credentials: Option<&Path>) -> Reading<HmacKey> {
    match secret(&settings.hmac_key_path, credentials) {
        Ok(None) => Reading::Absent,
        Ok(Some(secret)) => match HmacKey::from_file(secret.digits().as_bytes()) {
            Ok(key) => Reading::Value(key),
            Err(error) => Reading::Unreadable(error.to_string()),
        },
        Err(error) => Reading::Unreadable(format!("{error}; to do: {}", error.remedy())),
    }
}

impl From<PathProfile> for Profile {
    fn from(profile: PathProfile) -> Self {
        match profile {
            PathProfile::Avouch => Self::Avouch,
            PathProfile::SecureAi => Self::SecureAi,
        }
    }
}
