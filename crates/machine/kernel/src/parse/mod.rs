//! Pure parsers of what the kernel writes: bytes in, values or a typed refusal out. They take nothing for granted: a
//! file that was cut short, or that is no file of the kernel, is refused and never guessed at.
//!
//! None allocates more than eight times its input.
//!
//! Files of /proc and of cgroups, sock_diag and the framing of netlink are tested on the kernel that runs the tests and on
//! a recorded machine. Answers of device mapper and of nf_tables, like selinuxfs and the inventory of BPF programs beside
//! them, have so far been read from bytes that were laid out after the kernel's headers alone: no machine that has run
//! the tests had such objects, or let them be read.

pub mod cgroup;
pub mod diag;
pub mod dm;
pub mod limits;
pub mod maps;
pub mod mountinfo;
pub mod net;
pub mod netlink;
pub mod nftables;
pub mod stat;
pub mod status;

use thiserror::Error;

/// Bytes that are not what the kernel writes: another kernel than this release knows, or an attack.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("byte {offset}: wanted {wanted}, got {got}")]
pub struct ParseError {
    /// Where, counted from the start of the input.
    pub offset: usize,
    /// What belongs there.
    pub wanted: &'static str,
    /// What stands there, shortened.
    pub got: String,
}

/// How much of a surprise an error quotes.
const QUOTED: usize = 32;

impl ParseError {
    pub(crate) fn new(offset: usize, wanted: &'static str, got: &str) -> Self {
        Self { offset, wanted, got: got.chars().take(QUOTED).flat_map(char::escape_debug).collect() }
    }
}

/// The input as text that ends with a newline, as every file of the kernel does.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, ParseError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ParseError::new(error.valid_up_to(), "UTF-8", "bytes that are none"))?;
    match text.strip_suffix('\n') {
        Some(lines) => Ok(lines),
        None => Err(ParseError::new(text.len(), "a newline at the end", "the end")),
    }
}

/// As [`text`], of a file that may have names in it that are no UTF-8: those are spelled with U+FFFD.
pub(crate) fn lossy(bytes: &[u8]) -> Result<String, ParseError> {
    match bytes.strip_suffix(b"\n") {
        Some(lines) => Ok(String::from_utf8_lossy(lines).into_owned()),
        None => Err(ParseError::new(bytes.len(), "a newline at the end", "the end")),
    }
}

/// Lines with the offset of each.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split('\n').scan(0, |next, line| {
        let offset = *next;
        *next += line.len() + 1;
        Some((offset, line))
    })
}

/// A decimal number.
pub(crate) fn number<T: std::str::FromStr>(offset: usize, word: &str) -> Result<T, ParseError> {
    match word.bytes().next() {
        Some(b'0'..=b'9' | b'-') => word.parse().map_err(|_| ParseError::new(offset, "a number", word)),
        _ => Err(ParseError::new(offset, "a number", word)),
    }
}

/// A hexadecimal number without a prefix.
pub(crate) fn hexadecimal(offset: usize, word: &str) -> Result<u64, ParseError> {
    if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(ParseError::new(offset, "a hexadecimal number", word));
    }
    u64::from_str_radix(word, 16).map_err(|_| ParseError::new(offset, "a hexadecimal number", word))
}

/// `N` bytes at `offset`.
pub(crate) fn bytes_at<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N], ParseError> {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .ok_or_else(|| ParseError::new(offset, "more bytes", "the end"))
}

/// A number of the machine's byte order at `offset`.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Result<u32, ParseError> {
    bytes_at(bytes, offset).map(u32::from_ne_bytes)
}

/// The C string that fills `field` up to its first NUL.
pub(crate) fn c_string(offset: usize, field: &[u8]) -> Result<&str, ParseError> {
    let end = field
        .iter()
        .position(|byte| *byte == 0)
        .ok_or_else(|| ParseError::new(offset, "a string that ends with NUL", "no NUL"))?;
    field
        .get(..end)
        .and_then(|string| std::str::from_utf8(string).ok())
        .ok_or_else(|| ParseError::new(offset, "UTF-8", "bytes that are none"))
}
