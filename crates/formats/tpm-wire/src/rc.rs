//! Response codes (TPM 2.0 Part 2, "TPM_RC"): names for people, classes for the caller.

/// A TPM_RC other than success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResponseCode(pub u32);

/// What a caller can do about a response code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The TPM is busy with itself: send the same command again (RETRY, YIELDED, TESTING).
    Resubmit,
    /// The TPM spares its non-volatile memory or cannot reach it now: send the same command again, later.
    ResubmitLater,
    /// Authorisations are refused for a while because too many failed.
    Lockout,
    /// Too many objects or sessions are loaded.
    NoRoom,
    /// The command is wrong or may not be done; the same command will be refused again.
    Refused,
}

/// Bit 7: a format-one code, which carries the number of a parameter, handle or session.
const FORMAT_ONE: u32 = 0x080;
/// Bit 6 of a format-one code: the number is a parameter's.
const PARAMETER: u32 = 0x040;
/// Bit 11 of a format-one code without [`PARAMETER`]: the number is a session's, not a handle's.
const SESSION: u32 = 0x800;

/// What a format-one code speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Parameter, from 1; 0 when it is not said which.
    Parameter(u32),
    /// Handle, from 1; 0 when it is not said which.
    Handle(u32),
    /// Session, from 1; 0 when it is not said which.
    Session(u32),
}

impl ResponseCode {
    /// True when a parameter itself is at fault, not a handle, an authorisation or the TPM's state.
    pub fn is_about_a_parameter(self) -> bool {
        matches!(self.subject(), Some(Subject::Parameter(_)))
    }

    /// TPM_RC_HANDLE, or TPM_RC_REFERENCE_H0 to H6: a handle of the command names nothing that is loaded.
    pub const fn names_a_lost_handle(self) -> bool {
        self.base().0 == Self::HANDLE.0 || matches!(self.0, 0x910..=0x916)
    }

    /// TPM_RC_INITIALIZE: the TPM was not started.
    pub const INITIALIZE: Self = Self(0x100);
    /// TPM_RC_FAILURE: failure mode, or an internal error.
    pub const FAILURE: Self = Self(0x101);
    /// TPM_RC_YIELDED.
    pub const YIELDED: Self = Self(0x908);
    /// TPM_RC_TESTING.
    pub const TESTING: Self = Self(0x90A);
    /// TPM_RC_NV_RATE.
    pub const NV_RATE: Self = Self(0x920);
    /// TPM_RC_LOCKOUT.
    pub const LOCKOUT: Self = Self(0x921);
    /// TPM_RC_RETRY.
    pub const RETRY: Self = Self(0x922);
    /// TPM_RC_NV_UNAVAILABLE.
    pub const NV_UNAVAILABLE: Self = Self(0x923);
    /// TPM_RC_OBJECT_MEMORY.
    pub const OBJECT_MEMORY: Self = Self(0x902);
    /// TPM_RC_VALUE, base.
    pub const VALUE: Self = Self(0x084);
    /// TPM_RC_HANDLE, base.
    pub const HANDLE: Self = Self(0x08B);
    /// TPM_RC_POLICY_FAIL, base.
    pub const POLICY_FAIL: Self = Self(0x09D);
    /// TPM_RC_INTEGRITY, base.
    pub const INTEGRITY: Self = Self(0x09F);
    /// TPM_RC_BAD_AUTH, base.
    pub const BAD_AUTH: Self = Self(0x0A2);

    /// The code without the number of a parameter, handle or session: what [`ResponseCode::name`] names.
    pub const fn base(self) -> Self {
        if self.0 & FORMAT_ONE != 0 { Self(self.0 & 0x0BF) } else { self }
    }

    /// What the code speaks of; `None` for a format-zero code.
    pub const fn subject(self) -> Option<Subject> {
        if self.0 & FORMAT_ONE == 0 {
            None
        } else if self.0 & PARAMETER != 0 {
            Some(Subject::Parameter(self.0 >> 8 & 0xF))
        } else if self.0 & SESSION != 0 {
            Some(Subject::Session(self.0 >> 8 & 0x7))
        } else {
            Some(Subject::Handle(self.0 >> 8 & 0x7))
        }
    }

    /// What can be done.
    pub const fn class(self) -> Class {
        match self {
            Self::RETRY | Self::YIELDED | Self::TESTING => Class::Resubmit,
            Self::NV_RATE | Self::NV_UNAVAILABLE => Class::ResubmitLater,
            Self::LOCKOUT => Class::Lockout,
            Self(0x902..=0x906) => Class::NoRoom,
            _ => Class::Refused,
        }
    }

    /// The name in the specification, e.g. `TPM_RC_RETRY`; `TPM_RC_?` for a code that it does not list.
    pub fn name(self) -> &'static str {
        let base = self.base().0;
        NAMES.iter().find(|(code, _)| *code == base).map_or("TPM_RC_?", |(_, name)| name)
    }
}

impl core::fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} ({:#05x}", self.name(), self.0)?;
        match self.subject() {
            Some(Subject::Parameter(number)) => write!(f, ", parameter {number})"),
            Some(Subject::Handle(number)) => write!(f, ", handle {number})"),
            Some(Subject::Session(number)) => write!(f, ", session {number})"),
            None => f.write_str(")"),
        }
    }
}

const NAMES: &[(u32, &str)] = &[
    (0x01E, "TPM_RC_BAD_TAG"),
    (0x081, "TPM_RC_ASYMMETRIC"),
    (0x082, "TPM_RC_ATTRIBUTES"),
    (0x083, "TPM_RC_HASH"),
    (0x084, "TPM_RC_VALUE"),
    (0x085, "TPM_RC_HIERARCHY"),
    (0x087, "TPM_RC_KEY_SIZE"),
    (0x088, "TPM_RC_MGF"),
    (0x089, "TPM_RC_MODE"),
    (0x08A, "TPM_RC_TYPE"),
    (0x08B, "TPM_RC_HANDLE"),
    (0x08C, "TPM_RC_KDF"),
    (0x08D, "TPM_RC_RANGE"),
    (0x08E, "TPM_RC_AUTH_FAIL"),
    (0x08F, "TPM_RC_NONCE"),
    (0x090, "TPM_RC_PP"),
    (0x092, "TPM_RC_SCHEME"),
    (0x095, "TPM_RC_SIZE"),
    (0x096, "TPM_RC_SYMMETRIC"),
    (0x097, "TPM_RC_TAG"),
    (0x098, "TPM_RC_SELECTOR"),
    (0x09A, "TPM_RC_INSUFFICIENT"),
    (0x09B, "TPM_RC_SIGNATURE"),
    (0x09C, "TPM_RC_KEY"),
    (0x09D, "TPM_RC_POLICY_FAIL"),
    (0x09F, "TPM_RC_INTEGRITY"),
    (0x0A0, "TPM_RC_TICKET"),
    (0x0A1, "TPM_RC_RESERVED_BITS"),
    (0x0A2, "TPM_RC_BAD_AUTH"),
    (0x0A3, "TPM_RC_EXPIRED"),
    (0x0A4, "TPM_RC_POLICY_CC"),
    (0x0A5, "TPM_RC_BINDING"),
    (0x0A6, "TPM_RC_CURVE"),
    (0x0A7, "TPM_RC_ECC_POINT"),
    (0x100, "TPM_RC_INITIALIZE"),
    (0x101, "TPM_RC_FAILURE"),
    (0x103, "TPM_RC_SEQUENCE"),
    (0x10B, "TPM_RC_PRIVATE"),
    (0x119, "TPM_RC_HMAC"),
    (0x120, "TPM_RC_DISABLED"),
    (0x121, "TPM_RC_EXCLUSIVE"),
    (0x124, "TPM_RC_AUTH_TYPE"),
    (0x125, "TPM_RC_AUTH_MISSING"),
    (0x126, "TPM_RC_POLICY"),
    (0x127, "TPM_RC_PCR"),
    (0x128, "TPM_RC_PCR_CHANGED"),
    (0x12D, "TPM_RC_UPGRADE"),
    (0x12E, "TPM_RC_TOO_MANY_CONTEXTS"),
    (0x12F, "TPM_RC_AUTH_UNAVAILABLE"),
    (0x130, "TPM_RC_REBOOT"),
    (0x131, "TPM_RC_UNBALANCED"),
    (0x142, "TPM_RC_COMMAND_SIZE"),
    (0x143, "TPM_RC_COMMAND_CODE"),
    (0x144, "TPM_RC_AUTHSIZE"),
    (0x145, "TPM_RC_AUTH_CONTEXT"),
    (0x146, "TPM_RC_NV_RANGE"),
    (0x147, "TPM_RC_NV_SIZE"),
    (0x148, "TPM_RC_NV_LOCKED"),
    (0x149, "TPM_RC_NV_AUTHORIZATION"),
    (0x14A, "TPM_RC_NV_UNINITIALIZED"),
    (0x14B, "TPM_RC_NV_SPACE"),
    (0x14C, "TPM_RC_NV_DEFINED"),
    (0x150, "TPM_RC_BAD_CONTEXT"),
    (0x151, "TPM_RC_CPHASH"),
    (0x152, "TPM_RC_PARENT"),
    (0x153, "TPM_RC_NEEDS_TEST"),
    (0x154, "TPM_RC_NO_RESULT"),
    (0x155, "TPM_RC_SENSITIVE"),
    (0x901, "TPM_RC_CONTEXT_GAP"),
    (0x902, "TPM_RC_OBJECT_MEMORY"),
    (0x903, "TPM_RC_SESSION_MEMORY"),
    (0x904, "TPM_RC_MEMORY"),
    (0x905, "TPM_RC_SESSION_HANDLES"),
    (0x906, "TPM_RC_OBJECT_HANDLES"),
    (0x907, "TPM_RC_LOCALITY"),
    (0x908, "TPM_RC_YIELDED"),
    (0x909, "TPM_RC_CANCELED"),
    (0x90A, "TPM_RC_TESTING"),
    (0x910, "TPM_RC_REFERENCE_H0"),
    (0x911, "TPM_RC_REFERENCE_H1"),
    (0x912, "TPM_RC_REFERENCE_H2"),
    (0x918, "TPM_RC_REFERENCE_S0"),
    (0x919, "TPM_RC_REFERENCE_S1"),
    (0x91A, "TPM_RC_REFERENCE_S2"),
    (0x920, "TPM_RC_NV_RATE"),
    (0x921, "TPM_RC_LOCKOUT"),
    (0x922, "TPM_RC_RETRY"),
    (0x923, "TPM_RC_NV_UNAVAILABLE"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn codes_say_their_name_and_what_they_speak_of() {
        assert_eq!(ResponseCode(0x1DF).to_string(), "TPM_RC_INTEGRITY (0x1df, parameter 1)");
        assert_eq!(ResponseCode(0x18B).to_string(), "TPM_RC_HANDLE (0x18b, handle 1)");
        assert_eq!(ResponseCode(0x9A2).to_string(), "TPM_RC_BAD_AUTH (0x9a2, session 1)");
        assert_eq!(ResponseCode(0x922).to_string(), "TPM_RC_RETRY (0x922)");
        assert_eq!(ResponseCode(0x7FF).name(), "TPM_RC_?");
    }

    #[test]
    fn only_a_busy_tpm_is_asked_again() {
        for code in [ResponseCode::RETRY, ResponseCode::YIELDED, ResponseCode::TESTING] {
            assert_eq!(code.class(), Class::Resubmit);
        }
        assert_eq!(ResponseCode::NV_RATE.class(), Class::ResubmitLater);
        assert_eq!(ResponseCode(0x921).class(), Class::Lockout);
        assert_eq!(ResponseCode(0x902).class(), Class::NoRoom);
        assert_eq!(ResponseCode(0x9A2).class(), Class::Refused);
        assert_eq!(ResponseCode(0x1DF).class(), Class::Refused);
    }
}
