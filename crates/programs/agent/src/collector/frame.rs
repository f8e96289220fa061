//! Messages on a stream: four bytes of length, then the message.

use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;

use avouch_protocol::{Message, ReportError, WireError};
use thiserror::Error;

/// Why talker and collector do not understand each other.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Nobody listens there.
    #[error("no collector answers at {}: {error}", path.display())]
    Absent {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// The socket cannot be made.
    #[error("the socket {} cannot be made: {error}", path.display())]
    Bind {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// The connection ended inside a frame.
    #[error("the connection ended after {got} of {wanted} bytes")]
    Cut {
        /// Bytes that the frame announced, or those of a length.
        wanted: usize,
        /// Bytes that came.
        got: usize,
    },
    /// The connection broke, or nothing came in time.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The other side runs as another user.
    #[error("the other side runs as user {got}; only user {wanted} is spoken with")]
    Peer {
        /// This process's user.
        wanted: u32,
        /// The other side's.
        got: u32,
    },
    /// The other side is of another group.
    #[error("the other side runs as group {got}; only group {wanted}, root and this process's user are spoken with")]
    PeerGroup {
        /// The group of the socket's file.
        wanted: u32,
        /// The other side's.
        got: u32,
    },
    /// The other side does not do what was asked.
    #[error("the collector refused: {0}")]
    Refused(String),
    /// The observation cannot be read out of the answer.
    #[error("the collector's observation cannot be read: {0}")]
    Report(#[from] ReportError),
    /// A frame announces more than it may have.
    #[error("a frame announces {got} bytes, at most {limit} are taken")]
    TooLong {
        /// What it announces.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// An answer that was not asked for.
    #[error("the collector answered {0}, which was not asked for")]
    Unasked(&'static str),
    /// Bytes that are not the message.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Sends one message.
///
/// # Errors
/// [`LinkError::TooLong`], [`LinkError::Io`].
pub fn send<M: Message>(to: &mut impl Write, message: &M) -> Result<(), LinkError> {
    let bytes = message.to_cbor();
    let refused = || LinkError::TooLong { got: bytes.len(), limit: M::MAX_BYTES };
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= M::MAX_BYTES).ok_or_else(refused)?;
    // One write: a reader with a deadline should not see a length without its message.
    to.write_all(&[&length.to_be_bytes()[..], &bytes].concat())?;
    Ok(to.flush()?)
}

/// Reads one message; `None` when the other side ended between messages. Never allocates more than
/// [`Message::MAX_BYTES`], and never more than came.
///
/// # Errors
/// [`LinkError`].
pub fn receive<M: Message>(from: &mut impl Read) -> Result<Option<M>, LinkError> {
    let mut length = [0; 4];
    match read_up_to(from, &mut length)? {
        0 => return Ok(None),
        4 => {}
        got => return Err(LinkError::Cut { wanted: 4, got }),
    }
    let wanted = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if wanted > M::MAX_BYTES {
        return Err(LinkError::TooLong { got: wanted, limit: M::MAX_BYTES });
    }
    let mut bytes = Vec::new();
    let got = from.take(u64::from(u32::from_be_bytes(length))).read_to_end(&mut bytes)?;
    if got < wanted {
        return Err(LinkError::Cut { wanted, got });
    }
    Ok(Some(M::from_cbor(&bytes)?))
}

/// How many bytes came before the end.
fn read_up_to(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

// === impl LinkError ===

impl LinkError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Absent { .. } => {
                "`systemctl enable --now avouch-collector.socket`, or `avouch-agent collect` as root where there is no systemd"
            }
            Self::Bind { .. } => {
                "check that no other collector runs, and that the directory exists and belongs to root"
            }
            Self::Peer { .. } => "run talker and collector as the same user, which is root",
            Self::PeerGroup { .. } => "set Group= of the unit that asks to the SocketGroup= of the socket",
            Self::Refused(_) => "see the journal of avouch-collector.service",
            _ => "restart avouch-collector.service, and check that talker and collector are of one release",
        }
    }
}

#[cfg(test)]
mod tests {
    use avouch_protocol::VERSION;

    use super::*;
    use crate::collector::{Ask, MAX_REQUEST_BYTES, Request, ScopeAsked};

    fn request() -> Request {
        let scope = ScopeAsked { units: Some(vec!["a.service".into()]), ..ScopeAsked::default() };
        Request { v: VERSION, ask: Ask::Observe(scope) }
    }

    fn sent() -> Vec<u8> {
        let mut bytes = Vec::new();
        send(&mut bytes, &request()).unwrap();
        bytes
    }

    #[test]
    fn what_is_sent_is_what_is_received() {
        let bytes = sent();
        let mut stream = bytes.as_slice();
        assert_eq!(receive::<Request>(&mut stream).unwrap().unwrap(), request());
        assert!(receive::<Request>(&mut stream).unwrap().is_none());
    }

    #[test]
    fn a_frame_cut_anywhere_is_an_error() {
        let bytes = sent();
        for end in 1..bytes.len() {
            let got = receive::<Request>(&mut &bytes[..end]);
            assert!(matches!(got, Err(LinkError::Cut { .. })), "{end}: {got:?}");
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_is_read() {
        let announced = u32::try_from(MAX_REQUEST_BYTES + 1).unwrap();
        for length in [announced, u32::MAX] {
            let mut stream = &length.to_be_bytes()[..];
            assert!(matches!(receive::<Request>(&mut stream), Err(LinkError::TooLong { .. })), "{length}");
        }
    }

    #[test]
    fn every_other_length_is_refused() {
        let bytes = sent();
        let length = u32::try_from(bytes.len() - 4).unwrap();
        for other in 0..length + 9 {
            let stream = [&other.to_be_bytes()[..], &bytes[4..], &[0; 4]].concat();
            let got = receive::<Request>(&mut stream.as_slice());
            assert_eq!(got.is_ok(), other == length, "{other}: {got:?}");
        }
    }
}
