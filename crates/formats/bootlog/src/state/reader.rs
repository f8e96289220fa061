//! The pass that collects the facts.

use avouch_tpm_wire::Digest;

use super::{BootOption, BootState, Contradiction, Fact, LoadedImage, SecureBoot, loaders};
use crate::content::{Content, LoadOption, Separator, Variable};
use crate::grammar::secure_boot_variable;
use crate::registers::Registers;
use crate::{Checked, DataCheck, Event, EventType, Guid};

pub(crate) fn read<'a>(checked: &Checked<'_, 'a>) -> BootState<'a> {
    let mut reader = Reader {
        known: *checked.known(),
        registers: checked.registers(),
        closed: [false; 8],
        secure_boot_twice: false,
        state: BootState::default(),
    };
    for event in checked.log().events().iter().filter(|event| event.extends()) {
        // Without a digest in this bank the event is no part of what this bank proves.
        let Some(digest) = event.digest(checked.alg()) else { continue };
        reader.event(event, digest, checked.data_check(event));
    }
    reader.end()
}

struct Reader<'a> {
    known: [(Digest, Separator); 4],
    registers: Registers,
    closed: [bool; 8],
    secure_boot_twice: bool,
    state: BootState<'a>,
}

impl<'a> Reader<'a> {
    fn event(&mut self, event: &Event<'a>, digest: Digest, check: DataCheck) {
        if event.event_type == EventType::SEPARATOR || event.separator_digest(&self.known).is_some() {
            return self.separator(event);
        }
        if event.event_type.name() == "EV_UNKNOWN" {
            self.state.unknown.push(event.index);
        }
        if event.pcr == self.registers.secure_boot() && self.policy_variable(event, check) {
            return;
        }
        match event.event_type {
            EventType::EFI_BOOT_SERVICES_APPLICATION
            | EventType::EFI_BOOT_SERVICES_DRIVER
            | EventType::EFI_RUNTIME_SERVICES_DRIVER => self.image(event, digest, check),
            EventType::EFI_VARIABLE_BOOT | EventType::EFI_VARIABLE_BOOT2 => self.boot_variable(event, check),
            EventType::EFI_VARIABLE_DRIVER_CONFIG | EventType::EFI_VARIABLE_AUTHORITY => self.variable(event, check),
            EventType::IPL if self.registers.of(8) <= event.pcr => {
                loaders::boot_loader(&mut self.state, event, digest, check);
            }
            EventType::EVENT_TAG => loaders::tagged(&mut self.state, event, digest, check),
            EventType::S_CRTM_VERSION => {
                if let Content::Text(value) = event.content() {
                    let fact = Fact { value, event: event.index, check };
                    self.state.firmware_version.get_or_insert(fact);
                }
            }
            _ => {}
        }
    }

    fn separator(&mut self, event: &Event<'a>) {
        let closed = usize::try_from(event.pcr).ok().and_then(|pcr| self.closed.get_mut(pcr));
        let twice = closed.is_some_and(|closed| core::mem::replace(closed, true));
        if twice && self.registers == Registers::Pcr {
            let (pcr, event) = (event.pcr, event.index);
            self.state.contradictions.push(Contradiction::SeparatorTwice { pcr, event });
        }
    }

    fn is_closed(&self, pcr: u32) -> bool {
        usize::try_from(pcr).ok().and_then(|pcr| self.closed.get(pcr)).copied().unwrap_or(false)
    }

    /// SecureBoot, PK, KEK, the databases and the modes, by their data whatever type is written over them; an
    /// authority has the same form and names the database that verified an image.
    fn policy_variable(&mut self, event: &Event<'a>, check: DataCheck) -> bool {
        if event.event_type == EventType::EFI_VARIABLE_AUTHORITY {
            return false;
        }
        let Some(variable) = Variable::parse(event.data) else { return false };
        if secure_boot_variable(&variable).is_none() {
            return false;
        }
        if self.is_closed(event.pcr) {
            self.state.contradictions.push(Contradiction::BehindSeparator { event: event.index });
            return true;
        }
        let fact = Fact { value: variable, event: event.index, check };
        self.mode(&fact);
        self.state.variables.push(fact);
        true
    }

    fn mode(&mut self, fact: &Fact<Variable<'a>>) {
        let variable = &fact.value;
        if variable.name == *"SecureBoot" {
            return self.secure_boot(fact);
        }
        let state = &mut self.state;
        let (slot, name) = match () {
            () if variable.name == *"SetupMode" => (&mut state.setup_mode, "SetupMode"),
            () if variable.name == *"AuditMode" => (&mut state.audit_mode, "AuditMode"),
            () if variable.name == *"DeployedMode" => (&mut state.deployed_mode, "DeployedMode"),
            () => return,
        };
        let [value @ (0 | 1)] = variable.data else { return };
        let value = *value == 1;
        match slot {
            Some(first) if first.value != value => {
                *slot = None;
                state.contradictions.push(Contradiction::Value { name, event: fact.event });
            }
            Some(_) => {}
            None => *slot = Some(Fact { value, event: fact.event, check: fact.check }),
        }
    }

    fn secure_boot(&mut self, fact: &Fact<Variable<'a>>) {
        let value = match fact.value.data {
            [1] => Some(SecureBoot::On),
            [0] => Some(SecureBoot::Off),
            [] => Some(SecureBoot::Absent),
            _ => None,
        };
        let same = self.state.secure_boot.is_none_or(|first| Some(first.value) == value);
        if !same || value.is_none() {
            self.secure_boot_twice = true;
            self.state.contradictions.push(Contradiction::Value { name: "SecureBoot", event: fact.event });
        } else if let Some(value) = value {
            self.state.secure_boot.get_or_insert(Fact { value, event: fact.event, check: fact.check });
        }
    }

    /// Any other variable measured as configuration or authority.
    fn variable(&mut self, event: &Event<'a>, check: DataCheck) {
        let Content::Variable(variable) = event.content() else { return };
        let fact = Fact { value: variable, event: event.index, check };
        if variable.is(Guid::SHIM_LOCK, "SbatLevel") {
            let fact = Fact { value: variable.data, event: event.index, check };
            self.state.sbat_level.get_or_insert(fact);
        }
        if event.event_type == EventType::EFI_VARIABLE_AUTHORITY {
            self.state.authorities.push(fact);
        } else {
            self.state.variables.push(fact);
        }
    }

    fn boot_variable(&mut self, event: &Event<'a>, check: DataCheck) {
        let Content::Variable(variable) = event.content() else { return };
        let event = event.index;
        if let Some(number) = variable.boot_number() {
            let value = BootOption { number, option: LoadOption::parse(variable.data) };
            return self.state.boot_options.push(Fact { value, event, check });
        }
        match variable.data.as_chunks() {
            (order, []) if variable.is(Guid::GLOBAL_VARIABLE, "BootOrder") => {
                self.state.boot_order.get_or_insert(Fact { value: order, event, check });
            }
            ([current], []) if variable.is(Guid::GLOBAL_VARIABLE, "BootCurrent") => {
                let value = u16::from_le_bytes(*current);
                self.state.boot_current.get_or_insert(Fact { value, event, check });
            }
            _ => {}
        }
    }

    fn image(&mut self, event: &Event<'a>, digest: Digest, check: DataCheck) {
        let image = match event.content() {
            Content::Image(image) => Some(image),
            _ => None,
        };
        let application = event.event_type == EventType::EFI_BOOT_SERVICES_APPLICATION;
        let before_separator = !self.is_closed(event.pcr);
        let value = LoadedImage { digest, pcr: event.pcr, application, before_separator, image };
        self.state.images.push(Fact { value, event: event.index, check });
    }

    fn end(mut self) -> BootState<'a> {
        if self.secure_boot_twice {
            self.state.secure_boot = None;
        }
        let on = self.state.secure_boot.is_some_and(|fact| fact.value == SecureBoot::On);
        let filled = |guid, name| self.state.variable(guid, name).is_some_and(|fact| !fact.value.data.is_empty());
        if on && !filled(Guid::GLOBAL_VARIABLE, "PK") && !filled(Guid::IMAGE_SECURITY, "db") {
            self.state.contradictions.push(Contradiction::OnWithoutKeys);
        }
        self.state
    }
}
