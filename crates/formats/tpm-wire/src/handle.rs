//! TPM_HANDLE values (TPM 2.0 Part 2, "Handles") and the ones that the TCG gives a fixed meaning.

use crate::wire::{Reader, Wire, Writer};
use crate::{Wanted, WireError};

/// A TPM_HANDLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub u32);

impl Handle {
    /// TPM_RH_OWNER: the storage hierarchy.
    pub const OWNER: Self = Self(0x4000_0001);
    /// TPM_RH_NULL.
    pub const NULL: Self = Self(0x4000_0007);
    /// TPM_RS_PW: an authorisation that carries a password.
    pub const PASSWORD: Self = Self(0x4000_0009);
    /// TPM_RH_LOCKOUT.
    pub const LOCKOUT: Self = Self(0x4000_000A);
    /// TPM_RH_ENDORSEMENT: the endorsement hierarchy and its privacy administrator.
    pub const ENDORSEMENT: Self = Self(0x4000_000B);
    /// TPM_RH_PLATFORM.
    pub const PLATFORM: Self = Self(0x4000_000C);
    /// NV index of the RSA-2048 EK certificate (TCG EK Credential Profile, template L-1).
    pub const EK_CERTIFICATE_RSA2048: Self = Self(0x01C0_0002);
    /// Where manufacturers and platforms keep the RSA-2048 EK (TCG Provisioning Guidance).
    pub const EK_RSA2048: Self = Self(0x8101_0001);
    /// First NV index of a manufacturer's CA certificates (TCG EK Credential Profile).
    pub const FIRST_EK_CHAIN: Self = Self(0x01C0_0100);
    /// Last NV index of them.
    pub const LAST_EK_CHAIN: Self = Self(0x01C0_01FF);
    /// First handle of the range in which manufacturers and platforms keep endorsement keys (TCG Registry of Reserved
    /// TPM 2.0 Handles and Localities).
    pub const FIRST_EK: Self = Self(0x8101_0000);
    /// Last handle of that range.
    pub const LAST_EK: Self = Self(0x8101_00FF);
    /// Where Azure keeps the attestation key of a virtual machine.
    pub const AZURE_AK: Self = Self(0x8100_0003);
    /// NV index of that key's certificate.
    pub const AZURE_AK_CERTIFICATE: Self = Self(0x01C1_01D0);
    /// NV index of the certificate of Google Cloud's RSA-2048 attestation key.
    pub const GCP_AK_CERTIFICATE_RSA: Self = Self(0x01C1_0000);
    /// NV index of that key's template.
    pub const GCP_AK_TEMPLATE_RSA: Self = Self(0x01C1_0001);
    /// NV index of the certificate of Google Cloud's P-256 attestation key.
    pub const GCP_AK_CERTIFICATE_ECC: Self = Self(0x01C1_0002);
    /// NV index of that key's template.
    pub const GCP_AK_TEMPLATE_ECC: Self = Self(0x01C1_0003);
    /// First transient object.
    pub const FIRST_TRANSIENT: Self = Self(0x8000_0000);
    /// First persistent object.
    pub const FIRST_PERSISTENT: Self = Self(0x8100_0000);
    /// First loaded HMAC session; asked of TPM2_GetCapability, every loaded session answers.
    pub const FIRST_LOADED_SESSION: Self = Self(0x0200_0000);

    /// PCR `index`.
    pub const fn pcr(index: u8) -> Self {
        Self(u32::from_be_bytes([0, 0, 0, index]))
    }

    /// True for an object that TPM2_FlushContext removes.
    pub const fn is_transient(self) -> bool {
        self.0 >> 24 == 0x80
    }

    /// True for an HMAC or policy session.
    pub const fn is_session(self) -> bool {
        matches!(self.0 >> 24, 0x02 | 0x03)
    }
}

impl core::fmt::Display for Handle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl<'a> Wire<'a> for Handle {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        reader.u32().map(Self)
    }

    fn write(&self, writer: &mut Writer) {
        writer.u32(self.0);
    }
}

/// TPM_SU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartupType {
    /// TPM_SU_CLEAR: a TPM reset or restart.
    Clear,
    /// TPM_SU_STATE: a resume, or a restart.
    State,
}

impl<'a> Wire<'a> for StartupType {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let start = reader.offset();
        match reader.u16()? {
            0 => Ok(Self::Clear),
            1 => Ok(Self::State),
            other => Err(WireError { offset: start, wanted: Wanted::Known("startup type"), got: other.into() }),
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.u16(match self {
            Self::Clear => 0,
            Self::State => 1,
        });
    }
}

/// TPM_SE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionType {
    /// TPM_SE_HMAC.
    Hmac,
    /// TPM_SE_POLICY.
    Policy,
    /// TPM_SE_TRIAL.
    Trial,
}

impl<'a> Wire<'a> for SessionType {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let start = reader.offset();
        match reader.u8()? {
            0 => Ok(Self::Hmac),
            1 => Ok(Self::Policy),
            3 => Ok(Self::Trial),
            other => Err(WireError { offset: start, wanted: Wanted::Known("session type"), got: other.into() }),
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.u8(match self {
            Self::Hmac => 0,
            Self::Policy => 1,
            Self::Trial => 3,
        });
    }
}
