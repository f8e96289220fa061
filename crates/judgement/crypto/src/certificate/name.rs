//! Names (RFC 5280 section 4.1.2.4) as text (RFC 4514), whatever order a vendor gave the members of a SET.

use super::oid;
use crate::tlv::{Elements, Fault, Tlv, only, tag};

/// Longest name, in attributes; real ones have ten at most.
const MAX_ATTRIBUTES: usize = 64;

/// One attribute of a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attribute<'a> {
    /// Which relative distinguished name it belongs to, from 0.
    rdn: usize,
    pub(crate) oid: &'a [u8],
    value: Tlv<'a>,
}

impl Attribute<'_> {
    /// Its characters; control characters are escaped, so that it is safe to print.
    pub(crate) fn printable(&self) -> String {
        let text = self.text();
        text.chars().fold(String::new(), |mut out, character| {
            if character.is_control() {
                out.extend(character.escape_default())
            } else {
                out.push(character)
            }
            out
        })
    }

    /// Its characters.
    fn text(&self) -> String {
        let bytes = self.value.value;
        match self.value.tag {
            // UTF8String, NumericString, PrintableString, IA5String, VisibleString.
            0x0C | 0x12 | 0x13 | 0x16 | 0x1A => String::from_utf8_lossy(bytes).into_owned(),
            // T61String, in practice Latin-1.
            0x14 => bytes.iter().map(|byte| char::from(*byte)).collect(),
            // BMPString: big-endian UTF-16.
            0x1E => {
                let units = bytes.chunks(2).map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte)));
                char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
            }
            _ => self.value.whole.iter().fold("#".to_owned(), |text, byte| format!("{text}{byte:02x}")),
        }
    }
}

/// The attributes of a Name, in the order of the certificate.
pub(crate) fn attributes<'a>(name: Elements<'a>) -> Result<Vec<Attribute<'a>>, Fault> {
    let mut found = Vec::new();
    for (rdn, set) in name.all(MAX_ATTRIBUTES)?.into_iter().enumerate() {
        for member in set.inside_of(tag::SET)?.all(MAX_ATTRIBUTES)? {
            let mut pair = member.inside_of(tag::SEQUENCE)?;
            let (oid, value) = (pair.expect(tag::OID)?.value, pair.next()?);
            pair.finish()?;
            found.push(Attribute { rdn, oid, value });
        }
    }
    Ok(found)
}

/// The Name as RFC 4514 writes it: the last relative distinguished name first. Safe to print: control characters are
/// escaped.
pub(crate) fn text(attributes: &[Attribute<'_>]) -> String {
    let mut out = String::new();
    let mut last = None;
    // Within one relative distinguished name the order of the certificate stays.
    let mut order: Vec<&Attribute<'_>> = attributes.iter().collect();
    order.sort_by_key(|attribute| core::cmp::Reverse(attribute.rdn));
    for attribute in order {
        out.push_str(match last {
            None => "",
            Some(rdn) if rdn == attribute.rdn => "+",
            Some(_) => ",",
        });
        last = Some(attribute.rdn);
        out.push_str(&oid::attribute_type(attribute.oid));
        out.push('=');
        escape(&attribute.text(), &mut out);
    }
    out
}

/// RFC 4514 section 2.4.
fn escape(value: &str, out: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (at, character) in value.chars().enumerate() {
        let edge = (at == 0 && matches!(character, ' ' | '#')) || (at == last && character == ' ');
        if edge || matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\') {
            out.push('\\');
            out.push(character);
        } else if character.is_control() {
            let mut utf8 = [0; 4];
            character.encode_utf8(&mut utf8).bytes().for_each(|byte| out.push_str(&format!("\\{byte:02X}")));
        } else {
            out.push(character);
        }
    }
}

/// Every SET of the Name that fills `der` has its members in the order that DER demands.
pub(crate) fn in_order(der: &[u8]) -> bool {
    let sets = only(der).and_then(|name| name.inside().all(MAX_ATTRIBUTES)).unwrap_or_default();
    sets.iter().all(|set| {
        let members = set.inside().all(MAX_ATTRIBUTES).unwrap_or_default();
        members.is_sorted_by(|a, b| a.whole <= b.whole)
    })
}

/// The text of the Name that fills `der`; empty when it is none.
pub(crate) fn text_of(der: &[u8]) -> String {
    let found = only(der).and_then(|name| attributes(name.inside_of(tag::SEQUENCE)?));
    found.map(|attributes| text(&attributes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_confuse_a_reader_is_escaped() {
        let mut out = String::new();
        escape(" a,b\u{1b}[1m+\u{85} ", &mut out);
        assert_eq!(out, "\\ a\\,b\\1B[1m\\+\\C2\\85\\ ");
    }
}
