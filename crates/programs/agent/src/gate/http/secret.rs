//! Files with a secret of 32 bytes in hexadecimal: bearer tokens and keys of HMACs.
//!
//! A file is taken only if nobody else can have read or changed it and if it has exactly one spelling: 64 lower-case
//! hexadecimal digits, and a line feed or none. Whoever generates it writes it with `openssl rand -hex 32`; systemd
//! hands it to the service with `LoadCredential=`.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use avouch_crypto::constant_time_eq;
use data_encoding::HEXLOWER;
use rustix::fs::OFlags;
use rustix::process::geteuid;
use thiserror::Error;
use zeroize::Zeroizing;

/// Digits of a secret.
const DIGITS: usize = 64;

/// A secret as its file spells it; forgotten with the last owner.
pub struct Secret(Zeroizing<[u8; DIGITS]>);

/// Why a file holds no secret that can be relied on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Others can read or write it.
    #[error("{} has mode {mode:04o}: others than its owner may read or change it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Something other than 64 lower-case hexadecimal digits and at most one line feed.
    #[error("{} does not hold exactly 64 lower-case hexadecimal digits", path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// It belongs to another user, who can read and change it.
    #[error("{} belongs to user {owner}, neither root nor this service", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its user.
        owner: u32,
    },
    /// It cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// A symbolic link, a directory, a device or a pipe.
    #[error("{} is no regular file", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// Somebody wrote it meanwhile.
    #[error("{} changed while it was read", path.display())]
    Unstable {
        /// The file.
        path: PathBuf,
    },
}

// === impl Secret ===

impl Secret {
    /// Reads `path`. In `credentials`, the directory that systemd made for this service (`$CREDENTIALS_DIRECTORY`), a
    /// file may also show as readable for its group: systemd shares it with an access control list, and the group
    /// bits are then that list's mask.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn read(path: &Path, credentials: Option<&Path>) -> Result<Self, SecretError> {
        let failed = |error| SecretError::Read { path: path.into(), error };
        let file = open(path)?;
        let before = file.metadata().map_err(failed)?;
        check(path, &before, credentials.is_some_and(|directory| path.parent() == Some(directory)))?;
        // One byte more than the longest form, so that a longer file shows.
        let mut bytes = Zeroizing::new([0; DIGITS + 2]);
        let length = fill(&file, bytes.as_mut_slice()).map_err(failed)?;
        let after = file.metadata().map_err(failed)?;
        if !is_same(&before, &after) || u64::try_from(length).ok() != Some(after.len().min(66)) {
            return Err(SecretError::Unstable { path: path.into() });
        }
        let form = || SecretError::Form { path: path.into() };
        Self::parse(bytes.get(..length).unwrap_or_default()).ok_or_else(form)
    }

    /// The one spelling of a secret, with a line feed or without.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let digits = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let digits: [u8; DIGITS] = digits.try_into().ok()?;
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        digits.iter().all(is_digit).then(|| Self(Zeroizing::new(digits)))
    }

    /// Whether `presented` is this secret. How long it takes tells nothing but the length of what was presented.
    pub fn is(&self, presented: &[u8]) -> bool {
        constant_time_eq(self.0.as_slice(), presented)
    }

    /// The digits, for a header of an own request.
    pub fn digits(&self) -> &str {
        // Hexadecimal digits are text.
        std::str::from_utf8(self.0.as_slice()).unwrap_or_default()
    }

    /// The 32 bytes that the digits stand for: the key of an HMAC.
    pub fn bytes(&self) -> Zeroizing<[u8; 32]> {
        let mut bytes = Zeroizing::new([0; DIGITS / 2]);
        let decoded = HEXLOWER.decode_mut(self.0.as_slice(), bytes.as_mut_slice());
        debug_assert!(decoded.is_ok(), "checked by parse");
        bytes
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

// === impl SecretError ===

impl SecretError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Exposed { path, .. } => {
                format!("`chmod 0400 {0}`, and replace the secret, which others may have read", path.display())
            }
            Self::Form { path } => format!("make a new one: `openssl rand -hex 32 > {}`", path.display()),
            Self::Kind { path } => format!("replace {} by a regular file: no link is followed", path.display()),
            Self::Owner { path, .. } => format!("`chown root {0} && chmod 0400 {0}`", path.display()),
            Self::Read { .. } => {
                "make the file, or hand it to the service with `LoadCredential=` in its unit".to_owned()
            }
            Self::Unstable { .. } => "write secrets beside their place and rename them, then restart".to_owned(),
        }
    }
}

/// Follows no link in the last part of the path, and does not wait for the writer of a pipe.
fn open(path: &Path) -> Result<File, SecretError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    opened.map_err(|error| match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => SecretError::Kind { path: path.into() },
        _ => SecretError::Read { path: path.into(), error },
    })
}

fn check(path: &Path, found: &Metadata, is_credential: bool) -> Result<(), SecretError> {
    if !found.is_file() {
        return Err(SecretError::Kind { path: path.into() });
    }
    if found.uid() != 0 && found.uid() != geteuid().as_raw() {
        return Err(SecretError::Owner { path: path.into(), owner: found.uid() });
    }
    let refused = if is_credential { 0o037 } else { 0o077 };
    if found.mode() & refused != 0 {
        return Err(SecretError::Exposed { path: path.into(), mode: found.mode() & 0o7777 });
    }
    Ok(())
}

fn is_same(before: &Metadata, after: &Metadata) -> bool {
    let stamp = |found: &Metadata| (found.len(), found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec());
    stamp(before) == stamp(after)
}

/// How many bytes came before the end.
fn fill(mut file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const GOOD: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("service-token");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    fn read(content: &str, mode: u32) -> Result<Secret, SecretError> {
        let (_dir, path) = file(content, mode);
        Secret::read(&path, None)
    }

    #[test]
    fn a_secret_has_one_spelling() {
        for good in [GOOD.to_owned(), format!("{GOOD}\n")] {
            let secret = read(&good, 0o400).unwrap();
            assert!(secret.is(GOOD.as_bytes()) && secret.digits() == GOOD);
            assert_eq!(secret.bytes()[..4], [0x00, 0x11, 0x22, 0x33]);
        }
        let upper = GOOD.to_uppercase();
        let (short, long) = (&GOOD[1..], format!("{GOOD}0"));
        for bad in [
            "",
            "\n",
            short,
            &upper,
            &long,
            &format!("{GOOD}\n\n"),
            &format!("{GOOD}\r\n"),
            &format!(" {GOOD}"),
            &format!("{GOOD} "),
            &format!("{GOOD}\n{GOOD}"),
            &GOOD.replace('f', "g"),
        ] {
            let refused = read(bad, 0o400);
            assert!(matches!(refused, Err(SecretError::Form { .. })), "{bad:?}: {refused:?}");
        }
    }

    #[test]
    fn only_the_very_secret_matches() {
        let secret = Secret::parse(GOOD.as_bytes()).unwrap();
        let mut other = GOOD.to_owned().into_bytes();
        for at in 0..other.len() {
            other[at] ^= 1;
            assert!(!secret.is(&other), "{at}");
            other[at] ^= 1;
        }
        for wrong in [&b""[..], &GOOD.as_bytes()[..63], &[GOOD.as_bytes(), b"0"].concat()] {
            assert!(!secret.is(wrong));
        }
        assert!(!format!("{secret:?}").contains("00"));
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        for mode in [0o644, 0o640, 0o604, 0o620, 0o602, 0o440] {
            let refused = read(GOOD, mode);
            assert!(matches!(refused, Err(SecretError::Exposed { .. })), "{mode:o}: {refused:?}");
        }
        for mode in [0o400, 0o600, 0o700] {
            assert!(read(GOOD, mode).is_ok(), "{mode:o}");
        }
        // Only root can give a file away.
        if geteuid().is_root() {
            let (_dir, path) = file(GOOD, 0o400);
            std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
            assert!(matches!(Secret::read(&path, None), Err(SecretError::Owner { owner: 65_534, .. })));
        }
    }

    #[test]
    fn a_credential_of_systemd_may_be_shared_with_its_group_and_nothing_else() {
        for (mode, taken) in [(0o440, true), (0o400, true), (0o460, false), (0o444, false), (0o442, false)] {
            let (dir, path) = file(GOOD, mode);
            assert_eq!(Secret::read(&path, Some(dir.path())).is_ok(), taken, "{mode:o}");
            let elsewhere = tempfile::tempdir().unwrap();
            assert_eq!(Secret::read(&path, Some(elsewhere.path())).is_ok(), mode == 0o400, "{mode:o}");
        }
    }

    #[test]
    fn links_directories_and_pipes_are_refused() {
        let (dir, path) = file(GOOD, 0o400);
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o400),
            0,
        )
        .unwrap();
        for other in [link.as_path(), dir.path(), &pipe] {
            let refused = Secret::read(other, None);
            assert!(matches!(refused, Err(SecretError::Kind { .. })), "{}: {refused:?}", other.display());
        }
        let refused = Secret::read(&dir.path().join("absent"), None).unwrap_err();
        assert!(matches!(refused, SecretError::Read { .. }) && refused.remedy().contains("LoadCredential="));
    }
}
