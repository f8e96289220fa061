//! Events whose content a specification fixes.

use super::{Artefact, ExpectedEvents};

/// Separators of PCR 0 to 7 and the actions of PCR 4 and 5 (PFP sections 3.3.4 and 10.4.4): what firmware measures
/// around whatever it boots. Of the two outcomes of ExitBootServices only success is expected.
pub fn firmware_actions() -> ExpectedEvents {
    let artefact = Artefact::named("TCG PC Client Platform Firmware Profile");
    let mut events = ExpectedEvents::default();
    for pcr in 0..8 {
        events.measured(&artefact, pcr, "separator", &[&[0; 4]]);
    }
    let actions = [
        (4, "Calling EFI Application from Boot Option"),
        (4, "Returning from EFI Application from Boot Option"),
        (5, "Exit Boot Services Invocation"),
        (5, "Exit Boot Services Returned with Success"),
    ];
    for (pcr, action) in actions {
        events.measured(&artefact, pcr, format!("action \"{action}\""), &[action.as_bytes()]);
    }
    events
}

/// The words that systemd measures into PCR 11 as the boot goes on (systemd-pcrphase.service(8)): the bare word, without
/// a zero byte.
pub fn phases() -> ExpectedEvents {
    let artefact = Artefact::named("systemd-pcrphase");
    let mut events = ExpectedEvents::default();
    for word in ["enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final"] {
        events.measured(&artefact, 11, format!("phase {word}"), &[word.as_bytes()]);
    }
    events
}
