//! Messages: one call out, one header in. The format is the D-Bus Specification's, section "Message Protocol".

use zbus::Variant;
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{Endian, NATIVE_ENDIAN, to_bytes};

/// The most bytes of one message that are taken: the list of 10,000 units is 3 MB.
pub(crate) const MAX_MESSAGE: usize = 32 << 20;
/// The header up to the length of its fields.
const FIXED: usize = 16;

const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// The fields of a message's header, as they stand on the wire.
type Header<'a> = (u8, u8, u8, u8, u32, u32, Vec<(u8, Variant<'a>)>);

/// A method call whose arguments, if any, are strings: none that is needed has others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) path: &'a str,
    pub(crate) interface: &'a str,
    pub(crate) member: &'static str,
    pub(crate) arguments: &'a [&'a str],
}

/// What kind of message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Return,
    Error,
    Signal,
    Call,
}

/// A message that came.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) reply_to: Option<u32>,
    /// Of a signal.
    pub(crate) path: String,
    /// Of a signal.
    pub(crate) member: String,
    /// Of an error.
    pub(crate) error: String,
    signature: String,
    body: Vec<u8>,
    endian: Endian,
}

// === impl Call ===

impl Call<'_> {
    /// The bytes to send.
    pub(crate) fn encode(&self, serial: u32, destination: Option<&str>) -> Result<Vec<u8>, zbus::Error> {
        let context = Context::new(NATIVE_ENDIAN, 0);
        let body = match *self.arguments {
            [] => Vec::new(),
            [one] => to_bytes(context, &one)?.bytes().to_vec(),
            [one, two] => to_bytes(context, &(one, two))?.bytes().to_vec(),
            _ => return Err(zbus::Error::ExcessData),
        };
        let signature = "s".repeat(self.arguments.len());
        let mut fields = vec![
            (PATH, Variant::ObjectPath(self.path.try_into()?)),
            (INTERFACE, Variant::from(self.interface)),
            (MEMBER, Variant::from(self.member)),
        ];
        if let Some(destination) = destination {
            fields.push((DESTINATION, Variant::from(destination)));
        }
        let endian = if NATIVE_ENDIAN == Endian::Little { b'l' } else { b'B' };
        let length = u32::try_from(body.len()).map_err(|_| zbus::Error::ExcessData)?;
        let mut bytes = to_bytes(context, &(endian, 1_u8, 0_u8, 1_u8, length, serial, fields))?.bytes().to_vec();
        if !signature.is_empty() {
            append_signature(&mut bytes, &signature)?;
        }
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend(body);
        Ok(bytes)
    }
}

/// Adds the field of the body's signature as the last one. Several arguments are no structure, and the library would
/// spell them as one, in parentheses, which PID 1 refuses.
fn append_signature(bytes: &mut Vec<u8>, signature: &str) -> Result<(), zbus::Error> {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let length = u8::try_from(signature.len()).map_err(|_| zbus::Error::ExcessData)?;
    bytes.extend([SIGNATURE, 1, b'g', 0, length]);
    bytes.extend(signature.bytes().chain([0]));
    let fields = u32::try_from(bytes.len().saturating_sub(FIXED)).map_err(|_| zbus::Error::ExcessData)?;
    if let Some(room) = bytes.get_mut(FIXED - 4..FIXED) {
        room.copy_from_slice(&fields.to_ne_bytes());
    }
    Ok(())
}

// === impl Message ===

/// How long the message at the start of `bytes` is; `None` when too little of it is there to say.
pub(crate) fn length(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    let Some(fixed) = bytes.get(..FIXED) else { return Ok(None) };
    let word = |at: usize| {
        let bytes = <[u8; 4]>::try_from(&fixed[at..at + 4]).unwrap_or_default();
        match fixed[0] {
            b'l' => Ok(u32::from_le_bytes(bytes) as usize),
            b'B' => Ok(u32::from_be_bytes(bytes) as usize),
            _ => Err("a byte order that is neither l nor B"),
        }
    };
    let (body, fields) = (word(4)?, word(12)?);
    if body > MAX_MESSAGE || fields > MAX_MESSAGE {
        return Err("a message longer than 32 MiB");
    }
    Ok(Some((FIXED + fields).next_multiple_of(8) + body))
}

impl Message {
    /// Reads exactly one message.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, zbus::Error> {
        let endian = if bytes.first() == Some(&b'B') { Endian::Big } else { Endian::Little };
        let data = Data::new(bytes, Context::new(endian, 0));
        let ((_, kind, _, version, length, _, fields), _) = data.deserialize::<Header<'_>>()?;
        let body = bytes.len().checked_sub(length as usize).and_then(|start| bytes.get(start..));
        let Some(body) = body.filter(|_| version == 1) else { return Err(zbus::Error::ExcessData) };
        let mut message = Self {
            kind: match kind {
                1 => Kind::Call,
                2 => Kind::Return,
                3 => Kind::Error,
                _ => Kind::Signal,
            },
            reply_to: None,
            path: String::new(),
            member: String::new(),
            error: String::new(),
            signature: String::new(),
            body: body.to_vec(),
            endian,
        };
        for (field, value) in fields {
            match (field, value) {
                (PATH, Variant::ObjectPath(path)) => message.path = path.as_str().into(),
                (MEMBER, Variant::Str(member)) => message.member = member.as_str().into(),
                (ERROR_NAME, Variant::Str(name)) => message.error = name.as_str().into(),
                (REPLY_SERIAL, Variant::U32(serial)) => message.reply_to = Some(serial),
                (SIGNATURE, Variant::Signature(signature)) => message.signature = signature.to_string_no_parens(),
                _ => {}
            }
        }
        Ok(message)
    }

    /// Its body, to be deserialized by whoever knows its signature.
    pub(crate) fn body(&self, signature: &str) -> Result<Data<'_, 'static>, String> {
        if self.signature != signature {
            return Err(format!("signature {:?} where {signature:?} is due", self.signature));
        }
        Ok(Data::new(self.body.as_slice(), Context::new(self.endian, 0)))
    }

    /// The text of an error, cut at 256 characters.
    pub(crate) fn text(&self) -> String {
        let body = self.body("s");
        let text = body.ok().and_then(|data| data.deserialize::<&str>().map(|(text, _)| text.to_owned()).ok());
        text.unwrap_or_default().chars().take(256).collect()
    }
}
