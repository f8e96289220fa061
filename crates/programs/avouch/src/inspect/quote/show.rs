//! An attestation for people.

use super::super::page::Page;
use super::{Attest, Outcome, Quote};

impl Quote {
    pub(in super::super) fn show(&self, page: &mut Page) {
        page.fact("format", self.format);
        if let Some(attest) = &self.attest {
            attest.show(page);
        }
        if let Some(signature) = &self.signature {
            page.fact("signature", format!("{}, {} bytes", signature.scheme, signature.bytes));
        }
        if let Some(key) = &self.key {
            page.fact("key", &key.key);
            page.known("name", key.name.clone());
            let restricted = match key.restricted_signing {
                Some(true) => "signs only what the TPM wrote, and never left it",
                Some(false) => "not those of an attestation key",
                None => "none",
            };
            page.fact("attributes", format!("{}: {restricted}", key.attributes.as_deref().unwrap_or("unknown")));
        }
        if !self.checks.is_empty() {
            page.heading("Checks");
        }
        for check in &self.checks {
            let sign = match check.result {
                Outcome::Passed => "✓",
                Outcome::Failed => "✗",
                Outcome::NotDone => "?",
            };
            page.sign(sign, &format!("{}: {}", check.check.replace('_', " "), check.what));
        }
    }
}

impl Attest {
    fn show(&self, page: &mut Page) {
        page.fact("attests", self.attests);
        page.fact("signer", if self.qualified_signer.is_empty() { "not named" } else { &self.qualified_signer });
        let text = self.extra_text.as_ref().map_or_else(String::new, |text| format!(" ({text:?})"));
        let extra = if self.extra_data.is_empty() { "none" } else { &self.extra_data };
        page.fact("nonce", format!("{extra}{text}"));
        if let Some(clock) = &self.clock {
            let safe = match clock.safe {
                Some(true) => "safe",
                Some(false) => "not safe: it may have been ahead before",
                None => "safe flag unknown",
            };
            page.fact("clock", format!("{} ms, {safe}", clock.clock));
            page.fact("resets", format!("{} resets, {} restarts", clock.reset_count, clock.restart_count));
        }
        page.known("firmware", self.firmware_version.clone());
        for bank in self.selection.iter().flatten() {
            let pcrs: Vec<_> = bank.pcrs.iter().map(u32::to_string).collect();
            page.fact("PCRs", format!("{}: {}", bank.bank, pcrs.join(" ")));
        }
        if let Some(digest) = &self.pcr_digest {
            page.fact("PCR digest", digest);
        }
        if let Some(name) = &self.name {
            page.fact("object", name);
        }
        if let Some(body) = &self.body {
            page.fact("body", body);
        }
    }
}
