//! Buffers that the kernel measures: critical data, keys, command lines of kexec.
//!
//! A buffer in a list is what the digest beside it covers only when that digest is of the buffer; the template hash
//! covers both, so a replayed entry is as the kernel wrote it. Names are not protected from each other: a keyring may
//! have the name of an event, but its buffer is a certificate and never reads as the event's text.

mod device_mapper;
mod selinux;
mod text;

pub use device_mapper::{Device, DeviceMapper, DeviceNumbers, Event, Target, Verity};
pub use selinux::SelinuxState;

use alloc::boxed::Box;
use core::fmt;

use crate::Body;

/// What a buffer says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CriticalData<'a> {
    /// `kernel_version`: the release of the running kernel, e.g. `6.1.0-50-cloud-amd64`.
    KernelVersion(&'a str),
    /// `dm_…`: a change of a device-mapper device.
    DeviceMapper(Box<DeviceMapper<'a>>),
    /// `selinux-state`: switches of SELinux.
    SelinuxState(SelinuxState<'a>),
    /// `selinux-policy-hash`: digest of the loaded policy, in the algorithm of the entry's own digest.
    SelinuxPolicyHash(&'a [u8]),
    /// `kexec-cmdline`: command line of a kernel that was loaded to be executed next.
    KexecCmdline(&'a [u8]),
    /// `kexec_load`, `kexec_execute`: how long the list was, so that entries lost on the way to the next kernel show.
    KexecList(KexecList),
    /// `blacklisted-hash`: digest of a file that the `.blacklist` keyring refused.
    RefusedDigest(&'a [u8]),
    /// A key that was put into a keyring.
    Key {
        /// The keyring, e.g. `.ima`.
        keyring: &'a [u8],
        /// X.509 certificate as DER.
        certificate: &'a [u8],
    },
    /// A name that this release does not know.
    Unknown,
}

/// Counts of the list at a kexec (`ima_measure_kexec_event` in `ima_kexec.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KexecList {
    /// False when the next kernel was loaded, true when it was started.
    pub executed: bool,
    /// Bytes that were set aside for the list.
    pub segment_bytes: u64,
    /// Bytes of the binary list.
    pub list_bytes: u64,
    /// Entries of the list.
    pub entries: u64,
}

/// Why a buffer is not what its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CriticalError {
    /// Byte in the buffer.
    pub offset: usize,
    /// What is wrong there.
    pub fault: CriticalFault,
}

/// What is wrong in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CriticalFault {
    /// Not UTF-8 text.
    Encoding,
    /// The text ends where something must follow. The kernel cuts device-mapper texts at its own limits too.
    Cut {
        /// What must follow.
        wanted: &'static str,
    },
    /// Another word than the one that comes here.
    Word {
        /// The word.
        wanted: &'static str,
    },
    /// A value that is not of its form.
    Value {
        /// Name of the value.
        field: &'static str,
        /// Its form.
        wanted: &'static str,
    },
}

/// Reads a buffer by the name beside it.
///
/// Memory is bounded by four times the buffer.
///
/// # Errors
/// [`CriticalError`] for text that the kernel would not have written under that name.
pub fn parse<'a>(name: &'a [u8], buffer: &'a [u8]) -> Result<CriticalData<'a>, CriticalError> {
    Ok(match name {
        b"kernel_version" => CriticalData::KernelVersion(kernel_version(buffer)?),
        b"selinux-state" => CriticalData::SelinuxState(SelinuxState::parse(buffer)?),
        b"selinux-policy-hash" => CriticalData::SelinuxPolicyHash(digest(buffer)?),
        b"kexec-cmdline" => CriticalData::KexecCmdline(buffer),
        b"kexec_load" => CriticalData::KexecList(kexec_list(buffer, false)?),
        b"kexec_execute" => CriticalData::KexecList(kexec_list(buffer, true)?),
        b"blacklisted-hash" => CriticalData::RefusedDigest(digest(buffer)?),
        _ => match device_mapper::parse(name, buffer)? {
            Some(event) => CriticalData::DeviceMapper(Box::new(event)),
            None if is_der_sequence(buffer) => CriticalData::Key { keyring: name, certificate: buffer },
            None => CriticalData::Unknown,
        },
    })
}

/// [`parse`] for an entry; `None` for one that is not about a buffer.
///
/// # Errors
/// As [`parse`].
pub fn of<'a>(body: &Body<'a>) -> Option<Result<CriticalData<'a>, CriticalError>> {
    match *body {
        Body::Buffer { name, data, .. } => Some(parse(name, data)),
        _ => None,
    }
}

fn kernel_version(buffer: &[u8]) -> Result<&str, CriticalError> {
    let text = text::utf8(buffer)?;
    let printable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let fault = CriticalFault::Value { field: "kernel_version", wanted: "a release in printable ASCII" };
    printable.then_some(text).ok_or(CriticalError { offset: 0, fault })
}

/// A digest of any algorithm of the kernel.
fn digest(buffer: &[u8]) -> Result<&[u8], CriticalError> {
    let fault = CriticalFault::Value { field: "digest", wanted: "16 to 64 bytes" };
    (16..=64).contains(&buffer.len()).then_some(buffer).ok_or(CriticalError { offset: 0, fault })
}

fn kexec_list(buffer: &[u8], executed: bool) -> Result<KexecList, CriticalError> {
    let mut records = text::Records::new(text::utf8(buffer)?);
    let mut number = |name| records.next_record(name)?.only(name)?.number(name);
    let segment_bytes = number("kexec_segment_size")?;
    let list_bytes = number("ima_binary_runtime_size")?;
    let entries = number("ima_runtime_measurements_count")?;
    records.finish()?;
    Ok(KexecList { executed, segment_bytes, list_bytes, entries })
}

/// A DER SEQUENCE that ends with the buffer: what a certificate is, before anyone verifies it.
fn is_der_sequence(buffer: &[u8]) -> bool {
    let Some((&[0x30, first], rest)) = buffer.split_first_chunk::<2>() else { return false };
    let count = usize::from(first.wrapping_sub(0x80));
    let (len, content) = match first {
        0..=0x7F => (Some(usize::from(first)), Some(rest)),
        // Certificates beyond 16 MiB do not fit into a list.
        0x81..=0x83 => {
            let digits = rest.get(..count).unwrap_or_default();
            let len = digits.iter().fold(0_usize, |len, digit| len.saturating_mul(256).saturating_add((*digit).into()));
            (Some(len), rest.get(count..))
        }
        _ => (None, None),
    };
    content.is_some_and(|content| len == Some(content.len()))
}

impl fmt::Display for CriticalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "measured buffer at byte {}: ", self.offset)?;
        match self.fault {
            CriticalFault::Encoding => f.write_str("not UTF-8 text"),
            CriticalFault::Cut { wanted } => write!(f, "ends where {wanted} must follow"),
            CriticalFault::Word { wanted } => write!(f, "wanted {wanted}"),
            CriticalFault::Value { field, wanted } => write!(f, "{field} is not {wanted}"),
        }
    }
}

impl core::error::Error for CriticalError {}
