//! The CBOR encoding: maps with the numbers of the TLV form as keys.
//!
//! A record is `{0: number, 1: PCR | 2: NV index, 3: digests, content type: content}`; digests are a list of
//! `[algorithm, digest]` or a map from one to the other, and a content is a map with the numbers of its TLV fields.

use avouch_bootlog::cel::Management;
use minicbor::Decoder;
use minicbor::data::Type;

use super::{CelError, MAX_DEPTH, RawContent, RawRecord, RawSystemd, Turning, state_transition};

pub(super) fn turn(bytes: &[u8]) -> Result<Vec<u8>, CelError> {
    let mut turning = Turning::new();
    let mut reader = Reader { decoder: Decoder::new(bytes) };
    while reader.decoder.position() < bytes.len() {
        match reader.kind()? {
            Type::Array | Type::ArrayIndef => reader.list(|reader| record(reader, &mut turning))?,
            _ => record(&mut reader, &mut turning)?,
        }
    }
    Ok(turning.writer.finish())
}

struct Reader<'b> {
    decoder: Decoder<'b>,
}

impl<'b> Reader<'b> {
    fn malformed(&self, wanted: impl Into<String>) -> CelError {
        CelError::Malformed { offset: self.decoder.position(), wanted: wanted.into() }
    }

    fn read<T>(
        &mut self,
        read: impl FnOnce(&mut Decoder<'b>) -> Result<T, minicbor::decode::Error>,
    ) -> Result<T, CelError> {
        let offset = self.decoder.position();
        read(&mut self.decoder).map_err(|error| {
            let offset = error.position().unwrap_or(offset);
            CelError::Malformed { offset, wanted: error.to_string() }
        })
    }

    fn kind(&mut self) -> Result<Type, CelError> {
        self.read(|decoder| decoder.datatype())
    }

    /// Every item of an array, of known length or not.
    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), CelError>) -> Result<(), CelError> {
        let mut left = self.read(Decoder::array)?;
        while self.more(&mut left)? {
            item(self)?;
        }
        Ok(())
    }

    /// Every entry of a map whose keys are numbers.
    fn entries(&mut self, mut entry: impl FnMut(&mut Self, u64) -> Result<(), CelError>) -> Result<(), CelError> {
        let mut left = self.read(Decoder::map)?;
        while self.more(&mut left)? {
            let key = self.number()?;
            entry(self, key)?;
        }
        Ok(())
    }

    fn more(&mut self, left: &mut Option<u64>) -> Result<bool, CelError> {
        match left {
            Some(0) => Ok(false),
            Some(count) => {
                *count = count.saturating_sub(1);
                Ok(true)
            }
            None if self.kind()? == Type::Break => {
                self.read(Decoder::skip)?;
                Ok(false)
            }
            None => Ok(true),
        }
    }

    fn number(&mut self) -> Result<u64, CelError> {
        self.read(Decoder::u64)
    }

    fn narrow<T: TryFrom<u64>>(&mut self, wanted: &str) -> Result<T, CelError> {
        let number = self.number()?;
        T::try_from(number).map_err(|_| self.malformed(format!("{number} where {wanted} was wanted")))
    }

    fn bytes(&mut self) -> Result<Vec<u8>, CelError> {
        match self.kind()? {
            Type::String => self.read(|decoder| decoder.str().map(|text| text.as_bytes().to_vec())),
            _ => self.read(|decoder| decoder.bytes().map(<[u8]>::to_vec)),
        }
    }

    fn text(&mut self) -> Result<String, CelError> {
        self.read(|decoder| decoder.str().map(Into::into))
    }

    /// Passes over one item whose fields have no meaning here.
    fn skip(&mut self, depth: usize) -> Result<(), CelError> {
        if depth > MAX_DEPTH {
            return Err(self.malformed(format!("nesting of at most {MAX_DEPTH}")));
        }
        match self.kind()? {
            Type::Array | Type::ArrayIndef => self.list(|reader| reader.skip(depth.saturating_add(1))),
            Type::Map | Type::MapIndef => {
                let mut left = self.read(Decoder::map)?;
                while self.more(&mut left)? {
                    self.skip(depth.saturating_add(1))?;
                    self.skip(depth.saturating_add(1))?;
                }
                Ok(())
            }
            Type::Tag => Err(self.malformed("no tag")),
            _ => self.read(Decoder::skip),
        }
    }
}

fn record(reader: &mut Reader<'_>, turning: &mut Turning) -> Result<(), CelError> {
    let offset = reader.decoder.position();
    let number = turning.records;
    let mut raw = RawRecord::default();
    let mut seen = Vec::new();
    reader.entries(|reader, key| {
        if seen.contains(&key) || seen.len() > MAX_DEPTH {
            return Err(CelError::Record { offset, number, field: "a key that stands twice" });
        }
        seen.push(key);
        match key {
            0 => reader.number().map(drop),
            1 => reader.narrow("a PCR").map(|pcr| raw.pcr = Some(pcr)),
            2 => reader.narrow("an NV index").map(|index| raw.nv_index = Some(index)),
            3 => digests(reader, &mut raw),
            kind if raw.content.is_none() => content(reader, kind).map(|content| raw.content = Some(content)),
            _ => Err(CelError::Record { offset, number, field: "the content, which stands twice" }),
        }
    })?;
    turning.push(offset, &raw)
}

fn digests(reader: &mut Reader<'_>, raw: &mut RawRecord) -> Result<(), CelError> {
    if matches!(reader.kind()?, Type::Map | Type::MapIndef) {
        return reader.entries(|reader, alg| digest(reader, alg, raw));
    }
    reader.list(|reader| {
        let mut alg = None;
        let mut done = false;
        reader.list(|reader| match alg {
            None => reader.number().map(|id| alg = Some(id)),
            Some(alg) if !done => {
                done = true;
                digest(reader, alg, raw)
            }
            Some(_) => Err(reader.malformed("a digest of two items")),
        })?;
        if done { Ok(()) } else { Err(reader.malformed("an algorithm and a digest")) }
    })
}

fn digest(reader: &mut Reader<'_>, alg: u64, raw: &mut RawRecord) -> Result<(), CelError> {
    let alg = u16::try_from(alg).map_err(|_| reader.malformed("a TPM_ALG_ID"))?;
    raw.digests.push((alg, reader.bytes()?));
    Ok(())
}

fn content(reader: &mut Reader<'_>, kind: u64) -> Result<RawContent, CelError> {
    match kind {
        4 => statement(reader).map(RawContent::Management),
        5 => {
            let (mut event_type, mut data) = (None, None);
            reader.entries(|reader, key| match key {
                0 => reader.narrow("an event type").map(|kind: u32| event_type = Some(kind)),
                1 => reader.bytes().map(|bytes| data = Some(bytes)),
                _ => reader.skip(0),
            })?;
            match (event_type, data) {
                (Some(event_type), Some(data)) => Ok(RawContent::PcClient { event_type, data }),
                _ => Err(reader.malformed("an event type and event data")),
            }
        }
        7 => {
            let (mut name, mut data) = (None, None);
            reader.entries(|reader, key| match key {
                0 => reader.bytes().map(|bytes| name = Some(bytes)),
                1 => reader.bytes().map(|bytes| data = Some(bytes)),
                _ => reader.skip(0),
            })?;
            match (name, data) {
                (Some(name), Some(data)) => Ok(RawContent::ImaTemplate { name, data }),
                _ => Err(reader.malformed("a template name and template data")),
            }
        }
        9 => systemd(reader).map(RawContent::Systemd),
        kind => {
            let kind = u8::try_from(kind).ok().filter(|kind| *kind > 3 && *kind != 0xF0);
            let kind = kind.ok_or_else(|| reader.malformed("a content type"))?;
            Ok(RawContent::Other { kind, data: reader.bytes()? })
        }
    }
}

fn systemd(reader: &mut Reader<'_>) -> Result<RawSystemd, CelError> {
    let mut raw = RawSystemd::default();
    if !matches!(reader.kind()?, Type::Map | Type::MapIndef) {
        raw.string = reader.bytes()?;
        return Ok(raw);
    }
    reader.entries(|reader, key| match key {
        0 => reader.text().map(|kind| raw.event_type = Some(kind)),
        1 => reader.number().map(|time| raw.timestamp = Some(time)),
        2 => {
            let id = reader.bytes()?.try_into().map_err(|_| reader.malformed("a boot identifier of 16 bytes"))?;
            raw.boot_id = Some(id);
            Ok(())
        }
        3 => reader.bytes().map(|string| raw.string = string),
        4 => reader.text().map(|name| raw.nv_name = Some(name)),
        _ => reader.skip(0),
    })?;
    Ok(raw)
}

fn statement(reader: &mut Reader<'_>) -> Result<Management, CelError> {
    let mut statement = None;
    reader.entries(|reader, key| {
        statement = Some(match key {
            1 => {
                let (mut major, mut minor) = (0, 0);
                reader.entries(|reader, key| match key {
                    0 => reader.narrow("a version").map(|number| major = number),
                    _ => reader.narrow("a version").map(|number| minor = number),
                })?;
                Management::Version { major, minor }
            }
            2 => {
                reader.skip(0)?;
                Management::FirmwareEnd
            }
            80 => Management::Timestamp(reader.number()?),
            81 => {
                let number = reader.number()?;
                let wrong = || reader.malformed("a state transition");
                Management::StateTransition(state_transition(number).ok_or_else(wrong)?)
            }
            _ => return Err(reader.malformed("a management type")),
        });
        Ok(())
    })?;
    statement.ok_or_else(|| reader.malformed("a management statement"))
}
