//! Bytes to and from the peer, none of them waited for beyond a deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::message::{MAX_MESSAGE, Message, length};
use crate::SystemdError;

/// The longest line of the authentication.
const MAX_LINE: usize = 1024;
/// Bytes read at a time: many answers, and little to clear for the one that mostly comes.
const PIECE: usize = 16 << 10;

/// A stream that never blocks, with what is still to be written and what was read of an unfinished message.
#[derive(Debug)]
pub(super) struct Socket {
    stream: UnixStream,
    outbox: Vec<u8>,
    inbox: Vec<u8>,
}

impl Socket {
    /// Authenticates as this user (mechanism EXTERNAL, which the kernel's credentials prove).
    pub(super) fn authenticate(stream: UnixStream, until: Instant, deadline: Duration) -> Result<Self, SystemdError> {
        const CALL: &str = "authentication";
        stream.set_nonblocking(true).map_err(|error| SystemdError::Closed { call: CALL, error })?;
        let mut socket = Self { stream, outbox: Vec::new(), inbox: Vec::new() };
        let user = rustix::process::geteuid().as_raw().to_string();
        let user: String = user.bytes().map(|byte| format!("{byte:02x}")).collect();
        // BEGIN goes with the authentication, as systemd's own client sends it: PID 1 reads whatever has come by then at
        // once, and what stood behind BEGIN in that piece it would look at only when something more came.
        socket.queue(format!("\0AUTH EXTERNAL {user}\r\nBEGIN\r\n").as_bytes());
        let line = loop {
            if let Some(end) = socket.inbox.windows(2).position(|pair| pair == b"\r\n") {
                let line = socket.inbox.drain(..end + 2).collect::<Vec<_>>();
                break String::from_utf8_lossy(&line).trim_end().to_owned();
            }
            if socket.inbox.len() > MAX_LINE {
                break String::from_utf8_lossy(&socket.inbox).into_owned();
            }
            socket.wait(CALL, until, deadline)?;
        };
        if !line.starts_with("OK ") {
            return Err(SystemdError::Refused { answer: line.chars().take(128).collect() });
        }
        Ok(socket)
    }

    /// Bytes to write at the next turn.
    pub(super) fn queue(&mut self, bytes: &[u8]) {
        self.outbox.extend_from_slice(bytes);
    }

    /// Writes and reads what goes without waiting, or waits until something does; the messages that are whole.
    pub(super) fn turn(
        &mut self,
        call: &'static str,
        until: Instant,
        deadline: Duration,
    ) -> Result<Vec<Message>, SystemdError> {
        self.wait(call, until, deadline)?;
        let mut messages = Vec::new();
        let mut start = 0;
        loop {
            let rest = self.inbox.get(start..).unwrap_or_default();
            let malformed = |reason: String| SystemdError::Malformed { call, reason };
            let Some(length) = length(rest).map_err(|reason| malformed(reason.into()))? else { break };
            let Some(bytes) = rest.get(..length) else { break };
            messages.push(Message::decode(bytes).map_err(|error| malformed(error.to_string()))?);
            start += length;
        }
        self.inbox.drain(..start);
        Ok(messages)
    }

    /// Waits for the peer to read or write, and moves bytes.
    fn wait(&mut self, call: &'static str, until: Instant, deadline: Duration) -> Result<(), SystemdError> {
        let closed = |error: io::Error| SystemdError::Closed { call, error };
        self.write().map_err(closed)?;
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        let Some(left) = left else { return Err(SystemdError::Deadline { call, deadline }) };
        let mut flags = PollFlags::IN;
        flags.set(PollFlags::OUT, !self.outbox.is_empty());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(&self.stream, flags)], Some(&timeout)) {
            Ok(0) => return Err(SystemdError::Deadline { call, deadline }),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(closed(error.into())),
        }
        self.write().map_err(closed)?;
        self.read().map_err(closed)
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => drop(self.outbox.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there, at most one message's worth.
    fn read(&mut self) -> io::Result<()> {
        let mut piece = [0; PIECE];
        while self.inbox.len() <= MAX_MESSAGE {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.inbox.extend_from_slice(piece.get(..count).unwrap_or_default());
                    if count < PIECE {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl std::os::fd::AsFd for Socket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
