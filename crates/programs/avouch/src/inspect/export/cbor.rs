//! The CBOR encoding (TCG Canonical Event Log Format 1.0, section 5.2): maps with the numbers of the TLV form as keys,
//! one after the other.

use std::convert::Infallible;

use avouch_bootlog::cel::{CelContent, Management, Record, Register, StateTransition, Systemd};
use minicbor::Encoder;

type Written = Result<(), minicbor::encode::Error<Infallible>>;
type Out = Encoder<Vec<u8>>;

/// A record, or what has no spelling in CBOR.
pub(super) fn record(record: &Record<'_>) -> Result<Vec<u8>, String> {
    let (key, index) = match record.register {
        Register::Pcr(pcr) => (1, pcr),
        Register::NvIndex(index) => (2, index),
        Register::Cc(_) => return Err("a measurement register".into()),
    };
    let mut out = Encoder::new(Vec::new());
    let written = whole(&mut out, record, key, index);
    written.map_err(|error| error.to_string())?;
    Ok(out.into_writer())
}

fn whole(out: &mut Out, record: &Record<'_>, key: u8, index: u32) -> Written {
    out.map(4)?.u8(0)?.u64(record.number)?.u8(key)?.u32(index)?.u8(3)?;
    let count = record.digests.iter().count();
    out.map(u64::try_from(count).unwrap_or(u64::MAX))?;
    for (id, digest) in record.digests.iter() {
        out.u8(id)?.bytes(digest)?;
    }
    content(out, &record.content)
}

fn content(out: &mut Out, content: &CelContent<'_>) -> Written {
    match content {
        CelContent::Management(statement) => return management(out.u8(4)?, *statement),
        CelContent::PcClient { event_type, data } => out.u8(5)?.map(2)?.u8(0)?.u32(event_type.0)?.u8(1)?.bytes(data)?,
        CelContent::ImaTemplate { name, data } => out.u8(7)?.map(2)?.u8(0)?.bytes(name)?.u8(1)?.bytes(data)?,
        CelContent::ImaTlv(data) => out.u8(8)?.bytes(data)?,
        CelContent::Systemd(words) => return systemd(out.u8(9)?, words),
        CelContent::Other { kind, data } => out.u8(*kind)?.bytes(data)?,
        _ => return Err(minicbor::encode::Error::message("a content of this type")),
    };
    Ok(())
}

fn management(out: &mut Out, statement: Management) -> Written {
    out.map(1)?;
    match statement {
        Management::Version { major, minor } => out.u8(1)?.map(2)?.u8(0)?.u16(major)?.u8(1)?.u16(minor)?,
        Management::FirmwareEnd => out.u8(2)?.null()?,
        Management::Timestamp(time) => out.u8(80)?.u64(time)?,
        Management::StateTransition(StateTransition::Suspend) => out.u8(81)?.u8(0)?,
        Management::StateTransition(StateTransition::Hibernate) => out.u8(81)?.u8(1)?,
        Management::StateTransition(StateTransition::Kexec) => out.u8(81)?.u8(2)?,
        _ => return Err(minicbor::encode::Error::message("a management statement of this type")),
    };
    Ok(())
}

fn systemd(out: &mut Out, words: &Systemd<'_>) -> Written {
    let others =
        [words.event_type.is_some(), words.timestamp.is_some(), words.boot_id.is_some(), words.nv_name.is_some()];
    let others = others.into_iter().filter(|there| *there).count();
    if others == 0 {
        out.bytes(words.string)?;
        return Ok(());
    }
    out.map(u64::try_from(others).unwrap_or_default().saturating_add(1))?.u8(3)?.bytes(words.string)?;
    if let Some(word) = words.event_type {
        out.u8(0)?.str(word)?;
    }
    if let Some(time) = words.timestamp {
        out.u8(1)?.u64(time)?;
    }
    if let Some(id) = words.boot_id {
        out.u8(2)?.bytes(id)?;
    }
    if let Some(name) = words.nv_name {
        out.u8(4)?.str(name)?;
    }
    Ok(())
}
