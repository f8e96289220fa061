//! What a record is about (section 4.3).

use super::{Field, tlv};
use crate::cursor::Cursor;
use crate::{EventType, LogError};

/// Content of a record by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CelContent<'a> {
    /// 4: a statement about the log.
    Management(Management),
    /// 5: an event of a boot log.
    PcClient {
        /// Type of the event.
        event_type: EventType,
        /// Its data.
        data: &'a [u8],
    },
    /// 7: an entry of an IMA list.
    ImaTemplate {
        /// Template name, e.g. `ima-ng`.
        name: &'a [u8],
        /// Template data as the kernel hashes them.
        data: &'a [u8],
    },
    /// 8: an entry of an IMA list in TLV form; not read further.
    ImaTlv(&'a [u8]),
    /// 9: what systemd measured.
    Systemd(Systemd<'a>),
    /// A content type that this release does not read. It replays like any other.
    Other {
        /// The content type.
        kind: u8,
        /// Its value.
        data: &'a [u8],
    },
}

/// Statements about the log (section 4.4, `TPMS_EVENT_CELMGT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Management {
    /// Version of the format; extends nothing.
    Version {
        /// Major number.
        major: u16,
        /// Minor number.
        minor: u16,
    },
    /// The firmware's part of the log ends here; extends nothing.
    FirmwareEnd,
    /// A time; the unit is the writer's.
    Timestamp(u64),
    /// The system went to another state.
    StateTransition(StateTransition),
}

/// `TPMI_STATE_TRANS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateTransition {
    /// Suspended to memory.
    Suspend,
    /// Suspended to disk.
    Hibernate,
    /// Another kernel was started without a reset.
    Kexec,
}

/// A record of systemd's userspace log (`systemd-pcrextend`, `systemd-cryptsetup` and others).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Systemd<'a> {
    /// What was measured, or words about it where the measured value is secret: a boot phase, `machine-id:…`,
    /// `file-system:…`.
    pub string: &'a [u8],
    /// `phase`, `filesystem`, `volume-key`, `machine-id` and others.
    pub event_type: Option<&'a str>,
    /// CLOCK_BOOTTIME in microseconds.
    pub timestamp: Option<u64>,
    /// Boot identifier of the kernel.
    pub boot_id: Option<&'a [u8; 16]>,
    /// Name of the NV index, e.g. `hardware`.
    pub nv_name: Option<&'a str>,
}

/// Content types (section 4.3, table 2).
pub(super) mod kind {
    pub(crate) const MANAGEMENT: u8 = 4;
    pub(crate) const PC_CLIENT: u8 = 5;
    pub(crate) const IMA_TEMPLATE: u8 = 7;
    pub(crate) const IMA_TLV: u8 = 8;
    pub(crate) const SYSTEMD: u8 = 9;
    /// systemd's JSON members as nested fields. The specification has only the string; this type carries the rest
    /// between Avouch's own converter and this parser.
    pub(crate) const SYSTEMD_FIELDS: u8 = 0xF0;
}

/// Management types.
pub(super) mod management {
    pub(crate) const VERSION: u8 = 1;
    pub(crate) const FIRMWARE_END: u8 = 2;
    pub(crate) const TIMESTAMP: u8 = 80;
    pub(crate) const STATE_TRANSITION: u8 = 81;
}

impl CelContent<'_> {
    /// True when the record changed its register.
    pub fn extends(&self) -> bool {
        match self {
            Self::Management(Management::Version { .. } | Management::FirmwareEnd) => false,
            Self::PcClient { event_type, .. } => *event_type != EventType::NO_ACTION,
            _ => true,
        }
    }
}

pub(super) fn parse(field: Field<'_>) -> Result<CelContent<'_>, LogError> {
    let mut cursor = field.cursor();
    let content = match field.kind {
        kind::MANAGEMENT => CelContent::Management(statement(tlv(&mut cursor)?)?),
        kind::PC_CLIENT => {
            let number = nested(&mut cursor, 0, "event type")?.number("event type", u32::MAX.into())?;
            let event_type = EventType(u32::try_from(number).unwrap_or(u32::MAX));
            CelContent::PcClient { event_type, data: nested(&mut cursor, 1, "event data")?.value }
        }
        kind::IMA_TEMPLATE => CelContent::ImaTemplate {
            name: nested(&mut cursor, 0, "template name")?.value,
            data: nested(&mut cursor, 1, "template data")?.value,
        },
        kind::SYSTEMD_FIELDS => CelContent::Systemd(systemd(&mut cursor)?),
        kind::IMA_TLV => return Ok(CelContent::ImaTlv(field.value)),
        kind::SYSTEMD => {
            return Ok(CelContent::Systemd(Systemd { string: field.value, ..Systemd::default() }));
        }
        0..=3 => return Err(LogError::Value { offset: field.offset, field: "content type" }),
        kind => return Ok(CelContent::Other { kind, data: field.value }),
    };
    match cursor.rest().len() {
        0 => Ok(content),
        got => Err(LogError::Trailing { offset: cursor.offset(), field: "the record's content", got }),
    }
}

fn nested<'a>(cursor: &mut Cursor<'a>, kind: u8, name: &'static str) -> Result<Field<'a>, LogError> {
    super::expect(cursor, kind, name)
}

fn statement(field: Field<'_>) -> Result<Management, LogError> {
    let wrong = LogError::Value { offset: field.offset, field: "management statement" };
    Ok(match field.kind {
        management::VERSION => {
            let mut cursor = field.cursor();
            let mut number = |kind| {
                let number = nested(&mut cursor, kind, "version")?.number("version", u16::MAX.into())?;
                Ok::<_, LogError>(u16::try_from(number).unwrap_or(u16::MAX))
            };
            let (major, minor) = (number(0)?, number(1)?);
            if !cursor.rest().is_empty() {
                return Err(wrong);
            }
            Management::Version { major, minor }
        }
        management::FIRMWARE_END if field.value.is_empty() => Management::FirmwareEnd,
        management::TIMESTAMP => Management::Timestamp(field.number("timestamp", u64::MAX)?),
        management::STATE_TRANSITION => Management::StateTransition(match field.number("state transition", 2)? {
            0 => StateTransition::Suspend,
            1 => StateTransition::Hibernate,
            _ => StateTransition::Kexec,
        }),
        _ => return Err(wrong),
    })
}

fn systemd<'a>(cursor: &mut Cursor<'a>) -> Result<Systemd<'a>, LogError> {
    let mut record = Systemd::default();
    let mut last = None;
    while !cursor.rest().is_empty() {
        let field = tlv(cursor)?;
        let wrong = LogError::Value { offset: field.offset, field: "field of a systemd record" };
        // Fields ascend, so none is there twice.
        if last.is_some_and(|last| last >= field.kind) {
            return Err(wrong);
        }
        last = Some(field.kind);
        match field.kind {
            0 => record.event_type = Some(core::str::from_utf8(field.value).map_err(|_| wrong)?),
            1 => record.timestamp = Some(field.number("timestamp", u64::MAX)?),
            2 => record.boot_id = Some(field.value.try_into().map_err(|_| wrong)?),
            3 => record.string = field.value,
            4 => record.nv_name = Some(core::str::from_utf8(field.value).map_err(|_| wrong)?),
            _ => return Err(wrong),
        }
    }
    Ok(record)
}
