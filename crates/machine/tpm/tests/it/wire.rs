//! A transport that counts commands and can stand between them and the TPM.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use avouch_tpm::{Transport, TransportError};
use avouch_tpm_wire::rc::ResponseCode;
use avouch_tpm_wire::{CommandCode, HEADER, response};

/// What to do to one command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The TPM never sees it and seems to refuse it.
    Refuse(ResponseCode),
    /// The TPM does it; what comes back is cut behind the handle.
    Cut,
    /// The TPM never sees it and no answer comes.
    Lost,
}

/// Asked before each command, with its number since [`Wire::reset`].
type Plan = Box<dyn FnMut(usize, CommandCode) -> Option<Fault>>;

struct Inner {
    transport: Box<dyn Transport>,
    commands: Vec<String>,
    plan: Option<Plan>,
}

/// Shared, so that a test can look and interfere while the TPM owns it.
#[derive(Clone)]
pub(crate) struct Wire(Rc<RefCell<Inner>>);

impl Wire {
    pub(crate) fn new(transport: impl Transport + 'static) -> Self {
        Self(Rc::new(RefCell::new(Inner { transport: Box::new(transport), commands: Vec::new(), plan: None })))
    }

    /// The commands since the last call, in order.
    pub(crate) fn commands(&self) -> Vec<String> {
        std::mem::take(&mut self.0.borrow_mut().commands)
    }

    pub(crate) fn interfere(&self, plan: impl FnMut(usize, CommandCode) -> Option<Fault> + 'static) {
        self.commands();
        self.0.borrow_mut().plan = Some(Box::new(plan));
    }

    pub(crate) fn leave_alone(&self) {
        self.0.borrow_mut().plan = None;
    }
}

impl Transport for Wire {
    fn transact(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let mut inner = self.0.borrow_mut();
        let code = CommandCode::of(command).unwrap();
        let number = inner.commands.len();
        inner.commands.push(code.to_string());
        match inner.plan.as_mut().and_then(|plan| plan(number, code)) {
            None => inner.transport.transact(command),
            Some(Fault::Refuse(code)) => Ok(response::encode_refusal(code)),
            Some(Fault::Lost) => Err(TransportError::Io(io::ErrorKind::ConnectionAborted.into())),
            Some(Fault::Cut) => {
                let mut answer = inner.transport.transact(command)?;
                answer.truncate(HEADER + 5);
                let size = u32::try_from(answer.len()).unwrap().to_be_bytes();
                answer[2..6].copy_from_slice(&size);
                Ok(answer)
            }
        }
    }
}

/// Answers with what it was given, in order, and then with the last for ever.
pub(crate) struct Script(pub(crate) Vec<Vec<u8>>);

impl Transport for Script {
    fn transact(&mut self, _command: &[u8]) -> Result<Vec<u8>, TransportError> {
        if self.0.len() > 1 { Ok(self.0.remove(0)) } else { Ok(self.0[0].clone()) }
    }
}
