//! From keys and values to settings: the same checks for both forms.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use avouch_pairs::Level;
use avouch_protocol::Hash;
use data_encoding::BASE64;

use super::explain::{KEYS, Loaded};
use super::node::{Entry, Kind, Node};
use super::paths::{SecretPath, is_absolute};
use super::{
    DeploymentSetting, INTERVAL_RANGE, MOST_SERVICES, MOST_STALE_AFTER, PinnedBaseline, Profile, Service, Settings,
    SettingsError, SettingsWarning, SocketSettings, Webhook, stale_after,
};
use crate::duration::duration;
use crate::facts::DeploymentKind;
use crate::local_url::LocalUrl;

const ABSOLUTE: &str = "an absolute path";
const SECRET: &str = "an absolute path, or %d/NAME for a credential of the unit";
const PCRS: &str = "a section of PCR numbers 0 to 23, each once, with 64 hexadecimal digits";
const SERVICES: &str =
    "a section of names, each with the absolute path of a binary or with { path = \"...\", unit = \"...\" }";
const INTERVAL: &str = "a duration from 10s to 24h, e.g. \"5m\"";
const STALE: &str = "a duration not shorter than refresh_interval and at most 168h, e.g. \"10m30s\"";
const LEVELS: &str = "a list of levels \"V4\" to \"V14\"";
const DEPLOYMENT: &str = "\"auto\", \"none\", \"rpm-ostree\", \"ostree\", \"bootc\" or \"image\"";
const LISTEN: &str = "an address of this machine with a port, e.g. \"127.0.0.1:8505\", or \"none\"";
const TPM: &str = "`device:PATH`, or for a software TPM `unix:PATH` or `tcp:HOST:PORT`";
const URL: &str = "a URL of this machine, e.g. \"http://127.0.0.1:8515/api/v1/incidents/report\"";
const KEY: &str = "an Ed25519 public key in base64";
const IDS: &str = "a list of numbers";

type Applied = Result<(), SettingsError>;

/// Settings of `profile`, with what the file says instead of the defaults.
pub(super) fn load(
    entries: Vec<Entry>,
    profile: Profile,
    warnings: Vec<SettingsWarning>,
) -> Result<Loaded, SettingsError> {
    let mut settings = Settings::defaults(profile);
    let mut from_file = BTreeSet::new();
    for entry in &entries {
        apply(&mut settings, entry)?;
        from_file.extend(KEYS.iter().map(|key| key.name).filter(|name| *name == entry.key));
    }
    if !from_file.contains("stale_after") {
        settings.stale_after = stale_after(settings.refresh_interval);
    } else if !(settings.refresh_interval..=MOST_STALE_AFTER).contains(&settings.stale_after)
        && let Some(entry) = entries.iter().find(|entry| entry.key == "stale_after")
    {
        return Err(entry.value.refused("stale_after", STALE));
    }
    if settings.listen.is_none() && settings.socket.is_none() {
        let line = entries.iter().find(|entry| entry.key == "listen").map_or(1, |entry| entry.line);
        return Err(SettingsError::Incomplete { line, key: "socket" });
    }
    Ok(Loaded { settings, warnings, from_file })
}

fn apply(settings: &mut Settings, entry: &Entry) -> Applied {
    let Entry { key, value, line } = entry;
    let key = key.as_str();
    match key {
        "version" => version(value)?,
        "require_tpm" => settings.require_tpm = value.flag(key)?,
        "require_secure_boot" => settings.require_secure_boot = value.flag(key)?,
        "require_quote" => settings.require_quote = value.flag(key)?,
        "require_levels" => settings.require_levels = levels(value)?,
        "expected_pcrs" => settings.expected_pcrs = pcrs(value)?,
        "service_binaries" => settings.service_binaries = services(value, settings.profile)?,
        "policy_files" => settings.policy_files = files(value)?,
        "refresh_interval" => settings.refresh_interval = interval(value)?,
        "stale_after" => settings.stale_after = time("stale_after", value, STALE)?,
        "latch_failed" => settings.latch_failed = value.flag(key)?,
        "ask_server" => settings.ask_server = value.flag(key)?,
        "deployment" => settings.deployment = deployment(value)?,
        "registry_manifest_path" => settings.registry_manifest_path = Some(path(key, value)?),
        "hmac_key_path" => settings.hmac_key_path = secret(key, value)?,
        "token_path" => settings.token_path = secret(key, value)?,
        "audit_log_path" => settings.audit_log_path = path(key, value)?,
        "state_dir" => settings.state_dir = path(key, value)?,
        "tpm" => settings.tpm = tpm(value)?,
        "collector" => settings.collector = path(key, value)?,
        "listen" => settings.listen = listen(value)?,
        "baseline" => settings.baseline = Some(baseline(*line, value)?),
        "socket" => settings.socket = Some(socket(*line, value)?),
        "webhook" => settings.webhook = Some(webhook(*line, value)?),
        _ => return Err(unknown(*line, key.to_owned())),
    }
    Ok(())
}

fn unknown(line: usize, key: String) -> SettingsError {
    let likeness = |known: &&str| (strsim::jaro_winkler(known, &key) * 1000.0).round().to_bits();
    let nearest = KEYS.iter().map(|key| key.name).max_by_key(likeness).unwrap_or("");
    SettingsError::UnknownKey { line, key, nearest }
}

fn version(value: &Node) -> Applied {
    match value.kind {
        Kind::Number(1) => Ok(()),
        _ => Err(value.refused("version", "1")),
    }
}

fn time(key: &str, value: &Node, wanted: &'static str) -> Result<Duration, SettingsError> {
    duration(value.text(key, wanted)?).map_err(|_| value.refused(key, wanted))
}

fn interval(value: &Node) -> Result<Duration, SettingsError> {
    let read = time("refresh_interval", value, INTERVAL)?;
    let range = Duration::from_secs(*INTERVAL_RANGE.start())..=Duration::from_secs(*INTERVAL_RANGE.end());
    if range.contains(&read) { Ok(read) } else { Err(value.refused("refresh_interval", INTERVAL)) }
}

fn path(key: &str, value: &Node) -> Result<PathBuf, SettingsError> {
    let text = value.text(key, ABSOLUTE)?;
    if is_absolute(text) { Ok(text.into()) } else { Err(value.refused(key, ABSOLUTE)) }
}

fn secret(key: &str, value: &Node) -> Result<SecretPath, SettingsError> {
    SecretPath::parse(value.text(key, SECRET)?).ok_or_else(|| value.refused(key, SECRET))
}

fn files(value: &Node) -> Result<Vec<PathBuf>, SettingsError> {
    let mut files: Vec<PathBuf> = Vec::new();
    for file in value.list("policy_files", "a list of absolute paths, each once")? {
        let read = path("policy_files", file)?;
        if files.contains(&read) {
            return Err(file.refused("policy_files", "a list of absolute paths, each once"));
        }
        files.push(read);
    }
    Ok(files)
}

fn pcrs(value: &Node) -> Result<BTreeMap<u8, Hash>, SettingsError> {
    let mut pcrs = BTreeMap::new();
    for Entry { key, value, line } in value.section("expected_pcrs", PCRS)? {
        let name = format!("expected_pcrs.{key}");
        let digits = !key.is_empty() && key.len() <= 2 && key.bytes().all(|byte| byte.is_ascii_digit());
        let pcr = key.parse::<u8>().ok().filter(|pcr| digits && *pcr < 24);
        let text = value.text(&name, PCRS)?;
        let text = text.strip_prefix("0x").or(text.strip_prefix("0X")).unwrap_or(text);
        let (Some(pcr), Some(wanted)) = (pcr, Hash::from_hex(text)) else { return Err(value.refused(&name, PCRS)) };
        // "7" and "07" are one PCR.
        if pcrs.insert(pcr, wanted).is_some() {
            return Err(SettingsError::Value { line: *line, key: name, wanted: PCRS, got: "a second value".into() });
        }
    }
    Ok(pcrs)
}

fn services(value: &Node, profile: Profile) -> Result<BTreeMap<String, Service>, SettingsError> {
    let mut services = BTreeMap::new();
    let entries = value.section("service_binaries", SERVICES)?;
    if entries.len() > MOST_SERVICES {
        return Err(value.refused("service_binaries", "a section of at most 1000 services"));
    }
    for Entry { key, value, line } in entries {
        let name = format!("service_binaries.{key}");
        let plain = !key.is_empty() && key.len() <= 200 && !key.chars().any(char::is_control);
        let service = match &value.kind {
            Kind::Text(text) if plain && is_absolute(text) => Service { path: text.into(), unit: profile.unit_of(key) },
            Kind::Section(entries) if plain => service(*line, &name, key, entries, profile)?,
            _ => return Err(value.refused(&name, SERVICES)),
        };
        services.insert(key.clone(), service);
    }
    Ok(services)
}

fn service(line: usize, name: &str, key: &str, entries: &[Entry], profile: Profile) -> Result<Service, SettingsError> {
    let (mut binary, mut unit) = (None, None);
    for entry in entries {
        let name = format!("{name}.{}", entry.key);
        match entry.key.as_str() {
            "path" => binary = Some(path(&name, &entry.value)?),
            "unit" => {
                let wanted = "a unit's full name, e.g. \"nginx.service\"";
                let text = entry.value.text(&name, wanted)?;
                if !text.contains('.') || text.contains('/') || text.len() > 255 {
                    return Err(entry.value.refused(&name, wanted));
                }
                unit = Some(text.to_owned());
            }
            _ => return Err(unknown(entry.line, name)),
        }
    }
    let path = binary.ok_or(SettingsError::Incomplete { line, key: "path" })?;
    Ok(Service { path, unit: unit.unwrap_or_else(|| profile.unit_of(key)) })
}

fn levels(value: &Node) -> Result<Vec<Level>, SettingsError> {
    let mut levels = Vec::new();
    for value in value.list("require_levels", LEVELS)? {
        let text = value.text("require_levels", LEVELS)?;
        let level = Level::ALL.into_iter().find(|level| *level > Level::V3 && level.to_string() == text);
        levels.push(level.ok_or_else(|| value.refused("require_levels", LEVELS))?);
    }
    levels.sort_unstable();
    levels.dedup();
    Ok(levels)
}

fn deployment(value: &Node) -> Result<DeploymentSetting, SettingsError> {
    Ok(match value.text("deployment", DEPLOYMENT)? {
        "auto" => DeploymentSetting::Auto,
        "none" => DeploymentSetting::None,
        "rpm-ostree" => DeploymentSetting::Of(DeploymentKind::RpmOstree),
        "ostree" => DeploymentSetting::Of(DeploymentKind::Ostree),
        "bootc" => DeploymentSetting::Of(DeploymentKind::Bootc),
        "image" => DeploymentSetting::Of(DeploymentKind::Image),
        _ => return Err(value.refused("deployment", DEPLOYMENT)),
    })
}

fn tpm(value: &Node) -> Result<String, SettingsError> {
    let text = value.text("tpm", TPM)?;
    let good = match text.split_once(':') {
        Some(("device" | "unix", path)) => is_absolute(path),
        Some(("tcp", peer)) => peer.contains(':'),
        _ => false,
    };
    if good { Ok(text.to_owned()) } else { Err(value.refused("tpm", TPM)) }
}

/// An address of this machine only: the answers would tell everybody else what to attack.
fn listen(value: &Node) -> Result<Option<SocketAddr>, SettingsError> {
    let text = value.text("listen", LISTEN)?;
    if text == "none" {
        return Ok(None);
    }
    let address = text.parse::<SocketAddr>().ok().filter(|address| address.ip().is_loopback() && address.port() != 0);
    address.map(Some).ok_or_else(|| value.refused("listen", LISTEN))
}

fn baseline(line: usize, value: &Node) -> Result<PinnedBaseline, SettingsError> {
    let (mut file, mut key) = (None, None);
    for entry in value.section("baseline", "a section with path and key")? {
        match entry.key.as_str() {
            "path" => file = Some(path("baseline.path", &entry.value)?),
            "key" => {
                let bytes = BASE64.decode(entry.value.text("baseline.key", KEY)?.as_bytes()).unwrap_or_default();
                key = Some(bytes.try_into().map_err(|_| entry.value.refused("baseline.key", KEY))?);
            }
            other => return Err(unknown(entry.line, format!("baseline.{other}"))),
        }
    }
    // A baseline that anybody may have written is none.
    let missing = |key| SettingsError::Incomplete { line, key };
    Ok(PinnedBaseline { path: file.ok_or(missing("baseline.path"))?, key: key.ok_or(missing("baseline.key"))? })
}

fn socket(line: usize, value: &Node) -> Result<SocketSettings, SettingsError> {
    let (mut file, mut uids, mut gids) = (None, Vec::new(), Vec::new());
    for entry in value.section("socket", "a section with path, uids and gids")? {
        match entry.key.as_str() {
            "path" => file = Some(path("socket.path", &entry.value)?),
            "uids" => uids = ids("socket.uids", &entry.value)?,
            "gids" => gids = ids("socket.gids", &entry.value)?,
            other => return Err(unknown(entry.line, format!("socket.{other}"))),
        }
    }
    let path = file.ok_or(SettingsError::Incomplete { line, key: "socket.path" })?;
    Ok(SocketSettings { path, uids, gids })
}

fn ids(key: &str, value: &Node) -> Result<Vec<u32>, SettingsError> {
    let id = |value: &Node| match value.kind {
        Kind::Number(number) => u32::try_from(number).map_err(|_| value.refused(key, IDS)),
        _ => Err(value.refused(key, IDS)),
    };
    value.list(key, IDS)?.iter().map(id).collect()
}

fn webhook(line: usize, value: &Node) -> Result<Webhook, SettingsError> {
    let (mut url, mut token_path) = (None, None);
    for entry in value.section("webhook", "a section with url and token_path")? {
        match entry.key.as_str() {
            "url" => {
                let text = entry.value.text("webhook.url", URL)?;
                let refused = |why| SettingsError::Webhook { line: entry.value.line, got: entry.value.shown(), why };
                url = Some(LocalUrl::read(text).map_err(refused)?);
            }
            "token_path" => token_path = Some(secret("webhook.token_path", &entry.value)?),
            other => return Err(unknown(entry.line, format!("webhook.{other}"))),
        }
    }
    Ok(Webhook { url: url.ok_or(SettingsError::Incomplete { line, key: "webhook.url" })?, token_path })
}
