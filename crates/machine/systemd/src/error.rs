//! What can go wrong while systemd is asked.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why systemd did not answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SystemdError {
    /// The socket is not there or does not take connections: no systemd, no D-Bus, or not root.
    #[error("cannot connect to {}: {error}; is systemd running, and is this root?", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// The peer refused the authentication or spoke something else than D-Bus.
    #[error("systemd's D-Bus refused this connection: it answered {answer:?}")]
    Refused {
        /// The peer's line, cut at 128 characters.
        answer: String,
    },
    /// No answer within the deadline: systemd, the bus or the machine hangs.
    #[error("systemd did not answer {call} within {} s", deadline.as_secs_f32())]
    Deadline {
        /// The method that was called.
        call: &'static str,
        /// How long it was waited for.
        deadline: Duration,
    },
    /// The connection ended: systemd re-executed, or the bus restarted.
    #[error("systemd closed the D-Bus connection during {call}: {error}")]
    Closed {
        /// The method that was called.
        call: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
    /// The answer is an error of systemd's or of the bus.
    #[error("systemd answered {call} with {name}: {message}")]
    Failed {
        /// The method that was called.
        call: &'static str,
        /// The error's D-Bus name.
        name: String,
        /// Its text, cut at 256 characters.
        message: String,
    },
    /// The answer does not have the form that D-Bus or systemd's interface prescribes.
    #[error("systemd's answer to {call} is malformed: {reason}")]
    Malformed {
        /// The method that was called.
        call: &'static str,
        /// What was wrong.
        reason: String,
    },
}
