//! The kernel's `key=value,key=value;` text (`dm-ima.c`): a backslash takes the next separator as part of the value.

use alloc::string::String;

use super::{CriticalError, CriticalFault};

pub(super) fn utf8(buffer: &[u8]) -> Result<&str, CriticalError> {
    core::str::from_utf8(buffer)
        .map_err(|error| CriticalError { offset: error.valid_up_to(), fault: CriticalFault::Encoding })
}

/// The first separator of `any` that no backslash stands before.
fn separator(text: &str, any: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let found = !escaped && any.contains(&byte);
        escaped = !escaped && byte == b'\\';
        found
    })
}

/// Text in front of the separator and behind it; separators are single ASCII bytes, so both are whole text.
fn split(text: &str, at: usize) -> (&str, &str) {
    let (head, tail) = text.split_at_checked(at).unwrap_or((text, ""));
    (head, tail.get(1..).unwrap_or_default())
}

/// What remains to be read, record by record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Records<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Records<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, offset: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The next record, without the semicolon that must end it.
    pub(super) fn next_record(&mut self, wanted: &'static str) -> Result<Pairs<'a>, CriticalError> {
        self.skip_padding();
        let cut = CriticalError { offset: self.offset, fault: CriticalFault::Cut { wanted } };
        let end = separator(self.text, b";").ok_or(cut)?;
        let (text, rest) = split(self.text, end);
        let record = Pairs { text, offset: self.offset };
        self.advance(rest);
        Ok(record)
    }

    /// What is left as one record, for a last one that no semicolon ends.
    pub(super) fn rest(&mut self) -> Pairs<'a> {
        let record = Pairs { text: self.text, offset: self.offset };
        self.advance("");
        record
    }

    /// Takes `prefix` away when the next record begins with it.
    pub(super) fn strip(&mut self, prefix: &str) -> bool {
        self.skip_padding();
        let rest = self.text.strip_prefix(prefix);
        rest.inspect(|rest| self.advance(rest)).is_some()
    }

    /// Whether a semicolon ends the next record.
    pub(super) fn has_record(&self) -> bool {
        separator(self.text, b";").is_some()
    }

    pub(super) fn finish(&self) -> Result<(), CriticalError> {
        let fault = CriticalFault::Word { wanted: "the end" };
        self.is_empty().then_some(()).ok_or(CriticalError { offset: self.offset, fault })
    }

    /// Kernels leave as many NULs as the version has letters behind `no_data;`.
    fn skip_padding(&mut self) {
        self.advance(self.text.trim_start_matches('\0'));
    }

    fn advance(&mut self, rest: &'a str) {
        self.offset = self.offset.saturating_add(self.text.len().saturating_sub(rest.len()));
        self.text = rest;
    }
}

/// The pairs of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pairs<'a> {
    pub(super) text: &'a str,
    pub(super) offset: usize,
}

/// A value and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    pub(super) text: &'a str,
    pub(super) offset: usize,
}

impl<'a> Pairs<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn begins_with(&self, key: &str) -> bool {
        self.text.strip_prefix(key).is_some_and(|rest| rest.starts_with('='))
    }

    /// The next pair, which must have this key.
    pub(super) fn value(&mut self, key: &'static str) -> Result<Value<'a>, CriticalError> {
        let fault =
            if self.is_empty() { CriticalFault::Cut { wanted: key } } else { CriticalFault::Word { wanted: key } };
        let refused = CriticalError { offset: self.offset, fault };
        if !self.begins_with(key) {
            return Err(refused);
        }
        self.pair().map(|(_, value)| value).ok_or(refused)
    }

    /// The next pair; `None` at the end and where there is no key.
    pub(super) fn pair(&mut self) -> Option<(&'a str, Value<'a>)> {
        let (pair, rest) = split(self.text, separator(self.text, b",").unwrap_or(self.text.len()));
        let (key, text) = split(pair, separator(pair, b"=")?);
        let offset = self.offset.saturating_add(key.len()).saturating_add(1);
        self.offset = self.offset.saturating_add(self.text.len().saturating_sub(rest.len()));
        self.text = rest;
        (!key.is_empty()).then_some((key, Value { text, offset }))
    }

    /// The one pair of this record.
    pub(super) fn only(mut self, key: &'static str) -> Result<Value<'a>, CriticalError> {
        let value = self.value(key)?;
        self.finish().map(|()| value)
    }

    pub(super) fn finish(&self) -> Result<(), CriticalError> {
        let fault = CriticalFault::Word { wanted: "a semicolon" };
        self.is_empty().then_some(()).ok_or(CriticalError { offset: self.offset, fault })
    }
}

impl Value<'_> {
    pub(super) fn refused(&self, field: &'static str, wanted: &'static str) -> CriticalError {
        CriticalError { offset: self.offset, fault: CriticalFault::Value { field, wanted } }
    }

    pub(super) fn number(&self, field: &'static str) -> Result<u64, CriticalError> {
        let digits = self.text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| self.text.parse().ok()).flatten().ok_or(self.refused(field, "a decimal number"))
    }

    /// `y` or `n`.
    pub(super) fn yes(&self, field: &'static str) -> Result<bool, CriticalError> {
        match self.text {
            "y" => Ok(true),
            "n" => Ok(false),
            _ => Err(self.refused(field, "y or n")),
        }
    }

    /// `1` or `0`.
    pub(super) fn switch(&self, field: &'static str) -> Result<bool, CriticalError> {
        match self.text {
            "1" => Ok(true),
            "0" => Ok(false),
            _ => Err(self.refused(field, "1 or 0")),
        }
    }

    /// The value with its escapes taken away.
    pub(super) fn unescaped(&self) -> String {
        let mut out = String::with_capacity(self.text.len());
        let mut escaped = false;
        for letter in self.text.chars() {
            escaped = !escaped && letter == '\\';
            if !escaped {
                out.push(letter);
            }
        }
        out
    }
}
