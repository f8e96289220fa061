//! The collector's side of the socket.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use avouch_collect::appliance::{Appliance, Asked};
use avouch_pairs::Observation;
use avouch_protocol::{Message, Observed};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Answer, Ask, EventKind, LinkError, Peers, Request, ScopeAsked, Told, receive, send};
use crate::clock::Moment;

/// One talker, a person's one-shot calls, and some that are just going.
const MAX_CONNECTIONS: usize = 8;
/// Events that wait for one slow reader. It looks at the whole machine anyway, so those beyond are dropped.
const MAX_WAITING_EVENTS: usize = 64;
/// How long a peer may take to send its request or to take its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at whether a reader of events is still there.
const LOOK: Duration = Duration::from_secs(5);

/// What reads the two witnesses.
pub trait Witnesses: Send {
    /// One pass. Whatever a witness does not tell is part of what was observed.
    fn observe(&mut self, scope: &ScopeAsked) -> Observation;
}

/// Hands events on to everybody who watches.
#[derive(Debug, Default)]
pub struct Hub {
    readers: Mutex<Vec<SyncSender<(EventKind, String)>>>,
}

/// What all connections of a collector share.
pub struct Desk<W> {
    witnesses: Mutex<W>,
    hub: Arc<Hub>,
    appliance: Appliance,
}

/// Answers this process's user until the listening socket fails: a [`Desk`] with one door.
///
/// # Errors
/// [`LinkError::Io`] when no connection can be accepted any more.
pub fn serve<W: Witnesses + 'static>(listener: &UnixListener, witnesses: W, hub: &Arc<Hub>) -> Result<(), LinkError> {
    Arc::new(Desk::new(witnesses, Arc::clone(hub), Appliance::running())).serve(listener, Peers::OwnUser)
}

/// The other side went between its call and this one's answer.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

// === impl Desk ===

impl<W: Witnesses + 'static> Desk<W> {
    /// What reads the witnesses, who is told of events, and the appliance that is read.
    ///
    /// Passes over the witnesses are made one at a time: two at once would only slow each other down and race.
    pub fn new(witnesses: W, hub: Arc<Hub>, appliance: Appliance) -> Self {
        Self { witnesses: Mutex::new(witnesses), hub, appliance }
    }

    /// Answers `peers` at one socket until it fails. Each socket has places of its own, so that whoever comes by one
    /// cannot keep those of another out.
    ///
    /// # Errors
    /// [`LinkError::Io`] when no connection can be accepted any more.
    pub fn serve(self: &Arc<Self>, listener: &UnixListener, peers: Peers) -> Result<(), LinkError> {
        let connections = Arc::new(AtomicUsize::new(0));
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if is_the_peers(&error) => continue,
                Err(error) => return Err(error.into()),
            };
            let Some(place) = Place::take(&connections) else {
                tracing::warn!("{MAX_CONNECTIONS} connections are open; one more is refused");
                continue;
            };
            let desk = Arc::clone(self);
            let answer = move || {
                let _place = place;
                if let Err(error) = desk.attend(stream, peers) {
                    tracing::warn!("a connection is ended: {error}");
                }
            };
            thread::Builder::new().name("talker".to_owned()).spawn(answer)?;
        }
    }

    /// One connection, until its peer goes or says something that is no request.
    fn attend(&self, mut stream: UnixStream, peers: Peers) -> Result<(), LinkError> {
        peers.check(&stream)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        while let Some(Request { ask, .. }) = receive::<Request>(&mut stream)? {
            match ask {
                Ask::Observe(scope) => {
                    let started_ms = Moment::now().milliseconds();
                    // A pass that panicked leaves nothing half-done that the next one would build on.
                    let observation = self.witnesses.lock().unwrap_or_else(PoisonError::into_inner).observe(&scope);
                    send(&mut stream, &observed(started_ms, &observation).answer())?;
                }
                Ask::Watch => return hand_on(&mut stream, &self.hub.join()),
                Ask::Appliance(asked) => send(&mut stream, &self.read(&asked))?,
            }
        }
        Ok(())
    }

    fn read(&self, asked: &Asked) -> Answer {
        let answer = Told::Appliance(Box::new(self.appliance.read(asked))).answer();
        match answer.to_cbor().len() {
            length if length <= Answer::MAX_BYTES => answer,
            length => Told::Refused(format!("what was read takes {length} bytes; ask for fewer units")).answer(),
        }
    }
}

fn observed(started_ms: u64, observation: &Observation) -> Told {
    let finished_ms = Moment::now().milliseconds();
    match Observed::of(observation).map(|observed| observed.to_cbor()) {
        Ok(bytes) if bytes.len() <= Observed::MAX_BYTES => Told::Observed(started_ms, finished_ms, bytes.into()),
        Ok(bytes) => Told::Refused(format!("the observation has {} bytes, more than a report takes", bytes.len())),
        Err(error) => Told::Refused(error.to_string()),
    }
}

fn hand_on(stream: &mut UnixStream, events: &Receiver<(EventKind, String)>) -> Result<(), LinkError> {
    loop {
        match events.recv_timeout(LOOK) {
            Ok((kind, subject)) => send(stream, &Told::Event(kind, subject).answer())?,
            Err(RecvTimeoutError::Timeout) if is_there(&*stream)? => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// Whoever watches says nothing more: readable means gone.
fn is_there(stream: impl AsFd) -> io::Result<bool> {
    let mut fds = [PollFd::new(&stream, PollFlags::IN)];
    Ok(poll(&mut fds, Some(&Timespec::default()))? == 0)
}

// === impl Hub ===

impl Hub {
    /// Tells everybody who watches.
    pub fn tell(&self, kind: EventKind, subject: &str) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|reader| {
            !matches!(reader.try_send((kind, subject.to_owned())), Err(TrySendError::Disconnected(_)))
        });
    }

    fn join(&self) -> Receiver<(EventKind, String)> {
        let (sender, receiver) = sync_channel(MAX_WAITING_EVENTS);
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }
}

/// One of the connections that may be open; given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Option<Self> {
        let taken = |count| (count < MAX_CONNECTIONS).then_some(count + 1);
        open.fetch_update(Ordering::AcqRel, Ordering::Acquire, taken).ok().map(|_| Self(Arc::clone(open)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
