//! A measurement list for people.

use super::super::page::Page;
use super::{List, Named, Pcrs};

/// Violations that are shown; JSON has more.
const SHOWN: usize = 20;

impl List {
    pub(in super::super) fn show(&self, page: &mut Page) {
        let counts = &self.counts;
        page.fact("format", self.format);
        page.known("template hash", self.template_hash);
        page.fact("entries", format!("{} in {} bytes", counts.entries, counts.bytes));
        page.fact("templates", counted(counts.templates.iter()));
        page.fact("digests", counted(counts.digests.iter()));
        page.fact("signed files", counts.signed.to_string());
        page.fact("buffers", counts.buffers.to_string());
        if counts.other_pcrs > 0 {
            page.fact("other PCRs", format!("{} entries, not replayed", counts.other_pcrs));
        }
        if counts.unreadable_signatures > 0 {
            page.fact("no signatures", format!("{} values of security.ima", counts.unreadable_signatures));
        }
        if counts.unknown > 0 {
            page.fact("not understood", format!("{} entries, which replay all the same", counts.unknown));
        }
        for aggregate in &self.boot_aggregates {
            let alg = aggregate.alg.unwrap_or("unknown");
            page.fact("boot_aggregate", format!("{alg}:{}", aggregate.digest.as_deref().unwrap_or("unknown")));
        }
        for (key_id, signer) in &self.signers {
            let hashes = signer.hashes.keys().copied().collect::<Vec<_>>().join(", ");
            page.fact("signer", format!("key {key_id}: {} files, {hashes}", signer.files));
        }
        for policy in &self.policies {
            page.fact("policy loaded", format!("entry {}: {} {}", policy.entry, policy.path, policy.digest));
        }
        self.show_pcrs(page);
        self.show_buffers(page);
        show_named(page, "Violations", counts.violations, &self.violations);
        self.show_entries(page);
    }

    fn show_pcrs(&self, page: &mut Page) {
        page.heading("Replayed");
        if self.pcrs.is_empty() {
            page.sign("?", "no entry was read, so the value of the PCR is unknown");
            return;
        }
        let rows = |pcrs: &Pcrs, remark: &str| -> Vec<Vec<String>> {
            let values =
                pcrs.iter().flat_map(|(bank, values)| values.iter().map(move |(pcr, value)| (bank, pcr, value)));
            values
                .map(|(bank, pcr, value)| {
                    let value = value.clone().unwrap_or_else(|| "unknown".into());
                    vec![(*bank).to_owned(), pcr.to_string(), value, remark.to_owned()]
                })
                .collect()
        };
        let mut all = rows(&self.pcrs, "");
        all.extend(rows(&self.pcrs_sha1_padded, "if the kernel lacked the algorithm: SHA-1 with zeros"));
        page.table(&["bank", "pcr", "value", ""], all);
    }

    fn show_buffers(&self, page: &mut Page) {
        if !self.keys.is_empty() {
            page.heading("Keys loaded");
            let rows = self.keys.iter().take(SHOWN);
            page.table(
                &["entry", "keyring", "sha256 of the certificate"],
                rows.map(|key| vec![key.entry.to_string(), key.keyring.clone(), key.sha256.clone()]),
            );
        }
        if !self.critical_data.is_empty() {
            page.heading("Critical data");
            let rows = self.critical_data.iter().take(SHOWN);
            page.table(
                &["entry", "name", "what it says"],
                rows.map(|data| vec![data.entry.to_string(), data.name.clone(), data.what.clone()]),
            );
        }
    }

    fn show_entries(&self, page: &mut Page) {
        let Some(entries) = &self.entries else { return };
        page.heading("Entries");
        let rows = entries.iter().map(|entry| {
            let digest = entry.named.digest.clone().unwrap_or_else(|| "unknown".into());
            let violation = if entry.violation { "violation" } else { "" };
            let number = entry.named.entry.to_string();
            vec![number, entry.template.clone(), digest, entry.named.name.clone(), violation.to_owned()]
        });
        page.table(&["entry", "template", "digest", "name", ""], rows);
    }
}

fn show_named(page: &mut Page, title: &str, count: u64, entries: &[Named]) {
    if entries.is_empty() {
        return;
    }
    page.heading(&format!("{title} ({count})"));
    let rows = entries.iter().take(SHOWN);
    page.table(
        &["entry", "byte", "name"],
        rows.map(|e| vec![e.entry.to_string(), e.offset.to_string(), e.name.clone()]),
    );
    if entries.len() > SHOWN {
        page.sign("?", "more are in the output with --json");
    }
}

fn counted<'a>(counts: impl Iterator<Item = (&'a String, &'a u64)>) -> String {
    let text = counts.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ");
    if text.is_empty() { "none".into() } else { text }
}
