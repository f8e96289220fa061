//! What a verdict means for whoever relies on the setting, what to do about it, and how much it weighs.

mod group;
mod platform;
mod sandbox;

use alloc::format;
use alloc::string::{String, ToString};

use crate::{Attribute, Pair, PairVerdict, Severity, subject};
pub(crate) use group::Group;

/// Of a unit that should be active and is not.
pub(crate) const UNIT_ABSENT: &str = "A service that this machine was approved with does not run. What it was meant \
     to do, also for security, is not being done.";

/// What a group of attributes says about itself.
pub(crate) struct Text {
    /// What it means that the kernel does not enforce it, or shows what nobody accounts for.
    pub(crate) loss: &'static str,
    /// How to bring it back; `UNIT` stands for the subject's name.
    pub(crate) remedy: &'static str,
    /// How much the loss weighs.
    pub(crate) severity: Severity,
}

const DISAGREE: &str = "Two interfaces of the kernel contradict each other about the same fact. One of them was made \
     to lie, as root kits do, so nothing else that this kernel reports can be relied upon.";
const PENDING: &str = "The unit was changed after its processes started. What systemd now shows is not in force for \
     the processes that run.";
const REPLACED: &str = "The code that runs is no longer the code on disk: a file was replaced or removed after the \
     start. Fixes in the new file are not in effect, and the old code cannot be checked against a reference.";
const UNREAD_FILES: &str = "Files of the unit on disk say something that systemd has not taken in. The next reload \
     or restart changes what this service may do.";
const DRIFT: &str = "systemd and the kernel agree with each other and not with the signed intent: somebody changed \
     the setting through systemd, or the intent is out of date.";
const UNREADABLE: &str = "One witness could not be read, so whether the setting is in force is not known.";
const NOT_SUPPORTED: &str = "This kernel or systemd cannot show whether the setting is in force.";
const RACING: &str = "The unit changed every time it was read, so its two sides do not belong to one moment.";
const STRICTER: &str = "The kernel enforces more than systemd states. Nothing is lost.";
const IN_ORDER: &str = "The kernel enforces what systemd states.";
const NOTHING: &str = "Nothing is configured, so nothing is to be enforced.";

/// What a pair means.
pub(crate) fn implication(pair: &Pair) -> &'static str {
    if pair.views_disagree {
        return DISAGREE;
    }
    meaning(pair.attribute, pair.verdict)
}

/// What a verdict on an attribute means.
pub(crate) fn meaning(attribute: Attribute, verdict: PairVerdict) -> &'static str {
    let group = Group::of(attribute);
    match verdict {
        PairVerdict::KernelWeaker | PairVerdict::KernelMissing | PairVerdict::Unmanaged => group.text().loss,
        PairVerdict::PendingRestart if group == Group::Program => REPLACED,
        PairVerdict::PendingRestart if group == Group::Freshness => UNREAD_FILES,
        PairVerdict::PendingRestart => PENDING,
        PairVerdict::IntentDrift => DRIFT,
        PairVerdict::Unreadable => UNREADABLE,
        PairVerdict::NotSupported => NOT_SUPPORTED,
        PairVerdict::Racing => RACING,
        PairVerdict::KernelStricter => STRICTER,
        PairVerdict::Match => IN_ORDER,
        PairVerdict::NotConfigured => NOTHING,
    }
}

/// What to do about a pair.
pub(crate) fn remedy(pair: &Pair) -> String {
    let name = pair.subject.split_once(':').map_or(&*pair.subject, |(_, name)| name);
    let is_unit = pair.subject.starts_with(subject::UNIT);
    if pair.views_disagree {
        return "Isolate the machine, keep its memory and disk for examination, and install it anew.".to_string();
    }
    match pair.verdict {
        PairVerdict::PendingRestart if Group::of(pair.attribute) == Group::Freshness => {
            format!(
                "Read the changed files (`systemctl cat {name}`), then `systemctl daemon-reload` and `systemctl restart {name}`."
            )
        }
        PairVerdict::PendingRestart => {
            format!("`systemctl restart {name}`, after checking who changed it: `systemctl cat {name}`.")
        }
        PairVerdict::IntentDrift if is_unit => format!(
            "Compare `systemctl cat {name}` with the intent. `systemctl revert {name}` drops local changes; if the change is meant, sign a new intent."
        ),
        PairVerdict::IntentDrift => {
            "Set it back to what the intent says, or sign a new intent if the change is meant.".to_string()
        }
        PairVerdict::Unreadable => {
            format!("Look at why {name} could not be read: the note of the pair says what failed.")
        }
        PairVerdict::NotSupported => {
            "Run a kernel and a systemd that can show it, or state in the intent that it may stay open.".to_string()
        }
        PairVerdict::Racing => format!(
            "Observe again when {name} has settled; `systemctl status {name}` shows whether it restarts all the time."
        ),
        PairVerdict::KernelWeaker | PairVerdict::KernelMissing | PairVerdict::Unmanaged => {
            Group::of(pair.attribute).text().remedy.replace("UNIT", name)
        }
        PairVerdict::Match | PairVerdict::KernelStricter | PairVerdict::NotConfigured => "Nothing to do.".to_string(),
    }
}

/// How much a verdict weighs.
pub(crate) fn severity(attribute: Attribute, verdict: PairVerdict) -> Severity {
    let loss = Group::of(attribute).text().severity;
    match verdict {
        PairVerdict::KernelWeaker | PairVerdict::KernelMissing | PairVerdict::Unmanaged => loss,
        PairVerdict::PendingRestart => loss.max(Severity::Medium),
        PairVerdict::IntentDrift => loss.max(Severity::High),
        PairVerdict::Unreadable
        | PairVerdict::NotSupported
        | PairVerdict::Racing
        | PairVerdict::Match
        | PairVerdict::KernelStricter
        | PairVerdict::NotConfigured => Severity::Notice,
    }
}
