//! The talker's side of the socket.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use avouch_collect::appliance::{Asked, Seen};
use avouch_pairs::Observation;
use avouch_protocol::{Message, Observed as Travelling, VERSION};

use super::{Answer, Ask, EventKind, LinkError, Peers, Request, ScopeAsked, Told, receive, send};

/// Longest pass that is waited for: a thousand units take seconds, a witness that hangs has deadlines of its own.
const PATIENCE: Duration = Duration::from_secs(180);

/// A collector by its socket. Every call makes a connection of its own, so a collector that was killed is back when
/// systemd started it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    path: PathBuf,
    peers: Peers,
}

/// One pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// What both witnesses said.
    pub observation: Observation,
    /// CLOCK_BOOTTIME in milliseconds when it began.
    pub started_ms: u64,
    /// CLOCK_BOOTTIME in milliseconds when it ended.
    pub finished_ms: u64,
}

/// Events as they come; ends with the connection.
#[derive(Debug)]
pub struct Events {
    stream: UnixStream,
}

// === impl Collector ===

impl Collector {
    /// The collector that listens at `path` as this process's user.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), peers: Peers::OwnUser }
    }

    /// The collector that listens at `path` as root: for a process that is not root itself.
    pub fn of_root(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), peers: Peers::Root }
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Has both witnesses read.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn observe(&self, scope: ScopeAsked) -> Result<Observed, LinkError> {
        match told(&mut self.ask(Ask::Observe(scope))?)? {
            Told::Observed(started_ms, finished_ms, bytes) => {
                let observation = Travelling::from_cbor(&bytes)?.observation()?;
                Ok(Observed { observation, started_ms, finished_ms })
            }
            Told::Refused(why) => Err(LinkError::Refused(why)),
            told => Err(LinkError::Unasked(told.word())),
        }
    }

    /// Has it read what this process may not.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn appliance(&self, asked: Asked) -> Result<Seen, LinkError> {
        match told(&mut self.ask(Ask::Appliance(asked))?)? {
            Told::Appliance(seen) => Ok(*seen),
            Told::Refused(why) => Err(LinkError::Refused(why)),
            told => Err(LinkError::Unasked(told.word())),
        }
    }

    /// Has the collector tell every event from now on.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn events(&self) -> Result<Events, LinkError> {
        let stream = self.ask(Ask::Watch)?;
        // Hours may pass between two events.
        stream.set_read_timeout(None)?;
        Ok(Events { stream })
    }

    fn ask(&self, ask: Ask) -> Result<UnixStream, LinkError> {
        let absent = |error| LinkError::Absent { path: self.path.clone(), error };
        let mut stream = UnixStream::connect(&self.path).map_err(absent)?;
        self.peers.check(&stream)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        send(&mut stream, &Request { v: VERSION, ask })?;
        Ok(stream)
    }
}

fn told(stream: &mut UnixStream) -> Result<Told, LinkError> {
    let answer: Option<Answer> = receive(stream)?;
    Ok(answer.ok_or(LinkError::Cut { wanted: 4, got: 0 })?.told)
}

// === impl Events ===

impl Iterator for Events {
    type Item = Result<(EventKind, String), LinkError>;

    fn next(&mut self) -> Option<Self::Item> {
        match receive::<Answer>(&mut self.stream) {
            Ok(None) => None,
            Ok(Some(Answer { told: Told::Event(kind, subject), .. })) => Some(Ok((kind, subject))),
            Ok(Some(Answer { told, .. })) => Some(Err(LinkError::Unasked(told.word()))),
            Err(error) => Some(Err(error)),
        }
    }
}
