//! What a peer's bytes come to, without a conversation: for whoever has an answer that was recorded or made up. The
//! conversation reads its answers by the same functions.

use std::collections::BTreeMap;

use avouch_pairs::{Attribute, Reading};
use zbus::Variant;

use crate::dbus::{self, Message};
use crate::property::{Kind, Row};
use crate::signal;

/// The most properties that one fact is made of.
const MOST: usize = 10;

/// One message that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The serial that it answers.
    pub reply_to: Option<u32>,
    /// What it announces, where it is a signal of systemd's.
    pub change: Option<crate::Change>,
    /// The text of an error, at most 256 characters.
    pub error: String,
    /// The value as each attribute that is read of a property spells it, where it has that property's type.
    pub readings: BTreeMap<Attribute, Reading>,
}

/// How long the message is that these bytes begin; `None` where too little of it is there to say.
///
/// # Errors
/// A byte order that is none, or a message that is longer than 32 MiB.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    dbus::length(bytes)
}

/// Reads exactly one message (D-Bus Specification, section "Message Protocol"). A fact that is made of several
/// properties is spelled as if each had this value.
///
/// # Errors
/// What is wrong with it.
pub fn message(bytes: &[u8]) -> Result<Received, String> {
    match dbus::length(bytes)? {
        Some(length) if length == bytes.len() => {}
        length => return Err(format!("a message of {length:?} bytes in {} bytes", bytes.len())),
    }
    let message = Message::decode(bytes).map_err(|error| error.to_string())?;
    let readings = message.body("v").map(|body| match body.deserialize::<Variant<'_>>() {
        Ok((value, _)) => readings(&value),
        Err(_) => BTreeMap::new(),
    });
    Ok(Received {
        reply_to: message.reply_to,
        change: signal::change(&message),
        error: message.text(),
        readings: readings.unwrap_or_default(),
    })
}

fn readings(value: &Variant<'_>) -> BTreeMap<Attribute, Reading> {
    let same = [value; MOST];
    let spelled = |row: &Row| {
        let values = same.get(..row.properties.len())?;
        Some((row.attribute, (row.spell)(values)?.into()))
    };
    [Kind::Service, Kind::Socket].into_iter().flat_map(Kind::tables).filter_map(spelled).collect()
}
