//! Messages of systemd's D-Bus, and the spelling of every property that is read.

use avouch_pairs::Reading;
use avouch_systemd::parse::{length, message};

/// What has come of a stream: the message that it begins with, as each thing that an answer may be.
pub fn dbus(data: &[u8]) -> bool {
    let Ok(Some(length)) = length(data) else { return false };
    let Some(whole) = data.get(..length) else { return false };
    let Ok(received) = message(whole) else { return false };
    assert!(received.error.chars().count() <= 256, "an error is cut");
    for reading in received.readings.values() {
        if let Reading::Value(text) = reading {
            let breaks = |c: char| c.is_control() && c != '\n' && c != '\t';
            assert!(!text.chars().any(breaks), "a reading breaks no line: {text:?}");
        }
    }
    true
}

/// Kinds of messages, and fields of their headers with the type of each.
const RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;
const PATH: (u8, u8) = (1, b'o');
const MEMBER: (u8, u8) = (3, b's');
const ERROR_NAME: (u8, u8) = (4, b's');
const SIGNATURE: u8 = 8;

/// Bytes that are aligned as D-Bus does it.
#[derive(Default)]
struct Wire(Vec<u8>);

// === impl Wire ===

impl Wire {
    fn align(&mut self, to: usize) -> &mut Self {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
        self
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.align(4).0.extend(value.to_le_bytes());
        self
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.align(8).0.extend(value.to_le_bytes());
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.u32(u32::try_from(text.len()).expect("a short text")).0.extend(text.bytes().chain([0]));
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend(bytes);
        self
    }

    fn signature(&mut self, signature: &str) -> &mut Self {
        self.0.push(u8::try_from(signature.len()).expect("a short signature"));
        self.0.extend(signature.bytes().chain([0]));
        self
    }

    /// An array whose items have this alignment.
    fn array(&mut self, alignment: usize, items: impl FnOnce(&mut Self) -> &mut Self) -> &mut Self {
        let room = self.align(4).0.len();
        self.u32(0).align(alignment);
        let start = self.0.len();
        items(self);
        let length = u32::try_from(self.0.len() - start).expect("a short array");
        self.0[room..room + 4].copy_from_slice(&length.to_le_bytes());
        self
    }
}

/// A whole message.
fn written(kind: u8, fields: &[((u8, u8), &str)], signature: &str, body: &[u8]) -> Vec<u8> {
    let mut wire = Wire(vec![b'l', kind, 1, 1]);
    wire.u32(u32::try_from(body.len()).expect("a short body")).u32(7);
    let room = wire.0.len();
    wire.u32(0);
    let start = wire.0.len();
    for ((field, word), value) in fields {
        wire.align(8).0.push(*field);
        wire.signature(&char::from(*word).to_string()).text(value);
    }
    if kind != SIGNAL {
        wire.align(8).0.push(5);
        wire.signature("u").u32(3);
    }
    wire.align(8).0.push(SIGNATURE);
    wire.signature("g").signature(signature);
    let length = u32::try_from(wire.0.len() - start).expect("short fields");
    wire.0[room..room + 4].copy_from_slice(&length.to_le_bytes());
    wire.align(8);
    [wire.0, body.to_vec()].concat()
}

/// An answer to `Properties.Get`.
fn property(signature: &str, value: impl FnOnce(&mut Wire) -> &mut Wire) -> Vec<u8> {
    let mut wire = Wire::default();
    wire.signature(signature);
    value(&mut wire);
    written(RETURN, &[], "v", &wire.0)
}

/// An answer for each type that a property has, an error, and signals.
pub(crate) fn messages() -> Vec<Vec<u8>> {
    let unit = "/org/freedesktop/systemd1/unit/ssh_2eservice";
    let refused = "org.freedesktop.DBus.Error.UnknownProperty";
    let mut new = Wire::default();
    new.text("ssh.service").text(unit);
    vec![
        property("s", |wire| wire.text("/system.slice/ssh.service")),
        property("b", |wire| wire.u32(1)),
        property("u", |wire| wire.u32(0o022)),
        property("i", |wire| wire.u32(u32::MAX)),
        property("t", |wire| wire.u64(u64::MAX)),
        property("ay", |wire| wire.array(1, |wire| wire.bytes(&[3, 1]))),
        property("as", |wire| wire.array(4, |wire| wire.text("/opt").text("-/home/joe/x"))),
        property("(bs)", |wire| wire.align(8).u32(1).text("t-profile")),
        property("(bas)", |wire| wire.align(8).u32(0).array(4, |wire| wire.text("read").text("write"))),
        property("a(ss)", |wire| wire.array(8, |wire| wire.align(8).text("Stream").text("/run/x"))),
        property("a(st)", |wire| wire.array(8, |wire| wire.align(8).text("/dev/null").u64(1))),
        property("a(ssbt)", |wire| wire.array(8, |wire| wire.align(8).text("/a").text("/b").u32(1).u64(0))),
        property("a(iayu)", |wire| {
            wire.array(8, |wire| wire.align(8).u32(2).array(1, |wire| wire.bytes(&[127, 0, 0, 1])).u32(8))
        }),
        property("a(iiqq)", |wire| wire.array(8, |wire| wire.align(8).u32(2).u32(6).bytes(&[1, 0, 80, 0]))),
        property("a(sasbttttuii)", |wire| {
            wire.array(8, |wire| {
                wire.align(8).text("/usr/bin/x").array(4, |wire| wire.text("/usr/bin/x")).u32(0);
                wire.u64(1).u64(2).u64(3).u64(4).u32(5).u32(6).u32(7)
            })
        }),
        written(ERROR, &[(ERROR_NAME, refused)], "s", &[&7_u32.to_le_bytes()[..], b"refused\0"].concat()),
        written(SIGNAL, &[(PATH, "/org/freedesktop/systemd1"), (MEMBER, "UnitNew")], "so", &new.0),
        written(SIGNAL, &[(PATH, unit), (MEMBER, "PropertiesChanged")], "s", &[0; 5]),
    ]
}
