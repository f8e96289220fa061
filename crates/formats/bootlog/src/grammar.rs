//! What may stand where.
//!
//! Replay proves digests and their order, nothing else: whoever holds the log may write other types and data over
//! them, and whoever holds the machine may extend more at the end. What an attacker cannot do is put something before
//! the separators. So separators are found by digest, and what stands behind them is judged by what it claims to be.
//!
//! Source: PFP sections 3.3.4 (PCR usage), 7.2 (separators), 10.4.1 (event types); UEFI 2.10 section 32.3 for the
//! variables of PCR 7.

use alloc::vec::Vec;
use core::fmt;

use crate::content::{Content, NoAction, Separator, Variable};
use crate::registers::Registers;
use crate::{Checked, Event, EventType, Guid, NO_PCR};

/// A breach of the grammar. The rule says how it weighs; the caller decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrammarFault {
    /// The register, [`NO_PCR`] for an event without one.
    pub pcr: u32,
    /// Index of the event in the log; of a missing one, the number of events.
    pub event: usize,
    /// The rule.
    pub rule: GrammarRule,
}

/// How a breach weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Allowed; it is listed because this release does not know what it is.
    Unknown,
    /// Real, honest machines do this, and so could an attacker.
    Odd,
    /// No honest firmware is known to do this.
    Contradiction,
}

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GrammarRule {
    /// A PCR of 0 to 7 that ends without a separator in this bank: nothing closed it, or nothing was extended at all.
    MissingSeparator,
    /// A second separator in one PCR of 0 to 7.
    SeparatorTwice,
    /// A separator that says the firmware failed to measure.
    ErrorSeparator,
    /// A separator by type whose digest is of no separator.
    SeparatorDigest,
    /// A separator by digest under another type.
    SeparatorRelabelled,
    /// The core root of trust or firmware was measured in PCR 0 behind its separator.
    FirmwareBehindSeparator,
    /// A driver was measured in PCR 2 behind its separator.
    DriverBehindSeparator,
    /// An event of PCR 7 whose data do not explain its digest, so nobody can say what policy it stands for.
    PolicyNotCovered,
    /// SecureBoot, PK, KEK, db, dbx, dbt, dbr, AuditMode or DeployedMode behind PCR 7's separator.
    VariableBehindSeparator,
    /// One of these variables twice.
    VariableTwice,
    /// SecureBoot, PK, KEK, db, dbx not in this order.
    VariableOrder,
    /// PCR 7 has a separator and not all of SecureBoot, PK, KEK, db and dbx before it.
    VariableMissing,
    /// An event in a register where the profile does not put its type.
    WrongRegister,
    /// A startup locality other than 0, 3 and 4.
    LocalityValue,
    /// A startup locality behind an extend of PCR 0.
    LocalityLate,
    /// A second startup locality.
    LocalityTwice,
    /// EV_NO_ACTION with a digest that is not zero, in a register.
    NoActionDigest,
    /// An event that extends and has no digest in this bank.
    DigestMissing,
    /// An extending type under the index that no TPM has.
    NoRegister,
    /// A type that the profile does not define.
    UnknownType,
}

impl GrammarRule {
    /// How a breach of this rule weighs.
    pub fn weight(self) -> Weight {
        match self {
            Self::UnknownType => Weight::Unknown,
            Self::MissingSeparator
            | Self::SeparatorTwice
            | Self::DriverBehindSeparator
            | Self::PolicyNotCovered
            | Self::VariableMissing
            | Self::WrongRegister
            | Self::NoActionDigest
            | Self::DigestMissing
            | Self::NoRegister => Weight::Odd,
            _ => Weight::Contradiction,
        }
    }

    /// The rule in a few words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::MissingSeparator => "no separator closes this register",
            Self::SeparatorTwice => "a second separator",
            Self::ErrorSeparator => "a separator that says the firmware failed to measure",
            Self::SeparatorDigest => "a separator whose digest is of no separator",
            Self::SeparatorRelabelled => "a separator under another type",
            Self::FirmwareBehindSeparator => "firmware measured behind the separator",
            Self::DriverBehindSeparator => "a driver measured behind the separator",
            Self::PolicyNotCovered => "an event of PCR 7 whose data do not explain its digest",
            Self::VariableBehindSeparator => "a Secure Boot variable measured behind the separator",
            Self::VariableTwice => "a Secure Boot variable measured twice",
            Self::VariableOrder => "Secure Boot variables out of order",
            Self::VariableMissing => "not all of SecureBoot, PK, KEK, db and dbx are measured",
            Self::WrongRegister => "an event where the profile does not put its type",
            Self::LocalityValue => "a startup locality other than 0, 3 and 4",
            Self::LocalityLate => "a startup locality behind the first extend",
            Self::LocalityTwice => "a second startup locality",
            Self::NoActionDigest => "an event that extends nothing and has a digest",
            Self::DigestMissing => "an event without a digest in this bank",
            Self::NoRegister => "an event that extends no register",
            Self::UnknownType => "an event type that the profile does not define",
        }
    }
}

impl fmt::Display for GrammarFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pcr {
            NO_PCR => write!(f, "event {}: {}", self.event, self.rule.words()),
            pcr => write!(f, "event {} in register {pcr}: {}", self.event, self.rule.words()),
        }
    }
}

/// PCRs that firmware closes with a separator.
const CLOSED: u32 = 8;

/// The variables of PCR 7 in their order; only the first five must be there.
const ORDER: [&str; 9] = ["SecureBoot", "PK", "KEK", "db", "dbx", "dbt", "dbr", "AuditMode", "DeployedMode"];
const REQUIRED: usize = 5;
/// How many of them have a fixed place; the modes stand anywhere before the separator.
const ORDERED: usize = 7;

/// Position of a Secure Boot variable in [`ORDER`].
pub(crate) fn secure_boot_variable(variable: &Variable<'_>) -> Option<usize> {
    let guid = match variable.guid {
        Guid::GLOBAL_VARIABLE | Guid::IMAGE_SECURITY => variable.guid,
        _ => return None,
    };
    let position = ORDER.iter().position(|name| variable.name == **name)?;
    let database = (3..7).contains(&position);
    (database == (guid == Guid::IMAGE_SECURITY)).then_some(position)
}

/// One pass over the log; at most two faults for an event.
pub(crate) fn faults(checked: &Checked<'_, '_>) -> Vec<GrammarFault> {
    let mut reader = Reader::new(checked);
    let events = checked.log().events();
    for event in events {
        reader.event(event);
    }
    reader.end(events.len());
    reader.faults
}

struct Reader<'c, 'l, 'a> {
    checked: &'c Checked<'l, 'a>,
    registers: Registers,
    closed: [bool; 8],
    pcr0_extended: bool,
    locality_seen: bool,
    /// Secure Boot variables seen, by position in [`ORDER`].
    variables: [bool; 9],
    last_variable: usize,
    faults: Vec<GrammarFault>,
}

impl<'c, 'l, 'a> Reader<'c, 'l, 'a> {
    fn new(checked: &'c Checked<'l, 'a>) -> Self {
        Self {
            checked,
            registers: checked.registers(),
            closed: [false; 8],
            pcr0_extended: false,
            locality_seen: false,
            variables: [false; 9],
            last_variable: 0,
            faults: Vec::new(),
        }
    }

    fn fault(&mut self, event: &Event<'_>, rule: GrammarRule) {
        self.faults.push(GrammarFault { pcr: event.pcr, event: event.index, rule });
    }

    fn event(&mut self, event: &Event<'_>) {
        if event.event_type == EventType::NO_ACTION {
            return self.no_action(event);
        }
        if event.pcr == NO_PCR {
            return self.fault(event, GrammarRule::NoRegister);
        }
        if event.digest(self.checked.alg()).is_none() {
            self.fault(event, GrammarRule::DigestMissing);
        }
        self.pcr0_extended |= event.pcr == 0;
        if self.separator(event) {
            return;
        }
        if event.event_type.name() == "EV_UNKNOWN" {
            return self.fault(event, GrammarRule::UnknownType);
        }
        if !may_stand(event.event_type, event.pcr, self.registers) {
            self.fault(event, GrammarRule::WrongRegister);
        }
        match event.pcr {
            pcr if pcr == self.registers.secure_boot() => self.policy(event),
            0 if self.is_closed(0) && is_firmware(event.event_type) => {
                self.fault(event, GrammarRule::FirmwareBehindSeparator);
            }
            2 if self.registers == Registers::Pcr && self.is_closed(2) && is_driver(event.event_type) => {
                self.fault(event, GrammarRule::DriverBehindSeparator);
            }
            _ => {}
        }
    }

    fn no_action(&mut self, event: &Event<'_>) {
        // The header's digest is SHA-1 zeros by definition; events without a register may carry anything.
        let zero = event.digests.iter().all(|(_, digest)| digest.iter().all(|byte| *byte == 0));
        if !zero && event.pcr != NO_PCR {
            self.fault(event, GrammarRule::NoActionDigest);
        }
        let Content::NoAction(NoAction::StartupLocality(locality)) = event.content() else { return };
        if event.pcr != 0 {
            return self.fault(event, GrammarRule::WrongRegister);
        }
        if !matches!(locality, 0 | 3 | 4) {
            self.fault(event, GrammarRule::LocalityValue);
        }
        if self.pcr0_extended {
            self.fault(event, GrammarRule::LocalityLate);
        }
        if core::mem::replace(&mut self.locality_seen, true) {
            self.fault(event, GrammarRule::LocalityTwice);
        }
    }

    /// True when the event is a separator by type or, in the registers that have one, by digest.
    fn separator(&mut self, event: &Event<'_>) -> bool {
        let labelled = event.event_type == EventType::SEPARATOR;
        let meaning = event.separator_digest(self.checked.known());
        if meaning.is_none() && !labelled {
            return false;
        }
        match meaning {
            None if event.digest(self.checked.alg()).is_some() => self.fault(event, GrammarRule::SeparatorDigest),
            Some(_) if !labelled => self.fault(event, GrammarRule::SeparatorRelabelled),
            Some(Separator::Error) => self.fault(event, GrammarRule::ErrorSeparator),
            _ => {}
        }
        let place = usize::try_from(event.pcr).ok().and_then(|pcr| self.closed.get_mut(pcr));
        let again = place.is_some_and(|closed| meaning.is_some() && core::mem::replace(closed, true));
        // Registers of a confidential virtual machine hold the separators of several PCRs.
        if again && self.registers == Registers::Pcr {
            self.fault(event, GrammarRule::SeparatorTwice);
        }
        true
    }

    fn is_closed(&self, pcr: usize) -> bool {
        self.closed.get(pcr).copied().unwrap_or(false)
    }

    /// PCR 7. Everything in it is a variable or an action, so all of it explains its digest. A variable is recognised by its data under any type but the one that names an authority: the digest
    /// covers the data and not the type.
    fn policy(&mut self, event: &Event<'_>) {
        if self.registers == Registers::Pcr && !self.checked.data_check(event).proves_value() {
            self.fault(event, GrammarRule::PolicyNotCovered);
        }
        if event.event_type == EventType::EFI_VARIABLE_AUTHORITY {
            return;
        }
        let Some(position) = Variable::parse(event.data).as_ref().and_then(secure_boot_variable) else { return };
        let closed = usize::try_from(self.registers.secure_boot()).is_ok_and(|pcr| self.is_closed(pcr));
        if closed {
            self.fault(event, GrammarRule::VariableBehindSeparator);
        }
        let twice = self.variables.get_mut(position).is_some_and(|seen| core::mem::replace(seen, true));
        if twice {
            self.fault(event, GrammarRule::VariableTwice);
        } else if position < ORDERED {
            if position < self.last_variable {
                self.fault(event, GrammarRule::VariableOrder);
            }
            self.last_variable = self.last_variable.max(position);
        }
    }

    fn end(&mut self, events: usize) {
        let missing = |pcr, rule| GrammarFault { pcr, event: events, rule };
        if self.registers == Registers::Pcr {
            for (pcr, _) in (0..CLOSED).zip(self.closed).filter(|(_, closed)| !closed) {
                self.faults.push(missing(pcr, GrammarRule::MissingSeparator));
            }
        }
        if !self.variables.iter().take(REQUIRED).all(|seen| *seen) {
            self.faults.push(missing(self.registers.secure_boot(), GrammarRule::VariableMissing));
        }
    }
}

fn is_firmware(event_type: EventType) -> bool {
    matches!(
        event_type,
        EventType::S_CRTM_CONTENTS
            | EventType::S_CRTM_VERSION
            | EventType::POST_CODE
            | EventType::POST_CODE2
            | EventType::EFI_PLATFORM_FIRMWARE_BLOB
            | EventType::EFI_PLATFORM_FIRMWARE_BLOB2
            | EventType::EFI_HCRTM_EVENT
    )
}

fn is_driver(event_type: EventType) -> bool {
    matches!(event_type, EventType::EFI_BOOT_SERVICES_DRIVER | EventType::EFI_RUNTIME_SERVICES_DRIVER)
}

/// Whether the profile puts this type into this register, or a known loader does. Firmware of confidential virtual
/// machines measures its own volumes and tables where it likes.
fn may_stand(event_type: EventType, register: u32, registers: Registers) -> bool {
    if registers == Registers::Cc && (is_firmware(event_type) || event_type == EventType::PLATFORM_CONFIG_FLAGS) {
        return true;
    }
    let allowed: &[u32] = match event_type {
        EventType::S_CRTM_CONTENTS
        | EventType::S_CRTM_VERSION
        | EventType::POST_CODE
        | EventType::POST_CODE2
        | EventType::EFI_HCRTM_EVENT
        | EventType::NONHOST_INFO => &[0],
        EventType::EFI_PLATFORM_FIRMWARE_BLOB | EventType::EFI_PLATFORM_FIRMWARE_BLOB2 => &[0, 2, 4],
        EventType::NONHOST_CODE => &[0, 2],
        EventType::NONHOST_CONFIG => &[1, 3],
        EventType::CPU_MICROCODE
        | EventType::PLATFORM_CONFIG_FLAGS
        | EventType::TABLE_OF_DEVICES
        | EventType::EFI_HANDOFF_TABLES
        | EventType::EFI_HANDOFF_TABLES2 => &[1],
        EventType::EFI_BOOT_SERVICES_DRIVER | EventType::EFI_RUNTIME_SERVICES_DRIVER => &[0, 2],
        EventType::EFI_BOOT_SERVICES_APPLICATION => &[2, 4],
        EventType::EFI_VARIABLE_BOOT | EventType::EFI_VARIABLE_BOOT2 => &[1, 5],
        EventType::EFI_VARIABLE_DRIVER_CONFIG => &[1, 3, 5, 7],
        EventType::EFI_VARIABLE_AUTHORITY => &[7],
        EventType::EFI_GPT_EVENT | EventType::EFI_GPT_EVENT2 | EventType::IPL_PARTITION_DATA => &[5],
        EventType::EFI_SPDM_FIRMWARE_BLOB => &[2],
        EventType::EFI_SPDM_FIRMWARE_CONFIG => &[3],
        EventType::EFI_SPDM_DEVICE_POLICY | EventType::EFI_SPDM_DEVICE_AUTHORITY => &[7],
        EventType::IPL => &[4, 5, 8, 9, 10, 11, 12, 13, 14, 15],
        _ => return true,
    };
    allowed.iter().any(|pcr| registers.of(*pcr) == register)
}
