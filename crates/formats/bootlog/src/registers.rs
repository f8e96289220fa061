//! Which register stands for which PCR.

/// How registers are used: those of a TPM, or those of a confidential virtual machine, which fold several PCRs into
/// one (UEFI 2.10 section 38.4.1: PCR 0 to MRTD, 1 and 7 to RTMR 0, 2 to 6 to RTMR 1, 8 to 15 to RTMR 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registers {
    Pcr,
    Cc,
}

impl Registers {
    /// Where Secure Boot policy is measured.
    pub(crate) fn secure_boot(self) -> u32 {
        match self {
            Self::Pcr => 7,
            Self::Cc => 1,
        }
    }

    /// The register that stands for a PCR.
    pub(crate) fn of(self, pcr: u32) -> u32 {
        match (self, pcr) {
            (Self::Pcr, pcr) => pcr,
            (Self::Cc, 0) => 0,
            (Self::Cc, 1 | 7) => 1,
            (Self::Cc, 2..=6) => 2,
            (Self::Cc, _) => 3,
        }
    }
}
