//! Framing of netlink answers (netlink(7)).

use super::{ParseError, bytes_at, u32_at};

/// Bytes of a message's header.
pub const HEADER: usize = 16;
/// `NLMSG_ERROR`.
pub const ERROR: u16 = 2;
/// `NLMSG_DONE`.
pub const DONE: u16 = 3;
/// `NLM_F_DUMP_INTR`: the table changed while it was dumped, and the dump may be inconsistent.
pub const INTERRUPTED: u16 = 0x10;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// `NLMSG_*`, or the family's own number.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// The messages of one datagram.
///
/// # Errors
/// [`ParseError`]: a length that does not hold, or bytes behind the last message.
pub fn messages(bytes: &[u8]) -> Result<Vec<Message<'_>>, ParseError> {
    let mut messages = Vec::new();
    let mut offset = 0;
    while offset < bytes.len() {
        let rest = bytes.get(offset..).unwrap_or_default();
        let length = length_at(rest, offset)?;
        let payload = rest.get(HEADER..length).ok_or_else(|| short(offset))?;
        let kind = u16::from_ne_bytes(bytes_at(bytes, offset + 4)?);
        let flags = u16::from_ne_bytes(bytes_at(bytes, offset + 6)?);
        messages.push(Message { kind, flags, payload });
        offset += length.next_multiple_of(4);
    }
    Ok(messages)
}

fn length_at(rest: &[u8], offset: usize) -> Result<usize, ParseError> {
    usize::try_from(u32_at(rest, 0).map_err(|_| short(offset))?).map_err(|_| short(offset))
}

fn short(offset: usize) -> ParseError {
    ParseError::new(offset, "a message of its stated length", "the end")
}

/// The error number of an [`ERROR`] or [`DONE`] message: 0 is success.
pub fn errno(payload: &[u8]) -> i32 {
    bytes_at(payload, 0).map_or(0, i32::from_ne_bytes).saturating_neg()
}

/// Attributes: (number without flags, value).
///
/// # Errors
/// [`ParseError`].
pub fn attributes(bytes: &[u8]) -> Result<Vec<(u16, &[u8])>, ParseError> {
    /// `NLA_TYPE_MASK`.
    const NUMBER: u16 = 0x3fff;
    let mut attributes = Vec::new();
    let mut offset = 0;
    while offset < bytes.len() {
        let length = usize::from(u16::from_ne_bytes(bytes_at(bytes, offset)?));
        let number = u16::from_ne_bytes(bytes_at(bytes, offset + 2)?) & NUMBER;
        let value = bytes
            .get(offset + 4..offset.saturating_add(length))
            .ok_or_else(|| ParseError::new(offset, "an attribute of its stated length", "the end"))?;
        attributes.push((number, value));
        offset += length.next_multiple_of(4);
    }
    Ok(attributes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A message as the kernel frames it.
    pub(crate) fn framed(kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + payload.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn messages_and_attributes_are_found_and_padded() {
        let bytes = [framed(20, b"abcde"), framed(DONE, &0_i32.to_ne_bytes())].concat();
        let all = messages(&bytes).unwrap();
        assert_eq!((all.len(), all[0].kind, all[0].payload, all[1].kind), (2, 20, b"abcde".as_slice(), DONE));
        assert_eq!(errno(&(-1_i32).to_ne_bytes()), 1);
        let mut nested = 6_u16.to_ne_bytes().to_vec();
        nested.extend((0x8000_u16 | 7).to_ne_bytes());
        nested.extend([1, 2, 0, 0]);
        assert_eq!(attributes(&nested).unwrap(), [(7, [1, 2].as_slice())]);
    }

    #[test]
    fn every_other_length_is_refused_or_ends_elsewhere() {
        let bytes = framed(20, b"abcdefgh");
        for end in 1..bytes.len() {
            assert!(messages(&bytes[..end]).is_err(), "{end}");
        }
        for length in (0..40_u32).chain([u32::MAX, u32::MAX - 3]) {
            let mut changed = bytes.clone();
            changed[..4].copy_from_slice(&length.to_ne_bytes());
            // 21 to 23 are padded to the 24 bytes that are there.
            assert_eq!(messages(&changed).is_ok(), (21..=24).contains(&length), "{length}");
        }
        for length in 0..=u16::MAX {
            let mut attribute = length.to_ne_bytes().to_vec();
            attribute.extend([7, 0, 1, 2, 3, 4]);
            assert_eq!(attributes(&attribute).is_ok(), (5..=8).contains(&length), "{length}");
        }
    }
}
