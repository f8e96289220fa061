//! The frame around every command and response: tag, size, code, handles, authorisations (TPM 2.0 Part 1, "Command
//! and response structure").

use alloc::vec::Vec;

use crate::rc::ResponseCode;
use crate::wire::{Reader, Wire, Writer, widen};
use crate::{Handle, Wanted, WireError};

/// Largest command or response that is built or read; no TPM takes more.
pub const MAX_FRAME: usize = 4096;
/// Bytes of tag, size and code.
pub const HEADER: usize = 10;

const ST_RSP_COMMAND: u16 = 0x00C4;
const ST_NO_SESSIONS: u16 = 0x8001;
const ST_SESSIONS: u16 = 0x8002;
/// Sessions that one command may carry.
const MAX_AUTHS: usize = 3;
/// SHA-512: nonces and HMACs of a session.
const MAX_DIGEST: u16 = 64;
/// continueSession.
const CONTINUE: u8 = 1;

/// One authorisation of a command (TPMS_AUTH_COMMAND).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// Session, or [`Handle::PASSWORD`].
    pub session: Handle,
    /// nonceCaller; empty for a password.
    pub nonce: &'a [u8],
    /// TPMA_SESSION.
    pub attributes: u8,
    /// HMAC, or the password.
    pub hmac: &'a [u8],
}

impl<'a> Authorization<'a> {
    /// The empty password: what hierarchies and Avouch's own keys are authorised with.
    pub const EMPTY: Authorization<'static> = Authorization::password(&[]);

    /// A password.
    pub const fn password(password: &'a [u8]) -> Self {
        Self { session: Handle::PASSWORD, nonce: &[], attributes: CONTINUE, hmac: password }
    }

    /// A policy session without HMAC, which stays open afterwards.
    pub const fn policy(session: Handle) -> Self {
        Self { session, nonce: &[], attributes: CONTINUE, hmac: &[] }
    }
}

impl<'a> Wire<'a> for Authorization<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        Ok(Self {
            session: Handle::read(reader)?,
            nonce: reader.sized_up_to(MAX_DIGEST)?,
            attributes: reader.u8()?,
            hmac: reader.sized_up_to(MAX_DIGEST)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.session.write(writer);
        writer.sized(self.nonce);
        writer.u8(self.attributes);
        writer.sized(self.hmac);
    }
}

/// TPM_CC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandCode(pub u32);

impl CommandCode {
    /// The code of a whole command.
    ///
    /// # Errors
    /// [`WireError`] when tag or size are not those of a command that fills `bytes`.
    pub fn of(bytes: &[u8]) -> Result<Self, WireError> {
        Ok(Self(command_header(bytes)?.1))
    }
}

impl core::fmt::Display for CommandCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match crate::command::name(*self) {
            Some(name) => f.write_str(name),
            None => write!(f, "command {:#x}", self.0),
        }
    }
}

/// Why a response does not carry the wanted result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// The TPM answered with a response code.
    Refused(ResponseCode),
    /// The bytes are not a response to the command.
    Malformed(WireError),
}

impl From<WireError> for ReplyError {
    fn from(error: WireError) -> Self {
        Self::Malformed(error)
    }
}

impl core::fmt::Display for ReplyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Refused(code) => write!(f, "the TPM answered {code}"),
            Self::Malformed(error) => write!(f, "the TPM's answer is malformed {error}"),
        }
    }
}

impl core::error::Error for ReplyError {}

/// A command of these parts; `auths` must be as many as the command's authorised handles, at least.
pub(crate) fn encode_command(
    code: u32,
    needed: usize,
    auths: &[Authorization<'_>],
    handles: impl FnOnce(&mut Writer),
    parameters: impl FnOnce(&mut Writer),
) -> Result<Vec<u8>, WireError> {
    if auths.len() < needed || auths.len() > MAX_AUTHS {
        let wanted = Wanted::Range { min: widen(needed), max: widen(MAX_AUTHS) };
        return Err(WireError { offset: HEADER, wanted, got: widen(auths.len()) });
    }
    let mut body = Writer::new();
    handles(&mut body);
    if !auths.is_empty() {
        let mut area = Writer::new();
        auths.iter().for_each(|auth| auth.write(&mut area));
        let area = area.finish()?;
        body.count(area.len(), u32::MAX);
        body.bytes(&area);
    }
    parameters(&mut body);
    frame(if auths.is_empty() { ST_NO_SESSIONS } else { ST_SESSIONS }, code, &body.finish()?)
}

/// A reader behind the header, and whether authorisations follow the handles.
pub(crate) fn open_command(bytes: &[u8], code: u32) -> Result<(Reader<'_>, bool), WireError> {
    let (tag, got, reader) = command_header(bytes)?;
    if got != code {
        return Err(WireError { offset: 6, wanted: Wanted::Exactly(code.into()), got: got.into() });
    }
    Ok((reader, tag == ST_SESSIONS))
}

/// The authorisation area of a command, where `present`; at least `needed` authorisations.
pub(crate) fn read_auths<'a>(
    reader: &mut Reader<'a>,
    present: bool,
    needed: usize,
) -> Result<Vec<Authorization<'a>>, WireError> {
    let start = reader.offset();
    let mut auths = Vec::new();
    if present {
        let size = reader.u32()?;
        let mut area = reader.inner(usize::try_from(size).unwrap_or(usize::MAX))?;
        while area.end().is_err() && auths.len() < MAX_AUTHS {
            auths.push(Authorization::read(&mut area)?);
        }
        area.end()?;
    }
    if auths.len() < needed || (present && auths.is_empty()) {
        let wanted = Wanted::Range { min: widen(needed.max(1)), max: widen(MAX_AUTHS) };
        return Err(WireError { offset: start, wanted, got: widen(auths.len()) });
    }
    Ok(auths)
}

fn command_header(bytes: &[u8]) -> Result<(u16, u32, Reader<'_>), WireError> {
    let mut reader = Reader::new(bytes);
    let tag = reader.u16()?;
    if tag != ST_NO_SESSIONS && tag != ST_SESSIONS {
        return Err(WireError { offset: 0, wanted: Wanted::Known("command tag"), got: tag.into() });
    }
    check_size(&mut reader, bytes.len())?;
    let code = reader.u32()?;
    Ok((tag, code, reader))
}

fn check_size(reader: &mut Reader<'_>, len: usize) -> Result<(), WireError> {
    let start = reader.offset();
    let size = reader.u32()?;
    if u64::from(size) != widen(len) {
        return Err(WireError { offset: start, wanted: Wanted::Exactly(widen(len)), got: size.into() });
    }
    if len > MAX_FRAME {
        let wanted = Wanted::Range { min: widen(HEADER), max: widen(MAX_FRAME) };
        return Err(WireError { offset: start, wanted, got: size.into() });
    }
    Ok(())
}

fn frame(tag: u16, code: u32, body: &[u8]) -> Result<Vec<u8>, WireError> {
    let size = body.len().saturating_add(HEADER);
    let mut writer = Writer::new();
    writer.u16(tag);
    writer.count(size, u32::try_from(MAX_FRAME).unwrap_or(u32::MAX));
    writer.u32(code);
    writer.bytes(body);
    writer.finish()
}

/// A successful response of these parts, answering `sessions` passwords.
pub(crate) fn encode_reply(
    sessions: usize,
    handles: impl FnOnce(&mut Writer),
    parameters: impl FnOnce(&mut Writer),
) -> Result<Vec<u8>, WireError> {
    let mut body = Writer::new();
    handles(&mut body);
    let mut inner = Writer::new();
    parameters(&mut inner);
    let inner = inner.finish()?;
    if sessions > 0 {
        body.count(inner.len(), u32::MAX);
    }
    body.bytes(&inner);
    // nonceTPM empty, continueSession, HMAC empty: the answer to a password.
    (0..sessions).for_each(|_| body.bytes(&[0, 0, CONTINUE, 0, 0]));
    frame(if sessions > 0 { ST_SESSIONS } else { ST_NO_SESSIONS }, 0, &body.finish()?)
}

/// A response that carries nothing but its code; how tests play a TPM that refuses.
pub fn encode_refusal(code: ResponseCode) -> Vec<u8> {
    // Ten bytes always fit.
    frame(ST_NO_SESSIONS, code.0, &[]).unwrap_or_default()
}

/// A response that has been checked up to its handles.
pub(crate) struct OpenReply<'a> {
    pub(crate) reader: Reader<'a>,
    sessions: usize,
}

/// Tag of a successful response and a reader behind its header.
pub(crate) fn read_header(bytes: &[u8]) -> Result<(u16, Reader<'_>), ReplyError> {
    let mut reader = Reader::new(bytes);
    let tag = reader.u16()?;
    if ![ST_RSP_COMMAND, ST_NO_SESSIONS, ST_SESSIONS].contains(&tag) {
        return Err(WireError { offset: 0, wanted: Wanted::Known("response tag"), got: tag.into() }.into());
    }
    check_size(&mut reader, bytes.len())?;
    let code = reader.u32()?;
    if code != 0 {
        reader.end()?;
        return Err(ReplyError::Refused(ResponseCode(code)));
    }
    Ok((tag, reader))
}

/// Checks header and response code; a success must answer exactly `sessions` authorisations.
pub(crate) fn open_reply(bytes: &[u8], sessions: usize) -> Result<OpenReply<'_>, ReplyError> {
    let (tag, reader) = read_header(bytes)?;
    let wanted = if sessions > 0 { ST_SESSIONS } else { ST_NO_SESSIONS };
    if tag != wanted {
        return Err(WireError { offset: 0, wanted: Wanted::Exactly(wanted.into()), got: tag.into() }.into());
    }
    Ok(OpenReply { reader, sessions })
}

impl<'a> OpenReply<'a> {
    /// Reads the parameters, which fill what the frame leaves them, and checks the form of the session answers.
    pub(crate) fn parameters<T>(
        mut self,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, WireError>,
    ) -> Result<T, ReplyError> {
        let value = if self.sessions > 0 {
            let size = self.reader.u32()?;
            let mut inner = self.reader.inner(usize::try_from(size).unwrap_or(usize::MAX))?;
            let value = read(&mut inner)?;
            inner.end()?;
            value
        } else {
            read(&mut self.reader)?
        };
        for _ in 0..self.sessions {
            self.reader.sized_up_to(MAX_DIGEST)?;
            self.reader.u8()?;
            self.reader.sized_up_to(MAX_DIGEST)?;
        }
        self.reader.end()?;
        Ok(value)
    }
}
