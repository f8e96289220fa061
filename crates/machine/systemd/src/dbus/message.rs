//! Messages: one call out, one header in. The format is the D-Bus Specification's, section "Message Protocol".

use zbus::Variant;
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{Endian, NATIVE_ENDIAN, to_bytes};

use super::plain::{self, Head};

/// The most bytes of one message that are taken: the list of 10,000 units is 3 MB.
pub(crate) const MAX_MESSAGE: usize = 32 << 20;
/// The header up to the length of its fields.
pub(super) const FIXED: usize = 16;

pub(super) const PATH: u8 = 1;
const INTERFACE: u8 = 2;
pub(super) const MEMBER: u8 = 3;
pub(super) const ERROR_NAME: u8 = 4;
pub(super) const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
pub(super) const SIGNATURE: u8 = 8;

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

/// The bytes of calls to one method of one object with so many arguments, but for the arguments themselves, their length
/// and the serial. Hundreds of calls in a row differ in nothing else.
#[derive(Debug)]
pub(crate) struct Front {
    path: String,
    interface: String,
    member: &'static str,
    arguments: usize,
    bytes: Vec<u8>,
}

// === impl Front ===

impl Front {
    /// The front of a call.
    pub(crate) fn of(call: &Call<'_>, destination: Option<&str>) -> Result<Self, zbus::Error> {
        let context = Context::new(NATIVE_ENDIAN, 0);
        let mut fields = vec![
            (PATH, Variant::ObjectPath(call.path.try_into()?)),
            (INTERFACE, Variant::from(call.interface)),
            (MEMBER, Variant::from(call.member)),
        ];
        if let Some(destination) = destination {
            fields.push((DESTINATION, Variant::from(destination)));
        }
        let endian = if NATIVE_ENDIAN == Endian::Little { b'l' } else { b'B' };
        let mut bytes = to_bytes(context, &(endian, 1_u8, 0_u8, 1_u8, 0_u32, 0_u32, fields))?.bytes().to_vec();
        let signature = "s".repeat(call.arguments.len());
        if !signature.is_empty() {
            append_signature(&mut bytes, &signature)?;
        }
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let (path, interface) = (call.path.to_owned(), call.interface.to_owned());
        Ok(Self { path, interface, member: call.member, arguments: call.arguments.len(), bytes })
    }

    /// Whether a call begins with it.
    pub(crate) fn is_of(&self, call: &Call<'_>) -> bool {
        self.path == call.path
            && self.interface == call.interface
            && self.member == call.member
            && self.arguments == call.arguments.len()
    }

    /// The bytes to send of a call that begins with it.
    pub(crate) fn call(&self, serial: u32, arguments: &[&str]) -> Result<Vec<u8>, zbus::Error> {
        let mut bytes = self.bytes.clone();
        for argument in arguments {
            if argument.contains('\0') {
                return Err(zbus::Error::ExcessData);
            }
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            let length = u32::try_from(argument.len()).map_err(|_| zbus::Error::ExcessData)?;
            bytes.extend(length.to_ne_bytes());
            bytes.extend(argument.bytes().chain([0]));
        }
        let length = u32::try_from(bytes.len() - self.bytes.len()).map_err(|_| zbus::Error::ExcessData)?;
        if let Some(room) = bytes.get_mut(4..12) {
            let words = [length.to_ne_bytes(), serial.to_ne_bytes()];
            room.copy_from_slice(words.as_flattened());
        }
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

// === impl Kind ===

impl Kind {
    fn of(number: u8) -> Self {
        match number {
            1 => Self::Call,
            2 => Self::Return,
            3 => Self::Error,
            _ => Self::Signal,
        }
    }
}

fn byte_order(bytes: &[u8]) -> Endian {
    if bytes.first() == Some(&b'B') { Endian::Big } else { Endian::Little }
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
        match plain::head(bytes) {
            Some(head) => Self::of(&head, bytes),
            None => Self::by_library(bytes),
        }
    }

    fn of(head: &Head<'_>, bytes: &[u8]) -> Result<Self, zbus::Error> {
        let body = bytes.len().checked_sub(head.length).and_then(|start| bytes.get(start..));
        Ok(Self {
            kind: Kind::of(head.kind),
            reply_to: head.reply_to,
            path: head.path.to_owned(),
            member: head.member.to_owned(),
            error: head.error.to_owned(),
            signature: head.signature.to_owned(),
            body: body.ok_or(zbus::Error::ExcessData)?.to_vec(),
            endian: byte_order(bytes),
        })
    }

    fn by_library(bytes: &[u8]) -> Result<Self, zbus::Error> {
        let endian = byte_order(bytes);
        let data = Data::new(bytes, Context::new(endian, 0));
        let ((_, kind, _, version, length, _, fields), _) = data.deserialize::<Header<'_>>()?;
        let body = bytes.len().checked_sub(length as usize).and_then(|start| bytes.get(start..));
        let Some(body) = body.filter(|_| version == 1) else { return Err(zbus::Error::ExcessData) };
        let mut message = Self {
            kind: Kind::of(kind),
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

    /// Its body where that is one variant of a basic type.
    pub(crate) fn basic(&self) -> Option<Variant<'static>> {
        if self.signature == "v" { plain::value(&self.body, self.endian) } else { None }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(fields: Vec<(u8, Variant<'_>)>, endian: Endian, body: &[u8]) -> Vec<u8> {
        let order = if endian == Endian::Little { b'l' } else { b'B' };
        let length = u32::try_from(body.len()).expect("a short body");
        let header: Header<'_> = (order, 2, 1, 1, length, 7, fields);
        let mut bytes = to_bytes(Context::new(endian, 0), &header).expect("the library writes it").bytes().to_vec();
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        [bytes.as_slice(), body].concat()
    }

    fn shown(message: &Message) -> String {
        format!("{message:?}")
    }

    type Fields = Vec<(u8, Variant<'static>)>;

    #[test]
    fn headers_are_read_as_the_library_reads_them() {
        let shapes: [fn() -> Fields; 4] = [
            || {
                let signature = Variant::Signature("v".try_into().expect("a signature"));
                vec![(REPLY_SERIAL, Variant::U32(5)), (SIGNATURE, signature), (7, Variant::from(":1.3"))]
            },
            || {
                let path = Variant::ObjectPath("/org/freedesktop/systemd1".try_into().expect("a path"));
                vec![(PATH, path), (INTERFACE, Variant::from("a.b")), (MEMBER, Variant::from("UnitNew"))]
            },
            || vec![(ERROR_NAME, Variant::from("a.b.Error")), (REPLY_SERIAL, Variant::U32(1)), (9, Variant::U32(0))],
            Vec::new,
        ];
        for fields in shapes {
            for endian in [Endian::Little, Endian::Big] {
                let bytes = answer(fields(), endian, b"\x01\0\0\0a\0");
                let head = plain::head(&bytes).expect("it is of the usual shape");
                let (own, library) = (Message::of(&head, &bytes), Message::by_library(&bytes));
                assert_eq!(shown(&own.expect("it is read")), shown(&library.expect("it is read")));
                for end in 0..bytes.len() {
                    assert_eq!(plain::head(&bytes[..end]), None, "cut at {end}");
                }
                assert_eq!(plain::head(&[bytes.as_slice(), &[0]].concat()), None, "and a byte more");
            }
        }
    }

    #[test]
    fn headers_of_other_shapes_are_left_to_the_library() {
        let odd = vec![(200, Variant::from(vec!["a", "b"])), (REPLY_SERIAL, Variant::U32(5))];
        let bytes = answer(odd, Endian::Little, b"");
        assert_eq!(plain::head(&bytes), None);
        assert_eq!(Message::decode(&bytes).expect("the library reads it").reply_to, Some(5));
        let wrong = answer(vec![(REPLY_SERIAL, Variant::from("5"))], Endian::Little, b"");
        assert_eq!(plain::head(&wrong), None, "a field of another type than the specification's");
    }

    #[test]
    fn calls_that_share_a_front_are_each_what_the_library_reads() {
        let arguments: [&[&str]; 3] = [&["org.freedesktop.systemd1.Unit", "Id"], &["a", ""], &["a.b", "MemoryMax"]];
        let call = |arguments| Call { path: "/a/b_2ec", interface: "a.Properties", member: "Get", arguments };
        let front = Front::of(&call(arguments[0]), Some("a.c")).expect("it is written");
        for (serial, arguments) in (1..).zip(arguments) {
            assert!(front.is_of(&call(arguments)));
            let bytes = front.call(serial, arguments).expect("it is written");
            assert_eq!(length(&bytes), Ok(Some(bytes.len())));
            assert_eq!(u32::from_ne_bytes(bytes[8..12].try_into().expect("four bytes")), serial);
            let message = Message::by_library(&bytes).expect("it is read");
            assert_eq!((message.kind, message.member.as_str(), message.path.as_str()), (Kind::Call, "Get", "/a/b_2ec"));
            let body = message.body("ss").expect("two strings");
            let (read, _) = body.deserialize::<(&str, &str)>().expect("two strings");
            assert_eq!([read.0, read.1], arguments);
        }
        assert!(!front.is_of(&call(&["one"])), "another number of arguments");
        assert!(!front.is_of(&Call { path: "/a/b", ..call(arguments[0]) }), "another object");
        assert!(front.call(1, &["a\0b", "c"]).is_err());
    }
}
