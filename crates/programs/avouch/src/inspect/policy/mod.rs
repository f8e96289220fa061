//! Policies: Avouch's own, the kernel's IMA policies, and those of Keylime.

mod avouch;
mod foreign;
mod ima_text;

use std::collections::BTreeMap;

use serde::Serialize;

use super::Options;
use super::page::Page;
use super::report::{Problem, Reading};

/// A policy.
#[derive(Debug, Default, Serialize)]
pub struct PolicyFacts {
    /// `avouch policy`, `ima policy`, `keylime runtime policy`, `keylime runtime policy in DSSE`, `keylime allowlist`,
    /// `digest list`.
    pub format: &'static str,
    /// Version of the file, where it states one.
    pub version: Option<u64>,
    /// Name that a person gave.
    pub name: Option<String>,
    /// When it was made, as its maker wrote it.
    pub created: Option<String>,
    /// SHA-256 of the bytes: what verdicts call an Avouch policy.
    pub reference: Option<String>,
    /// What there is how often.
    pub counts: BTreeMap<&'static str, u64>,
    /// Windows and exclusions with their ends.
    pub windows: Vec<Window>,
    /// Hooks that an IMA policy measures: `all`, `some` or `none`.
    pub hooks: BTreeMap<String, &'static str>,
    /// What passes unmeasured.
    pub holes: Vec<String>,
    /// What its author should look at.
    pub lint: Vec<Advice>,
    /// Why Avouch does not judge by it; null for its own policies.
    pub not_used: Option<&'static str>,
}

/// Something that holds until a time.
#[derive(Debug, Serialize)]
pub struct Window {
    /// `pending update`, `superseded package` or `exclusion`.
    pub kind: &'static str,
    /// Label, package or directory.
    pub what: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Its end, seconds since 1970.
    pub until: u64,
    /// True when it has ended; null when the time is not known.
    pub ended: Option<bool>,
}

/// Something to look at.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What is there.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Advice {
    fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}

/// Which policy the text is, and what says so; nothing when it is none.
pub(super) fn text_form(bytes: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(bytes).ok()?;
    if text.trim_start().starts_with('{') {
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
        return avouch::is(&object)
            .then_some("it is JSON with the sections of an Avouch policy")
            .or_else(|| foreign::json_form(&object));
    }
    if ima_text::is(text) {
        return Some("its first rule begins with an action of IMA policies");
    }
    foreign::is_digest_list(text).then_some("its lines are digests and paths")
}

/// Reads a policy.
pub(super) fn read(bytes: &[u8], options: &Options) -> Reading {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Reading::not(Problem::new("policies are UTF-8 text, and this is not"));
    };
    if text.trim_start().starts_with('{') {
        return match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
            Ok(object) if foreign::json_form(&object).is_some() => foreign::read_json(&object, options),
            Ok(object) => avouch::read(bytes, &object, options),
            Err(error) => Reading::not(Problem::new(format!("not JSON: {error}"))),
        };
    }
    if !ima_text::is(text) && foreign::is_digest_list(text) {
        return foreign::read_list(text);
    }
    ima_text::read(bytes)
}

/// What the author of an Avouch policy should look at.
pub(crate) fn lint(bytes: &[u8], now: u64) -> Result<Vec<Advice>, String> {
    let object = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    avouch_appraise::Policy::parse(bytes).map_err(|error| error.to_string())?;
    Ok(avouch::facts(&object, Some(now)).lint)
}

impl PolicyFacts {
    pub(super) fn show(&self, page: &mut Page) {
        page.fact("format", self.format);
        self.version.iter().for_each(|version| page.fact("version", version.to_string()));
        self.name.iter().for_each(|name| page.fact("name", name));
        self.created.iter().for_each(|created| page.fact("created", created));
        self.reference.iter().for_each(|reference| page.fact("policy", reference));
        self.counts.iter().for_each(|(name, count)| page.fact(name, count.to_string()));
        if !self.windows.is_empty() {
            page.heading("Windows");
            let rows = self.windows.iter().map(|window| {
                let ended = match window.ended {
                    Some(true) => "ended",
                    Some(false) => "open",
                    None => "unknown",
                };
                let owner = window.owner.clone().unwrap_or_default();
                let until = crate::settings::timestamp(window.until);
                vec![window.kind.into(), window.what.clone(), until, ended.into(), owner]
            });
            page.table(&["kind", "what", "until", "", "owner"], rows);
        }
        if !self.hooks.is_empty() {
            page.heading("Measured");
            page.table(&["hook", "how much"], self.hooks.iter().map(|(hook, how)| vec![hook.clone(), (*how).into()]));
        }
        if !self.holes.is_empty() {
            page.heading("Holes");
            self.holes.iter().for_each(|hole| page.sign("?", hole));
        }
        if !self.lint.is_empty() {
            page.heading("To look at");
            self.lint.iter().for_each(|advice| page.sign("?", &format!("{}. {}", advice.what, advice.remedy)));
        }
        self.not_used.iter().for_each(|why| page.sign("?", why));
    }
}
