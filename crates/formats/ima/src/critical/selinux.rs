//! `selinux-state` (`security/selinux/ima.c`).

use super::text::{Records, utf8};
use super::{CriticalError, CriticalFault};

/// The switches of SELinux when they were measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelinuxState<'a> {
    /// A policy is loaded.
    pub initialized: bool,
    /// Denials are enforced, not only logged.
    pub enforcing: bool,
    /// Memory protection is checked as it was asked for, not as the kernel applies it.
    pub checkreqprot: bool,
    capabilities: &'a str,
}

impl<'a> SelinuxState<'a> {
    pub(super) fn parse(buffer: &'a [u8]) -> Result<Self, CriticalError> {
        let text = utf8(buffer)?;
        let mut records = Records::new(text);
        let mut switch = |name| records.next_record(name)?.only(name)?.switch(name);
        let (initialized, enforcing) = (switch("initialized")?, switch("enforcing")?);
        let checkreqprot = switch("checkreqprot")?;
        let capabilities = records.rest();
        let mut records = Records::new(capabilities.text);
        while !records.is_empty() {
            let moved = |error: CriticalError| CriticalError {
                offset: error.offset.saturating_add(capabilities.offset),
                ..error
            };
            let mut record = records.next_record("a policy capability").map_err(moved)?;
            let fault = CriticalFault::Word { wanted: "a policy capability" };
            let refused = moved(CriticalError { offset: record.offset, fault });
            let (_, value) = record.pair().ok_or(refused)?;
            value.switch("policy capability").map_err(moved)?;
            record.finish().map_err(moved)?;
        }
        Ok(Self { initialized, enforcing, checkreqprot, capabilities: capabilities.text })
    }

    /// The policy's capabilities with their switches, e.g. `open_perms`.
    pub fn capabilities(&self) -> impl Iterator<Item = (&'a str, bool)> {
        self.capabilities
            .split_terminator(';')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, on)| (name, on == "1"))
    }
}
