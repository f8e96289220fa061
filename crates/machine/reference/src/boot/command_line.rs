//! Kernel command lines.

use super::{Artefact, ExpectedEvents};

/// A kernel command line that a boot loader or a boot option passes, as each boot program measures it: systemd's loader
/// and stub into PCR 12 and the kernel's own EFI stub into PCR 9, both as UTF-16 with its zero, and GRUB into PCR 8 as
/// the bytes of the line. GRUB's line begins with the kernel's path: give it as GRUB's log shows it.
pub fn command_line(text: &str) -> ExpectedEvents {
    let artefact = Artefact::named("command line");
    let mut events = ExpectedEvents::default();
    load_options(&mut events, &artefact, text);
    events.measured(&artefact, 12, "kernel command line", &[&utf16(text)]);
    events.measured(&artefact, 8, "kernel command line (GRUB)", &[text.as_bytes()]);
    events
}

/// What the kernel's EFI stub measures of the line that it was started with (kernel 6.1 and later, tag 0x8F3B22ED).
pub(super) fn load_options(events: &mut ExpectedEvents, artefact: &Artefact, text: &str) {
    events.measured(artefact, 9, "load options of the kernel", &[&utf16(text)]);
}

/// UTF-16 little-endian with a zero at the end.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}
