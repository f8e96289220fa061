//! A TPM over some transport: sends commands, waits for a busy one, reads the outcome.

use std::time::Duration;

use avouch_tpm_wire::command::Command;
use avouch_tpm_wire::response::{self, Reply};
use avouch_tpm_wire::{Authorization, Handle, ReplyError};

use crate::error::Error;
use crate::patience::{Patience, Waits};
use crate::transport::Transport;

/// The node's TPM.
#[derive(Debug)]
pub struct Tpm<T> {
    transport: T,
    patience: Patience,
    sleep: fn(Duration),
    /// Handles of ours whose flush failed; flushed before the next ones are made.
    pub(crate) unflushed: Vec<Handle>,
}

impl<T: Transport> Tpm<T> {
    /// The TPM behind `transport`.
    pub fn new(transport: T) -> Self {
        Self::with_patience(transport, Patience::default())
    }

    /// The TPM behind `transport`, waited for within other bounds when it is busy.
    pub fn with_patience(transport: T, patience: Patience) -> Self {
        Self { transport, patience, sleep: std::thread::sleep, unflushed: Vec::new() }
    }

    /// Sends one command, again while the TPM is busy, and returns its successful answer.
    ///
    /// Every operation of this crate is made of this. A caller that creates objects with it flushes them itself.
    ///
    /// # Errors
    /// [`Error::Input`] when the command cannot be encoded, [`Error::Busy`], [`Error::Refused`],
    /// [`Error::Malformed`], [`Error::Transport`].
    pub fn execute<'c, C: Command<'c>>(&mut self, command: &C, auths: &[Authorization<'_>]) -> Result<Answer, Error> {
        let name = C::NAME;
        let bytes = command.encode(auths).map_err(|source| Error::Input { what: name, source })?;
        let mut waits = Waits::new(self.patience);
        loop {
            let answer =
                self.transport.transact(&bytes).map_err(|source| Error::Transport { command: name, source })?;
            let code = match response::outcome(&answer) {
                Ok(()) => return Ok(Answer { command: name, sessions: auths.len(), bytes: answer }),
                Err(ReplyError::Malformed(source)) => return Err(Error::Malformed { command: name, source }),
                Err(ReplyError::Refused(code)) => code,
            };
            use avouch_tpm_wire::rc::Class::{Resubmit, ResubmitLater};
            let class = code.class();
            if !matches!(class, Resubmit | ResubmitLater) {
                return Err(Error::Refused { command: name, code });
            }
            let Some(wait) = waits.next(class) else {
                let (attempts, waited) = (waits.attempts, waits.waited);
                return Err(Error::Busy { command: name, code, attempts, waited });
            };
            (self.sleep)(wait);
        }
    }

    /// The transport, for a caller that counts or records.
    pub fn transport(&self) -> &T {
        &self.transport
    }
}

/// A successful answer of the TPM.
#[derive(Clone, Debug)]
pub struct Answer {
    command: &'static str,
    sessions: usize,
    bytes: Vec<u8>,
}

impl Answer {
    /// What the answer carries.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is not the answer to that command.
    pub fn read<'r, R: Reply<'r>>(&'r self) -> Result<R, Error> {
        R::parse(&self.bytes, self.sessions).map_err(|error| match error {
            ReplyError::Malformed(source) => Error::Malformed { command: self.command, source },
            ReplyError::Refused(code) => Error::Refused { command: self.command, code },
        })
    }

    /// The handle behind the header, where the answer has one; read before all else, so that what the TPM made is
    /// flushed even when the rest of its answer is malformed.
    pub(crate) fn handle(&self) -> Option<Handle> {
        let bytes = self.bytes.get(avouch_tpm_wire::HEADER..)?.first_chunk::<4>()?;
        Some(Handle(u32::from_be_bytes(*bytes)))
    }
}
