//! The server's word, for gates that are told to ask it: the newest receipt of `avouch-agent run`.
//!
//! The gate has no network and no key of the node. The talker, which checked the receipt's signature, leaves what it
//! says beside the collector's socket, where only root can write; how long it holds is counted on CLOCK_BOOTTIME.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use avouch_attestor::ServerWord;
use avouch_protocol::Status;
use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::durable;
use crate::receipt::VerifiedReceipt;

/// The file's name.
const NAME: &str = "receipt.json";
/// It holds no secret.
const FILE_MODE: u32 = 0o644;
/// A few hundred bytes.
const MAX_BYTES: u64 = 16 * 1024;

/// Where the word is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSource {
    path: PathBuf,
}

/// What a receipt says, and when it came.
#[derive(Debug, Serialize, Deserialize)]
struct Word {
    version: u32,
    /// `pass`, or another status.
    status: String,
    /// The gravest finding; empty where there is none.
    code: String,
    /// Unix seconds of server time.
    time: u64,
    /// Unix seconds of server time.
    expires: u64,
    /// CLOCK_BOOTTIME in milliseconds when it came.
    came_ms: u64,
}

// === impl ServerSource ===

impl ServerSource {
    /// Beside the collector's socket.
    pub fn beside(collector: &Path) -> Self {
        Self { path: collector.with_file_name(NAME) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves what `receipt` says for gates on this machine.
    ///
    /// # Errors
    /// The system's answer.
    pub fn leave(&self, receipt: &VerifiedReceipt) -> io::Result<()> {
        let message = receipt.message();
        let word = Word {
            version: 1,
            status: message.status.to_string(),
            code: message.code.clone(),
            time: message.time,
            expires: message.expires,
            came_ms: Moment::now().milliseconds(),
        };
        durable::exchange(&self.path, FILE_MODE, &serde_json::to_vec(&word)?)
    }

    /// What the server said last. A word that is not there, not root's or over is silence.
    pub fn word(&self) -> ServerWord {
        let to_do = "enrol this machine (`avouch-agent enroll`), or where it is enrolled see why avouch-agent.service \
                     brings no receipt: `avouch-agent status`";
        match self.read() {
            Ok(word) => word.judged(Moment::now().milliseconds()),
            Err(error) => {
                ServerWord::Silent { why: format!("{} cannot be used: {error}; {to_do}", self.path.display()) }
            }
        }
    }

    /// Whether what the server says now is something else than `word`; a newer pass is not.
    pub fn says_other_than(&self, word: &ServerWord) -> bool {
        match (self.word(), word) {
            (ServerWord::Pass { .. }, ServerWord::Pass { .. }) => false,
            (now, word) => now != *word,
        }
    }

    fn read(&self) -> io::Result<Word> {
        let file = File::open(&self.path)?;
        let found = file.metadata()?;
        let ours = found.uid() == 0 || found.uid() == rustix::process::geteuid().as_raw();
        if !ours || found.mode() & 0o022 != 0 {
            return Err(io::Error::new(ErrorKind::PermissionDenied, "others than root can write it"));
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        serde_json::from_slice(&bytes).map_err(io::Error::from)
    }
}

// === impl Word ===

impl Word {
    fn judged(self, now_ms: u64) -> ServerWord {
        let holds_ms = self.expires.saturating_sub(self.time).saturating_mul(1000);
        if self.status != Status::Pass.to_string() {
            return ServerWord::Fail { what: format!("{} {}", self.status, self.code).trim_end().to_owned() };
        }
        // A moment that is still to come is one of an earlier boot, and says nothing about this one.
        let Some(age_ms) = now_ms.checked_sub(self.came_ms) else {
            let why = "its last pass came before this machine started; check with `avouch-agent status` why no newer \
                       receipt came";
            return ServerWord::Silent { why: why.to_owned() };
        };
        if age_ms > holds_ms {
            let why = "its last pass has expired; check with `avouch-agent status` why no newer receipt came";
            return ServerWord::Silent { why: why.to_owned() };
        }
        ServerWord::Pass { at_unix: self.time, expires_unix: self.expires }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn word(status: &str) -> Word {
        Word { version: 1, status: status.into(), code: "X".into(), time: 1_000, expires: 1_060, came_ms: 5_000 }
    }

    #[test]
    fn a_pass_holds_as_long_as_the_server_gave_it() {
        assert_eq!(word("pass").judged(65_000), ServerWord::Pass { at_unix: 1_000, expires_unix: 1_060 });
        assert!(matches!(word("pass").judged(65_001), ServerWord::Silent { .. }));
        assert!(matches!(word("pass").judged(4_999), ServerWord::Silent { .. }), "left by an earlier boot");
        assert_eq!(word("fail").judged(5_000), ServerWord::Fail { what: "fail X".into() });
        assert!(matches!(word("unverifiable").judged(5_000), ServerWord::Fail { .. }));
    }

    #[test]
    fn a_word_that_others_can_write_is_silence() {
        let temp = tempfile::tempdir().unwrap();
        let source = ServerSource::beside(&temp.path().join("collector.sock"));
        assert!(matches!(source.word(), ServerWord::Silent { .. }));
        let mut word = word("pass");
        word.came_ms = Moment::now().milliseconds();
        fs::write(source.path(), serde_json::to_vec(&word).unwrap()).unwrap();
        fs::set_permissions(source.path(), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(source.word(), ServerWord::Pass { .. }));
        fs::set_permissions(source.path(), fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(source.word(), ServerWord::Silent { .. }));
        fs::set_permissions(source.path(), fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(source.path(), "{").unwrap();
        assert!(matches!(source.word(), ServerWord::Silent { .. }));
    }
}
