//! A connection that ends when its peer takes too long.
//!
//! ```text
//!  Head ──head complete──▶ Work ──answer made──▶ Answer ──all written──▶ Idle
//!   ▲                                                                     │
//!   └───────────────────────────── first byte ────────────────────────────┘
//! ```
//! Each stage but [`Stage::Work`] has a deadline of its own, counted from its beginning and never from the last byte:
//! a peer that sends or takes one byte after the other gains nothing. Work is bounded by whoever works.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Limits;

/// How far a connection is with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The head of a request is coming.
    Head,
    /// The request is read and answered.
    Work,
    /// The answer is being taken.
    Answer,
    /// Nothing is under way.
    Idle,
}

/// The stage of one connection, which its two sides tell each other: the stream sees bytes, the service requests.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<AtomicU8>);

/// A stream with a deadline for each stage.
pub(super) struct Paced<S> {
    stream: S,
    progress: Progress,
    limits: Limits,
    /// The stage that `deadline` was set for.
    timed: Stage,
    deadline: Pin<Box<Sleep>>,
    /// Something of the present answer was written.
    answered: bool,
}

// === impl Progress ===

impl Progress {
    /// A new connection: a head is owed.
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU8::new(0)))
    }

    pub(super) fn enter(&self, stage: Stage) {
        let code = match stage {
            Stage::Head => 0,
            Stage::Work => 1,
            Stage::Answer => 2,
            Stage::Idle => 3,
        };
        self.0.store(code, Ordering::Relaxed);
    }

    pub(super) fn stage(&self) -> Stage {
        match self.0.load(Ordering::Relaxed) {
            0 => Stage::Head,
            1 => Stage::Work,
            2 => Stage::Answer,
            _ => Stage::Idle,
        }
    }
}

// === impl Paced ===

impl<S> Paced<S> {
    /// `stream` from now on; must be called inside the runtime.
    pub(super) fn new(stream: S, progress: Progress, limits: Limits) -> Self {
        let deadline = Box::pin(sleep_until(Instant::now() + limits.head));
        Self { stream, progress, limits, timed: Stage::Head, deadline, answered: false }
    }

    /// Sets the deadline of a stage that was entered, and fails once the present one is over.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let stage = self.progress.stage();
        if stage != self.timed {
            self.timed = stage;
            self.answered = false;
            if let Some(time) = self.time(stage) {
                self.deadline.as_mut().reset(Instant::now() + time);
            }
        }
        if self.time(stage).is_some() && self.deadline.as_mut().poll(context).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    fn time(&self, stage: Stage) -> Option<Duration> {
        match stage {
            Stage::Head => Some(self.limits.head),
            Stage::Work => None,
            Stage::Answer => Some(self.limits.answer),
            Stage::Idle => Some(self.limits.idle),
        }
    }

    fn wrote(&mut self, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(1..))) && self.timed == Stage::Answer {
            self.answered = true;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(context)?;
        let before = into.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, into);
        if into.filled().len() > before && this.timed == Stage::Idle {
            this.progress.enter(Stage::Head);
            this.check(context)?;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(context)?;
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.wrote(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(context)?;
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, bytes);
        this.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(context)?;
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) && this.answered {
            this.progress.enter(Stage::Idle);
            this.check(context)?;
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
