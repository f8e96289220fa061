//! The places in the kernel that ask IMA.

use alloc::string::String;
use core::fmt;

use super::Access;

/// A hook, by what passes through it (`ima_hooks` in `ima.h`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Hook {
    /// BPRM_CHECK: programs, as they are executed.
    Bprm,
    /// CREDS_CHECK: programs, with the credentials they will have.
    Creds,
    /// CRITICAL_DATA: state of the kernel, e.g. device-mapper tables.
    CriticalData,
    /// FILE_CHECK: files, as they are opened.
    File,
    /// FIRMWARE_CHECK: firmware for devices.
    Firmware,
    /// KEXEC_CMDLINE: command line of a kexec kernel.
    KexecCmdline,
    /// KEXEC_INITRAMFS_CHECK: its initramfs.
    KexecInitramfs,
    /// KEXEC_KERNEL_CHECK: its image.
    KexecKernel,
    /// KEY_CHECK: keys, as they are put into a keyring.
    Key,
    /// MMAP_CHECK: files, as they are mapped to be executed.
    Mmap,
    /// MMAP_CHECK_REQPROT: the same by the protection that was asked for.
    MmapReqprot,
    /// MODULE_CHECK: kernel modules.
    Module,
    /// POLICY_CHECK: IMA policies.
    Policy,
    /// SETXATTR_CHECK: changes of `security.ima`; never measured.
    Setxattr,
    /// A name that this release does not know.
    Other(String),
}

impl Hook {
    /// The hooks whose coverage is told, most telling first.
    pub const COVERED: [Self; 11] = [
        Self::Bprm,
        Self::Mmap,
        Self::Module,
        Self::Firmware,
        Self::Policy,
        Self::KexecKernel,
        Self::KexecInitramfs,
        Self::KexecCmdline,
        Self::Key,
        Self::CriticalData,
        Self::File,
    ];

    pub(super) fn from_name(name: &str) -> Self {
        match name {
            "BPRM_CHECK" => Self::Bprm,
            "CREDS_CHECK" => Self::Creds,
            "CRITICAL_DATA" => Self::CriticalData,
            "FILE_CHECK" | "PATH_CHECK" => Self::File,
            "FIRMWARE_CHECK" => Self::Firmware,
            "KEXEC_CMDLINE" => Self::KexecCmdline,
            "KEXEC_INITRAMFS_CHECK" => Self::KexecInitramfs,
            "KEXEC_KERNEL_CHECK" => Self::KexecKernel,
            "KEY_CHECK" => Self::Key,
            "MMAP_CHECK" | "FILE_MMAP" => Self::Mmap,
            "MMAP_CHECK_REQPROT" => Self::MmapReqprot,
            "MODULE_CHECK" => Self::Module,
            "POLICY_CHECK" => Self::Policy,
            "SETXATTR_CHECK" => Self::Setxattr,
            other => Self::Other(String::from(other)),
        }
    }

    /// The kernel's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Bprm => "BPRM_CHECK",
            Self::Creds => "CREDS_CHECK",
            Self::CriticalData => "CRITICAL_DATA",
            Self::File => "FILE_CHECK",
            Self::Firmware => "FIRMWARE_CHECK",
            Self::KexecCmdline => "KEXEC_CMDLINE",
            Self::KexecInitramfs => "KEXEC_INITRAMFS_CHECK",
            Self::KexecKernel => "KEXEC_KERNEL_CHECK",
            Self::Key => "KEY_CHECK",
            Self::Mmap => "MMAP_CHECK",
            Self::MmapReqprot => "MMAP_CHECK_REQPROT",
            Self::Module => "MODULE_CHECK",
            Self::Policy => "POLICY_CHECK",
            Self::Setxattr => "SETXATTR_CHECK",
            Self::Other(name) => name,
        }
    }

    /// Keys and critical data reach IMA without a file: a rule without `func=` never matches them.
    pub(super) fn has_no_file(&self) -> bool {
        matches!(self, Self::CriticalData | Self::Key)
    }

    /// The one access that the hook passes to the policy; `None` where it varies or there is none.
    pub(super) fn access(&self) -> Option<Access> {
        match self {
            Self::Bprm | Self::Creds | Self::Mmap | Self::MmapReqprot => Some(Access::Exec),
            Self::Module | Self::Firmware | Self::KexecKernel | Self::KexecInitramfs | Self::Policy => {
                Some(Access::Read)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
