//! A boot log for people.

use super::super::page::Page;
use super::EventLog;
use super::state::{State, Told};

/// Files and grammar remarks that are shown; JSON has all.
const SHOWN: usize = 12;

impl EventLog {
    pub(in super::super) fn show(&self, page: &mut Page) {
        let form = if self.confidential_computing { ", of a confidential virtual machine" } else { "" };
        let converted = if self.converted { ", converted to TLV to be read" } else { "" };
        page.fact("format", format!("{}{form}{converted}", self.format));
        if let Some(spec) = &self.spec_id {
            let class = if spec.platform_class == 0 { "client" } else { "server" };
            page.fact("profile", format!("{}.{}, errata {}, {class}", spec.major, spec.minor, spec.errata));
        }
        page.fact(
            "banks",
            if self.banks.is_empty() { "none that is known here".into() } else { self.banks.join(", ") },
        );
        page.fact("events", format!("{} in {} bytes", self.counts.events, self.counts.bytes));
        if let Some(padding) = &self.padding {
            page.fact("padding", format!("{} bytes of 0x{:02x}", padding.bytes, padding.byte));
        }
        if let Some(merged) = &self.final_events {
            page.fact("final events", format!("{} in both, {} added", merged.common, merged.added));
        }
        if let Some(locality) = self.startup_locality {
            page.fact("startup locality", locality.to_string());
        }
        self.show_pcrs(page);
        if let Some(state) = &self.boot_state {
            state.show(page);
        }
        self.show_grammar(page);
        page.heading("Event types");
        page.table(&["type", "events"], self.counts.types.iter().map(|(name, n)| vec![name.clone(), n.to_string()]));
        self.show_events(page);
    }

    fn register(&self, pcr: u32) -> String {
        let name = avouch_bootlog::register_name(pcr).filter(|_| self.confidential_computing);
        name.map_or_else(|| pcr.to_string(), Into::into)
    }

    fn show_pcrs(&self, page: &mut Page) {
        for (bank, values) in &self.pcrs {
            page.heading(&format!("Replayed, {bank} bank"));
            page.table(
                &["pcr", "events", "value"],
                values.iter().map(|(pcr, value)| {
                    let events = self.counts.pcrs.get(pcr).copied().unwrap_or_default();
                    vec![self.register(*pcr), events.to_string(), known(value)]
                }),
            );
        }
        for (register, banks) in &self.registers {
            page.heading(&format!("Replayed, {register}"));
            page.table(&["bank", "value"], banks.iter().map(|(bank, value)| vec![(*bank).to_owned(), known(value)]));
        }
        for assumed in &self.assumed {
            page.heading(&format!("If {}", assumed.assumption));
            let rows = assumed.pcrs.iter().flat_map(|(bank, values)| {
                values.iter().map(|(pcr, value)| vec![(*bank).to_owned(), self.register(*pcr), known(value)])
            });
            page.table(&["bank", "pcr", "value"], rows);
        }
    }

    fn show_grammar(&self, page: &mut Page) {
        let remarks: Vec<_> = self.grammar.iter().filter(|breach| breach.weight != "contradiction").collect();
        if remarks.is_empty() {
            return;
        }
        page.heading(&format!("Unusual, as real machines are too ({})", remarks.len()));
        for breach in remarks.iter().take(SHOWN) {
            let pcr = breach.pcr.map_or_else(String::new, |pcr| format!(" in register {}", self.register(pcr)));
            page.sign("?", &format!("event {}{pcr}: {}", breach.event, breach.rule));
        }
        if remarks.len() > SHOWN {
            page.sign("?", "more are in the output with --json");
        }
    }

    fn show_events(&self, page: &mut Page) {
        let Some(events) = &self.events else { return };
        page.heading("Events");
        let rows = events.iter().map(|event| {
            let pcr = event.pcr.map_or_else(|| "-".into(), |pcr| self.register(pcr));
            let digest = event.digests.values().max_by_key(|digest| digest.len()).cloned().unwrap_or_default();
            let digest: String = digest.chars().take(16).collect();
            vec![event.event.to_string(), pcr, event.event_type.clone(), digest, event.what.clone()]
        });
        page.table(&["event", "pcr", "type", "digest", "data"], rows);
    }
}

fn known(value: &Option<String>) -> String {
    value.clone().unwrap_or_else(|| "unknown".into())
}

/// The sign in front of a fact: proven by the PCR, or only told.
fn line<T>(page: &mut Page, name: &str, told: &Told<T>, value: &str) {
    page.sign(if told.proven { "✓" } else { "?" }, &format!("{name}: {value} (event {})", told.event));
}

/// A digest that the PCR holds, and the name that only the log gives it.
fn digest_line<T>(page: &mut Page, name: &str, told: &Told<T>, digest: Option<&str>, named: &str) {
    match digest {
        Some(digest) => page.sign("✓", &format!("{name}: {digest}, said to be {named} (event {})", told.event)),
        None => {
            page.sign("?", &format!("{name}: {named}, of which the name alone was measured (event {})", told.event))
        }
    }
}

impl State {
    fn show(&self, page: &mut Page) {
        page.heading("What booted (✓ the PCR covers it, ? the log only says so)");
        match &self.secure_boot {
            Some(told) => line(page, "Secure Boot", told, told.value),
            None => page.sign("?", "Secure Boot: unknown"),
        }
        for (name, mode) in
            [("setup mode", &self.setup_mode), ("audit mode", &self.audit_mode), ("deployed mode", &self.deployed_mode)]
        {
            mode.iter().for_each(|told| line(page, name, told, if told.value { "on" } else { "off" }));
        }
        self.firmware_version.iter().for_each(|told| line(page, "firmware version", told, &told.value));
        for told in &self.variables {
            let lists = told.value.lists.iter().flatten().filter(|list| list.count > 0);
            let lists: Vec<_> = lists.map(|list| format!("{} {}", list.count, list.kind)).collect();
            let lists = if lists.is_empty() { String::new() } else { format!(": {}", lists.join(", ")) };
            line(page, &told.value.name, told, &format!("{} bytes{lists}", told.value.bytes));
        }
        for told in &self.authorities {
            line(page, "verified by", told, &format!("{} entry of sha256 {}", told.value.name, told.value.sha256));
        }
        self.show_loaded(page);
        for contradiction in &self.contradictions {
            page.sign("✗", contradiction);
        }
    }

    fn show_loaded(&self, page: &mut Page) {
        for told in &self.images {
            let path = told.value.path.as_deref().unwrap_or("without a path");
            digest_line(page, told.value.kind, told, Some(&told.value.digest), path);
        }
        self.sbat_level.iter().for_each(|told| line(page, "SBAT level", told, &told.value.replace('\n', " ")));
        self.boot_order.iter().for_each(|told| line(page, "boot order", told, &told.value.join(" ")));
        self.boot_current.iter().for_each(|told| line(page, "boot current", told, &told.value));
        for told in &self.boot_options {
            let description = told.value.description.as_deref().unwrap_or("unknown");
            let path = told.value.path.as_deref().unwrap_or("no path");
            line(page, &format!("boot option {}", told.value.number), told, &format!("{description}, {path}"));
        }
        for told in &self.command_lines {
            let text = told.value.text.as_deref().unwrap_or(&told.value.digest);
            line(page, &format!("command line ({})", told.value.source), told, text);
        }
        for (name, list) in [("initrd", &self.initrds), ("UKI section", &self.uki_sections), ("MOK", &self.mok)] {
            for told in list {
                digest_line(page, name, told, told.value.digest.as_deref(), &told.value.name);
            }
        }
        for told in self.files.iter().take(SHOWN) {
            digest_line(page, "file", told, told.value.digest.as_deref(), &told.value.name);
        }
        if self.files.len() > SHOWN {
            page.sign("?", &format!("{} files in all; --json lists them", self.files.len()));
        }
        self.phases.iter().for_each(|told| line(page, "phase", told, &told.value));
    }
}
