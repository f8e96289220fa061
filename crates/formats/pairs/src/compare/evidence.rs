//! V14: rules of [`crate::attribute`]'s `evidence`.

use alloc::format;
use alloc::string::String;

use super::{Case, Compared, Demand, Outcome, Role, lines};
use crate::attribute::*;
use crate::{Attribute, CauseHint, PairVerdict, Severity};

pub(super) fn role(attribute: Attribute) -> Option<Role> {
    Some(match attribute {
        UNIT_FRESHNESS => Role::anything(reload, fresh),
        LOAD_STATE => Role::Stated(load_state),
        MANAGER => Role::Stated(manager),
        VIEW => Role::anything(always, clear),
        CGROUP_HIERARCHY => Role::anything(always, hierarchy),
        AGENT_EXE | MANAGER_EXE | CONTAINER => Role::Shown,
        _ => return None,
    })
}

fn always(_: &Case<'_>) -> Demand {
    Demand { configured: true, ..Demand::default() }
}

fn reload(case: &Case<'_>) -> Demand {
    case.demand(|raw| match raw {
        "yes" => Some(Demand::of("reload needed")),
        "no" => Some(Demand::unset("as loaded")),
        _ => None,
    })
}

/// A unit's newest file: `USEC<tab>PATH`; the path of a directory ends with a slash.
struct Newest<'a> {
    modified: u64,
    path: &'a str,
    is_directory: bool,
}

impl<'a> Newest<'a> {
    fn parse(raw: &'a str) -> Option<Self> {
        let mut fields = raw.lines().next()?.split('\t');
        let (modified, path) = (fields.next()?.trim().parse().ok()?, fields.next()?);
        Some(Self { modified, path, is_directory: path.ends_with('/') })
    }

    fn is_after_start(&self, case: &Case<'_>) -> bool {
        let started = case.subject.identity.as_ref().map_or(0, |identity| identity.started_usec);
        started != 0 && self.modified > started
    }

    /// Whether systemd loaded the unit without it. A file of the same name in another folder stands in for a file;
    /// an old directory without files that were loaded may have been emptied since.
    fn is_unread(&self, case: &Case<'_>) -> bool {
        let Some(loaded) = case.stated(UNIT_FILES).filter(|loaded| !loaded.trim().is_empty()) else { return false };
        if self.is_directory {
            return self.is_after_start(case) && !loaded.lines().any(|known| known.starts_with(self.path));
        }
        let name = self.path.rsplit('/').next();
        !loaded.lines().any(|known| known == self.path || known.rsplit('/').next() == name)
    }
}

/// Whether a file of the unit changed after its processes started.
pub(crate) fn changed_since_start(case: &Case<'_>) -> bool {
    let newest = case.seen(UNIT_FRESHNESS).and_then(Newest::parse);
    case.yes(UNIT_FRESHNESS) || newest.is_some_and(|newest| newest.is_after_start(case))
}

fn fresh(case: &Case<'_>, demand: &Demand, raw: &str) -> Compared {
    if raw.trim().is_empty() || raw.trim() == "none" {
        let verdict = if demand.configured { PairVerdict::PendingRestart } else { PairVerdict::Match };
        return Compared::new("no file", verdict);
    }
    let Some(newest) = Newest::parse(raw) else { return Compared::odd(raw) };
    let norm: String = lines(raw);
    if demand.configured {
        return Compared::new(norm, PairVerdict::PendingRestart).note("systemd has not read the newest files yet");
    }
    if newest.is_unread(case) {
        let note = format!("systemd has not read {}", newest.path);
        return Compared::new(norm, PairVerdict::PendingRestart).note(note);
    }
    if changed_since_start(case) {
        return Compared::new(norm, PairVerdict::Match).note("changed after the unit's processes started");
    }
    Compared::new(norm, PairVerdict::Match)
}

fn load_state(case: &Case<'_>, raw: &str) -> Outcome {
    let active = case.subject.identity.as_ref().is_some_and(|identity| identity.active_state == "active");
    let stated = |verdict| Outcome::stated(raw, verdict);
    match raw {
        "loaded" | "merged" => stated(PairVerdict::Match),
        "masked" | "stub" => stated(PairVerdict::NotConfigured),
        "not-found" if !active => stated(PairVerdict::NotConfigured),
        "not-found" => Outcome {
            note: Some("it runs and its file is gone".into()),
            cause: Some(CauseHint::PendingRestart),
            ..stated(PairVerdict::PendingRestart)
        },
        "bad-setting" | "error" => Outcome {
            note: Some("systemd could not read the unit as it is written".into()),
            cause: Some(CauseHint::SwallowedError),
            ..stated(PairVerdict::KernelMissing)
        },
        _ => stated(PairVerdict::Unreadable),
    }
}

fn manager(_: &Case<'_>, raw: &str) -> Outcome {
    Outcome::stated(&lines(raw), PairVerdict::Match)
}

fn clear(_: &Case<'_>, _: &Demand, raw: &str) -> Compared {
    if raw.trim() == "none" {
        return Compared::new("none", PairVerdict::Match);
    }
    Compared::new(lines(raw), PairVerdict::KernelWeaker).severity(Severity::Critical)
}

fn hierarchy(_: &Case<'_>, _: &Demand, raw: &str) -> Compared {
    match raw.trim() {
        "unified" => Compared::new("unified", PairVerdict::Match),
        other => Compared::new(other, PairVerdict::NotSupported)
            .note("limits of units are read from cgroup v2 alone: boot with systemd.unified_cgroup_hierarchy=1"),
    }
}
