//! A D-Bus connection of one thread: calls go out in a window, answers come back in any order, and every wait ends at a
//! deadline.

mod message;
mod plain;
mod socket;

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use message::Front;
pub(crate) use message::{Call, Kind, Message, length};
use socket::Socket;

use crate::SystemdError;

/// systemd's name on the bus.
const SYSTEMD: &str = "org.freedesktop.systemd1";
/// The bus's own name, which is also that of its interface.
const BUS: &str = "org.freedesktop.DBus";
/// Calls that may be out at a time: enough to hide the way there and back, and below the bus's limit of replies.
const WINDOW: usize = 64;

/// What came of one call.
pub(crate) type Answer = Result<Message, Failure>;

/// An error that the peer answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Its D-Bus name.
    pub(crate) name: String,
    /// Its text.
    pub(crate) message: String,
}

/// An authenticated connection.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Socket,
    serial: u32,
    /// Whether a bus is between us and systemd.
    bus: bool,
    deadline: Duration,
    /// Signals that came while answers were waited for.
    signals: Vec<Message>,
    keep_signals: bool,
    /// Of the call before.
    front: Option<Front>,
}

impl Connection {
    /// Authenticates over `stream`, at whose other end systemd itself is.
    pub(crate) fn direct(stream: UnixStream, deadline: Duration) -> Result<Self, SystemdError> {
        let socket = Socket::authenticate(stream, Instant::now() + deadline, deadline)?;
        Ok(Self { socket, serial: 0, bus: false, deadline, signals: Vec::new(), keep_signals: false, front: None })
    }

    /// Authenticates over `stream`, at whose other end a message bus is.
    pub(crate) fn bus(stream: UnixStream, deadline: Duration) -> Result<Self, SystemdError> {
        let mut connection = Self::direct(stream, deadline)?;
        connection.bus = true;
        connection.call(&Call { path: "/org/freedesktop/DBus", interface: BUS, member: "Hello", arguments: &[] })?;
        Ok(connection)
    }

    /// Keeps the signals that come from now on.
    ///
    /// # Errors
    /// When the bus refuses the rule.
    pub(crate) fn listen(&mut self) -> Result<(), SystemdError> {
        self.keep_signals = true;
        if !self.bus {
            return Ok(());
        }
        let rule = format!("type='signal',sender='{SYSTEMD}'");
        let path = "/org/freedesktop/DBus";
        self.call(&Call { path, interface: BUS, member: "AddMatch", arguments: &[&rule] }).map(|_| ())
    }

    /// One call; an error of the peer is an error.
    pub(crate) fn call(&mut self, call: &Call<'_>) -> Result<Message, SystemdError> {
        let answer = self.exchange(call.member, std::iter::once(*call))?.into_iter().next();
        match answer {
            Some(Ok(message)) => Ok(message),
            Some(Err(Failure { name, message })) => Err(SystemdError::Failed { call: call.member, name, message }),
            None => Err(SystemdError::Malformed { call: call.member, reason: "no answer".into() }),
        }
    }

    /// Many calls, pipelined; the answers in the order of the calls. All of them share one deadline.
    pub(crate) fn exchange<'a>(
        &mut self,
        name: &'static str,
        calls: impl Iterator<Item = Call<'a>>,
    ) -> Result<Vec<Answer>, SystemdError> {
        let until = Instant::now() + self.deadline;
        let mut calls = calls.fuse().peekable();
        let mut waiting = BTreeMap::new();
        let mut answers: Vec<Option<Answer>> = Vec::new();
        while calls.peek().is_some() || !waiting.is_empty() {
            // Filled up when half of it is answered: the peer is never idle, and not every answer costs a write.
            let room = if waiting.len() <= WINDOW / 2 { WINDOW - waiting.len() } else { 0 };
            for call in calls.by_ref().take(room) {
                let serial = self.next_serial();
                let bytes = self.encode(&call, serial)?;
                self.socket.queue(&bytes);
                waiting.insert(serial, answers.len());
                answers.push(None);
            }
            for message in self.socket.turn(name, until, self.deadline)? {
                let slot = message.reply_to.and_then(|serial| waiting.remove(&serial));
                match (slot.and_then(|slot| answers.get_mut(slot)), message.kind) {
                    (Some(slot), Kind::Return) => *slot = Some(Ok(message)),
                    (Some(slot), _) => {
                        let text = message.text();
                        *slot = Some(Err(Failure { name: message.error, message: text }));
                    }
                    (None, Kind::Signal) if self.keep_signals => self.signals.push(message),
                    // Signals nobody asked for, and calls to us, which go unanswered.
                    (None, _) => {}
                }
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Signals that came, at least one unless `wait` passes.
    pub(crate) fn signals(&mut self, wait: Duration) -> Result<Vec<Message>, SystemdError> {
        let until = Instant::now() + wait;
        while self.signals.is_empty() {
            match self.socket.turn("a signal", until, wait) {
                Ok(messages) => self.signals.extend(messages.into_iter().filter(|m| m.kind == Kind::Signal)),
                Err(SystemdError::Deadline { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(std::mem::take(&mut self.signals))
    }

    fn encode(&mut self, call: &Call<'_>, serial: u32) -> Result<Vec<u8>, SystemdError> {
        let malformed = |error: zbus::Error| SystemdError::Malformed { call: call.member, reason: error.to_string() };
        let destination = if call.interface == BUS { BUS } else { SYSTEMD };
        let destination = self.bus.then_some(destination);
        let front = match self.front.take() {
            Some(front) if front.is_of(call) => front,
            _ => Front::of(call, destination).map_err(malformed)?,
        };
        let bytes = front.call(serial, call.arguments).map_err(malformed);
        self.front = Some(front);
        bytes
    }

    fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.checked_add(1).unwrap_or(1);
        self.serial
    }
}

impl std::os::fd::AsFd for Connection {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
