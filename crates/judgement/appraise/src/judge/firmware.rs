//! The TPM's own firmware against the versions that the policy denies.
//!
//! The version in a quote is the real one because the key stands in the endorsement hierarchy; for keys elsewhere the
//! TPM hides it (TPM 2.0 Part 1, 36.6), and no such key is enrolled.

use super::{Context, Judgement};
use crate::code::FindingCode;
use crate::finding::Finding;
use crate::policy::{DeniedFirmware, Policy};
use crate::text::printable;
use crate::verdict::Coverage;

pub(super) fn judge(
    version: u64,
    policy: &Policy,
    context: &Context<'_>,
    coverage: &mut Coverage,
    judgement: &mut Judgement,
) {
    for denied in policy.denied_firmware.iter().filter(|denied| (denied.from..=denied.to).contains(&version)) {
        match (&denied.manufacturer, context.identity.manufacturer) {
            (Some(wanted), Some(is)) if wanted != is => {}
            (Some(wanted), None) => {
                let what = format!(
                    "firmware {version:016x} is denied for TPMs of {}, and nothing tells the manufacturer of this one",
                    printable(wanted.as_bytes())
                );
                coverage.hole("TPM_FIRMWARE_UNJUDGED", what);
            }
            _ => push(version, denied, judgement),
        }
    }
}

fn push(version: u64, denied: &DeniedFirmware, judgement: &mut Judgement) {
    judgement.momentary.push(FindingCode::TpmFirmwareDenied, || {
        let DeniedFirmware { from, to, why, .. } = denied;
        let why = printable(why.as_bytes());
        let evidence =
            format!("TPM firmware {version:016x} is among {from:016x} to {to:016x}, which the policy denies: {why}");
        Finding::new(FindingCode::TpmFirmwareDenied, evidence)
    });
}
