//! TPM2_Hash, TPM2_Sign, TPM2_ClockSet and TPM2_NV_… (TPM 2.0 Part 3), which Avouch itself never sends.

use avouch_tpm_wire::command::Command;
use avouch_tpm_wire::response::{Empty, Reply, outcome};
use avouch_tpm_wire::{Authorization, CommandCode, HEADER, Handle, ReplyError, Signature, Wanted, WireError, sized};

const ST_NO_SESSIONS: u16 = 0x8001;
const ST_SESSIONS: u16 = 0x8002;
const ALG_NULL: u16 = 0x0010;
const ALG_SHA256: u16 = 0x000B;
/// TPM_ST_HASHCHECK: the kind of ticket that lets a restricted key sign a digest that the TPM computed itself.
pub(crate) const ST_HASHCHECK: u16 = 0x8024;

/// TPM2_Hash with SHA-256 in the endorsement hierarchy: gives a ticket unless the data begins like an attestation.
pub(crate) struct HashCommand<'a> {
    pub(crate) data: &'a [u8],
}

/// Digest and ticket, the ticket as it stands.
pub(crate) struct Hashed {
    pub(crate) digest: Vec<u8>,
    pub(crate) ticket: Vec<u8>,
}

/// TPM2_Sign with the key's own scheme.
pub(crate) struct SignCommand<'a> {
    pub(crate) key: Handle,
    pub(crate) digest: &'a [u8],
    /// TPMT_TK_HASHCHECK.
    pub(crate) ticket: &'a [u8],
}

/// TPMT_SIGNATURE.
pub(crate) struct Signed(pub(crate) Vec<u8>);

/// TPM2_ClockSet with the owner's empty password: forward only.
pub(crate) struct ClockSet {
    /// Milliseconds.
    pub(crate) clock: u64,
}

impl<'a> Command<'a> for HashCommand<'a> {
    const CODE: CommandCode = CommandCode(0x17D);
    const NAME: &'static str = "TPM2_Hash";
    const AUTHS: usize = 0;
    type Reply<'r> = Hashed;

    fn encode(&self, _: &[Authorization<'_>]) -> Result<Vec<u8>, WireError> {
        let tail = [ALG_SHA256.to_be_bytes().as_slice(), &Handle::ENDORSEMENT.0.to_be_bytes()].concat();
        Ok(frame(ST_NO_SESSIONS, Self::CODE, &[sized(self.data)?, tail].concat()))
    }

    fn parse(_: &'a [u8]) -> Result<(Self, Vec<Authorization<'a>>), WireError> {
        Err(one_way())
    }
}

impl<'a> Command<'a> for SignCommand<'a> {
    const CODE: CommandCode = CommandCode(0x15D);
    const NAME: &'static str = "TPM2_Sign";
    const AUTHS: usize = 1;
    type Reply<'r> = Signed;

    fn encode(&self, _: &[Authorization<'_>]) -> Result<Vec<u8>, WireError> {
        let body = [
            self.key.0.to_be_bytes().to_vec(),
            empty_password(),
            sized(self.digest)?,
            ALG_NULL.to_be_bytes().to_vec(),
            self.ticket.to_vec(),
        ];
        Ok(frame(ST_SESSIONS, Self::CODE, &body.concat()))
    }

    fn parse(_: &'a [u8]) -> Result<(Self, Vec<Authorization<'a>>), WireError> {
        Err(one_way())
    }
}

impl<'a> Command<'a> for ClockSet {
    const CODE: CommandCode = CommandCode(0x128);
    const NAME: &'static str = "TPM2_ClockSet";
    const AUTHS: usize = 1;
    type Reply<'r> = Empty;

    fn encode(&self, _: &[Authorization<'_>]) -> Result<Vec<u8>, WireError> {
        let body = [Handle::OWNER.0.to_be_bytes().to_vec(), empty_password(), self.clock.to_be_bytes().to_vec()];
        Ok(frame(ST_SESSIONS, Self::CODE, &body.concat()))
    }

    fn parse(_: &'a [u8]) -> Result<(Self, Vec<Authorization<'a>>), WireError> {
        Err(one_way())
    }
}

/// TPM2_NV_DefineSpace by the platform: an ordinary index that anybody may read.
pub(crate) struct NvDefineSpace {
    pub(crate) index: Handle,
    pub(crate) size: u16,
}

/// TPM2_NV_Write by the platform.
pub(crate) struct NvWrite<'a> {
    pub(crate) index: Handle,
    pub(crate) data: &'a [u8],
    pub(crate) offset: u16,
}

/// TPM2_NV_UndefineSpace by the platform.
pub(crate) struct NvUndefineSpace {
    pub(crate) index: Handle,
}

impl<'a> Command<'a> for NvDefineSpace {
    const CODE: CommandCode = CommandCode(0x12A);
    const NAME: &'static str = "TPM2_NV_DefineSpace";
    const AUTHS: usize = 1;
    type Reply<'r> = Empty;

    fn encode(&self, _: &[Authorization<'_>]) -> Result<Vec<u8>, WireError> {
        // PPWRITE, PPREAD, OWNERREAD, AUTHREAD, NO_DA, PLATFORMCREATE.
        const ATTRIBUTES: u32 = 1 | 1 << 16 | 1 << 17 | 1 << 18 | 1 << 25 | 1 << 30;
        let public = [
            self.index.0.to_be_bytes().as_slice(),
            &ALG_SHA256.to_be_bytes(),
            &ATTRIBUTES.to_be_bytes(),
            &[0; 2],
            &self.size.to_be_bytes(),
        ]
        .concat();
        let body = [Handle::PLATFORM.0.to_be_bytes().to_vec(), empty_password(), vec![0; 2], sized(&public)?];
        Ok(frame(ST_SESSIONS, Self::CODE, &body.concat()))
    }

    fn parse(_: &'a [u8]) -> Result<(Self, Vec<Authorization<'a>>), WireError> {
        Err(one_way())
    }
}

impl<'a> Command<'a> for NvWrite<'a> {
    const CODE: CommandCode = CommandCode(0x137);
    const NAME: &'static str = "TPM2_NV_Write";
    const AUTHS: usize = 1;
    type Reply<'r> = Empty;

    fn encode(&self, _: &[Authorization<'_>]) -> Result<Vec<u8>, WireError> {
        let handles = [Handle::PLATFORM, self.index].map(|handle| handle.0.to_be_bytes()).concat();
        let body = [handles, empty_password(), sized(self.data)?, self.offset.to_be_bytes().to_vec()];
        Ok(frame(ST_SESSIONS, Self::CODE, &body.concat()))
    }

    fn parse(_: &'a [u8]) -> Result<(Self, Vec<Authorization<'a>>), WireError> {
        Err(one_way())
    }
}

impl<'a> Command<'a> for NvUndefineSpace {
    const CODE: CommandCode = CommandCode(0x122);
    const NAME: &'static str = "TPM2_NV_UndefineSpace";
    const AUTHS: usize = 1;
    type Reply<'r> = Empty;

    fn encode(&self, _: &[Authorization<'_>]) -> Result<Vec<u8>, WireError> {
        let handles = [Handle::PLATFORM, self.index].map(|handle| handle.0.to_be_bytes()).concat();
        Ok(frame(ST_SESSIONS, Self::CODE, &[handles, empty_password()].concat()))
    }

    fn parse(_: &'a [u8]) -> Result<(Self, Vec<Authorization<'a>>), WireError> {
        Err(one_way())
    }
}

impl<'r> Reply<'r> for Hashed {
    fn parse(bytes: &'r [u8], _: usize) -> Result<Self, ReplyError> {
        outcome(bytes)?;
        let body = bytes.get(HEADER..).unwrap_or_default();
        let length = match body {
            [high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
            _ => 0,
        };
        match (body.get(2..2 + length), body.get(2 + length..)) {
            (Some(digest), Some(ticket)) => Ok(Self { digest: digest.to_vec(), ticket: ticket.to_vec() }),
            _ => Err(one_way().into()),
        }
    }

    fn encode(&self, _: usize) -> Result<Vec<u8>, WireError> {
        Err(one_way())
    }
}

impl<'r> Reply<'r> for Signed {
    fn parse(bytes: &'r [u8], _: usize) -> Result<Self, ReplyError> {
        outcome(bytes)?;
        // After the header: size of the parameters, the parameters, and the answer's session area.
        let body = bytes.get(HEADER + 4..).unwrap_or_default();
        let size = bytes.get(HEADER..HEADER + 4).and_then(|size| size.try_into().ok()).map_or(0, u32::from_be_bytes);
        let signature = usize::try_from(size).ok().and_then(|size| body.get(..size)).ok_or_else(one_way)?;
        Signature::parse(signature)?;
        Ok(Self(signature.to_vec()))
    }

    fn encode(&self, _: usize) -> Result<Vec<u8>, WireError> {
        Err(one_way())
    }
}

/// An authorisation area of one empty password: its size, handle, empty nonce, no attributes, empty value.
fn empty_password() -> Vec<u8> {
    [9u32.to_be_bytes().as_slice(), &Handle::PASSWORD.0.to_be_bytes(), &[0; 5]].concat()
}

fn frame(tag: u16, code: CommandCode, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    [tag.to_be_bytes().as_slice(), &size.to_be_bytes(), &code.0.to_be_bytes(), body].concat()
}

/// The answer of a direction that is not built, and of an answer that is cut.
fn one_way() -> WireError {
    WireError { offset: 0, wanted: Wanted::Known("message of this direction"), got: 0 }
}
