//! Walking DER (X.690) element by element.
//!
//! `x509-cert` and `webpki` hold certificates to rules that TPM vendors break (the order of a SET, dates, critical
//! policies), and decoding loses the very bytes that a signature covers. This reader only finds the elements; what
//! they must be, each caller says. Definite lengths in their shortest form only, no tags above 30, nothing recursive.

/// Universal and context tags in use here, as identifier octets.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// `[number]`, constructed.
    pub(crate) const fn constructed(number: u8) -> u8 {
        0xA0 | number
    }

    /// `[number]`, primitive.
    pub(crate) const fn primitive(number: u8) -> u8 {
        0x80 | number
    }
}

/// Where the bytes stop being what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) usize);

/// One element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tlv<'a> {
    pub(crate) tag: u8,
    pub(crate) value: &'a [u8],
    /// Tag and length included.
    pub(crate) whole: &'a [u8],
    /// Where the value begins, counted from the start of the outermost input.
    pub(crate) offset: usize,
}

impl<'a> Tlv<'a> {
    /// The elements inside.
    pub(crate) fn inside(&self) -> Elements<'a> {
        Elements { rest: self.value, at: self.offset }
    }

    /// The elements inside, when the tag is the wanted one.
    pub(crate) fn inside_of(&self, wanted: u8) -> Result<Elements<'a>, Fault> {
        if self.tag == wanted { Ok(self.inside()) } else { Err(self.fault()) }
    }

    /// A fault at this element.
    pub(crate) fn fault(&self) -> Fault {
        Fault(self.offset.saturating_sub(self.whole.len().saturating_sub(self.value.len())))
    }
}

/// The elements that follow one another in some bytes.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Elements<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    /// The next element.
    pub(crate) fn next(&mut self) -> Result<Tlv<'a>, Fault> {
        let fault = Fault(self.at);
        let (&tag, after) = self.rest.split_first().ok_or(fault)?;
        if tag & 0x1F == 0x1F {
            return Err(fault);
        }
        let (length, body) = length(after).ok_or(fault)?;
        let (value, rest) = body.split_at_checked(length).ok_or(fault)?;
        let header = self.rest.len() - body.len();
        let whole = self.rest.get(..header + length).ok_or(fault)?;
        let found = Tlv { tag, value, whole, offset: self.at + header };
        (self.rest, self.at) = (rest, self.at + whole.len());
        Ok(found)
    }

    /// The next element, which must have this tag.
    pub(crate) fn expect(&mut self, wanted: u8) -> Result<Tlv<'a>, Fault> {
        let at = self.at;
        let found = self.next()?;
        if found.tag == wanted { Ok(found) } else { Err(Fault(at)) }
    }

    /// The next element, when it has this tag; otherwise nothing is taken.
    pub(crate) fn optional(&mut self, wanted: u8) -> Result<Option<Tlv<'a>>, Fault> {
        if self.rest.first() == Some(&wanted) { self.next().map(Some) } else { Ok(None) }
    }

    /// No element is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Fails when elements are left.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        if self.rest.is_empty() { Ok(()) } else { Err(Fault(self.at)) }
    }

    /// The elements that are left, at most `limit`.
    pub(crate) fn all(mut self, limit: usize) -> Result<Vec<Tlv<'a>>, Fault> {
        let mut found = Vec::new();
        while !self.is_empty() {
            if found.len() == limit {
                return Err(Fault(self.at));
            }
            found.push(self.next()?);
        }
        Ok(found)
    }
}

/// The one element that fills `bytes`.
pub(crate) fn only(bytes: &[u8]) -> Result<Tlv<'_>, Fault> {
    let mut elements = Elements::new(bytes);
    let found = elements.next()?;
    elements.finish()?;
    Ok(found)
}

/// A length in its shortest form (X.690 section 10.1), and what follows it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((first.into(), rest));
    }
    // Three bytes of length reach 16 MiB, far beyond every limit of the callers.
    let count = usize::from(first & 0x7F);
    if !(1..=3).contains(&count) {
        return None;
    }
    let (digits, rest) = rest.split_at_checked(count)?;
    let value = digits.iter().fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
    let shortest = value >= 0x80 && digits.first() != Some(&0);
    shortest.then_some((value, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lengths_have_one_spelling() {
        assert_eq!(only(&[0x04, 0x01, 7]).unwrap().value, [7]);
        for longer in [&[0x04, 0x81, 0x01, 7][..], &[0x04, 0x82, 0x00, 0x01, 7], &[0x24, 0x80, 0, 0]] {
            assert_eq!(only(longer).unwrap_err(), Fault(0));
        }
        let long = [[0x04, 0x81, 0x80].as_slice(), &[9; 0x80]].concat();
        assert_eq!(only(&long).unwrap().value, [9; 0x80]);
    }

    #[test]
    fn faults_say_where() {
        let outer = [0x30, 0x06, 0x02, 0x01, 0x05, 0x04, 0x09, 0x00];
        let mut inside = only(&outer).unwrap().inside();
        assert_eq!(inside.expect(tag::INTEGER).unwrap().value, [5]);
        assert_eq!(inside.next().unwrap_err(), Fault(5));
        assert_eq!(only(&[0x30, 0x00, 0x00]).unwrap_err(), Fault(2));
        assert_eq!(only(&[0x1F, 0x81, 0x00, 0x00]).unwrap_err(), Fault(0));
    }
}
